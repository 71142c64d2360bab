"""What goes wrong while a request is answered, and the HTTP status of every error.

status_of(NotFound("no image 'x'"))     # 404
"""

from collections.abc import Mapping

from wordsight.base.errors import (
    FingerprintMismatch,
    FormatError,
    InUse,
    MissingExtra,
    NotFound,
    StorageError,
    TooManyPixels,
    UnknownModel,
    WordsightError,
)


class Refused(WordsightError):
    """A request that is not answered, with its status; `after`: seconds until it is worth asking again.

    `headers` are those that belong to the status, as WWW-Authenticate to 401.
    """

    def __init__(
        self,
        status: int,
        problem: str,
        *,
        cure: str = "",
        after: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(problem, cure=cure)
        self.status = status
        self.after = after
        self.headers = dict(headers or {})


class Overloaded(Refused):
    """More waits than can be answered in time."""

    def __init__(self, problem: str, *, after: float = 1.0) -> None:
        super().__init__(503, problem, cure="ask again later, or serve with more workers", after=after)


class Expired(Refused):
    """The time of a request is over."""

    def __init__(self, seconds: float) -> None:
        super().__init__(504, f"no answer within {seconds:g} s", cure="ask for less at once, or again later")


STATUSES: tuple[tuple[type[WordsightError], int], ...] = (  # the first that fits; any other is 400
    (NotFound, 404),
    (UnknownModel, 404),
    (TooManyPixels, 413),
    (InUse, 409),
    (FingerprintMismatch, 409),
    (MissingExtra, 501),
    (StorageError, 507),
    (FormatError, 500),
)


def status_of(error: WordsightError) -> int:
    """Return the HTTP status of an error."""
    if isinstance(error, Refused):
        return error.status
    return next((status for kind, status in STATUSES if isinstance(error, kind)), 400)
