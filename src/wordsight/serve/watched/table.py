"""The routes that tell of the server itself."""

from wordsight.serve.route import Route
from wordsight.serve.watched.health import Health

WATCHED = "wordsight.serve.watched"
ROUTES: tuple[Route, ...] = (
    Route(
        "GET", "/health", f"{WATCHED}.health:health", "The process lives.", answers=Health, scope="open", group="server"
    ),
    Route("GET", "/ready", f"{WATCHED}.health:ready", "Models are open.", answers=Health, scope="open", group="server"),
    Route(
        "GET",
        "/metrics",
        f"{WATCHED}.states:metrics",
        "Figures for Prometheus.",
        group="server",
        produces="text/plain; version=0.0.4",
    ),
    Route("GET", "/openapi.json", f"{WATCHED}.document:document", "This document.", scope="open", group="server"),
)
