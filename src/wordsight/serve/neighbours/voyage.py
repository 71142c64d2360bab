"""Voyage's multimodal embeddings: `POST /v1/multimodalembeddings`.

    vo = voyageai.Client(api_key="none", base_url="http://127.0.0.1:7070/v1")
    vo.multimodal_embed([["a dog", Image.open("dog.jpg")]], model="default")

Its texts and its reranker are asked at `/v1/embeddings` and `/v1/rerank`.  `input_type` and `truncation` are not looked
at: there is one embedding of a text, and what exceeds the context is cut.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from wordsight.serve.neighbours.embedded import embed_inputs, model_named, read_tokens
from wordsight.serve.neighbours.number_types import as_numbers, shortened
from wordsight.serve.neighbours.openai import OpenAIEmbedding
from wordsight.serve.neighbours.parts import inputs_of
from wordsight.serve.route import HttpCall


class VoyageRequest(msgspec.Struct):
    """Texts and images.

    `inputs`: `{"content": [...]}` each, with one embedding.  `output_dtype`: float, int8, uint8, binary or ubinary.
    `output_dimension`: the first so many numbers, of unit length again.  `encoding_format`: base64 counts for floats.
    """

    inputs: list[Any]
    model: str = ""
    output_dtype: str | None = None
    output_dimension: int | None = None
    encoding_format: str | None = None


class VoyageUsage(msgspec.Struct):
    """What was read.

    `text_tokens`: how many tokens the texts have for the model.  `total_tokens`: the same as `text_tokens`, for nothing
    else is counted.  `image_pixels`: always 0, for pixels are not counted.  `video_pixels`: always 0, for there are no
    films.
    """

    text_tokens: int
    total_tokens: int
    image_pixels: int = 0
    video_pixels: int = 0


class VoyageAnswer(msgspec.Struct):
    """One embedding for each input.

    `data`: the embeddings, in the order of the inputs.  `usage`: how many tokens were read.  `object`: "list", as of
    every list.
    """

    data: list[OpenAIEmbedding]
    model: str
    usage: VoyageUsage
    object: str = "list"


def voyage_shape(status: int, problem: str, cure: str) -> Mapping[str, Any]:
    """Return an error as Voyage's clients read it."""
    return {"detail": f"{problem}: {cure}" if cure else problem}


async def embeddings(call: HttpCall[VoyageRequest]) -> VoyageAnswer:
    """Return one embedding for each input."""
    asked = call.asked
    kind = asked.output_dtype or "float"
    if kind == "float" and asked.encoding_format:
        kind = asked.encoding_format
    hosted = await model_named(call.host, asked.model)
    inputs = inputs_of(asked.inputs)
    numbered = shortened(await embed_inputs(inputs, hosted, call.host), asked.output_dimension)
    data = [OpenAIEmbedding(one, number) for number, one in enumerate(as_numbers(numbered, kind))]
    tokens = await read_tokens(inputs, hosted)
    return VoyageAnswer(data, hosted.name, VoyageUsage(tokens, tokens))
