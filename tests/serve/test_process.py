"""The process of the server: what was accepted is answered, whatever is told to it, and a worker that dies is replaced."""

import contextlib
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

import httpx
import pytest

from wordsight.cli.main import main
from wordsight.serve.run import _address, _elsewhere, _listener
from wordsight.serve.settings import ServeSettings, named_libraries

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
BODY = b'{"texts": ["red", "blue"]}'


def begun(address):
    """Return a connection on which half of a request has been sent."""
    host, port = address.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)))
    connection.settimeout(20)
    head = b"POST /api/embed HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: %d\r\n\r\n" % len(BODY)
    connection.sendall(head + BODY[:9])
    return connection


def finished(connection):
    """Send the other half and return the status; "" where the connection ended."""
    try:
        connection.sendall(BODY[9:])
        return connection.recv(1 << 16)[9:12].decode()
    except ConnectionError:
        return ""
    finally:
        connection.close()


def workers(process):
    """Return the processes that answer, of a server with several."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return {int(one) for one in children if b"resource_tracker" not in Path(f"/proc/{one}/cmdline").read_bytes()}


def holder(connection, address, pids):
    """Return which of these processes has the other end of a connection; None until one has accepted it."""
    mine, port = connection.getsockname()[1], int(address.rsplit(":", 1)[1])
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    (inode,) = [row[9] for row in rows if row[1].endswith(f":{port:04X}") and row[2].endswith(f":{mine:04X}")] or [""]
    for pid in pids:
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            try:
                if os.readlink(handle) == f"socket:[{inode}]":
                    return pid
            except OSError:
                continue
    return None


def until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return value


def ready(address):
    try:
        return httpx.get(f"{address}/ready", trust_env=False, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


@linux
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_what_was_accepted_is_answered_before_the_end(photos, running, how):
    with running(str(photos)) as (address, process):
        until(lambda: ready(address))
        connections = [begun(address) for _ in range(4)]
        for one in connections:
            until(lambda one=one: holder(one, address, [process.pid]))
        process.send_signal(how)
        time.sleep(0.3)
        assert [finished(one) for one in connections] == ["200"] * 4
        process.wait(30)
    assert process.returncode == 0 or how == signal.SIGINT


@linux
def test_a_worker_that_is_killed_takes_no_request_of_another_and_is_replaced(photos, running):
    with running(str(photos), "--workers", "2") as (address, process):
        until(lambda: ready(address))
        pids = until(lambda: pids if len(pids := workers(process)) == 2 else None)
        held: dict[int, list[socket.socket]] = {pid: [] for pid in pids}

        def accepted():
            connection = begun(address)
            pid = until(lambda: holder(connection, address, pids))
            held[pid].append(connection)
            return all(held.values())

        until(accepted)
        victim, other = pids
        os.kill(victim, signal.SIGKILL)
        assert {finished(one) for one in held[other]} == {"200"}
        assert {finished(one) for one in held[victim]} == {""}
        until(lambda: len(now := workers(process)) == 2 and victim not in now)
        until(lambda: ready(address))
        process.send_signal(signal.SIGHUP)  # replaces them one after another
        fresh = until(lambda: now if len(now := workers(process)) == 2 and not now & pids else None)
        assert fresh
        until(lambda: ready(address))
        for _ in range(5):
            assert httpx.post(f"{address}/api/embed", content=BODY, trust_env=False).status_code == 200
        process.send_signal(signal.SIGTERM)
        lines = [json.loads(line) for line in process.stderr.read().splitlines()]
    assert process.returncode == 0
    assert [one for one in lines if one.get("level") == "info" and f"[{victim}] died" in one["message"]]


def test_bound_to_all_addresses_it_prints_those_that_can_be_opened(photos):
    settings = ServeSettings(libraries=named_libraries([photos]), host="0.0.0.0", port=0)
    with contextlib.closing(_listener(settings)) as listener:
        port = listener.getsockname()[1]
        address = _address(settings, listener)
        assert address == f"http://127.0.0.1:{port}"
        assert _elsewhere(settings, address) == f" here, http://{socket.gethostname()}:{port} from other machines"
        assert _elsewhere(ServeSettings(), address) == ""


def test_one_location_twice_is_refused_and_two_of_one_name_are_numbered(tmp_path, monkeypatch, capsys):
    for folder in ("Photos", "old/Photos"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert main(["serve", "Photos", "Photos/../Photos"]) == 2
    assert "Photos/../Photos comes twice" in capsys.readouterr().err
    assert [one.name for one in named_libraries([Path("Photos"), Path("old/Photos")])] == ["Photos", "Photos-2"]
