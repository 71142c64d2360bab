"""The routes that tell of the server itself."""

from wordsight.serve.route import Route
from wordsight.serve.watched.health import Health

HEALTH = "wordsight.serve.watched.health"
ROUTES: tuple[Route, ...] = (
    Route("GET", "/health", f"{HEALTH}:health", "The process lives.", answers=Health, scope="open", group="server"),
    Route("GET", "/ready", f"{HEALTH}:ready", "Models are open.", answers=Health, scope="open", group="server"),
)
