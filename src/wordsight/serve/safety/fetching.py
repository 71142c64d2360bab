"""Images that a request names by web address, fetched without lending the server's place in the network to anybody.

    data = await fetch_image("https://example.org/dog.jpg", host)        # bytes, else `Refused`

Off unless the server was started with `--allow-urls`.  The name is resolved here, every address that it has must be a
public one, and the connection is made to the address that was checked: there is no second look-up that could answer
otherwise.  Each redirect is checked anew.  No proxy of the environment, no cookies, no credentials are used; size and
time are bounded while the answer comes.  What is on the other side is parsed by `httptools`, not decoded.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urljoin, urlsplit

import httptools

from wordsight.serve.errors import Refused
from wordsight.serve.memory import reserve
from wordsight.serve.safety.addresses import ends_in_number, is_public

if TYPE_CHECKING:
    from wordsight.serve.hosting.host import Host

Resolve = Callable[[str, int], Awaitable[list[str]]]
_PORTS = {"http": 80, "https": 443}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
LONGEST = 4_096  # letters of an address
HEADER_BYTES = 65_536
_BLOCK = 65_536
_RESOLVERS = ThreadPoolExecutor(8, thread_name_prefix="resolve")  # a slow look-up goes on behind its time: of its own


async def resolved(name: str, port: int) -> list[str]:
    """Return the addresses of a name, as the system has them."""
    look_up = partial(socket.getaddrinfo, name, port, type=socket.SOCK_STREAM)
    try:
        infos = await asyncio.get_running_loop().run_in_executor(_RESOLVERS, look_up)
    except OSError:
        return []
    return list(dict.fromkeys(str(info[4][0]) for info in infos))


@cache
def _encryption() -> ssl.SSLContext:
    return ssl.create_default_context()


@dataclass(slots=True)
class Fetching:
    """How images are fetched; `resolve` and `allowed` look names up and judge addresses, `at_once` are under way."""

    resolve: Resolve = resolved
    allowed: Callable[[str], bool] = is_public
    ports: frozenset[int] = frozenset(_PORTS.values())
    seconds: float = 15.0
    redirects: int = 3
    encryption: Callable[[], ssl.SSLContext] = _encryption
    at_once: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(8))


@dataclass(frozen=True, slots=True)
class _Target:
    """An address that was read: where to connect, and what to ask for."""

    url: str
    secure: bool
    name: str
    port: int
    path: str

    @property
    def host(self) -> str:
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port == _PORTS["https" if self.secure else "http"] else f"{name}:{self.port}"


async def fetch_image(address: str, host: "Host") -> bytes:
    """Return the file of an image at a web address; `Refused` says why there is none."""
    if not host.settings.urls:
        raise Refused(403, "images are not fetched from web addresses", cure="send the file, in base64")
    fetching = host.safety.fetching
    try:
        async with fetching.at_once, asyncio.timeout(fetching.seconds):
            return await _fetched(address, fetching, host.settings.limits.image)
    except TimeoutError:
        raise Refused(400, f"no image from the address within {fetching.seconds:g} s", cure="send the file") from None
    except (OSError, httptools.HttpParserError, EOFError) as error:
        problem = f"the image's address does not answer as it should ({type(error).__name__})"
        raise Refused(400, problem, cure="send the file") from None


async def _fetched(address: str, fetching: Fetching, most: int) -> bytes:
    target = _target(address, fetching)
    for _ in range(fetching.redirects + 1):
        reader, writer = await _connected(target, await _checked(target, fetching), fetching)
        try:
            answer = await _asked(target, reader, writer, most)
        finally:
            writer.transport.abort()
        if answer.status not in _REDIRECTS:
            return answer.image(most)
        following = _target(urljoin(target.url, answer.headers.get("location", "")), fetching)
        if target.secure and not following.secure:
            raise Refused(400, "an https address that leads to http", cure="give the last address itself")
        target = following
    raise Refused(400, f"an address that leads on more than {fetching.redirects} times", cure="give the last one")


def _target(address: str, fetching: Fetching) -> _Target:
    """Return what an address says; `Refused` for what no image is fetched by."""
    if len(address) > LONGEST or any(ord(letter) <= 32 or letter == "\\" or ord(letter) == 127 for letter in address):
        raise Refused(400, "a web address with spaces, control letters or without end", cure="percent-encode it")
    try:
        parts = urlsplit(address)
        port = parts.port
        name = (parts.hostname or "").encode("idna").decode("ascii") if ":" not in (parts.hostname or "") else None
    except (ValueError, UnicodeError):
        raise Refused(400, "what is no web address", cure="give one such as https://example.org/dog.jpg") from None
    if parts.scheme not in _PORTS:
        raise Refused(400, f"an address of the kind {parts.scheme[:20]!r}", cure="give one of https or http")
    if parts.username is not None or parts.password is not None:
        raise Refused(400, "an address with a name or password in it", cure="leave it out")
    name = parts.hostname if name is None else name
    if not name or (ends_in_number(name) and not _is_plain(name)):
        raise Refused(400, "an address whose host is no name", cure="give the name of a host")
    port = _PORTS[parts.scheme] if port is None else port
    if port not in fetching.ports:
        raise Refused(400, f"port {port} of an address", cure="give one on port 80 or 443")
    return _Target(address, parts.scheme == "https", name, port, _path(parts))


def _path(parts: SplitResult) -> str:
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return "".join(
        letter if letter.isascii() else "".join(f"%{byte:02X}" for byte in letter.encode()) for letter in path
    )


def _is_plain(name: str) -> bool:
    """Return whether a name is four decimal numbers, none written in another way: 127.1 and 0177.0.0.1 are not."""
    parts = name.split(".")
    return len(parts) == 4 and all(part.isdigit() and part == str(int(part)) and int(part) < 256 for part in parts)


async def _checked(target: _Target, fetching: Fetching) -> list[str]:
    """Return the target's addresses, all of which are public."""
    addresses = [target.name] if ":" in target.name else await fetching.resolve(target.name, target.port)
    if not addresses:
        raise Refused(400, "an address whose host has no address", cure="check the name")
    if not all(fetching.allowed(one) for one in addresses):
        raise Refused(403, "an address that is not of the public internet", cure="send the file, in base64")
    return addresses


