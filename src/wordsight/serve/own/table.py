"""The routes of our own API."""

from wordsight.serve.own.asking import AskAnswer, AskLibraryRequest, AskRequest
from wordsight.serve.own.bench_table import ROUTES as BENCH
from wordsight.serve.own.copies import (
    AppliedAnswer,
    ApplyRequest,
    DuplicatesDone,
    DuplicatesRequest,
    RestoredAnswer,
    UndoRequest,
)
from wordsight.serve.own.embedding import EmbedAnswer, EmbedRequest
from wordsight.serve.own.explaining import ExplainAnswer, ExplainRequest, RegionsAnswer, RegionsRequest
from wordsight.serve.own.exporting import ExportRequest
from wordsight.serve.own.images import ThumbnailRequest
from wordsight.serve.own.map_table import ROUTES as MAP
from wordsight.serve.own.narrowing import FacetsAnswer, FacetsRequest
from wordsight.serve.own.reasons import WhyAnswer, WhyRequest
from wordsight.serve.own.scoring import ClassifyAnswer, ClassifyRequest, ScoreAnswer, ScoreRequest
from wordsight.serve.own.searching import SearchAnswer, SearchRequest, SimilarRequest
from wordsight.serve.own.status import LibraryAnswer, StatusAnswer
from wordsight.serve.own.suggesting import SuggestAnswer, SuggestRequest
from wordsight.serve.own.syncing import SyncDone, SyncRequest
from wordsight.serve.own.tagging import ClearRequest, LabelsAnswer, TagDone, TagRequest, UndoneAnswer
from wordsight.serve.route import Route

OWN = "wordsight.serve.own"
LONG = 600.0  # seconds that an answer may take which is computed or moves files
BUSY = {409: "another change of this library is under way"}
LIBRARY = "/api/libraries/{library}"
ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        f"{LIBRARY}/thumbnails/{{key:key}}",
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
        "POST",
        f"{LIBRARY}/suggest",
        f"{OWN}.suggesting:suggest",
        "What could follow the first letters of a query.",
        asks=SuggestRequest,
        answers=SuggestAnswer,
    ),
    Route(
        "POST",
        f"{LIBRARY}/why",
        f"{OWN}.reasons:why",
        "Why hits came: shares of the query, and maps.",
        asks=WhyRequest,
        answers=WhyAnswer,
        seconds=LONG,
    ),
    Route(
        "POST",
        f"{LIBRARY}/ask",
        f"{OWN}.asking:ask_library",
        "A question about an image.",
        asks=AskLibraryRequest,
        answers=AskAnswer,
    ),
    Route(
        "POST",
        f"{LIBRARY}/export",
        f"{OWN}.exporting:export",
        "Results as a download: JSON, CSV, keys, or a ZIP archive.",
        asks=ExportRequest,
        produces="*/*",
        seconds=LONG,
    ),
    Route(
        "POST",
        f"{LIBRARY}/sync",
        f"{OWN}.syncing:sync",
        "The library brought up to date: events `progress`, then `done` or `error`.",
        asks=SyncRequest,
        answers=SyncDone,
        scope="write",
        produces="text/event-stream",
        statuses=BUSY,
    ),
    Route(
        "POST",
        f"{LIBRARY}/tag",
        f"{OWN}.tagging:tag",
        "Labels noted on all images: events `progress`, then `done` or `error`.",
        asks=TagRequest,
        answers=TagDone,
        scope="write",
        produces="text/event-stream",
        statuses=BUSY,
    ),
    Route(
        "POST",
        f"{LIBRARY}/tag/clear",
        f"{OWN}.tagging:clear",
        "What tagging noted taken away.",
        asks=ClearRequest,
        answers=TagDone,
        scope="write",
        statuses=BUSY,
        seconds=LONG,
    ),
    Route(
        "POST",
        f"{LIBRARY}/tag/undo",
        f"{OWN}.tagging:undo",
        "The last tagging taken back.",
        answers=UndoneAnswer,
        scope="write",
        statuses=BUSY,
        seconds=LONG,
    ),
    Route(
        "POST",
        f"{LIBRARY}/duplicates",
        f"{OWN}.copies:find",
        "The same and nearly the same images: events `progress`, then `done` or `error`.",
        asks=DuplicatesRequest,
        answers=DuplicatesDone,
        produces="text/event-stream",
        statuses=BUSY,
    ),
    Route(
        "POST",
        f"{LIBRARY}/duplicates/apply",
        f"{OWN}.copies:move",
        "Images moved into the trash folder, as a plan that can be undone.",
        asks=ApplyRequest,
        answers=AppliedAnswer,
        scope="write",
        statuses=BUSY,
        seconds=LONG,
    ),
    Route(
        "POST",
        f"{LIBRARY}/duplicates/undo",
        f"{OWN}.copies:undo",
        "What a plan moved put back.",
        asks=UndoRequest,
        answers=RestoredAnswer,
        scope="write",
        statuses=BUSY,
        seconds=LONG,
    ),
    Route(
        "POST",
        "/api/classify",
        f"{OWN}.scoring:classify",
        "Class probabilities of images.",
        asks=ClassifyRequest,
        answers=ClassifyAnswer,
        group="model",
    ),
    Route(
        "POST",
        "/api/score",
        f"{OWN}.scoring:score",
        "Cosines of images and texts.",
        asks=ScoreRequest,
        answers=ScoreAnswer,
        group="model",
    ),
    Route(
        "POST",
        "/api/ask",
        f"{OWN}.asking:ask",
        "A question about an image.",
        asks=AskRequest,
        answers=AskAnswer,
        group="model",
    ),
    Route(
        "POST",
        "/api/explain",
        f"{OWN}.explaining:explain",
        "Why an image and texts belong together.",
        asks=ExplainRequest,
        answers=ExplainAnswer,
        group="model",
        seconds=LONG,
    ),
    Route(
        "POST",
        "/api/regions",
        f"{OWN}.explaining:regions",
        "Which parts of an image show which class.",
        asks=RegionsRequest,
        answers=RegionsAnswer,
        group="model",
        seconds=LONG,
    ),
    Route("GET", "/api/labels", f"{OWN}.tagging:labels", "Shipped sets of labels.", answers=LabelsAnswer),
    Route(
        "GET",
        f"{LIBRARY}/originals/{{key:key}}",
        f"{OWN}.originals:original",
        "The file of an image, or a range of it.",
        produces="*/*",
        statuses={206: "a range of the file", 416: "a range that the file does not have"},
    ),
    Route("GET", "/api/status", f"{OWN}.status:status", "What is served.", answers=StatusAnswer, group="server"),
    Route("GET", LIBRARY, f"{OWN}.status:library", "What a library holds.", answers=LibraryAnswer),
    *BENCH,
    *MAP,
)
