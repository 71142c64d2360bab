"""Ranking texts and images by a query that is a text or an image: the shapes of Jina, Cohere, infinity and Voyage.

    POST /v1/rerank {"query": "two dogs", "documents": ["a cat", {"image": "<base64>"}], "top_n": 1}

Scores are those of `relevance.py`, cosines with `raw_scores`; the best comes first.
"""

import asyncio
import threading
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import msgspec
import numpy as np

from wordsight.serve.errors import Refused
from wordsight.serve.hosting.host import Host
from wordsight.serve.hosting.models import HostedModel
from wordsight.serve.neighbours.embedded import embed_parts, mixed, model_named
from wordsight.serve.neighbours.openai import TokenUsage, openai_shape, usage_of
from wordsight.serve.neighbours.parts import EmbedInput, parts_of
from wordsight.serve.neighbours.relevance import Deviations, EmbeddedParts, UsualMoments, deviations, relevance
from wordsight.serve.route import HttpCall

_USUAL: dict[str, Any] = {}  # moments of usual phrases by the fingerprints of models
_KEPT = 8  # of them
_measuring = threading.Lock()


class RerankRequest(msgspec.Struct):
    """A query and documents.

    `query`: a text, `{"text"}`, `{"image"}` or `{"content": [...]}`.  `documents`: a list of such, or one `{"content":
    [...]}` of which each part is a document (vLLM).  `top_n`: how many come back, 0 and by default all.
    `return_documents`: whether the documents themselves come back.  `raw_scores`: whether scores are cosines, and the
    order is theirs.  `top_k`: Voyage's name for `top_n`.  `truncation`: not looked at, but with it or `top_k` the
    answer is Voyage's.
    """

    query: Any
    documents: list[Any] | dict[str, Any]
    model: str = ""
    top_n: int | None = None
    return_documents: bool | None = None
    raw_scores: bool = False
    top_k: int | None = None
    truncation: bool | None = None


class RerankResult(msgspec.Struct, omit_defaults=True):
    """A document and its score.

    `index`: the number of the document, from 0.  `relevance_score`: 0 to 1, or a cosine for `raw_scores`.  `document`:
    what was sent, if asked for.
    """

    index: int
    relevance_score: float
    document: Any = None


class RerankAnswer(msgspec.Struct, omit_defaults=True):
    """Documents in their order.

    `results`: the documents that fit, the best first.  `data`: the same as `results`, for Voyage's clients instead.
    `id`: a name of this answer.  `object`: "rerank", or "list" for Voyage's.  `usage`: how many tokens were read.
    `meta`: how many tokens were read, as Cohere has it.
    """

    id: str
    object: str
    model: str
    usage: TokenUsage
    meta: dict[str, Any]
    results: list[RerankResult] | None = None
    data: list[RerankResult] | None = None


def rerank_shape(status: int, problem: str, cure: str) -> Mapping[str, Any]:
    """Return an error as clients read it: Cohere's `message`, Jina's and Voyage's `detail`, infinity's `error`."""
    shape = openai_shape(status, problem, cure)
    return {**shape, "message": shape["detail"]}


async def rerank(call: HttpCall[RerankRequest]) -> RerankAnswer:
    """Return documents in the order of their nearness to the query; strings come back as `{"text": ...}`."""
    return await _answer(call, lambda document: {"text": document} if isinstance(document, str) else document)


async def rerank_as_sent(call: HttpCall[RerankRequest]) -> RerankAnswer:
    """Return the same with documents as they were sent, which is infinity's shape."""
    return await _answer(call, lambda document: document)


async def _answer(call: HttpCall[RerankRequest], shown: Any) -> RerankAnswer:
    asked = call.asked
    most = asked.top_n if asked.top_n is not None else asked.top_k
    documents = asked.documents if isinstance(asked.documents, list) else asked.documents.get("content")
    if not isinstance(documents, list) or not documents:
        raise Refused(400, "no documents", cure="send at least one text or image")
    if most is not None and most < 0:
        raise Refused(400, f"top_n {most}", cure="ask for one or more, or 0 for all")
    hosted = await model_named(call.host, asked.model)
    inputs = [parts_of(asked.query), *map(parts_of, documents)]
    embedded = await embed_parts(inputs, hosted, call.host)
    parts = [
        EmbeddedParts(tuple(part.kind for part in given), embeddings)
        for given, embeddings in zip(inputs, embedded, strict=True)
    ]
    if asked.raw_scores:
        scores: Deviations = np.array([mixed(embeddings) for embeddings in embedded[1:]]) @ mixed(embedded[0]).astype(
            np.float64
        )
        order = np.argsort(-scores, kind="stable")
    else:
        measured = deviations(parts[0], parts[1:], await _usual(hosted, call.host, inputs))
        scores, order = relevance(measured), np.argsort(-measured, kind="stable")
    results = [
        RerankResult(number, float(scores[number]), shown(documents[number]) if asked.return_documents else None)
        for number in order[: most or None].tolist()
    ]
    return _shaped(asked, results, (hosted.name, await usage_of(inputs, hosted)))


def _shaped(asked: RerankRequest, results: list[RerankResult], model: tuple[str, TokenUsage]) -> RerankAnswer:
    name, usage = model
    meta: Mapping[str, Any] = {"api_version": {"version": "2"}, "tokens": {"input_tokens": usage.total_tokens}}
    is_voyage = asked.top_k is not None or asked.truncation is not None
    answer = RerankAnswer(f"rerank-{uuid4().hex}", "list" if is_voyage else "rerank", name, usage, dict(meta))
    if is_voyage:
        answer.data = results
    else:
        answer.results = results
    return answer


async def _usual(hosted: HostedModel, host: Host, inputs: list[EmbedInput]) -> UsualMoments:
    """Return what is usual for a model: of phrases, and of images where a library of the model is served."""
    of_images = [any(part.kind == "image" for part in given) for given in inputs]
    return await asyncio.to_thread(_measured, hosted, host, of_images[0] and any(of_images[1:]))


def _measured(hosted: HostedModel, host: Host, images: bool) -> UsualMoments:
    from wordsight.search.background import read, usual_moments

    fingerprint = hosted.model.fingerprint
    with _measuring:
        if fingerprint not in _USUAL:
            while len(_USUAL) >= _KEPT:
                _USUAL.pop(next(iter(_USUAL)))
            _USUAL[fingerprint] = usual_moments(hosted.model)
        phrases = _USUAL[fingerprint]
    if images:
        for name in host.libraries.names:
            background = read(host.libraries.named(name).folder, fingerprint)
            if background is not None:
                return UsualMoments(phrases, background.images)
    return UsualMoments(phrases)
