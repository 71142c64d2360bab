"""A browser's session: a cookie that stands for a key, so that images and links carry it.

    sessions = Sessions(secret)
    value = sessions.start(key)                # of the cookie
    sessions.key_id(value)                     # the `ApiKey.id`, None where it is not ours or over

The cookie names the key by its `ApiKey.id` and is signed, so that every worker process knows it.  It ends with its key,
with its time, and with the server; scripts cannot read it, and no other site can have it sent.  Worker processes share
a folder with an empty file for each session that was ended.
"""

import contextlib
import hmac
import time
from collections.abc import Mapping
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wordsight.serve.safety.keys import ApiKey

SECONDS = 12 * 3600
ENDED = 10_000  # sessions that were ended and are remembered, the newest


class Sessions:
    """Signs and checks sessions; those that were ended are remembered until their time is over.

    `ended` is the folder in which all processes remember them; None: this process alone.
    """

    def __init__(self, secret: bytes, ended: Path | None = None) -> None:
        self._secret = secret
        self._folder = ended
        self._ended: dict[str, float] = {}

    def start(self, key: "ApiKey") -> str:
        """Return the value of a cookie that stands for a key."""
        stands_for = f"{key.id}.{int(time.time() + SECONDS)}"
        return f"{stands_for}.{self._signature(stands_for)}"

    def key_id(self, value: str) -> str | None:
        """Return the `ApiKey.id` of a cookie, None where it is not ours or over."""
        stands_for, _, signature = value.rpartition(".")
        identity, _, end = stands_for.partition(".")
        if not value.isascii() or not hmac.compare_digest(signature, self._signature(stands_for)):
            return None
        if int(end) <= time.time() or value in self._ended:
            return None
        return None if self._folder is not None and (self._folder / _file_of(value)).exists() else identity

    def end(self, value: str) -> None:
        """Let a session be over."""
        if self.key_id(value) is not None:
            self._ended[value] = time.time()
            while len(self._ended) > ENDED:
                del self._ended[next(iter(self._ended))]
            if self._folder is not None:
                _forget(self._folder)
                (self._folder / _file_of(value)).touch()

    def _signature(self, stands_for: str) -> str:
        return hmac.new(self._secret, stands_for.encode("utf-8", "replace"), sha256).hexdigest()


def _file_of(value: str) -> str:
    return sha256(value.encode("ascii")).hexdigest()


def _forget(folder: Path) -> None:
    """Delete what is remembered of sessions whose time is over, and the oldest of too many."""
    times: list[tuple[float, Path]] = []
    for one in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another process forgot it
            times.append((one.stat().st_mtime, one))
    times.sort(reverse=True)
    for number, (ended, one) in enumerate(times):
        if number >= ENDED - 1 or ended + SECONDS < time.time():
            one.unlink(missing_ok=True)


def cookie_name(scope: Mapping[str, Any]) -> str:
    """Return the name of the cookie: browsers share cookies between the ports of a host, so the port is in it."""
    server = scope.get("server")
    return f"wordsight-{server[1]}" if isinstance(server, tuple | list) else "wordsight"


def session_of(cookies: str, name: str) -> str:
    """Return the session that a Cookie header holds, "" for none."""
    if name not in cookies:
        return ""
    try:
        parsed = SimpleCookie(cookies)
    except CookieError:
        return ""
    return parsed[name].value if name in parsed else ""
