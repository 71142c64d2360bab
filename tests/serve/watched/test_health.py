"""Whether the server lives and is ready: not before its models are warm, not once it was told to stop."""

import signal

import httpx
from starlette.testclient import TestClient

from wordsight.serve.app import make_app
from wordsight.serve.hosting.host import Host
from wordsight.serve.watched.stopping import marking_stops

BASE = "http://127.0.0.1:7070"


def test_ready_once_models_are_warm_and_not_while_it_ends(settings) -> None:
    app = make_app(settings)
    cold = TestClient(app, base_url=BASE)  # not started
    assert cold.get("/health").json() == {"status": "ok"}
    answer = cold.get("/ready")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    with TestClient(app, base_url=BASE) as warm:
        assert warm.get("/ready").json() == {"status": "ok"}
    assert cold.get("/ready").status_code == 503


def test_a_signal_to_stop_ends_readiness_and_still_stops(settings) -> None:
    host, stopped = Host(settings), []
    host.ready = True
    before = signal.signal(signal.SIGTERM, lambda number, frame: stopped.append(number))
    try:
        with marking_stops(host):
            signal.raise_signal(signal.SIGTERM)
            assert (host.ready, stopped) == (False, [signal.SIGTERM])
        signal.raise_signal(signal.SIGTERM)
        assert len(stopped) == 2
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_real_process_is_ready_as_soon_as_it_answers(photos, running) -> None:
    with running(str(photos)) as (address, _):
        assert httpx.get(f"{address}/ready", trust_env=False, timeout=30).status_code == 200
        assert "wordsight_workers_ready 1.0" in httpx.get(f"{address}/metrics", trust_env=False).text
