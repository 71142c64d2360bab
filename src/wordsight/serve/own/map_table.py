"""The routes of the map of a library."""

from wordsight.serve.own.library_map import (
    MapAnswer,
    MapColumnAnswer,
    MapColumnRequest,
    MapNearRequest,
    MapPointsAnswer,
    MapPointsRequest,
)
from wordsight.serve.route import Route

MAP = "wordsight.serve.own.library_map"
AT = "/api/libraries/{library}/map"
ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        AT,
        f"{MAP}:library_map",
        "Where the images of a library lie in two dimensions, and the clusters they fall into.",
        answers=MapAnswer,
        statuses={202: "the map is being made: how far it is", 304: "the asker has it"},
    ),
    Route(
        "GET",
        f"{AT}/near",
        f"{MAP}:near",
        "The images nearest to a position of the map.",
        asks=MapNearRequest,
        answers=MapPointsAnswer,
    ),
    Route(
        "GET",
        f"{AT}/points",
        f"{MAP}:points",
        "The keys of images of the map, by their numbers.",
        asks=MapPointsRequest,
        answers=MapPointsAnswer,
        statuses={409: "the map has changed"},
    ),
    Route(
        "GET",
        f"{AT}/column",
        f"{MAP}:column",
        "Which value of a metadata column each image of the map has.",
        asks=MapColumnRequest,
        answers=MapColumnAnswer,
        statuses={409: "the map has changed"},
    ),
)
