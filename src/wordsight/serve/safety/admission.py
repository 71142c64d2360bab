"""Whether a request is answered: from where it comes, how large it is, whose key it carries, how often.

    safety = Admission(settings)
    safety.admit(route, request)                 # `Refused`, or the request carries who asks
    asker_of(request).scopes                     # frozenset({"read"})

Called with the route that answers, so that no other scope can be checked than that of the handler which then runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wordsight.base.errors import UsageError
from wordsight.serve.errors import Refused
from wordsight.serve.safety.fetching import Fetching
from wordsight.serve.safety.keys import SCOPES, ApiKey, KeyRing
from wordsight.serve.safety.origins import Sites
from wordsight.serve.safety.rates import Rates
from wordsight.serve.safety.sessions import Sessions, cookie_name, session_of
from wordsight.serve.safety.shown import roots_of, without_paths
from wordsight.serve.safety.sizes import check_sizes, checked_headers

if TYPE_CHECKING:
    from starlette.requests import Request

    from wordsight.serve.route import Route
    from wordsight.serve.settings import ServeSettings

_ASKER = "wordsight.asker"
FILES = ("/api/libraries/{library}/thumbnails/", "/api/libraries/{library}/originals/")  # one search brings dozens


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: the name of the key, "" without one, what it may, and the key itself."""

    name: str
    scopes: frozenset[str]
    key: ApiKey | None = field(default=None, repr=False)


EVERYBODY = Asker("", SCOPES["write"])  # where no key is needed
NOBODY = Asker("", frozenset())
PROBES = ("/health", "/ready")  # that tell nothing but that


def asker_of(request: "Request") -> Asker:
    """Return who asks, as `Admission.admit` noted it."""
    asker = request.scope.get(_ASKER, NOBODY)
    assert isinstance(asker, Asker)
    return asker


class Admission:
    """What one process knows of those who ask."""

    def __init__(self, settings: "ServeSettings") -> None:
        self._settings = settings
        self.keys = KeyRing(settings.keys, settings.safety.key_hashes)
        self.sessions = Sessions(settings.safety.secret, settings.safety.ended)
        self.sites = Sites(settings)
        self.fetching = Fetching()
        self._rates = Rates(settings.safety.rates)
        self._roots = roots_of(settings)

    def admit(self, route: "Route", request: "Request") -> None:
        """Note who asks; `Refused` where the request is not answered."""
        scope = request.scope
        if scope.get("wordsight.absolute"):
            raise Refused(400, "a whole URL as the target", cure="send the path, and the name as Host")
        headers = checked_headers(scope, self._settings.safety.connections)
        host = "" if _is_probe(route, scope, headers) else self.sites.check_host(headers)
        page = route.method == "GET" and route.scope == "open" and route.produces == "text/html"
        self.sites.check_origin(headers, host, page=page)
        check_sizes(scope, headers, self._settings)
        if route.body == "json" and route.asks is not None and scope["method"] in ("POST", "PUT"):
            _check_kind(headers)
        scope[_ASKER] = self._asker(route, headers, cookie_name(scope))

    def _asker(self, route: "Route", headers: dict[bytes, bytes], cookie: str) -> Asker:
        if not self.keys.in_force:
            return EVERYBODY
        key = self._key(headers, cookie)
        if route.scope == "open":
            return NOBODY if key is None else Asker(key.name, key.scopes, key)
        if key is None:
            raise Refused(
                401,
                "no key, or one that is wrong or over",
                cure="send it as Authorization: Bearer KEY",
                headers={"www-authenticate": 'Bearer realm="wordsight"'},
            )
        if route.scope not in key.scopes:
            raise Refused(
                403,
                f"the key {key.name!r} may not {route.scope}",
                cure=f"ask for one with --scope {route.scope}",
                headers={"www-authenticate": f'Bearer error="insufficient_scope", scope="{route.scope}"'},
            )
        asker = Asker(key.name, key.scopes, key)
        if is_counted(route):
            self.count(asker)
        return asker

    def count(self, asker: Asker) -> None:
        """Count a request towards the limit of a key; `Refused` where that is reached."""
        if asker.key is not None and (wait := self._rates.take(asker.key)):
            raise Refused(
                429,
                f"more than {asker.key.per_minute} requests a minute that compute or search",
                cure="ask again later",
                after=wait,
            )

    def _key(self, headers: dict[bytes, bytes], cookie: str) -> ApiKey | None:
        """Return the key that a request carries; the first of the three ways decides."""
        kind, _, bearer = headers.get(b"authorization", b"").strip().partition(b" ")
        if kind.lower() == b"bearer":
            return self.keys.find(bearer.strip().decode("latin-1"))
        if b"x-api-key" in headers:
            return self.keys.find(headers[b"x-api-key"].strip().decode("latin-1"))
        session = session_of(headers.get(b"cookie", b"").decode("latin-1"), cookie)
        identity = self.sessions.key_id(session) if session else None
        return None if identity is None else self.keys.with_id(identity)

    def without_paths(self, text: str) -> str:
        """Return a message that has no path of the server."""
        return without_paths(self._roots, text)


def is_counted(route: "Route") -> bool:
    """Return whether a request of this route counts towards a key's limit: files and the server itself do not."""
    is_file = route.method == "GET" and route.path.startswith(FILES)
    return not is_file and route.group not in ("page", "server")


def _check_kind(headers: dict[bytes, bytes]) -> None:
    """Refuse a browser's body that is not called JSON: any page may have forms sent, to anywhere, without asking."""
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if b"origin" in headers and kind != b"application/json":
        raise Refused(415, "a body that is not called JSON", cure="send content-type: application/json")


def require_keys(settings: "ServeSettings") -> None:
    """Refuse to serve beyond this machine without keys, unless that is said."""
    safety = settings.safety
    if settings.is_local or safety.no_key or safety.key_hashes or settings.keys is not None:
        return
    raise UsageError(
        f"--host {settings.host} without keys: whoever reaches it could read all and change all",
        cure="make a key with wordsight serve --new-key NAME --keys FILE and serve with --keys FILE, or give --no-key",
    )


def _is_probe(route: "Route", scope: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> bool:
    """Return whether a simple probe asks for what is no secret: HTTP/1.0 needs no Host."""
    return route.path in PROBES and b"host" not in headers and scope.get("http_version") == "1.0"
