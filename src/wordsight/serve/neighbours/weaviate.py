"""Weaviate's module multi2vec-clip: what its inference container answers.

    CLIP_INFERENCE_API=http://127.0.0.1:7070 weaviate        # ENABLE_MODULES=multi2vec-clip

There is no model name in this contract: the first model answers.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

from wordsight.serve.errors import Refused
from wordsight.serve.neighbours.embedded import embed_parts
from wordsight.serve.neighbours.number_types import as_numbers
from wordsight.serve.neighbours.parts import InputPart
from wordsight.serve.own.embedding import JsonNumbers
from wordsight.serve.route import HttpCall


class VectorizeRequest(msgspec.Struct):
    """What is embedded.  `texts`: the texts that are embedded.  `images`: the files of images as base64."""

    texts: list[str] = []
    images: list[str] = []


class VectorizeAnswer(msgspec.Struct, rename="camel"):
    """Unit embeddings.

    `textVectors`: embeddings of the texts, in their order.  `imageVectors`: embeddings of the images, in their order.
    """

    text_vectors: list[JsonNumbers]
    image_vectors: list[JsonNumbers]


class ClipMeta(msgspec.Struct):
    """What the model is.

    `model`: the name of the model.  `width`: how many numbers an embedding has.  `image_size`: pixels along the sides
    of what its image tower sees.
    """

    model: str
    width: int
    fingerprint: str
    image_size: int


def weaviate_shape(status: int, problem: str, cure: str) -> Mapping[str, Any]:
    """Return an error as the module reads it."""
    return {"error": f"{problem}: {cure}" if cure else problem}


async def vectorize(call: HttpCall[VectorizeRequest]) -> VectorizeAnswer:
    """Return embeddings of texts and of images."""
    asked = call.asked
    hosted = await call.host.models.named("")
    entries = [(InputPart("text", one),) for one in asked.texts] + [(InputPart("image", one),) for one in asked.images]
    embeddings = [parts[0] for parts in await embed_parts(entries, hosted, call.host)]
    return VectorizeAnswer(
        *(_numbers(some) for some in (embeddings[: len(asked.texts)], embeddings[len(asked.texts) :]))
    )


async def meta(call: HttpCall[None]) -> ClipMeta:
    """Return what the model is."""
    model = (await call.host.models.named("")).model
    return ClipMeta(model.name, model.spec.width, model.fingerprint, model.spec.preprocess.size)


async def live(call: HttpCall[None]) -> Response:
    """Say that the process lives."""
    return Response(status_code=204)


async def ready(call: HttpCall[None]) -> Response:
    """Say that requests are answered without waiting for the model."""
    if not call.host.ready:
        raise Refused(503, "not ready yet", cure="ask again later", after=1)
    return Response(status_code=204)


def _numbers(embeddings: list[Any]) -> list[msgspec.Raw]:
    return [number for one in embeddings for number in as_numbers(one[None], "float")]
