"""The routes of sessions."""

from wordsight.serve.route import Route
from wordsight.serve.safety.signing_in import SessionAnswer, SessionRequest

SESSIONS = "wordsight.serve.safety.signing_in"
ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        "/api/session",
        f"{SESSIONS}:start",
        "A cookie that stands for a key, for browsers.",
        asks=SessionRequest,
        answers=SessionAnswer,
        scope="open",
        group="server",
    ),
    Route("DELETE", "/api/session", f"{SESSIONS}:end", "End the session.", scope="open", group="server"),
)
