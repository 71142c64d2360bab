"""The layers around all routes, from outside to inside: (ASGI application, host) -> one around it.

Every answer has headers that keep a browser from doing more with it than we mean; bodies are counted as they come;
pages of other sites that were allowed get their answers.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from wordsight.serve.safety.sizes import counted

if TYPE_CHECKING:
    from wordsight.serve.hosting.host import Host

_PAGE = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_DATA = (
    b"default-src 'none'; style-src 'unsafe-inline'; sandbox; base-uri 'none'; form-action 'none'; "
    b"frame-ancestors 'none'"
)
_CODE = (b"text/html", b"text/javascript")  # a worker has the policy that its script came with
_POLICY = b"content-security-policy"
_FEATURES = ("accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "microphone", "payment", "usb")
HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"permissions-policy", ", ".join(f"{one}=()" for one in _FEATURES).encode()),
)
_HELD = {name for name, _ in HEADERS}
_ALLOWED = (
    (b"access-control-allow-methods", b"GET, POST, PUT, DELETE"),
    (b"access-control-allow-headers", b"authorization, content-type, x-api-key"),
    (b"access-control-max-age", b"600"),
)


def answer_headers(app: Any, host: "Host") -> Any:
    """Add the headers that every answer has; one that is not said to be kept is not kept."""

    async def headed(scope: Any, receive: Any, send: Any) -> None:
        async def send_headed(message: Any) -> None:
            if message["type"] == "http.response.start":
                keyed = host.safety.keys.in_force
                headers = _headed(message.get("headers", ()), keyed=keyed, kept=message["status"] == 304)
                message = {**message, "headers": headers}
            await send(message)

        await app(scope, receive, send_headed if scope["type"] == "http" else send)

    return headed


def _headed(given: Any, *, keyed: bool, kept: bool) -> list[tuple[bytes, bytes]]:
    """Return headers with ours; an answer that the browser has `kept` stays under the policy it came with."""
    kind, policy, keeping = b"", kept, None
    headers = []
    for name, value in given:
        name = name.lower()
        if name == b"content-type":
            kind = value.partition(b";")[0].strip()
        elif name == _POLICY:
            policy = True
        elif name == b"cache-control":
            keeping = value
            continue
        if name not in _HELD:
            headers.append((name, value))
    headers += HEADERS
    if not policy:
        headers.append((_POLICY, _PAGE if kind in _CODE else _DATA))
    headers.append((b"cache-control", _cached(keeping, keyed=keyed)))
    return headers


def _cached(kept: bytes | None, *, keyed: bool) -> bytes:
    """Return how an answer may be kept: not at all unless its handler says so; by no proxy where keys are needed."""
    if kept is None:
        return b"no-store"
    if keyed and not any(word in kept for word in (b"private", b"no-store")):
        return b"private, " + kept.replace(b"public, ", b"").replace(b"public", b"no-cache")
    return kept


def counted_bodies(app: Any, host: "Host") -> Any:
    """Refuse a body as soon as it is longer than the limit, whoever reads it."""
    most = host.settings.limits.body

    async def counting(scope: Any, receive: Any, send: Any) -> None:
        await app(scope, counted(receive, most) if scope["type"] == "http" else receive, send)

    return counting


def allowed_origins(app: Any, host: "Host") -> Any:
    """Let pages of the allowed origins read answers, and ask before they ask; nobody else gets such headers."""
    origins = {one.encode("latin-1") for one in host.safety.sites.origins}
    if not origins:
        return app

    async def allowing(scope: Any, receive: Any, send: Any) -> None:
        origin = next((value for name, value in scope.get("headers", ()) if name == b"origin"), b"").lower()
        if origin not in origins:
            await app(scope, receive, send)
            return
        shared = [(b"access-control-allow-origin", origin), (b"vary", b"origin")]

        async def send_shared(message: Any) -> None:
            if message["type"] == "http.response.start":
                others = [(name, value) for name, value in message["headers"] if name.lower() != b"vary"]
                message = {**message, "headers": [*others, *shared]}
            await send(message)

        if scope["method"] == "OPTIONS":
            await send({"type": "http.response.start", "status": 204, "headers": [*shared, *_ALLOWED]})
            await send({"type": "http.response.body", "body": b""})
        else:
            await app(scope, receive, send_shared)

    return allowing


LAYERS: tuple[Callable[[Any, Any], Any], ...] = (answer_headers, allowed_origins, counted_bodies)
