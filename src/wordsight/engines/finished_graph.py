"""ONNX graphs that somebody else exported: fed by their own input names, types and shapes.

    embeddings = run_finished_graph(session, spec, "image", pixels)

Such a graph wants normalised float images (B, 3, S, S) and token ids (B, L) of any integer type, may want an
attention mask, and gives vectors of any length.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings, unit
from wordsight.base.errors import FormatError
from wordsight.images.transform import normalise
from wordsight.towers.spec import ModelSpec

TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}
OUTPUTS = (
    "image_embeds",
    "text_embeds",
    "sentence_embedding",
)  # names of the embedding where a graph has several outputs


def run_finished_graph(session: Any, spec: ModelSpec, tower: str, batch: NDArray[Any]) -> Embeddings:
    """Return unit embeddings (B, E) of pixels uint8 (B, S, S, 3) or tokens int32 (B, L); `tower`: "image" or "text"."""
    if not len(batch):  # which a graph for one at a time could not be asked
        return np.empty((0, spec.width), np.float32)
    inputs = session.get_inputs()
    name = _output(session)
    parts = [
        session.run([name], {entry.name: _feed(entry, spec, tower, part) for entry in inputs})[0]
        for part in _parts(batch, fixed=inputs[0].shape[0])
    ]
    embeddings = np.concatenate([np.atleast_2d(part) for part in parts])
    if len(embeddings) != len(batch) or embeddings.dtype.kind != "f":
        raise FormatError(
            f"the {tower} graph gives {len(embeddings)} embeddings of type {embeddings.dtype} for {len(batch)} inputs",
            cure="fetch the folder again, or use another export",
        )
    embeddings = embeddings.astype(np.float32).reshape(len(batch), -1)
    if embeddings.shape[1] != spec.width:
        raise FormatError(
            f"the {tower} graph gives embeddings of {embeddings.shape[1]} numbers, its configuration says {spec.width}",
            cure="fetch the folder again, both graphs from the same export",
        )
    return unit(embeddings)


def _parts(batch: NDArray[Any], *, fixed: Any) -> Iterator[NDArray[Any]]:
    """Yield the batch as the graph wants it: whole, or one by one where its batch is fixed at one."""
    if not isinstance(fixed, int) or fixed == len(batch):
        yield batch
        return
    if fixed != 1:
        raise FormatError(f"a graph for batches of {fixed}", cure="export it with a free batch axis, or for one")
    for position in range(len(batch)):
        yield batch[position : position + 1]


def _feed(entry: Any, spec: ModelSpec, tower: str, part: NDArray[Any]) -> NDArray[Any]:
    if entry.type not in TYPES:
        raise FormatError(f"input {entry.name} is {entry.type}", cure=f"known: {', '.join(TYPES)}")
    if tower == "image":
        values: NDArray[Any] = normalise(part, spec.preprocess)
    elif "mask" in entry.name:
        values = _mask(part, spec)
    else:
        values = part
    return np.ascontiguousarray(values, dtype=TYPES[entry.type])


def _mask(tokens: NDArray[Any], spec: ModelSpec) -> NDArray[Any]:
    """Return 1 for tokens and 0 for the padding that follows the last of them."""
    real = tokens != spec.tokenizer.pad_id
    count = tokens.shape[1] - np.argmax(real[:, ::-1], axis=1)  # (B,): what precedes the trailing padding
    mask: NDArray[Any] = np.arange(tokens.shape[1]) < count[:, None]
    return mask


def _output(session: Any) -> str:
    names = [entry.name for entry in session.get_outputs()]
    return str(next((name for name in OUTPUTS if name in names), names[0]))
