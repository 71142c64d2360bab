"""Figures in Prometheus' format: counted, bounded, and of all worker processes together."""

import os
import subprocess
import sys

import pytest
from PIL import Image
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.parser import text_string_to_metric_families

from wordsight.embeddings.model import load
from wordsight.engines.fake import COLOURS
from wordsight.search.library import open_library
from wordsight.serve.watched.figures import _forget_ended


def samples(text: str) -> dict[str, float]:
    """Return each figure under its name and labels."""
    return {
        one.name + "".join(f" {value}" for value in one.labels.values()): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


@pytest.fixture
def more(client):
    """Return a function that gives by how much figures grew since it was last asked."""
    last: dict[str, float] = samples(client.get("/metrics").text)

    def grown() -> dict[str, float]:
        nonlocal last
        now = samples(client.get("/metrics").text)
        grew = {name: value - last.get(name, 0) for name, value in now.items() if value != last.get(name, 0)}
        last = now
        return grew

    return grown


def test_requests_are_counted_by_the_template_of_their_address(client, more) -> None:
    for name in ("photos", "other", "photos"):
        client.post(f"/api/libraries/{name}/search", json={"query": "red"})
    grew = more()
    route = "/api/libraries/{library}/search"
    assert grew[f"wordsight_requests_total POST {route} 200"] == 2
    assert grew[f"wordsight_requests_total POST {route} 404"] == 1
    assert grew[f"wordsight_request_seconds_count POST {route}"] == 3
    assert grew[f"wordsight_received_bytes_total {route}"] == 3 * len(b'{"query":"red"}')
    assert grew["wordsight_refusals_total not there"] == 1


def test_no_request_makes_a_label(client, more) -> None:
    for number in range(20):
        client.get(f"/nothing/{number}")
        client.request(f"VERB{number}", "/health")
    text = client.get("/metrics").text
    assert "nothing" not in text and "VERB" not in text
    assert more()["wordsight_requests_total GET unmatched 404"] == 20


def test_queues_batches_and_states(client, more, base64_image, photos) -> None:
    asked = {"texts": ["red", "blue"], "images": [base64_image(photos / "a" / "red.png")]}
    assert client.post("/api/embed", json=asked).status_code == 200
    grew = more()
    assert grew["wordsight_batch_size_sum texts"] == 2
    assert grew["wordsight_batch_size_count images"] == grew["wordsight_batch_seconds_count images"] == 1
    assert grew["wordsight_queue_wait_seconds_count texts"] == 1
    now = samples(client.get("/metrics").text)
    assert now["wordsight_library_images photos"] == len(COLOURS)
    assert now["wordsight_queue_length fake texts"] == now["wordsight_queue_length  libraries"] == 0
    assert now["wordsight_workers_ready"] == 1
    assert now["wordsight_requests_in_flight"] == 1  # this one
    assert now["wordsight_memory_bytes"] > 1 << 20
    assert any(name.startswith("wordsight_model_open ") and "fake" in name.split() for name in now)


def test_caches_are_counted(client, more, photos) -> None:
    Image.effect_noise((50, 50), 50).convert("RGB").save(photos / "fresh.png")  # no thumbnail of it is kept
    with open_library(photos, model=load(engine="fake")) as library:
        library.sync()
    more()
    known: dict[str, str] = {}  # the tag of the thumbnail, which is written behind its first answer
    asks = {
        "thumbnails": lambda: client.get("/api/libraries/photos/thumbnails/fresh.png", headers=known),
        "rankings": lambda: client.post("/api/libraries/photos/search", json={"query": "red", "k": 2, "offset": 2}),
        "counts": lambda: client.post("/api/libraries/photos/facets", json={"query": "red"}),
        "suggestions": lambda: client.post("/api/libraries/photos/suggest", json={"prefix": "re"}),
        "texts": lambda: client.post("/api/embed", json={"texts": ["a text of this test"]}),
    }
    for name, ask in asks.items():
        figure = f"wordsight_cache_lookups_total {name}"
        answer = ask()
        assert answer.status_code == 200
        known["if-none-match"] = answer.headers.get("etag", "")
        grew = more()
        assert (grew.get(f"{figure} miss"), grew.get(f"{figure} hit")) == (1, None), name
        ask()
        ask()
        grew = more()
        assert (grew.get(f"{figure} miss"), grew.get(f"{figure} hit")) == (None, 2), name


@pytest.mark.skipif(sys.platform == "win32", reason="processes cannot be asked there")
def test_states_of_workers_that_ended_are_forgotten_and_their_counts_stay(tmp_path) -> None:
    def noted(process: int) -> None:
        (tmp_path / f"gauge_livesum_{process}.db").write_bytes(b"")
        for kind in ("counter", "histogram"):
            values = MmapedDict(str(tmp_path / f"{kind}_{process}.db"))
            values.write_value(mmap_key("asked", "asked_total", ["route"], ["/"], "Requests."), 2.0, 0.0)
            values.close()

    own = os.getpid()
    noted(own)
    for _ in range(3):
        ended = subprocess.Popen([sys.executable, "-S", "-c", ""])
        ended.wait()
        noted(ended.pid)
        _forget_ended(tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    counts = {f"{kind}_{of}.db" for kind in ("counter", "histogram") for of in (own, "ended")}
    assert left == {f"gauge_livesum_{own}.db", *counts}
    for name in left - {f"counter_{own}.db", "counter_ended.db"}:
        (tmp_path / name).unlink()
    together = CollectorRegistry()
    MultiProcessCollector(together, path=str(tmp_path))
    assert samples(generate_latest(together).decode())["asked_total /"] == 8.0


def test_a_process_of_somebody_else_is_no_worker(tmp_path, monkeypatch) -> None:
    def refused(process, number):
        raise PermissionError

    monkeypatch.setattr(os, "kill", refused)
    (tmp_path / "gauge_livesum_123.db").write_bytes(b"")
    _forget_ended(tmp_path)
    assert not list(tmp_path.iterdir())