async def _connected(
    target: _Target, addresses: list[str], fetching: Fetching
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a connection to the first of the checked addresses that answers; the name is looked up no more."""
    encryption = fetching.encryption() if target.secure else None
    name = target.name if encryption else None
    failure: OSError = ConnectionError("no address")
    for address in addresses:
        try:
            return await asyncio.open_connection(
                address, target.port, ssl=encryption, server_hostname=name, limit=_BLOCK
            )
        except OSError as error:
            failure = error
    raise failure


class _Answer:
    """An answer as it comes in; the callbacks are those of `httptools`."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.parts: list[bytes] = []
        self.size = 0
        self.status = 0
        self.headed = False
        self.complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.headed:
            self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.headed = True

    def on_body(self, body: bytes) -> None:
        self.size += len(body)
        self.parts.append(body)

    def on_message_complete(self) -> None:
        self.complete = True

    def image(self, most: int) -> bytes:
        """Return the image; `Refused` where the answer is none."""
        if self.status != 200:
            raise Refused(400, f"the image's address answers {self.status}", cure="give one that can be opened")
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not kind.startswith("image/") or kind == "image/svg+xml":
            raise Refused(
                400, f"an address that leads to {kind[:60] or 'nothing named'!r}", cure="give that of an image"
            )
        if self.headers.get("content-encoding", "identity").lower() != "identity":
            raise Refused(400, "an image that comes packed", cure="send the file")
        self.check_size(most)
        return b"".join(self.parts)

    def check_size(self, most: int) -> None:
        """Raise `Refused` as soon as it is larger than it may be, stated or come."""
        stated = self.headers.get("content-length", "0")
        if self.size > most or (stated.isdigit() and int(stated[:18]) > most):
            raise Refused(413, f"an image of more than {most:,} bytes", cure="give a smaller one")


async def _asked(target: _Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: int) -> _Answer:
    """Return the answer of a target over a connection."""
    writer.write(
        f"GET {target.path} HTTP/1.1\r\nhost: {target.host}\r\naccept: image/*\r\naccept-encoding: identity\r\n"
        "user-agent: wordsight\r\nconnection: close\r\n\r\n".encode("ascii")
    )
    answer = _Answer()
    parser = httptools.HttpResponseParser(answer)
    heading = 0
    while not answer.complete and (block := await reader.read(_BLOCK)):
        parser.feed_data(block)
        if not answer.headed and (heading := heading + len(block)) > HEADER_BYTES:
            raise Refused(400, "an answer whose headers do not end", cure="send the file")
        if answer.headed:
            reserve(2 * len(block))  # once more while it is put together
            answer.status = parser.get_status_code()
            answer.check_size(most)
            if answer.status in _REDIRECTS:
                break
    _check_whole(answer)  # one without a stated length ends with its connection
    return answer


def _check_whole(answer: _Answer) -> None:
    stated = answer.headers.get("content-length")
    if not answer.headed or (
        answer.status not in _REDIRECTS
        and not answer.complete
        and (stated is not None or "chunked" in answer.headers.get("transfer-encoding", ""))
    ):
        raise EOFError("the answer ended early")
