"""Images of web addresses: only public ones, only once resolved, only images, only so large."""

import asyncio
import contextlib
import socket
import socketserver
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from wordsight.serve.errors import Overloaded, Refused
from wordsight.serve.hosting.host import Host
from wordsight.serve.memory import holding
from wordsight.serve.safety.addresses import is_public
from wordsight.serve.safety.fetching import fetch_image, resolved
from wordsight.serve.settings import ServeLimits, ServeSettings

IMAGE = b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: 5\r\n\r\nimage"


@pytest.fixture
def host():
    """A server of no library that fetches addresses, of small images."""
    return Host(ServeSettings(engine="fake", urls=True, limits=ServeLimits(image=1_000)))


@pytest.fixture
def answering(host):
    """Return a function that makes a server of one answer a connection, and lets the host reach it by any name."""
    with contextlib.ExitStack() as servers:

        def serve(*answers, names=("images.example",)):
            asked, left = [], list(answers)

            class Answer(socketserver.StreamRequestHandler):
                def handle(self):
                    asked.append(b"".join(iter(self.rfile.readline, b"\r\n")))
                    answer = left.pop(0) if len(left) > 1 else left[0]
                    with contextlib.suppress(ConnectionError):
                        for part in answer if isinstance(answer, (list, tuple)) else [answer]:
                            self.wfile.write(part)

            server = servers.enter_context(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answer))
            server.daemon_threads = True
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            servers.callback(thread.join)
            servers.callback(server.shutdown)
            port = server.server_address[1]

            async def resolve(name, port):
                return ["127.0.0.1"] if name in names else ["10.0.0.1"]

            fetching = host.safety.fetching
            fetching.resolve, fetching.ports = resolve, frozenset({port})
            fetching.allowed = lambda address: address == "127.0.0.1"
            return f"http://images.example:{port}/dog.png", asked

        yield serve


def fetched(address, host):
    return asyncio.run(fetch_image(address, host))


def refused(address, host):
    with pytest.raises(Refused) as caught:
        fetched(address, host)
    return caught.value.status


def test_an_image_is_fetched(host, answering):
    address, asked = answering(IMAGE)
    assert fetched(address + "?a=1&ü=2#part", host) == b"image"
    lines = asked[0].lower().split(b"\r\n")
    assert lines[0] == b"get /dog.png?a=1&%c3%bc=2 http/1.1"
    assert not [line for line in lines if line.startswith((b"cookie", b"authorization", b"referer"))]


def test_memory_is_reserved_for_what_is_fetched(host, answering):
    address, _ = answering(IMAGE)

    async def request():
        with holding(host.memory):
            image = await fetch_image(address, host)
            return image, host.memory.reserved

    image, reserved = asyncio.run(request())
    assert image == b"image" and reserved >= 2 * len(image)
    assert host.memory.reserved == 0
    host.memory.is_full = True
    with pytest.raises(Overloaded, match="memory is short"):
        asyncio.run(request())


def test_slow_look_ups_of_names_leave_other_threads_alone(monkeypatch):
    ends = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **options: ends.wait(20) and [])

    async def scenario():
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        waiting = asyncio.create_task(resolved("images.example", 80))
        await asyncio.sleep(0.05)
        try:
            await asyncio.wait_for(asyncio.to_thread(time.monotonic), 10)
        finally:
            ends.set()
        assert await waiting == []

    asyncio.run(scenario())


