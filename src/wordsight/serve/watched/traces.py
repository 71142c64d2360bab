"""Traces for OpenTelemetry: a span a request, with children for decoding, queue and engine.

On only where a collector is named (OTEL_EXPORTER_OTLP_ENDPOINT) or `--otel` says so; needs the extra `otel`.  Spans are
made when a request is over, from what was noted of it: nothing is traced while it is answered.
"""

import os
import time
from typing import TYPE_CHECKING, Any

from wordsight import __version__
from wordsight.base.optional import require
from wordsight.serve.watched.notes import RequestNotes, clock
from wordsight.serve.watched.settings import WatchSettings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def tracer_of(settings: WatchSettings) -> "Tracer | None":
    """Return what traces requests, None where nobody asked for that."""
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    if not settings.otel and not any(os.environ.get(name) for name in ENDPOINTS):
        return None
    exporter = require("opentelemetry.exporter.otlp.proto.http.trace_exporter", extra="otel")
    return Tracer(exporter.OTLPSpanExporter())


class Tracer:
    """Sends spans to an exporter, in batches from a thread."""

    def __init__(self, exporter: "SpanExporter") -> None:
        resources = require("opentelemetry.sdk.resources", extra="otel")
        sdk = require("opentelemetry.sdk.trace", extra="otel")
        export = require("opentelemetry.sdk.trace.export", extra="otel")
        named = {"service.version": __version__}
        if not os.environ.get("OTEL_SERVICE_NAME"):
            named["service.name"] = "wordsight"
        self._provider = sdk.TracerProvider(resource=resources.Resource.create(named))
        self._provider.add_span_processor(export.BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("wordsight.serve", __version__)

    def note(self, scope: Any, notes: RequestNotes, *, route: str, status: int, ended: int) -> str:
        """Make the spans of a request that is over; return the id of its trace."""
        from opentelemetry.propagate import extract
        from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

        carried = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        epoch = time.time_ns() - clock()  # of the clock whose times were noted
        span = self._tracer.start_span(
            f"{scope['method']} {route}",
            context=extract(carried),
            kind=SpanKind.SERVER,
            start_time=epoch + notes.begun,
            attributes={
                "http.request.method": scope["method"],
                "http.route": route,
                "http.response.status_code": status,
                "wordsight.request_id": notes.identity,
            },
        )
        if status >= 500:
            span.set_attribute("error.type", notes.error or str(status))
            span.set_status(Status(StatusCode.ERROR))
        inside = set_span_in_context(span)
        for stage in notes.stages:
            child = self._tracer.start_span(stage.name, context=inside, start_time=epoch + stage.begun)
            child.end(epoch + stage.ended)
        span.end(epoch + ended)
        return format(span.get_span_context().trace_id, "032x")

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()
