"""The image tower of MobileCLIP-B as timm has it (`vit_base_mci_224`): three convolutions before a transformer.

    state = read_stem(keys)            # visual.stem.*, the batch norms folded in
    weights = write_stem(state)        # visual.trunk.patch_embed.backbone.*, norms that do nothing

timm knows one size.  It puts no zeros around the image where Apple's own code puts one pixel of them, and has
another epsilon: the same weights give other rows in the two, and each file is read as its own library reads it.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from wordsight.base.errors import UsageError
from wordsight.towers.tower_spec import hidden_width
from wordsight.towers.vit.spec import VitSpec
from wordsight.weights.checkpoint import Array, Keys
from wordsight.weights.formats.trunks.fastvit import batch_norm, fold_norm

BACKBONE = "visual.trunk.patch_embed.backbone."
FIRST = BACKBONE + "0.conv.weight"
NAME = "vit_base_mci_224"
SIZES = {NAME: (768, 12, 3072, 16, 224)}  # width, layers, hidden, patch, size
EPSILON = 1e-6  # of timm's norms; Apple's have 1e-5
NORMED = 2  # of the three convolutions, the ones with a batch norm behind them


def read_stem(keys: Keys) -> dict[str, Array]:
    """Take the three convolutions and their norms; return `visual.stem.{0,2,4}.weight` and `.bias`."""
    state: dict[str, Array] = {}
    for index in range(NORMED + 1):
        kernel = keys.take(f"{BACKBONE}{index}.conv.weight")
        if index < NORMED:
            ends = ("weight", "bias", "running_mean", "running_var")
            folded = fold_norm(kernel, {end: keys.take(f"{BACKBONE}{index}.bn.{end}") for end in ends})
            keys.drop(f"{BACKBONE}{index}.bn.num_batches_tracked")
        else:
            folded = {"weight": kernel, "bias": keys.take(f"{BACKBONE}{index}.conv.bias")}
        state |= {f"visual.stem.{2 * index}.{end}": value for end, value in folded.items()}
    return state


def write_stem(state: Mapping[str, Array]) -> dict[str, Array]:
    """Return timm's convolutions and norms for `visual.stem.*`."""
    made: dict[str, Array] = {}
    for index in range(NORMED + 1):
        kernel, bias = (state[f"visual.stem.{2 * index}.{end}"] for end in ("weight", "bias"))
        made[f"{BACKBONE}{index}.conv.weight"] = kernel
        if index < NORMED:
            made |= batch_norm(f"{BACKBONE}{index}.bn", bias, 1.0)
        else:
            made[f"{BACKBONE}{index}.conv.bias"] = bias
    return made


def without_class_position(positions: Array) -> Array:
    """Return the positions (T, D) of the patches alone; `UsageError` where the class token has one, too."""
    if np.any(positions[0]):
        raise UsageError(
            f"{NAME} gives the class token no position, and this tower has one", cure="choose another format"
        )
    return positions[1:]


def check(image: VitSpec) -> dict[str, Any]:
    """Return the `vision_cfg` of a tower with such a stem; `UsageError` when it is not timm's."""
    problems = {
        f"image.stem_padding = {image.stem_padding}": image.stem_padding != 0,
        f"image.epsilon = {image.epsilon}": image.epsilon != EPSILON,
        f"image.activation = {image.activation}": image.activation != "gelu",
        "image.pre_norm = true": image.pre_norm,
        f'image.pool = "{image.pool}"': image.pool != "class",
        f'image.projection = "{image.projection}"': image.projection == "none",
        "image.layer_scale = true": image.layer_scale,
    }
    shape = (image.width, image.layers, hidden_width(image.width, image.mlp_ratio), image.patch, image.size)
    problems["its sizes"] = shape not in SIZES.values()
    named = [problem for problem, wrong in problems.items() if wrong]
    if named:
        raise UsageError(
            f"timm, which open_clip takes such a tower from, has none with {', '.join(named)}",
            cure="timm's has stem_padding 0 and epsilon 1e-6: --set image.stem_padding=0 --set image.epsilon=1e-6 "
            "gives what open_clip makes of the weights",
        )
    linear = image.projection == "linear"
    return {
        "timm_model_name": NAME,
        "timm_model_pretrained": False,
        "timm_pool": "token",
        "timm_proj": None if linear else "linear",
        "image_size": image.size,
    }
