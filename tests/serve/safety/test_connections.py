"""Slow, broken and too many connections, over raw sockets: each ends, and the others are answered meanwhile."""

import contextlib
import json
import pickle
import socket
import threading
import time
from dataclasses import replace
from unittest.mock import Mock

import pytest
from tests.serve.safety.wire import connected, ended, exchange, received

from wordsight.serve.route import Route
from wordsight.serve.routes import ROUTES
from wordsight.serve.safety.connections import ConnectionGuard, GuardedConnection
from wordsight.serve.safety.settings import ConnectionLimits, SafetySettings

HEALTH = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n"
POST = b"POST /api/embed HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n"
LARGE = Route("GET", "/api/large", f"{__name__}:large", "A large answer.")
WAITS = Route("GET", "/api/waits", f"{__name__}:waits", "An answer that waits.")
IMPATIENT = ConnectionLimits(header_seconds=0.3, window=0.3, rate=10_000, idle=0.3, linger=0.3)
PATIENT = ConnectionLimits(header_seconds=60, window=60, idle=60, linger=60)
gate = threading.Event()


async def large(call):
    from starlette.responses import Response

    return Response(bytes(60_000_000))


async def waits(call):
    import asyncio

    while not gate.is_set():
        await asyncio.sleep(0.01)
    return {}


@pytest.fixture
def serving(settings, listening, monkeypatch):
    """Return a function from limits of connections to a server that looks at them often."""
    monkeypatch.setattr("wordsight.serve.safety.connections.TICK", 0.03)
    monkeypatch.setattr("wordsight.serve.app.ROUTES", (*ROUTES, LARGE, WAITS))
    gate.clear()
    return lambda limits: listening(replace(settings, safety=SafetySettings(connections=limits)))


@pytest.fixture
def impatient(serving):
    """The address of a server that waits for nobody."""
    with serving(IMPATIENT) as address:
        yield address
        assert exchange(address, HEALTH).status == 200, "it answers behind all this"


def test_headers_that_do_not_end(impatient):
    with connected(impatient) as client:
        client.sendall(HEALTH[:30])
        assert received(client).status == 408
        assert ended(client)


def test_one_that_cannot_be_looked_at_is_ended_and_the_others_are_watched(impatient, monkeypatch):
    real, seen = GuardedConnection.check, []

    def failing(self, now):
        seen.append(self)
        if self is seen[0]:
            raise ValueError("a wrong state")
        real(self, now)

    monkeypatch.setattr(GuardedConnection, "check", failing)
    for _ in range(2):
        with connected(impatient) as client:
            client.sendall(HEALTH[:30])
            with contextlib.suppress(ConnectionError):
                while client.recv(4096):
                    pass
    assert len(set(seen)) >= 2


def test_headers_that_come_letter_by_letter(impatient):
    with connected(impatient) as client:
        answer = None
        try:
            for letter in b"GET /health HTTP/1.1\r\nx: " + b"a" * 10_000:
                client.sendall(bytes([letter]))
                time.sleep(0.01)
        except ConnectionError:
            answer = "ended"
        assert answer == "ended"


def test_a_connection_on_which_nothing_comes(impatient):
    with connected(impatient) as client:
        assert client.recv(1) == b""


def test_a_connection_on_which_nothing_comes_any_more(impatient):
    with connected(impatient) as client:
        for _ in range(2):
            client.sendall(HEALTH)
            assert received(client).status == 200
        assert client.recv(1) == b""


def test_a_body_that_stops(impatient):
    with connected(impatient) as client:
        client.sendall(POST % 1_000 + b"{")
        answer = received(client)
        assert answer.status == 408
        assert json.loads(answer.body)["error"]["problem"].startswith("a body of less than")
        assert ended(client)


