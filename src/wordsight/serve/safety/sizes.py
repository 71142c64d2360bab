"""Requests that are too large, or of a kind that grows when it is opened, are refused before anything is decoded.

    headers = checked_headers(scope, limits)           # each name once, those that decide something
    check_sizes(scope, headers, settings)
    receive = counted(receive, most)                   # the body, refused as soon as it is longer
    async with opened_form(request, host) as form: ... # few parts, and files that are closed behind it

Knows lengths only: what images and texts may be is decided where they are known.
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from wordsight.serve.errors import Refused
from wordsight.serve.safety.settings import ConnectionLimits

if TYPE_CHECKING:
    from starlette.datastructures import FormData
    from starlette.requests import Request

    from wordsight.serve.hosting.host import Host
    from wordsight.serve.settings import ServeSettings

Receive = Callable[[], Awaitable[Any]]
_ONCE = frozenset(  # two of them, and two programs on the way may believe different ones
    f"content-{part}".encode() for part in ("length", "type", "encoding")
) | {b"host", b"origin", b"authorization", b"x-api-key", b"transfer-encoding", b"range", b"sec-fetch-site"}
FIELDS, FIELD_SIZE = 100, 1 << 20  # of a form that are no files; bytes of one


def checked_headers(scope: Mapping[str, Any], limits: ConnectionLimits) -> dict[bytes, bytes]:
    """Return the headers by name; `Refused` for too many, too long ones, and a second of those that come once."""
    headers: dict[bytes, bytes] = {}
    size = 0
    given = scope["headers"]
    if len(given) > limits.headers:
        raise Refused(431, f"{len(given)} headers", cure=f"send at most {limits.headers}")
    for name, value in given:
        size += len(name) + len(value) + 4
        if name in headers and name in _ONCE:
            raise Refused(400, f"two headers {name.decode('latin-1')}", cure="send one")
        headers[name] = headers[name] + b"; " + value if name == b"cookie" and name in headers else value
    if size > limits.header_bytes:
        raise Refused(431, f"headers of {size:,} bytes", cure=f"send at most {limits.header_bytes:,}")
    return headers


def check_sizes(scope: Mapping[str, Any], headers: Mapping[bytes, bytes], settings: "ServeSettings") -> None:
    """Refuse an address or a stated body that is too long, and a body that is packed."""
    most = settings.safety.connections.target
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > most:
        raise Refused(414, f"an address of more than {most:,} bytes", cure="send it in the body")
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise Refused(415, "a body that is packed", cure="send it without Content-Encoding")
    stated = headers.get(b"content-length", b"0")
    if not stated.isdigit():
        raise Refused(400, "a Content-Length that is no number", cure="send how many bytes the body has")
    if len(stated) > 18 or int(stated) > settings.limits.body:
        raise too_large(settings.limits.body)


def too_large(most: int) -> Refused:
    """Return the refusal of a body."""
    return Refused(413, f"a body of more than {most:,} bytes", cure="send less at once")


def counted(receive: Receive, most: int) -> Receive:
    """Return what receives a body, and refuses it as soon as it is longer than `most` bytes, stated or not."""
    size = 0

    async def receive_counted() -> Any:
        nonlocal size
        message = await receive()
        if message["type"] == "http.request":
            size += len(message.get("body", b""))
            if size > most:
                raise too_large(most)
        return message

    return receive_counted


@contextlib.asynccontextmanager
async def opened_form(request: "Request", host: "Host") -> AsyncIterator["FormData"]:
    """Give a form of files and fields; `Refused` for more files than images of a request, and too many fields."""
    from starlette.exceptions import HTTPException
    from starlette.formparsers import MultiPartException

    most = host.settings.limits.images
    try:
        form = await request.form(max_files=most, max_fields=FIELDS, max_part_size=FIELD_SIZE)
    except (HTTPException, MultiPartException, KeyError) as error:
        problem = getattr(error, "detail", None) or getattr(error, "message", "no boundary")
        raise Refused(400, f"a form that cannot be read: {problem}", cure="send multipart/form-data") from None
    try:
        yield form
    finally:
        await form.close()
