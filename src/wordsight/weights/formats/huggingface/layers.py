"""The weights of transformers' CLIP, SigLIP and SigLIP 2 under our names, and back.  Numpy only.

    state = take_image(keys, layout) | take_text(keys, layout)
    tensors = give_image(state, layout) | give_text(state, layout)

Shapes: D width of a tower, E width of the shared space, P side of a patch.  Queries, keys and values are three
layers there and one here; projections are layers (E, D) there and matrices (D, E) here.  Reads no files and no
configuration; the names are those of transformers' `modeling_clip.py`, `modeling_siglip.py` and
`modeling_siglip2.py`, the typing error in `pre_layrnorm` included.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np

from wordsight.weights.checkpoint import Array, Keys
from wordsight.weights.formats.trunks.patches import as_convolution, as_layer
from wordsight.weights.formats.trunks.sizes import depth

Layout = Literal["clip", "siglip", "siglip2"]
State = dict[str, Array]

BUFFERS = ("text_model.embeddings.position_ids", "vision_model.embeddings.position_ids")  # 0, 1, 2... in older files

# ours -> theirs, inside one block
_BLOCK = {
    "ln_1": "layer_norm1",
    "attn.out_proj": "self_attn.out_proj",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
_POOL = {
    "attn.out_proj": "attention.out_proj",
    "ln": "layernorm",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
_POOL_PLAIN = {
    "probe": "probe",
    "attn.in_proj_weight": "attention.in_proj_weight",
    "attn.in_proj_bias": "attention.in_proj_bias",
}
_PARTS = ("weight", "bias")
_THIRDS = ("q_proj", "k_proj", "v_proj")  # the order in which OpenAI packs them


def take_image(keys: Keys, layout: Layout) -> State:
    """Take every `vision_model.*` and the image projection; what is not there raises `ShapeMismatch`."""
    state: State = {}
    for ours, theirs in _image_names(layout).items():
        state[ours] = keys.take(theirs)
    if layout == "clip":
        state["visual.proj"] = _turned(keys.take("visual_projection.weight"))
    if layout == "siglip2":
        state["visual.conv1.weight"] = as_convolution(state["visual.conv1.weight"], keys.where)
    return state | _take_blocks(keys, "vision_model.encoder.layers", "visual.transformer.resblocks")


def give_image(state: Mapping[str, Array], layout: Layout) -> State:
    """Return the tensors that `take_image` reads."""
    tensors = {theirs: state[ours] for ours, theirs in _image_names(layout).items()}
    if layout == "clip":
        tensors["visual_projection.weight"] = _turned(state["visual.proj"])
    if layout == "siglip2":
        name = "vision_model.embeddings.patch_embedding.weight"
        tensors[name] = as_layer(tensors[name])
    return tensors | _give_blocks(state, "visual.transformer.resblocks", "vision_model.encoder.layers")


def take_text(keys: Keys, layout: Layout) -> State:
    """Take every `text_model.*` and the text projection; what is not there raises `ShapeMismatch`."""
    state: State = {ours: keys.take(theirs) for ours, theirs in _TEXT.items()}
    if layout == "clip":
        state["text_projection"] = _turned(keys.take("text_projection.weight"))
    else:
        for part in _PARTS:
            state[f"text_projection.{part}"] = keys.take(f"text_model.head.{part}")
    return state | _take_blocks(keys, "text_model.encoder.layers", "transformer.resblocks")


def give_text(state: Mapping[str, Array], layout: Layout) -> State:
    """Return the tensors that `take_text` reads.

    SigLIP's layout always has a layer with a bias at the end: where the state has a matrix or nothing, the layer
    that computes the same is made.
    """
    tensors = {theirs: state[ours] for ours, theirs in _TEXT.items()}
    if layout == "clip":
        tensors["text_projection.weight"] = _turned(state["text_projection"])
    else:
        weight, bias = _layer(state)
        tensors |= {"text_model.head.weight": weight, "text_model.head.bias": bias}
    return tensors | _give_blocks(state, "transformer.resblocks", "text_model.encoder.layers")


def take_scales(keys: Keys, layout: Layout) -> State:
    """Take the log scale and, in SigLIP's layouts, the bias, as 0-d arrays."""
    names = ("logit_scale",) if layout == "clip" else ("logit_scale", "logit_bias")
    return {name: keys.take(name).reshape(()) for name in names}


def give_scales(state: Mapping[str, Array], layout: Layout) -> State:
    """Return what `take_scales` reads: 0-d in CLIP's layout, one element in SigLIP's."""
    if layout == "clip":
        return {"logit_scale": state["logit_scale"]}
    return {name: state[name].reshape(1) for name in ("logit_scale", "logit_bias")}


def _image_names(layout: Layout) -> dict[str, str]:
    """Return ours -> theirs for what is renamed and no more."""
    names = {
        "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
        "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    }
    pairs = {"visual.ln_post": "vision_model.post_layernorm"}
    if layout == "clip":
        names["visual.class_embedding"] = "vision_model.embeddings.class_embedding"
        pairs["visual.ln_pre"] = "vision_model.pre_layrnorm"
    else:
        names["visual.conv1.bias"] = "vision_model.embeddings.patch_embedding.bias"
        names |= {f"visual.attn_pool.{ours}": f"vision_model.head.{theirs}" for ours, theirs in _POOL_PLAIN.items()}
        pairs |= {f"visual.attn_pool.{ours}": f"vision_model.head.{theirs}" for ours, theirs in _POOL.items()}
    return names | _with_parts(pairs)


def _with_parts(pairs: Mapping[str, str]) -> dict[str, str]:
    return {f"{ours}.{part}": f"{theirs}.{part}" for ours, theirs in pairs.items() for part in _PARTS}


_TEXT = {
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
} | _with_parts({"ln_final": "text_model.final_layer_norm"})


def _take_blocks(keys: Keys, theirs: str, ours: str) -> State:
    state: State = {}
    for index in range(depth(keys, f"{theirs}.")):
        here, there = f"{ours}.{index}", f"{theirs}.{index}"
        for name, other in _with_parts(_BLOCK).items():
            state[f"{here}.{name}"] = keys.take(f"{there}.{other}")
        for part in _PARTS:
            thirds = [keys.take(f"{there}.self_attn.{third}.{part}") for third in _THIRDS]
            state[f"{here}.attn.in_proj_{part}"] = np.concatenate(thirds)
    return state


def _give_blocks(state: Mapping[str, Array], ours: str, theirs: str) -> State:
    tensors: State = {}
    for index in range(depth(state, f"{ours}.")):
        here, there = f"{ours}.{index}", f"{theirs}.{index}"
        for name, other in _with_parts(_BLOCK).items():
            tensors[f"{there}.{other}"] = state[f"{here}.{name}"]
        for part in _PARTS:
            thirds = np.split(state[f"{here}.attn.in_proj_{part}"], 3)
            for third, values in zip(_THIRDS, thirds, strict=True):
                tensors[f"{there}.self_attn.{third}.{part}"] = values
    return tensors


def _layer(state: Mapping[str, Array]) -> tuple[Array, Array]:
    """Return weight (E, D) and bias (E) of the text projection, whatever its kind."""
    if "text_projection.weight" in state:
        return state["text_projection.weight"], state["text_projection.bias"]
    scale = state["ln_final.weight"]
    matrix = state["text_projection"] if "text_projection" in state else np.eye(len(scale), dtype=scale.dtype)
    return _turned(matrix), np.zeros(matrix.shape[1], matrix.dtype)


def _turned(matrix: Array) -> Array:
    return np.ascontiguousarray(matrix.T)
