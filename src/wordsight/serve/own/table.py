"""The routes of our own API."""

from wordsight.serve.own.embedding import EmbedAnswer, EmbedRequest
from wordsight.serve.own.map_table import ROUTES as MAP
from wordsight.serve.own.searching import SearchAnswer, SearchRequest
from wordsight.serve.route import Route

OWN = "wordsight.serve.own"
ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        "/api/embed",
        f"{OWN}.embedding:embed",
        "Unit embeddings of texts and images.",
        asks=EmbedRequest,
        answers=EmbedAnswer,
        group="model",
    ),
    Route(
        "POST",
        "/api/libraries/{library}/search",
        f"{OWN}.searching:search",
        "Images of a library, best first.",
        asks=SearchRequest,
        answers=SearchAnswer,
    ),
    *MAP,
)
