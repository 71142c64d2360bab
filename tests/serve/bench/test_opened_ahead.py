"""Whoever opens the bench has the towers opened, which the first explanation would wait for."""

import threading
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from wordsight.serve.app import make_app
from wordsight.serve.own import explaining
from wordsight.serve.safety.keys import NewKey, add_key

BASE = "http://127.0.0.1:7070"


@pytest.fixture
def opened(monkeypatch):
    """What is opened, and an event that tells of it."""
    asked, happened = [], threading.Event()

    def opening(model, method, *, words):
        asked.append((model.name, method, words))
        happened.set()

    monkeypatch.setattr(explaining, "_ready", opening)
    return asked, happened


def test_the_bench_opens_what_an_explanation_asks_for(client, opened):
    asked, happened = opened
    assert client.get("/").status_code == 200
    assert asked == []
    assert client.get("/bench").status_code == 200
    assert happened.wait(30)
    name = client.get("/api/status").json()["models"][0]["name"]
    assert asked == [(name, "auto", True)]


def test_nothing_is_opened_where_memory_would_be_short(client, opened, monkeypatch):
    monkeypatch.setattr(explaining, "TORCH", 1 << 62)
    assert client.get("/bench").status_code == 200
    assert not explaining._OPENING
    assert opened[0] == []


def test_who_may_not_ask_opens_nothing(settings, opened, tmp_path):
    key = add_key(tmp_path / "keys.json", NewKey("reader"))
    with TestClient(make_app(replace(settings, keys=tmp_path / "keys.json")), base_url=BASE) as client:
        assert client.get("/bench").status_code == 200
        assert opened[0] == []
        assert client.get("/bench", headers={"x-api-key": key}).status_code == 200
        assert opened[1].wait(30)
