"""A body for each route that asks for one, as the OpenAPI document and the documentation page show it.

    example_of("POST", "/api/embed")       # {"texts": [...], "images": [...]}

Each is answered as it stands, by a library that has images.  `a.jpg` and `b.jpg` stand for keys of that library: the
documentation page puts some of the served one there.  `NEEDS` names what no example can know.
"""

from collections.abc import Mapping
from typing import Any

KEYS = ("a.jpg", "b.jpg")  # what stands for keys
PLAN, API_KEY = "2026-11-30-204500-3f9a1c.jsonl", "ws_..."
NEEDS = {
    "POST /api/libraries/{library}/duplicates/undo": "the name of a plan that was answered when it was applied",
    "POST /api/libraries/{library}/tag/clear": "a column that tagging made",
    "POST /api/session": "a key, of a server that has keys",
}
IMAGE = (  # a red square on grey
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAIAAAD8GO2jAAAAPklEQVR42mN8/foZAy0BEwONwagFA28BC6bQ3UAnso1T"
    "Xr9vNA5GLRi1YNSCUQtGLRi1gBzAONqyG7WAYgAA7dsIuWPxJ0AAAAAASUVORK5CYII="
)
_LIBRARY = "/api/libraries/{library}"
_QUERY = {"query": "two dogs on grass"}
_PAIR = ["a photo of a dog", "a photo of a cat"]
_PARTS = [{"content": [{"type": "text", "text": "a red square"}, {"type": "image_url", "image_url": {"url": IMAGE}}]}]
_RERANK = {"query": "a red square", "documents": [*_PAIR, {"image": IMAGE}], "top_n": 2}
_ENTRIES = '{"clip": {"textual": {"modelName": "default"}}}'

_EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "/api/embed": {"texts": _PAIR, "images": [IMAGE]},
    "/api/classify": {"images": [IMAGE], "classes": ["dog", "cat", "red square"]},
    "/api/score": {"images": [IMAGE], "texts": _PAIR},
    "/api/ask": {"image": IMAGE, "question": "What colour is the square?"},
    "/api/explain": {"image": IMAGE, "texts": ["a red square", "a dog"]},
    "/api/regions": {"image": IMAGE, "classes": ["red square", "grey wall"]},
    "/api/bench/matrix": {"images": [IMAGE], "texts": _PAIR},
    "/api/session": {"key": API_KEY},
    f"{_LIBRARY}/search": {**_QUERY, "k": 5},
    f"{_LIBRARY}/similar": {"key": "a.jpg", "k": 5},
    f"{_LIBRARY}/facets": _QUERY,
    f"{_LIBRARY}/suggest": {"prefix": "do"},
    f"{_LIBRARY}/why": {**_QUERY, "keys": ["a.jpg"]},
    f"{_LIBRARY}/ask": {"key": "a.jpg", "question": "What colour is it?"},
    f"{_LIBRARY}/export": {**_QUERY, "form": "csv", "k": 5},
    f"{_LIBRARY}/sync": {},
    f"{_LIBRARY}/tag": {"labels": ["dog", "cat"], "min_cosine": 0.2, "dry_run": True},
    f"{_LIBRARY}/tag/clear": {"column": "tags"},
    f"{_LIBRARY}/duplicates": {"kinds": ["exact", "near"]},
    f"{_LIBRARY}/duplicates/apply": {"groups": [{"kept": "a.jpg", "move": ["b.jpg"]}]},
    f"{_LIBRARY}/duplicates/undo": {"plan": PLAN},
    "/v1/embeddings": {"model": "default", "input": ["a photo of a dog", IMAGE]},
    "/embeddings": {"model": "default", "input": ["a photo of a dog", IMAGE]},
    "/embeddings_image": {"model": "default", "input": [IMAGE]},
    "/v1/rerank": _RERANK,
    "/v2/rerank": _RERANK,
    "/rerank": _RERANK,
    "/v1/embed": {"model": "default", "texts": _PAIR},
    "/v2/embed": {"model": "default", "texts": _PAIR, "embedding_types": ["float"]},
    "/v1/multimodalembeddings": {"model": "default", "inputs": _PARTS},
    "/knn-service": {"text": "two dogs on grass", "num_images": 5},
    "/metadata": {"ids": [0]},
    "/predict": {"entries": _ENTRIES, "text": "two dogs on grass"},
    "/vectorize": {"texts": _PAIR, "images": [IMAGE]},
    "/post": {"data": [{"text": "a photo of a dog"}, {"uri": IMAGE}], "execEndpoint": "/"},
}


def example_of(method: str, path: str) -> Mapping[str, Any] | None:
    """Return the example of a route, by the template of its address; None for one that asks for no body."""
    return _EXAMPLES.get(path) if method == "POST" else None
