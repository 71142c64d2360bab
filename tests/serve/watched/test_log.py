"""One line a request, in which nothing that a request brings can end a line; no text of it unless that is wanted."""

import dataclasses
import json
import logging
import os
import re
import sys

import pytest
from starlette.testclient import TestClient

from wordsight.serve.app import make_app
from wordsight.serve.watched.log import RequestLog, printable, server_messages
from wordsight.serve.watched.settings import WatchSettings

BASE = "http://127.0.0.1:7070"
SEARCH = "/api/libraries/photos/search"


@pytest.fixture
def client_logging(settings):
    """Return a function from how to log to a client."""

    def make(**watch):
        return TestClient(make_app(dataclasses.replace(settings, watch=WatchSettings(**watch))), base_url=BASE)

    return make


def test_a_request_is_one_line_of_json(client, logged) -> None:
    logged()
    answer = client.post(SEARCH, json={"query": "red", "k": 2}, headers={"x-request-id": "Abc-12"})
    (entry,) = logged()
    assert answer.headers["x-request-id"] == entry["id"] == "Abc-12"
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry["time"])
    shown = {name: entry[name] for name in ("method", "route", "status", "client", "bytes_in", "bytes_out")}
    assert shown == {
        "method": "POST",
        "route": "/api/libraries/{library}/search",
        "status": 200,
        "client": "testclient",
        "bytes_in": len(b'{"query":"red","k":2}'),
        "bytes_out": len(answer.content),
    }
    assert 0 <= entry["queue_ms"] <= entry["ms"] and 0 < entry["library_ms"] <= entry["ms"]
    assert "key" not in entry and "error" not in entry


def test_times_of_queue_decoding_and_engine(client, logged, base64_image, photos) -> None:
    logged()
    client.post("/api/embed", json={"images": [base64_image(photos / "a" / "red.png")]})
    (entry,) = logged()
    parts = [entry[name] for name in ("queue_ms", "decode_ms", "engine_ms")]
    assert all(part >= 0 for part in parts) and sum(parts) <= entry["ms"]


@pytest.mark.parametrize("given", ["", "a" * 65, "a b", "a\u00e9", 'a"}', "a_b"])
def test_other_request_ids_are_made_up(client, logged, given) -> None:
    logged()
    answer = client.get("/health", headers={"x-request-id": given.encode("latin-1")})
    (entry,) = logged()
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])
    assert entry["id"] == answer.headers["x-request-id"]


def test_no_text_no_key_and_no_address_of_a_request_is_logged(client, logged, capfd) -> None:
    logged()
    secret = "sekret-word"
    client.post(SEARCH, json={"query": secret, "where": f"{secret} ~ ("})
    client.get(f"/{secret}?q={secret}", headers={"authorization": f"Bearer {secret}", "x-api-key": secret})
    client.post(f"/api/libraries/{secret}/search", json={"query": "red"})
    client.post("/api/embed", json={secret: 1})
    assert secret not in capfd.readouterr().err


def test_what_is_asked_is_logged_where_that_is_wanted(client_logging, logged) -> None:
    with client_logging(queries=True) as client:
        logged()
        client.post(f"{SEARCH}?x=1", json={"query": "red " * 100})
        client.post(SEARCH, json={"query": "red", "where": "("})
    first, second = logged()
    assert first["path"] == f"{SEARCH}?x=1"
    assert first["asked"]["query"].startswith("red red") and len(first["asked"]["query"]) < 220
    assert second["problem"] and second["error"]


def test_no_request_can_forge_a_line(client_logging, capfd) -> None:
    forged = '\n{"time":"2026","status":200}\r\n\x1b[2Jx\u2028y'
    for form in ("json", "text"):
        with client_logging(queries=True, log=form) as client:
            capfd.readouterr()
            client.post(SEARCH, json={"query": forged, "where": forged})
            client.get("/x%0a%7b%22status%22:200%7d%0d%1b[2J")
            lines = capfd.readouterr().err.split("\n")
        assert len(lines) == 3 and not lines[-1]
        assert all(line.isprintable() or form == "json" for line in lines)
        assert not any("\x1b" in line or "\r" in line for line in lines)
        if form == "json":
            assert [json.loads(line)["status"] for line in lines[:2]] == [400, 404]


def test_off_logs_no_requests(client_logging, capfd) -> None:
    with client_logging(log="off") as client:
        client.get("/health")
    assert capfd.readouterr().err == ""


def test_text_is_for_people(client_logging, capfd) -> None:
    with client_logging(log="text") as client:
        client.get("/health")
    assert re.match(r"\S+Z id=[0-9a-f]{32} GET /health status=200 ms=[\d.]+ ", capfd.readouterr().err)


def test_a_mistake_of_ours_is_logged_without_what_was_asked(client, logged, monkeypatch) -> None:
    def broken(*_, **__):
        raise RuntimeError("sekret\nforged")

    logged()
    monkeypatch.setattr("wordsight.serve.hosting.libraries.HostedLibraries.named", broken)
    assert client.post(SEARCH, json={"query": "red"}).status_code == 500
    message, request = logged()
    assert message["id"] == request["id"]
    assert (message["level"], message["message"]) == ("error", "POST /api/libraries/{library}/search")
    assert message["error"] == "RuntimeError" and message["trace"][-1].endswith(" broken")
    assert "sekret" not in json.dumps([message, request])
    assert (request["status"], request["error"]) == (500, "Refused")


def test_a_long_line_is_cut_whole(capfd) -> None:
    log = RequestLog(form="json", queries=True)
    log.write({"id": "1", "asked": {str(number): "x" * 200 for number in range(100)}})
    assert json.loads(capfd.readouterr().err) == {"id": "1", "cut": True}
    RequestLog(form="text", queries=True).write({"id": "1", "asked": "x" * 9000})
    assert len(capfd.readouterr().err) == 4096
    log.write({"id": "\ud800"})
    assert json.loads(capfd.readouterr().err) == {"id": "\ud800"}


@pytest.mark.skipif(sys.platform == "win32", reason="pipes cannot be asked there")
def test_a_log_that_nobody_reads_stops_nothing(monkeypatch) -> None:
    reading, writing = os.pipe()
    with open(writing, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        log = RequestLog(form="json", queries=False)
        for _ in range(200):
            log.write({"id": "x" * 2000})
        monkeypatch.undo()
    with open(reading, "rb") as read:
        lines = read.read().splitlines()
    assert 10 < len(lines) < 200 and all(json.loads(line) == {"id": "x" * 2000} for line in lines)


def test_messages_of_the_server_are_lines_too(capfd) -> None:
    log = RequestLog(form="json", queries=False)
    with server_messages(log):
        logging.getLogger("uvicorn.error").error("one\ntwo")
        logging.getLogger("uvicorn.error").info("not worth a line")
    logging.getLogger("uvicorn.error").handlers.clear()
    assert json.loads(capfd.readouterr().err)["message"] == "one\ntwo"


def test_what_is_printable_stays() -> None:
    assert printable("Zürich 東京") == "Zürich 東京"
    assert printable("a\nb\x1b") == "a\\nb\\x1b"
