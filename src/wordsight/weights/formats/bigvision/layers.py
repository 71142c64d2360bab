"""The weights of big_vision's two-tower models under our names, and back.  Numpy only.

    towers = take_towers(keys)                  # keys without "params/" in front
    tensors = give_towers(state, stacked=True)  # blocks as one array each with the layers first ("scan")

Shapes: D width of a tower, H heads, E width of the shared space, P side of a patch, I layers.  flax keeps the
kernel of a layer as (in, out), that of an attention as (D, H, D/H) and (H, D/H, D), that of a convolution as
(P, P, 3, D).  The names are those of big_vision's `models/vit.py` and `proj/image_text/text_transformer.py`; the
older places of positions and pooling are those that `fix_old_checkpoints` there knows.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from wordsight.base.errors import ShapeMismatch
from wordsight.weights.checkpoint import Array, Keys
from wordsight.weights.formats.trunks.sizes import depth

State = dict[str, Array]

IMAGE, TEXT = "img/Transformer", "txt/Encoder_0"
STACK = "encoderblock"  # alone for all layers in one array, with a number for each by itself
_ATTENTION, _MLP = "MultiHeadDotProductAttention_0", "MlpBlock_0"
_THIRDS = ("query", "key", "value")
_BLOCK = {"ln_1": "LayerNorm_0", "ln_2": "LayerNorm_1"}
_DENSE = {"mlp.c_fc": f"{_MLP}/Dense_0", "mlp.c_proj": f"{_MLP}/Dense_1"}
_NORM = {"weight": "scale", "bias": "bias"}  # ours -> theirs


@dataclass(frozen=True, slots=True)
class ReadTowers:
    """Both towers under our names, and what only the shapes of these files say."""

    state: State
    image_heads: int
    text_heads: int
    patches: bool  # the image tower reads images as patches of every shape (NaFlex)


def take_towers(keys: Keys) -> ReadTowers:
    """Take every `img/*`, `txt/*`, `t` and `b`; what is not there raises `ShapeMismatch`."""
    kernel = keys["img/embedding/kernel"]
    state = _take_image(keys)
    image_heads, image_blocks = _take_blocks(keys, IMAGE, "visual.transformer.resblocks")
    text_heads, text_blocks = _take_blocks(keys, TEXT, "transformer.resblocks")
    state |= image_blocks | text_blocks | _take_text(keys)
    state["logit_scale"] = keys.take("t").reshape(())
    if "b" in keys:
        state["logit_bias"] = keys.take("b").reshape(())
    return ReadTowers(state, image_heads, text_heads, kernel.ndim == 2)


def give_towers(state: Mapping[str, Array], *, heads: tuple[int, int], patches: bool, stacked: bool) -> State:
    """Return big_vision's tensors by name, the names without "params/" in front.

    `heads` are those of the image and the text tower; `patches` writes the image tower for images of every
    shape; `stacked` writes all layers of a tower as one array.
    """
    kernel = np.ascontiguousarray(state["visual.conv1.weight"].transpose(2, 3, 1, 0))  # (P, P, 3, D)
    side = kernel.shape[0]
    positions = state["visual.positional_embedding"]
    grid = round(len(positions) ** 0.5)
    tensors = {
        "img/embedding/kernel": kernel.reshape(side * side * 3, -1) if patches else kernel,
        "img/embedding/bias": state["visual.conv1.bias"],
        "img/pos_embedding": positions.reshape(grid, grid, -1) if patches else positions[None],
        "txt/Embed_0/embedding": state["token_embedding.weight"],
        "txt/pos_embedding": state["positional_embedding"][None],
        "t": state["logit_scale"].reshape(1),
        "b": state["logit_bias"].reshape(1),
        **_give_norm(state, "visual.ln_post", f"{IMAGE}/encoder_norm"),
        **_give_norm(state, "ln_final", f"{TEXT}/encoder_norm"),
        **_give_pool(state, heads[0]),
    }
    if "text_projection.weight" in state:
        tensors |= _give_dense(state, "text_projection", "txt/head")
    elif "text_projection" in state:
        matrix = state["text_projection"]
        tensors |= {"txt/head/kernel": matrix, "txt/head/bias": np.zeros(matrix.shape[1], matrix.dtype)}
    for ours, theirs, count in (
        ("visual.transformer.resblocks", IMAGE, heads[0]),
        ("transformer.resblocks", TEXT, heads[1]),
    ):
        tensors |= _give_blocks(state, ours, theirs, count, stacked=stacked)
    return tensors


def _take_image(keys: Keys) -> State:
    """Everything of the image tower but its blocks."""
    kernel = keys.take("img/embedding/kernel")
    if kernel.ndim == 2:  # a layer on flattened patches: rows, columns, channels
        side = round((len(kernel) / 3) ** 0.5)
        if 3 * side * side != len(kernel):
            raise ShapeMismatch(f"the patch embedding of {keys.where} has shape {kernel.shape}", cure="fetch it again")
        kernel = kernel.reshape(side, side, 3, -1)
    state = {
        "visual.conv1.weight": np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)),
        "visual.conv1.bias": keys.take("img/embedding/bias"),
        **_take_norm(keys, f"{IMAGE}/encoder_norm", "visual.ln_post"),
        **_take_pool(keys),
    }
    names = ("img/pos_embedding", f"{IMAGE}/pos_embedding", f"{IMAGE}/posembed_input/pos_embedding")
    table = keys.take(next((name for name in names if name in keys), names[0]))
    positions = table.reshape(-1, table.shape[-1])
    if "img/cls" in keys:  # learned without a position, unless the table has a row for it
        state["visual.class_embedding"] = keys.take("img/cls").reshape(-1)
        side = round((len(positions) - 1) ** 0.5)
        if side * side + 1 != len(positions):
            positions = np.concatenate([np.zeros_like(positions[:1]), positions])
    state["visual.positional_embedding"] = positions
    if "img/head/kernel" in keys:
        state |= _take_dense(keys, "img/head", "visual.head")
    return state


def _take_text(keys: Keys) -> State:
    """Everything of the text tower but its blocks."""
    positions = keys.take("txt/pos_embedding")[0]
    if f"{TEXT}/pos_embedding" in keys:  # some older files add positions twice
        positions = positions + keys.take(f"{TEXT}/pos_embedding")[0]
    state = {
        "token_embedding.weight": keys.take("txt/Embed_0/embedding"),
        "positional_embedding": positions,
        **_take_norm(keys, f"{TEXT}/encoder_norm", "ln_final"),
    }
    return state | (_take_dense(keys, "txt/head", "text_projection") if "txt/head/kernel" in keys else {})


def _take_pool(keys: Keys) -> State:
    prefix = "img/MAPHead_0" if "img/MAPHead_0/probe" in keys else "img"
    if f"{prefix}/probe" not in keys:
        return {}
    ours = "visual.attn_pool"
    state = {f"{ours}.probe": keys.take(f"{prefix}/probe"), **_take_norm(keys, f"{prefix}/LayerNorm_0", f"{ours}.ln")}
    for name, theirs in _DENSE.items():
        state |= _take_dense(keys, f"{prefix}/{theirs}", f"{ours}.{name}")
    weights = {name: keys.take(f"{prefix}/{_ATTENTION}/{name}") for name in _attention_names()}
    return state | _take_attention(weights, f"{ours}.attn")


def _give_pool(state: Mapping[str, Array], heads: int) -> State:
    ours, theirs = "visual.attn_pool", "img/MAPHead_0"
    tensors = {f"{theirs}/probe": state[f"{ours}.probe"], **_give_norm(state, f"{ours}.ln", f"{theirs}/LayerNorm_0")}
    for name, other in _DENSE.items():
        tensors |= _give_dense(state, f"{ours}.{name}", f"{theirs}/{other}")
    for name, value in _give_attention(state, f"{ours}.attn", heads).items():
        tensors[f"{theirs}/{_ATTENTION}/{name}"] = value
    return tensors


def _take_blocks(keys: Keys, theirs: str, ours: str) -> tuple[int, State]:
    """Return the number of heads, and the blocks of one tower in either layout."""
    names = [f"{norm}/{part}" for norm in _BLOCK.values() for part in _NORM.values()]
    names += [f"{dense}/{part}" for dense in _DENSE.values() for part in ("kernel", "bias")]
    names += [f"{_ATTENTION}/{name}" for name in _attention_names()]
    whole = f"{theirs}/{STACK}"
    if f"{whole}/{names[0]}" in keys:
        stacks = {name: keys.take(f"{whole}/{name}") for name in names}
        blocks = [{name: stack[n] for name, stack in stacks.items()} for n in range(len(stacks[names[0]]))]
    else:
        dotted = {name.replace("/", "."): keys[name] for name in keys if name.startswith(f"{whole}_")}
        count = depth(dotted, f"{whole}_".replace("/", "."))
        blocks = [{name: keys.take(f"{whole}_{n}/{name}") for name in names} for n in range(count)]
    if not blocks:
        raise ShapeMismatch(f"{keys.where} has no {whole}", cure="the file is not whole, or of another kind")
    state: State = {}
    for number, block in enumerate(blocks):
        state |= {f"{ours}.{number}.{name}": value for name, value in _take_block(block).items()}
    return blocks[0][f"{_ATTENTION}/query/kernel"].shape[1], state


def _take_block(block: Mapping[str, Array]) -> State:
    """Return one block under our names inside it."""
    state: State = {}
    for ours, theirs in _BLOCK.items():
        state |= {f"{ours}.{part}": block[f"{theirs}/{other}"] for part, other in _NORM.items()}
    for ours, theirs in _DENSE.items():
        state[f"{ours}.weight"] = _turned(block[f"{theirs}/kernel"])
        state[f"{ours}.bias"] = block[f"{theirs}/bias"]
    weights = {name: block[f"{_ATTENTION}/{name}"] for name in _attention_names()}
    return state | _take_attention(weights, "attn")


def _give_blocks(state: Mapping[str, Array], ours: str, theirs: str, heads: int, *, stacked: bool) -> State:
    blocks = []
    for number in range(depth(state, f"{ours}.")):
        here = f"{ours}.{number}"
        block: State = {}
        for name, other in _BLOCK.items():
            block |= _give_norm(state, f"{here}.{name}", other)
        for name, other in _DENSE.items():
            block |= _give_dense(state, f"{here}.{name}", other)
        attention = _give_attention(state, f"{here}.attn", heads)
        blocks.append(block | {f"{_ATTENTION}/{name}": value for name, value in attention.items()})
    if stacked:
        return {f"{theirs}/{STACK}/{name}": np.stack([block[name] for block in blocks]) for name in blocks[0]}
    return {f"{theirs}/{STACK}_{n}/{name}": value for n, block in enumerate(blocks) for name, value in block.items()}


def _attention_names() -> list[str]:
    return [f"{name}/{part}" for name in (*_THIRDS, "out") for part in ("kernel", "bias")]


def _take_attention(weights: Mapping[str, Array], ours: str) -> State:
    out = weights["out/kernel"]
    return {
        f"{ours}.in_proj_weight": np.concatenate([_rows(weights[f"{name}/kernel"]) for name in _THIRDS]),
        f"{ours}.in_proj_bias": np.concatenate([weights[f"{name}/bias"].reshape(-1) for name in _THIRDS]),
        f"{ours}.out_proj.weight": _turned(out.reshape(-1, out.shape[-1])),
        f"{ours}.out_proj.bias": weights["out/bias"],
    }


def _give_attention(state: Mapping[str, Array], ours: str, heads: int) -> State:
    width = len(state[f"{ours}.out_proj.bias"])
    shape = (heads, width // heads)
    weights: State = {}
    thirds = zip(
        _THIRDS, np.split(state[f"{ours}.in_proj_weight"], 3), np.split(state[f"{ours}.in_proj_bias"], 3), strict=True
    )
    for name, weight, bias in thirds:
        weights[f"{name}/kernel"] = _turned(weight).reshape(width, *shape)
        weights[f"{name}/bias"] = bias.reshape(shape)
    weights["out/kernel"] = _turned(state[f"{ours}.out_proj.weight"]).reshape(*shape, width)
    weights["out/bias"] = state[f"{ours}.out_proj.bias"]
    return weights


def _take_norm(keys: Keys, theirs: str, ours: str) -> State:
    return {f"{ours}.{part}": keys.take(f"{theirs}/{other}") for part, other in _NORM.items()}


def _give_norm(state: Mapping[str, Array], ours: str, theirs: str) -> State:
    return {f"{theirs}/{other}": state[f"{ours}.{part}"] for part, other in _NORM.items()}


def _take_dense(keys: Keys, theirs: str, ours: str) -> State:
    return {f"{ours}.weight": _turned(keys.take(f"{theirs}/kernel")), f"{ours}.bias": keys.take(f"{theirs}/bias")}


def _give_dense(state: Mapping[str, Array], ours: str, theirs: str) -> State:
    return {f"{theirs}/kernel": _turned(state[f"{ours}.weight"]), f"{theirs}/bias": state[f"{ours}.bias"]}


def _rows(kernel: Array) -> Array:
    """Return (D, D) with a row for each output, for a kernel (D, H, D/H)."""
    return _turned(kernel.reshape(len(kernel), -1))


def _turned(matrix: Array) -> Array:
    return np.ascontiguousarray(matrix.T)
