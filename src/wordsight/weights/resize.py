"""A checkpoint for another image size or text length: positions are interpolated as its family does.  Free of PyTorch.

resize_checkpoint(checkpoint, size=336)
"""

from dataclasses import replace
from typing import Any

import numpy as np

from wordsight.base.errors import ConfigError
from wordsight.towers.check import check_spec
from wordsight.towers.parts.resize import RULES, Rule, resize_grid, resize_line
from wordsight.towers.resnet.shapes import REDUCTION
from wordsight.towers.spec import ImageTowerSpec, ModelSpec
from wordsight.weights.checkpoint import Checkpoint

DEFAULT = "openclip"  # the rule of checkpoints whose own family has none
NAMES = {
    "vit": "visual.positional_embedding",
    "eva": "visual.pos_embed",
    "resnet": "visual.attnpool.positional_embedding",
}

FOREIGN = ("timm", "transformers")
# parts of the names of timm's weights that belong to one size of pictures: positions of any kind, pooling with
# positions, mixing of all places
FIXED = (
    *("pos_embed", "rel_pos", "relative_position", "cpb_mlp", "attention_bias", "head.pool."),
    *("mlp_tokens", "linear_tokens", "gate.proj"),
)


def resize_checkpoint(
    checkpoint: Checkpoint, *, size: int | None = None, context_length: int | None = None
) -> Checkpoint:
    """Return the checkpoint for pictures of `size` pixels and texts of `context_length` tokens (None: as it is).

    The rule is that of the format it was read from.  Towers of other packages change when none of their weights
    depend on it (convolutions; texts as long as there are positions).  Else, for finished graphs, and for towers
    that read pictures of any shape, `ConfigError`.
    """
    spec, state = checkpoint.spec, dict(checkpoint.state)
    if size is not None and size != spec.image.size:
        spec = _resize_image(spec, state, size, rule_of(checkpoint))
    if context_length is not None and context_length != spec.text.context_length:
        spec = _resize_text(spec, state, context_length)
    check_spec(spec)
    return replace(checkpoint, spec=spec, state=state)


def rule_of(checkpoint: Checkpoint) -> Rule:
    """Return how the family of a checkpoint resizes positions."""
    image = checkpoint.spec.image
    if image.rotary == "perception":
        return RULES["perception"]
    return RULES.get(checkpoint.origin.get("format", DEFAULT), RULES[DEFAULT])


def _resize_image(spec: ModelSpec, state: dict[str, Any], size: int, rule: Rule) -> ModelSpec:
    image, before = spec.image, spec.preprocess
    if image.kind in FOREIGN:
        _check_free(state, size, image)
    elif image.kind not in NAMES:
        raise ConfigError(f'image.size = {size} for a tower of kind "{image.kind}"', cure="use it in its own size")
    if before.resize == "patches":
        raise ConfigError(
            f"image.size = {size}: this tower reads pictures of any shape", cure="set preprocess.max_patches"
        )
    resized = replace(image, size=size)
    if image.rotary == "eva":  # angles keep the range that they were trained in
        resized = replace(resized, rotary_grid=image.rotary_grid or image.size // image.patch)
    scale_to = round(before.scale_to * size / before.size)  # 0 stays 0
    spec = replace(spec, image=resized, preprocess=replace(before, size=size, scale_to=scale_to))
    check_spec(spec)
    if image.kind in NAMES:
        _resize_table(resized, state, rule)
    return spec


def _check_free(state: dict[str, Any], size: int, image: ImageTowerSpec) -> None:
    """Refuse another size for a tower of another package with weights that belong to one size."""
    fixed = next((name for name in state if name.startswith("visual.") and any(mark in name for mark in FIXED)), None)
    if fixed is not None:
        raise ConfigError(
            f"image.size = {size}: {fixed} belongs to pictures of {image.size} pixels", cure="use it in its own size"
        )


def _resize_table(image: ImageTowerSpec, state: dict[str, Any], rule: Rule) -> None:
    if image.kind == "vit" and image.positions == "sincos":
        return
    name = NAMES[image.kind]
    table = np.asarray(state[name])
    side = image.size // (REDUCTION if image.kind == "resnet" else image.patch)
    extra = int(image.has_class_token) if image.kind == "vit" else 1
    resized = resize_grid(table.reshape(-1, table.shape[-1]), side, extra=extra, rule=rule)
    state[name] = resized.reshape(*table.shape[:-2], *resized.shape)


def _resize_text(spec: ModelSpec, state: dict[str, Any], length: int) -> ModelSpec:
    if spec.text.kind == "onnx":
        raise ConfigError(
            f'text.context_length = {length} for a tower of kind "{spec.text.kind}"', cure="use it in its own length"
        )
    if spec.text.kind == "clip":
        _resize_words(spec, state, length)
    text = replace(spec.text, context_length=length)
    return replace(spec, text=text, tokenizer=replace(spec.tokenizer, context_length=length))


def _resize_words(spec: ModelSpec, state: dict[str, Any], length: int) -> None:
    table = np.asarray(state["positional_embedding"])
    words = spec.text.context_length  # what is behind them is the learned token's
    state["positional_embedding"] = np.concatenate([resize_line(table[:words], length), table[words:]])
