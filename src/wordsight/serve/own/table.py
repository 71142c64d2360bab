"""The routes of our own API."""

from wordsight.serve.own.bench_table import ROUTES as BENCH
from wordsight.serve.own.embedding import EmbedAnswer, EmbedRequest
from wordsight.serve.own.images import ThumbnailRequest
from wordsight.serve.own.narrowing import FacetsAnswer, FacetsRequest
from wordsight.serve.own.searching import SearchAnswer, SearchRequest, SimilarRequest
from wordsight.serve.own.status import LibraryAnswer, StatusAnswer
from wordsight.serve.route import Route

OWN = "wordsight.serve.own"
LIBRARY = "/api/libraries/{library}"
ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        f"{LIBRARY}/thumbnails/{{key:path}}",
        f"{OWN}.images:thumbnail",
        "A small JPEG of an image.",
        asks=ThumbnailRequest,
        produces="image/jpeg",
    ),
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
        f"{LIBRARY}/search",
        f"{OWN}.searching:search",
        "Images of a library, best first.",
        asks=SearchRequest,
        answers=SearchAnswer,
    ),
    Route(
        "POST",
        f"{LIBRARY}/similar",
        f"{OWN}.searching:similar",
        "Images that look like one of the library.",
        asks=SimilarRequest,
        answers=SearchAnswer,
    ),
    Route(
        "POST",
        f"{LIBRARY}/facets",
        f"{OWN}.narrowing:facets",
        "What the matches of a query can be narrowed to.",
        asks=FacetsRequest,
        answers=FacetsAnswer,
    ),
    Route(
        "GET",
        f"{LIBRARY}/originals/{{key:path}}",
        f"{OWN}.originals:original",
        "The file of an image, or a range of it.",
        produces="*/*",
        statuses={206: "a range of the file", 416: "a range that the file does not have"},
    ),
    Route("GET", "/api/status", f"{OWN}.status:status", "What is served.", answers=StatusAnswer, group="server"),
    Route("GET", LIBRARY, f"{OWN}.status:library", "What a library holds.", answers=LibraryAnswer),
    *BENCH,
)
