"""Spans of requests, where they are wanted."""

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from starlette.testclient import TestClient

from wordsight.base.errors import MissingExtra
from wordsight.serve.app import make_app
from wordsight.serve.watched import layers, traces
from wordsight.serve.watched.settings import WatchSettings
from wordsight.serve.watched.traces import Tracer, tracer_of

BASE = "http://127.0.0.1:7070"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def spans(settings, monkeypatch):
    """Return a function from requests to the spans that they made: (client -> None) -> spans."""

    def made(ask):
        exporter = InMemorySpanExporter()
        monkeypatch.setattr(layers, "tracer_of", lambda settings: Tracer(exporter))
        with TestClient(make_app(settings), base_url=BASE) as client:
            ask(client)
        return exporter.get_finished_spans()

    return made


def test_a_request_is_a_span_with_children(spans, base64_image, photos, logged) -> None:
    image = base64_image(photos / "a" / "red.png")
    logged()
    made = spans(lambda client: client.post("/api/embed", json={"images": [image]}, headers={"traceparent": PARENT}))
    (request,) = (span for span in made if span.kind is SpanKind.SERVER)
    children = [span for span in made if span is not request]
    assert request.name == "POST /api/embed"
    assert request.attributes["http.route"] == "/api/embed"
    assert request.attributes["http.response.status_code"] == 200
    assert format(request.context.trace_id, "032x") == PARENT.split("-")[1] == logged()[0]["trace"]
    assert format(request.parent.span_id, "016x") == PARENT.split("-")[2]
    assert [child.name for child in children] == ["decode", "queue", "engine"]
    assert {child.parent.span_id for child in children} == {request.context.span_id}
    times = [
        request.start_time,
        *(time for one in children for time in (one.start_time, one.end_time)),
        request.end_time,
    ]
    assert times == sorted(times)


def test_failures_are_marked_and_addresses_are_not_in_spans(spans, monkeypatch) -> None:
    monkeypatch.setattr("wordsight.serve.hosting.libraries.HostedLibraries.named", lambda *_: 1 / 0)
    made = spans(lambda client: client.post("/api/libraries/sekret/search?x=sekret", json={"query": "sekret"}))
    (request,) = made
    assert request.status.status_code is StatusCode.ERROR
    assert request.resource.attributes["service.name"] == "wordsight"
    assert "sekret" not in request.to_json()


def test_nothing_is_traced_unless_wanted(monkeypatch) -> None:
    for name in traces.ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    assert tracer_of(WatchSettings()) is None
    monkeypatch.setattr(traces, "require", _absent)
    with pytest.raises(MissingExtra, match="opentelemetry"):
        tracer_of(WatchSettings(otel=True))
    monkeypatch.setenv(traces.ENDPOINTS[0], "http://127.0.0.1:4318")
    with pytest.raises(MissingExtra):
        tracer_of(WatchSettings())
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert tracer_of(WatchSettings(otel=True)) is None


def _absent(module, *, extra):
    raise MissingExtra(f"this needs the package {module.partition('.')[0]}", cure=f"pip install 'wordsight[{extra}]'")