def test_off_unless_allowed():
    assert refused("https://example.org/a.png", Host(ServeSettings(engine="fake"))) == 403


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "127.8.8.8",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "192.0.0.8",
        "198.18.0.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "168.63.129.16",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:808:808::",
        "fc00::1",
        "fd12::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "3fff::1",
        "5f00::1",
        "localhost",
        "127.1",
        "2130706433",
    ],
)
def test_addresses_that_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::1"]
)
def test_addresses_that_are(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://0/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://127.0.1/",
        "http://localhost/",
        "http://0x7f.0.0.1/",
        "http://①②⑦.⓪.⓪.①/",
        "http://127.0.0.1./",
        "http://[fe80::1%25eth0]/",
        "http://[64:ff9b::7f00:1]/",
        "http://user@example.org/",
        "http://a:b@example.org/",
        "http://:@example.org/",
        "http://example.org:22/",
        "http://example.org:0/",
        "http://example.org:99999/",
        "http://example.org:x/",
        "ftp://example.org/a.png",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_x",
        "data:image/png;base64,AAAA",
        "//example.org/a.png",
        "example.org/a.png",
        "http:///a.png",
        "http://[::1",
        "http://exa%6Dple.org\\@127.0.0.1/",
        "http://127.0.0.1%00.example.org/",
        "http://.../",
        "javascript:alert(1)",
        "HTTP://LOCALHOST/",
    ],
)
def test_addresses_that_are_refused_before_anything_is_asked(host, address, monkeypatch):
    async def never(*arguments, **options):
        raise AssertionError("connected")

    async def resolve(name, port):
        return {"localhost": ["127.0.0.1"], "127.0.0.1": ["127.0.0.1"], "169.254.169.254": [name]}.get(name, [])

    host.safety.fetching.resolve = resolve
    monkeypatch.setattr(asyncio, "open_connection", never)
    assert refused(address, host) in (400, 403)


@pytest.mark.parametrize(
    "address", ["http://a b.example/", "http://a.example/\r\nx: y", "http://a.example/\x00", "http://" + "a" * 5000]
)
def test_letters_that_no_address_has(host, address):
    assert refused(address, host) == 400


def test_every_address_of_a_name_is_checked(host, answering):
    address, asked = answering(IMAGE)

    async def both(name, port):
        return ["127.0.0.1", "10.0.0.1"]

    host.safety.fetching.resolve = both
    assert refused(address, host) == 403
    assert not asked


def test_the_checked_address_is_the_one_that_is_asked(host, answering):
    address, _ = answering(IMAGE)
    names = []

    async def first_public_then_not(name, port):
        names.append(name)
        return ["127.0.0.1"] if len(names) == 1 else ["10.0.0.1"]

    host.safety.fetching.resolve = first_public_then_not
    assert fetched(address, host) == b"image"
    assert names == ["images.example"]


def redirect(to):
    return f"HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n".encode()


def test_redirects_are_checked_anew(host, answering):
    address, asked = answering(redirect("/other.png"), IMAGE)
    assert fetched(address, host) == b"image"
    assert asked[1].startswith(b"GET /other.png")
    for to in (
        "http://169.254.169.254/",
        "http://inside.example/",
        "file:///etc/passwd",
        "http://127.1/",
        "//10.0.0.1/",
    ):
        address, asked = answering(redirect(to))
        assert refused(address, host) in (400, 403)
        assert len(asked) == 1


def test_redirects_end(host, answering):
    address, asked = answering(redirect("/again.png"))
    assert refused(address, host) == 400
    assert len(asked) == 4


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (IMAGE.replace(b"image/png", b"text/html"), 400),
        (IMAGE.replace(b"image/png", b"image/svg+xml"), 400),
        (b"HTTP/1.1 200 OK\r\n\r\nimage", 400),
        (IMAGE.replace(b"200 OK", b"404 No"), 400),
        (IMAGE.replace(b": 5", b": 1001"), 413),
        (b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\n\r\n" + b"a" * 1_001, 413),
        (
            [b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ntransfer-encoding: chunked\r\n\r\n"]
            + [b"64\r\n" + b"a" * 100 + b"\r\n"] * 11,
            413,
        ),
        (b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-encoding: gzip\r\n\r\nimage", 400),
        (IMAGE[:-1], 400),
        (b"", 400),
        (b"220 mail.example ESMTP\r\n", 400),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20_000, 400),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" + IMAGE, 400),
    ],
)
def test_answers_that_are_no_image_or_too_large(host, answering, answer, status):
    address, _ = answering(answer)
    assert refused(address, host) == status


def test_an_answer_has_a_time(host, answering):
    address, _ = answering(IMAGE)
    host.safety.fetching.seconds = 0.0
    assert refused(address, host) == 400


def test_no_proxy_of_the_environment_is_asked(host, answering, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    address, _ = answering(IMAGE)
    assert fetched(address, host) == b"image"


def test_a_second_address_is_tried_where_the_first_does_not_answer(host, answering):
    address, _ = answering(IMAGE)

    async def two(name, port):
        return ["127.0.0.2", "127.0.0.1"]

    fetching = host.safety.fetching
    fetching.resolve, fetching.allowed = two, lambda one: one.startswith("127.0.0.")
    assert fetched(address, host) == b"image"