def test_a_body_that_drips(impatient):
    with connected(impatient) as client, pytest.raises(ConnectionError):
        client.sendall(b"POST /api/embed HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            client.sendall(b"1;name=value\r\n \r\n")
            time.sleep(0.01)


def test_what_is_left_of_a_refused_body(impatient):
    with connected(impatient) as client:
        client.sendall(POST % 10**9)
        assert received(client).status == 413
        assert ended(client)


def test_a_small_rest_of_a_refused_body_is_read_and_the_connection_kept(serving):
    with serving(PATIENT) as address, connected(address) as client:
        refused = b"POST /api/embed HTTP/1.1\r\nhost: evil.example\r\ncontent-length: 5\r\n\r\n"
        client.sendall(refused)
        assert received(client).status == 421
        client.sendall(b"12345" + HEALTH)
        assert received(client).status == 200


def test_an_answer_that_nobody_reads(impatient):
    with connected(impatient) as client:
        client.sendall(HEALTH.replace(b"/health", b"/api/large"))
        client.recv(100)
        time.sleep(2)  # what ends it is the server; nothing is measured
        total = 0
        with contextlib.suppress(ConnectionError):  # that the server ends it is right, too
            while part := client.recv(1 << 20):
                total += len(part)
        assert total < 60_000_000


def test_an_answer_that_is_read_slowly_but_read(serving):
    limits = replace(PATIENT, window=0.2, rate=1_000)
    with serving(limits) as address, connected(address) as client:
        client.sendall(HEALTH.replace(b"/health", b"/api/large").replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
        total = 0
        while part := client.recv(4 << 20):
            total += len(part)
            time.sleep(0.02)
        assert total > 60_000_000


def test_an_answer_that_takes_its_time_is_waited_for(impatient):
    with connected(impatient) as client:
        client.sendall(HEALTH.replace(b"/health", b"/api/waits"))
        threading.Timer(1.0, gate.set).start()
        assert received(client).status == 200


def test_a_client_that_asks_whether_it_may_send_is_not_too_slow(serving):
    limits = replace(PATIENT, window=0.2, rate=1e6)
    with serving(limits) as address, connected(address) as client:
        client.sendall(POST.replace(b"\r\n\r\n", b"\r\nexpect: 100-continue\r\n\r\n") % 2)
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"{}")
        assert received(client).status == 200
        client.sendall(POST.replace(b"\r\n\r\n", b"\r\nexpect: 100-continue\r\n\r\n") % 10**9)
        assert received(client).status == 413, "refused before it is sent"


def test_headers_without_end(serving):
    with serving(PATIENT) as address:
        assert exchange(address, b"GET /health HTTP/1.1\r\nhost: localhost\r\nx: " + b"a" * 40_000).status in (431, 0)
        many = b"GET /health HTTP/1.1\r\nhost: localhost\r\n" + b"a: b\r\n" * 101 + b"\r\n"
        assert exchange(address, many).status == 431
        assert exchange(address, b"GET /page/" + b"a" * 20_000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n").status == 414
        trailers = b"POST /api/embed HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
        assert exchange(address, trailers + b"a: b\r\n" * 500 + b"\r\n").status == 200, "trailers are nobody's"
        assert exchange(address, HEALTH).status == 200


def test_many_connections_of_one_address(settings, listening, monkeypatch):
    monkeypatch.setattr("wordsight.serve.run.TRUSTED", ())
    limits = ConnectionLimits(total=8, of_one_address=3)
    with listening(replace(settings, safety=SafetySettings(connections=limits))) as address:
        while exchange(address, HEALTH).status != 200:
            time.sleep(0.01)
        held = []
        for _ in range(3):
            held.append(connected(address))
            held[-1].sendall(HEALTH)
            assert received(held[-1]).status == 200
        refused = exchange(address, HEALTH)
        assert refused.status == 503 and refused.headers["retry-after"]
        for one in held:
            one.close()
        while exchange(address, HEALTH).status != 200:
            time.sleep(0.01)


def test_many_connections_of_this_machine(serving):
    with serving(replace(PATIENT, total=4, of_one_address=1)) as address:
        held = [connected(address) for _ in range(4)]
        while exchange(address, HEALTH).status != 503:
            time.sleep(0.01)
        held.pop().close()
        while exchange(address, HEALTH).status != 200:
            time.sleep(0.01)
        for one in held:
            one.close()


def test_addresses_of_one_network_count_as_one():
    guard = ConnectionGuard(ConnectionLimits(of_one_address=1))
    connection = Mock(client="2001:db8::1")
    guard.add(connection)
    assert guard.problem("2001:db8::2") and not guard.problem("2001:db8:0:1::1") and not guard.problem("10.0.0.1")
    guard.drop(connection)
    assert not guard.problem("2001:db8::2")


def test_it_travels_to_worker_processes():
    assert pickle.loads(pickle.dumps(ConnectionGuard(PATIENT))).limits == PATIENT


def test_requests_behind_each_other_on_one_connection(serving):
    with serving(PATIENT) as address, connected(address) as client:
        client.sendall(HEALTH * 20)
        data = b""
        while data.count(b'{"status":"ok"}') < 20:
            part = client.recv(65536)
            assert part
            data += part


def test_what_is_no_http_never_breaks_an_answer_in_two(serving):
    with serving(PATIENT) as address, connected(address) as client:
        client.sendall(HEALTH.replace(b"/health", b"/api/waits") + b"\x00\x01 nonsense\r\n\r\n")
        gate.set()
        data = b""
        with contextlib.suppress(ConnectionError):  # that the server ends it is right, too
            while part := client.recv(65536):
                data += part
        assert data.count(b"HTTP/1.1 ") <= 1


def test_half_a_client_gone(impatient):
    for request in (HEALTH[:20], POST % 1_000, HEALTH, HEALTH.replace(b"/health", b"/api/large")):
        client = connected(impatient)
        client.sendall(request)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        client.close()


def test_a_probe_of_http_1_0_needs_no_host(serving):
    with serving(PATIENT) as address:
        for path in (b"/health", b"/ready"):
            assert exchange(address, b"GET %s HTTP/1.0\r\n\r\n" % path).status == 200
            assert exchange(address, b"GET %s HTTP/1.0\r\nhost: evil.example\r\n\r\n" % path).status == 421
            assert exchange(address, b"GET %s HTTP/1.1\r\n\r\n" % path).status == 400
        for path in (b"/", b"/metrics", b"/openapi.json", b"/api/status", b"/healthy"):
            assert exchange(address, b"GET %s HTTP/1.0\r\n\r\n" % path).status in (400, 404)
