"""OpenAI's embeddings and models, with what infinity, vLLM, Jina and Voyage added for images.

    client = OpenAI(base_url="http://127.0.0.1:7070/v1", api_key="none")
    client.embeddings.create(model="default", input=["a dog", "data:image/png;base64,..."])

`input` holds texts and images in any spelling of `parts.py`, `messages` a conversation that gets one embedding.  What
only steers other models (`user`, `task`, `input_type`, ...) is not looked at.
"""

import time
from collections.abc import Mapping
from typing import Any, Literal
from uuid import uuid4

import msgspec

from wordsight.serve.errors import Refused
from wordsight.serve.hosting.models import HostedModel
from wordsight.serve.neighbours.embedded import embed_inputs, model_named, read_tokens
from wordsight.serve.neighbours.number_types import as_numbers, shortened
from wordsight.serve.neighbours.parts import EmbedInput, inputs_of, parts_of
from wordsight.serve.own.embedding import JsonNumbers
from wordsight.serve.route import HttpCall

_BEGAN = int(time.time())
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


class OpenAIEmbedRequest(msgspec.Struct):
    """Texts and images, or a conversation.

    `input`: a text, a data address of an image, an object such as `{"text"}`, `{"image"}` or `{"content": [...]}`, or
    a list of them.  `messages`: a conversation instead, which gets one embedding.  `model`: "default" or "" is the
    first that is served.  `encoding_format`: "float" or "base64", how numbers are written.  `dimensions`: the first so
    many numbers, of unit length again.  `modality`: with "image" bare strings are images (infinity).
    `embedding_type`: Jina's name for `encoding_format`, also int8, uint8, binary and ubinary.  `output_dtype`:
    Voyage's name for `encoding_format`.  `output_dimension`: Voyage's name for `dimensions`.
    """

    input: Any = None
    messages: list[Any] | None = None
    model: str = ""
    encoding_format: str | None = None
    dimensions: int | None = None
    modality: Literal["text", "image"] = "text"
    embedding_type: str | list[str] | None = None
    output_dtype: str | None = None
    output_dimension: int | None = None


class OpenAIEmbedding(msgspec.Struct):
    """The embedding of one input.

    `embedding`: numbers, or a text for base64.  `index`: the number of the input, from 0.  `object`: always
    "embedding".
    """

    embedding: JsonNumbers
    index: int
    object: str = "embedding"


class TokenUsage(msgspec.Struct):
    """What was read.

    `prompt_tokens`: how many tokens the texts have for the model; images have none.  `total_tokens`: the same as
    `prompt_tokens`, for nothing else is counted.
    """

    prompt_tokens: int
    total_tokens: int


class OpenAIEmbedAnswer(msgspec.Struct):
    """One embedding for each input.

    `data`: the embeddings, in the order of the inputs.  `model`: the name of the model that made them.  `usage`: how
    many tokens were read.  `id`: a name of this answer.  `created`: when the answer was made, in Unix time.  `object`:
    "list", as of every list.
    """

    data: list[OpenAIEmbedding]
    model: str
    usage: TokenUsage
    id: str
    created: int
    object: str = "list"


class OpenAIModel(msgspec.Struct):
    """A served model.

    `id`: its name, by which it is asked.  `created`: when the server began, in Unix time.  `width`: how many numbers
    its embeddings have.  `backend`: the engine that computes.  `capabilities`: what can be asked of it.  `stats`:
    empty, for nothing is counted by model.  `object`: "model", as of every model.  `owned_by`: "wordsight", and
    "infinity" where infinity's client asks.
    """

    id: str
    created: int
    width: int
    fingerprint: str
    backend: str
    capabilities: tuple[str, ...] = ("embed", "image_embed", "rerank")
    stats: dict[str, int] = {}
    object: str = "model"
    owned_by: str = "wordsight"


class OpenAIModels(msgspec.Struct):
    """All served models.  `data`: the models, the first is the default.  `object`: "list", as of every list."""

    data: list[OpenAIModel]
    object: str = "list"


def openai_shape(status: int, problem: str, cure: str) -> Mapping[str, Any]:
    """Return an error as OpenAI's clients read it, and under `detail` as Jina's do."""
    message = f"{problem}: {cure}" if cure else problem
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    code = "model_not_found" if status == 404 else None
    return {"error": {"message": message, "type": kind, "param": None, "code": code}, "detail": message}


async def embeddings(call: HttpCall[OpenAIEmbedRequest]) -> OpenAIEmbedAnswer:
    """Return one embedding for each input, or for the conversation."""
    asked = call.asked
    hosted = await model_named(call.host, asked.model)
    inputs = _inputs(asked)
    numbered = shortened(await embed_inputs(inputs, hosted, call.host), asked.dimensions or asked.output_dimension)
    data = [OpenAIEmbedding(one, number) for number, one in enumerate(as_numbers(numbered, _kind(asked)))]
    return OpenAIEmbedAnswer(data, hosted.name, await usage_of(inputs, hosted), f"embd-{uuid4().hex}", int(time.time()))


async def image_embeddings(call: HttpCall[OpenAIEmbedRequest]) -> OpenAIEmbedAnswer:
    """Return one embedding for each image: what infinity had before `modality`."""
    call.asked.modality = "image"
    return await embeddings(call)


async def models(call: HttpCall[None]) -> OpenAIModels:
    """Return all served models."""
    return OpenAIModels([_described(hosted) for hosted in await call.host.models.all()])


async def infinity_models(call: HttpCall[None]) -> OpenAIModels:
    """Return the same as infinity's, whose client reads no other owner."""
    listed = await models(call)
    for one in listed.data:
        one.owned_by = "infinity"
    return listed


async def model(call: HttpCall[None]) -> OpenAIModel:
    """Return one served model."""
    return _described(await model_named(call.host, call.path["id"]))


async def usage_of(inputs: list[EmbedInput], hosted: HostedModel) -> TokenUsage:
    """Return the tokens of inputs as clients read them."""
    tokens = await read_tokens(inputs, hosted)
    return TokenUsage(tokens, tokens)


def _inputs(asked: OpenAIEmbedRequest) -> list[EmbedInput]:
    if asked.messages is not None:
        if asked.input is not None:
            raise Refused(400, "input and messages at once", cure="send one of them")
        return [parts_of(asked.messages)]
    if asked.input is None:
        raise Refused(400, "no input", cure="send a text, or a list of texts and images")
    return inputs_of(asked.input, images=asked.modality == "image")


def _kind(asked: OpenAIEmbedRequest) -> str:
    """Return the one type of numbers that is asked for."""
    kind = asked.embedding_type or asked.output_dtype or "float"
    kinds = [kind] if isinstance(kind, str) else kind
    if len(kinds) > 1:
        raise Refused(400, f"{len(kinds)} embedding types at once", cure="ask for one")
    return asked.encoding_format if kinds[0] == "float" and asked.encoding_format else kinds[0]


def _described(hosted: HostedModel) -> OpenAIModel:
    one = hosted.model
    return OpenAIModel(hosted.name, _BEGAN, one.spec.width, one.fingerprint, type(one.engine).__name__)
