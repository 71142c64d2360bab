"""Cohere's embeddings, version 1 and 2 of its API: texts, images, or inputs of both.

    co = cohere.ClientV2(base_url="http://127.0.0.1:7070", api_key="none")
    co.embed(model="default", input_type="search_query", texts=["a dog"], embedding_types=["float"])

`input_type` is not looked at: there is one embedding of a text.  What exceeds the model's context is cut at its end,
or refused with `truncate` NONE.
"""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import msgspec
import numpy as np
from numpy.typing import NDArray

from wordsight.serve.errors import Refused
from wordsight.serve.hosting.models import HostedModel
from wordsight.serve.neighbours.embedded import count_tokens, embed_inputs, model_named, read_tokens
from wordsight.serve.neighbours.number_types import as_numbers, shortened
from wordsight.serve.neighbours.parts import EmbedInput, inputs_of
from wordsight.serve.route import HttpCall


class CohereEmbedRequest(msgspec.Struct):
    """One of texts, images and inputs.

    `texts`: the texts that are embedded.  `images`: images as data addresses or base64.  `inputs`: `{"content": [...]}`
    each, with one embedding.  `embedding_types`: any of float, base64, int8, uint8, binary, ubinary.
    `output_dimension`: the first so many numbers, of unit length again.  `truncate`: END, or NONE to refuse texts that
    are too long.
    """

    texts: list[str] | None = None
    images: list[str] | None = None
    inputs: list[Any] | None = None
    model: str = ""
    embedding_types: list[str] | None = None
    output_dimension: int | None = None
    truncate: str | None = None


class CohereEmbedAnswer(msgspec.Struct):
    """Embeddings of what was sent.

    `embeddings`: lists by type, or one list of numbers for version 1 where no types were asked for.  `texts`: the texts
    that were sent.  `response_type`: "embeddings_by_type" or "embeddings_floats".  `id`: a name of this answer.
    `meta`: how many tokens were read.
    """

    id: str
    embeddings: Any
    meta: dict[str, Any]
    response_type: str
    texts: list[str]


def cohere_shape(status: int, problem: str, cure: str) -> Mapping[str, Any]:
    """Return an error as Cohere's clients read it."""
    return {"message": f"{problem}: {cure}" if cure else problem}


async def embed_v1(call: HttpCall[CohereEmbedRequest]) -> CohereEmbedAnswer:
    """Return embeddings as version 1 has them."""
    embedded, answer = await _embedded(call, "1")
    if call.asked.embedding_types is None:
        answer.embeddings, answer.response_type = as_numbers(embedded, "float"), "embeddings_floats"
    return answer


async def embed_v2(call: HttpCall[CohereEmbedRequest]) -> CohereEmbedAnswer:
    """Return embeddings by type."""
    return (await _embedded(call, "2"))[1]


async def _embedded(call: HttpCall[CohereEmbedRequest], version: str) -> tuple[NDArray[np.float32], CohereEmbedAnswer]:
    asked = call.asked
    inputs = _inputs(asked)
    hosted = await model_named(call.host, asked.model)
    await _check_lengths(asked, inputs, hosted)
    embedded = shortened(await embed_inputs(inputs, hosted, call.host), asked.output_dimension)
    by_type = {kind: as_numbers(embedded, kind) for kind in asked.embedding_types or ["float"]}
    units = {"input_tokens": await read_tokens(inputs, hosted)}
    meta = {"api_version": {"version": version}, "billed_units": units}
    return embedded, CohereEmbedAnswer(uuid4().hex, by_type, meta, "embeddings_by_type", asked.texts or [])


def _inputs(asked: CohereEmbedRequest) -> list[EmbedInput]:
    given = {"texts": asked.texts, "images": asked.images, "inputs": asked.inputs}
    sent = [name for name, value in given.items() if value]
    if len(sent) != 1:
        raise Refused(400, f"{' and '.join(sent) or 'no input'} in one call", cure="send texts, images or inputs")
    return inputs_of(given[sent[0]], images=sent[0] == "images")


async def _check_lengths(asked: CohereEmbedRequest, inputs: list[EmbedInput], hosted: HostedModel) -> None:
    """Refuse what `truncate` asks for and is not done here."""
    if asked.truncate == "START":
        raise Refused(400, "truncate START", cure="use END or NONE: long texts are cut at their end")
    if asked.truncate == "NONE":
        texts = [part.value for given in inputs for part in given if part.kind == "text"]
        longest = max(await count_tokens(texts, hosted), default=0)
        most = hosted.model.tokenizer.context_length if texts else 0
        if longest > most:
            raise Refused(400, f"a text of {longest} tokens", cure=f"the model reads {most}: use truncate END")
