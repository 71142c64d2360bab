"""clip-as-service over HTTP: `POST /post` with documents that get embeddings, or whose matches are ranked.

    curl http://127.0.0.1:7070/post -d '{"data": [{"text": "a dog"}, {"blob": "<base64>"}], "execEndpoint": "/"}'

A `uri` is a data address, or a web address where those are followed; files of the server are never read.
"""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import msgspec
import numpy as np

from wordsight.base.arrays import Embeddings
from wordsight.serve.errors import Refused
from wordsight.serve.hosting.models import HostedModel
from wordsight.serve.neighbours.embedded import embed_inputs
from wordsight.serve.neighbours.number_types import as_numbers
from wordsight.serve.neighbours.parts import EmbedInput, InputPart
from wordsight.serve.own.embedding import JsonNumbers
from wordsight.serve.route import HttpCall
from wordsight.serve.watched.log import now


class ClipDocument(msgspec.Struct, omit_defaults=True):
    """A text or an image, with what is made of it.

    `text`: a text; with it the others are not looked at.  `blob`: an image as base64.  `uri`: an image as a data
    address.  `matches`: documents that `/rank` puts in order.  `embedding`: its embedding, of unit length.  `scores`:
    of a match, its probability among them and its cosine.  `id`: as it was sent, or a new one.
    """

    id: str = ""
    text: str | None = None
    uri: str | None = None
    blob: str | None = None
    matches: list["ClipDocument"] | None = None
    embedding: JsonNumbers | None = None
    scores: dict[str, dict[str, Any]] | None = None


class PostRequest(msgspec.Struct):
    """What is to be done.

    `data`: the texts and images that are embedded or ranked.  `execEndpoint`: "/", "/encode" or "/rank", with a model's
    name behind it if wanted.  `exec_endpoint`: the same, as its Python client spells it.
    """

    data: list[ClipDocument]
    exec_endpoint: str = ""
    endpoint: str = msgspec.field(default="", name="execEndpoint")


class PostAnswer(msgspec.Struct):
    """What was made of documents.

    `data`: the documents in their order, with embeddings, or with their matches, the best first.  `header`: whether all
    went well.  `routes`: when the request came and was answered, and when its embeddings were begun and done.
    `parameters`: always empty: nothing is handed on.
    """

    header: dict[str, Any]
    data: list[ClipDocument]
    routes: list[dict[str, str]]
    parameters: dict[str, Any] = {}


def clip_as_service_shape(status: int, problem: str, cure: str) -> Mapping[str, Any]:
    """Return an error as its gateway gives it."""
    message = f"{problem}: {cure}" if cure else problem
    return {"header": {"requestId": "", "status": {"code": "ERROR", "description": message}}, "data": []}


async def post(call: HttpCall[PostRequest]) -> PostAnswer:
    """Return documents with their embeddings, or with ranked matches."""
    came, asked = now(), call.asked
    endpoint = asked.endpoint or asked.exec_endpoint or "/"
    ranks, model = _endpoint(endpoint)
    hosted = await call.host.models.named(model)
    documents = list(asked.data)
    others = [match for one in documents for match in one.matches or []] if ranks else []
    inputs = [_input(one) for one in (*documents, *others)]
    begun = now()
    embedded = await embed_inputs(inputs, hosted, call.host) if inputs else np.empty((0, 0), np.float32)
    done = now()
    for one in (*documents, *others):
        one.id, one.blob = one.id or uuid4().hex, None
        one.uri = None if one.uri and one.uri.startswith("data:") else one.uri
    if ranks:
        _rank(documents, embedded, hosted)
    else:
        for one, embedding in zip(documents, as_numbers(embedded, "float"), strict=True):
            one.embedding = embedding
    header = {"requestId": uuid4().hex, "status": None, "execEndpoint": endpoint, "targetExecutor": ""}
    spans = {"gateway": (came, now()), hosted.name: (begun, done)}
    routes = [{"executor": name, "startTime": start, "endTime": end} for name, (start, end) in spans.items()]
    return PostAnswer(header, documents, routes)


def _endpoint(given: str) -> tuple[bool, str]:
    """Return whether matches are ranked, and the model's name, "" for the default."""
    verb, _, model = given.strip("/").partition("/")
    if verb not in ("", "encode", "rank"):
        raise Refused(400, f"the endpoint {given[:60]!r}", cure="use /, /encode or /rank")
    return verb == "rank", model


def _input(document: ClipDocument) -> EmbedInput:
    if document.text:
        return (InputPart("text", document.text),)
    image = document.blob or document.uri
    if not image:
        raise Refused(400, "a document without text, blob and uri", cure="give one of them")
    return (InputPart("image", image),)


def _rank(documents: list[ClipDocument], embedded: Embeddings, hosted: HostedModel) -> None:
    """Sort the matches of each document by their probabilities, which sum to 1, and note them."""
    start = len(documents)
    for one, query in zip(documents, embedded, strict=False):
        matches = one.matches or []
        if not matches:
            continue
        cosines = embedded[start : start + len(matches)] @ query
        start += len(matches)
        for match, share, cosine in zip(matches, hosted.model.probabilities(cosines[None])[0], cosines, strict=True):
            match.scores = {
                "clip_score": {"value": float(share), "op_name": "softmax"},
                "clip_score_cosine": {"value": float(cosine), "op_name": "cosine"},
            }
        one.matches = sorted(matches, key=lambda match: -match.scores["clip_score_cosine"]["value"])  # type: ignore[index]
