"""The routes of the bench."""

from wordsight.serve.own.bench import MatrixAnswer, MatrixRequest, TemplatesAnswer
from wordsight.serve.route import Route

OWN = "wordsight.serve.own"
ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        "/api/bench/matrix",
        f"{OWN}.bench:matrix",
        "Every image against every text: cosines, probabilities, losses.",
        asks=MatrixRequest,
        answers=MatrixAnswer,
        group="model",
    ),
    Route(
        "GET",
        "/api/templates",
        f"{OWN}.bench:templates",
        "The prompt lists that ship with the program.",
        answers=TemplatesAnswer,
        group="model",
    ),
)
