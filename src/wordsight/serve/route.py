"""A route: what is asked at which address, who may ask, and the function that answers.

    Route("POST", "/api/embed", "wordsight.serve.own.embedding:embed", asks=EmbedRequest, answers=EmbedAnswer, ...)

    async def embed(call: HttpCall[EmbedRequest]) -> EmbedAnswer: ...

A handler is imported when it is first asked.  `asks` and `answers` are `msgspec.Struct`s: what comes is checked
against the first, and both make the OpenAPI document.  A handler may return a Starlette response instead.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

if TYPE_CHECKING:
    from starlette.requests import Request

    from wordsight.serve.hosting.host import Host

_Asked = TypeVar("_Asked")
KeyScope = Literal["open", "read", "write"]
ErrorShape = Callable[[int, str, str], Mapping[str, Any]]  # status, problem, cure -> the body of an error


@dataclass(frozen=True, slots=True)
class HttpCall(Generic[_Asked]):
    """One request: what was asked, typed, with the parts of the path and what is served."""

    asked: _Asked
    path: Mapping[str, str]
    host: "Host"
    request: "Request"


def own_shape(status: int, problem: str, cure: str) -> Mapping[str, Any]:
    """Return an error as our own API gives it."""
    return {"error": {"status": status, "problem": problem, "cure": cure}}


@dataclass(frozen=True, slots=True)
class Route:
    """`method` GET takes what it asks from the query string, POST from a JSON body unless `body` says otherwise.

    `body`: "json"; "raw" leaves it to the handler, which reads `call.request`.  `scope`: "open" needs no key, "read"
    and "write" one that may.  `group` is the heading in the documentation, `shape` how errors look.  `produces` is the
    media type of an answer that is not JSON, `consumes` that of a raw body: a form's fields are those of `asks`, files
    among them bytes.  `seconds`: a time of its own until an answer has to be there.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    handler: str
    summary: str
    asks: Any = None
    answers: Any = None
    scope: KeyScope = "read"
    body: Literal["json", "raw"] = "json"
    group: str = "library"
    shape: ErrorShape = own_shape
    produces: str = "application/json"
    consumes: str = "application/json"
    statuses: Mapping[int, str] = field(default_factory=dict)
    seconds: float | None = None
