"""Embeddings of inputs: of their texts and images through the queues of a model, and one embedding for each input.

    parts = await embed_parts(inputs, hosted, host)                # a list of (parts, width), one for each input
    mixed(parts[0])                                                # (width,)

An input of several parts is the mean of their unit embeddings, of unit length again; one of a single part is that part.
"""

import asyncio
from collections.abc import Sequence

import numpy as np

from wordsight.base.arrays import Embeddings, unit
from wordsight.serve.errors import Refused
from wordsight.serve.hosting.host import Host
from wordsight.serve.hosting.models import HostedModel
from wordsight.serve.neighbours.parts import EmbedInput
from wordsight.serve.own.embedding import check_counts, image_file

DEFAULTS = frozenset({"", "default", "default/not-specified"})  # names that mean the first model


async def model_named(host: Host, name: str) -> HostedModel:
    """Return a served model; `UnknownModel` for a name that is none of theirs."""
    return await host.models.named("" if name in DEFAULTS else name)


async def embed_parts(inputs: Sequence[EmbedInput], hosted: HostedModel, host: Host) -> list[Embeddings]:
    """Return the unit embeddings (parts, width) of each input; limits hold for all inputs together."""
    texts = [part.value for given in inputs for part in given if part.kind == "text"]
    addresses = [part.value for given in inputs for part in given if part.kind == "image"]
    check_counts(host, texts=texts, images=addresses)
    files = [await image_file(one, host) for one in addresses]
    embedded = {"text": iter(await hosted.embed_texts(texts)), "image": iter(await hosted.embed_images(files))}
    return [np.array([next(embedded[part.kind]) for part in given], np.float32) for given in inputs]


async def embed_inputs(inputs: Sequence[EmbedInput], hosted: HostedModel, host: Host) -> Embeddings:
    """Return the unit embeddings (inputs, width) of inputs."""
    embedded: Embeddings = np.array([mixed(parts) for parts in await embed_parts(inputs, hosted, host)], np.float32)
    return embedded


def mixed(parts: Embeddings) -> Embeddings:
    """Return the embedding (width,) of parts (n, width): their mean, of unit length; a single one is itself."""
    mean: Embeddings = parts.mean(axis=0) if len(parts) > 1 else parts[0]
    if len(parts) > 1:
        if not np.linalg.norm(mean) > 1e-6:
            raise Refused(400, "parts of one input that cancel each other", cure="send them one by one")
        mean = unit(mean[None])[0]
    return mean


async def count_tokens(texts: Sequence[str], hosted: HostedModel) -> list[int]:
    """Return how many tokens each text has for the model, start and end included, however long it is."""
    if not texts:
        return []
    return await asyncio.to_thread(_counted, texts, hosted)


async def read_tokens(inputs: Sequence[EmbedInput], hosted: HostedModel) -> int:
    """Return how many tokens the model reads of inputs: what exceeds its context is cut, and images have none."""
    counts = await count_tokens([part.value for given in inputs for part in given if part.kind == "text"], hosted)
    most = hosted.model.tokenizer.context_length if counts else 0
    return sum(min(count, most) for count in counts)


def _counted(texts: Sequence[str], hosted: HostedModel) -> list[int]:
    tokenizer = hosted.model.tokenizer
    around = int(tokenizer.batch(["a"], pad_to="longest").shape[1]) - len(tokenizer.encode("a"))
    return [len(tokenizer.encode(text)) + around for text in texts]
