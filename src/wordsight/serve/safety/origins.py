"""Which names the server answers to, and which pages may ask: against DNS rebinding and requests forged by other sites.

    sites = Sites(settings)
    host = sites.check_host(headers)                 # "127.0.0.1:7070", else `Refused`
    sites.check_origin(headers, host, page=False)

A browser sends `Host` with the name in its address bar, and no site can change it: a foreign name that was made to lead
here is refused.  It sends `Origin` with what changes something, and `Sec-Fetch-Site` with everything: what another
site's page asks is refused, also where it cannot read the answer.  Programs send neither.
"""

import ipaddress
import re
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING

from wordsight.base.errors import UsageError
from wordsight.serve.errors import Refused

if TYPE_CHECKING:
    from wordsight.serve.settings import ServeSettings

_HOST = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9_.-]{1,253})(?::(\d{1,5}))?")
_ORIGIN = re.compile(r"(https?)://(\[[0-9a-f:.]{2,45}\]|[a-z0-9_.-]{1,253})(?::(\d{1,5}))?/?")
_LOCAL = ("localhost", "127.0.0.1", "::1")
_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104  (compared with, not bound)


class Sites:
    """Names of this server, and the origins that may ask it."""

    def __init__(self, settings: "ServeSettings") -> None:
        given = [_allowed_name(one) for one in settings.safety.allow_hosts]
        self._any = "*" in given
        self._names = {*_LOCAL, settings.host.lower(), *given} - {""}
        self._numbers = settings.host in _EVERYWHERE  # it has addresses that we do not know
        if not settings.is_local:
            own = socket.gethostname().lower()
            self._names |= {own, own.partition(".")[0], f"{own.partition('.')[0]}.local"} - {"", ".local"}
        self.origins = frozenset(_origin(one) for one in settings.safety.allow_origins)

    def check_host(self, headers: Mapping[bytes, bytes]) -> str:
        """Return the Host header, in small letters; `Refused` where it is none of ours."""
        host = headers.get(b"host", b"").decode("latin-1").lower()
        match = _HOST.fullmatch(host)
        if match is None:
            raise Refused(400, f"Host {host[:80]!r}", cure="send the name of the server, and its port")
        name = match[1].strip("[]").removesuffix(".")
        if not (self._any or name in self._names or (self._numbers and _is_number(name))):
            cure = f"whoever runs the server may allow it with --allow-host {name[:80]}"
            raise Refused(421, f"the server is not called {name[:80]!r}", cure=cure)
        return host

    def check_origin(self, headers: Mapping[bytes, bytes], host: str, *, page: bool) -> None:
        """Refuse what pages of other sites ask; a link of theirs may lead to a `page`."""
        origin = headers.get(b"origin", b"").decode("latin-1").lower()
        if origin in self.origins:
            return
        if origin:
            scheme, _, authority = origin.partition("://")
            if scheme not in ("http", "https") or authority != host:
                cure = "whoever runs the server may allow it with --allow-origin"
                raise Refused(403, f"a page of {origin[:80]!r} asks", cure=cure)
            return
        site = headers.get(b"sec-fetch-site", b"none").decode("latin-1").lower()
        if site not in ("none", "same-origin") and not (page and headers.get(b"sec-fetch-mode") == b"navigate"):
            raise Refused(403, f"a page of another site asks ({site[:20]})", cure="open the server's own page")


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _origin(given: str) -> str:
    """Return an origin as browsers write it."""
    parts = _ORIGIN.fullmatch(given.lower())
    if parts is None or (parts[3] and not 0 < int(parts[3]) < 65536):
        raise UsageError(f"--allow-origin {given}", cure="give it as browsers do: https://photos.example.org")
    usual = "443" if parts[1] == "https" else "80"
    return f"{parts[1]}://{parts[2]}" + (f":{parts[3]}" if parts[3] not in (None, usual) else "")


def _allowed_name(given: str) -> str:
    """Return a name of `--allow-host` as it is compared: without a port, as a Host header has it."""
    name = given.lower()
    parts = _HOST.fullmatch(name if name.count(":") < 2 or name.startswith("[") else f"[{name}]")
    if name != "*" and (parts is None or parts[2]):
        raise UsageError(f"--allow-host {given}", cure="give a name alone, such as photos.example.org, or * for any")
    return name.strip("[]")
