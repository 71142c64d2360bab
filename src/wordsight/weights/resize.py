"""A checkpoint for another image size or text length: positions are interpolated as its family does.  Free of PyTorch.

resize_checkpoint(checkpoint, size=336)
"""

from dataclasses import replace
from typing import Any

import numpy as np

from wordsight.base.errors import ConfigError
from wordsight.images.spec import PreprocessSpec
from wordsight.towers.check import check_spec
from wordsight.towers.families import image_family, native, text_family
from wordsight.towers.family import Grid
from wordsight.towers.parts.resize import RULES, resize_grid
from wordsight.towers.shapes import shapes
from wordsight.towers.spec import ModelSpec
from wordsight.towers.tower_spec import ImageTowerSpec, TextTowerSpec
from wordsight.weights.checkpoint import Checkpoint

DEFAULT = "openclip"  # the rule of checkpoints whose own family has none


def resize_checkpoint(
    checkpoint: Checkpoint, *, size: int | None = None, context_length: int | None = None, width: int | None = None
) -> Checkpoint:
    """Return the checkpoint for images of `size` pixels and texts of `context_length` tokens (None: as it is).

    `width` leaves the first so many numbers of the embeddings, for models that were trained so (`loss.widths`).

    The rule is that of the format it was read from.  Towers of other packages change when none of their weights
    depend on it (convolutions; texts as long as there are positions).  Else, for finished graphs, and for towers
    that read images of any shape, `ConfigError`.
    """
    spec, state = checkpoint.spec, dict(checkpoint.state)
    if size is not None and size != spec.image.size:
        spec = _resize_image(checkpoint, state, size)
    if context_length is not None and context_length != spec.text.context_length:
        spec = _resize_text(spec, state, context_length)
    if width is not None and width != spec.width:
        spec = _cut_width(spec, state, width)
    check_spec(spec)
    return replace(checkpoint, spec=spec, state=state)


def _cut_width(spec: ModelSpec, state: dict[str, Any], width: int) -> ModelSpec:
    """Leave out what the projections give behind the first `width` numbers."""
    cut = replace(spec, width=width)
    check_spec(cut)
    if not native(spec) or not 1 <= width < spec.width:
        why = f"the model has {spec.width}" if native(spec) else "a tower is another package's"
        raise ConfigError(f"width = {width}, but {why}", cure="give fewer, of a model with towers of its own")
    for name, shape in shapes(cut).items():
        if tuple(state[name].shape) == tuple(shape):
            continue
        if not _is_projection(spec, state, name):
            cure = "use the first numbers of its embeddings, made unit again"
            raise ConfigError(f"width = {width}, but {name} is no projection that can be cut", cure=cure)
        state[name] = np.asarray(state[name])[tuple(slice(side) for side in shape)]
    return cut


def _is_projection(spec: ModelSpec, state: dict[str, Any], name: str) -> bool:
    visual = name.startswith("visual.")
    family = image_family(spec.image) if visual else text_family(spec.text)
    before = "visual." if visual else "" if text_family(spec.text).at_root else "text."
    own = [key.removeprefix(before) for key in state if key.startswith("visual.") == visual]
    depths = None if family.layers is None else family.layers.depths(own)
    return depths is not None and depths.of[name.removeprefix(before)] == depths.projection


def _resize_image(checkpoint: Checkpoint, state: dict[str, Any], size: int) -> ModelSpec:
    spec = checkpoint.spec
    image = resized_image(spec.image, size)
    if spec.preprocess.resize == "patches":
        raise ConfigError(
            f"image.size = {size}: this tower reads pictures of any shape", cure="set preprocess.max_patches"
        )
    resized = replace(spec, image=image, preprocess=resized_preprocess(spec.preprocess, size))
    check_spec(resized)
    resize_image_weights(spec.image, image, state, format_name=checkpoint.origin.get("format", ""))
    return resized


def resized_image(image: ImageTowerSpec, size: int) -> ImageTowerSpec:
    """Return the spec for images of another size; `ConfigError` where the family has none."""
    resize = image_family(image).resized
    if resize is None:
        raise ConfigError(f'image.size = {size} for a tower of kind "{image.kind}"', cure="use it in its own size")
    resized: ImageTowerSpec = resize(image, size)
    return resized


def resized_preprocess(before: PreprocessSpec, size: int) -> PreprocessSpec:
    """Return what is done before a tower of another size: the same share is cut off."""
    return replace(before, size=size, scale_to=round(before.scale_to * size / before.size))  # 0 stays 0


def resize_image_weights(
    before: ImageTowerSpec, image: ImageTowerSpec, state: dict[str, Any], *, format_name: str
) -> None:
    """Change the weights of an image tower in `state` to those of another size, by the rule of its format."""
    family = image_family(before)
    _refuse_bound(state, image.size, before, family.fixed)
    grid = family.grid(image)
    if grid is not None:
        _resize_table(grid, state, format_name)


def resize_text_weights(text: TextTowerSpec, state: dict[str, Any], length: int) -> None:
    """Change the weights of a text tower in `state` to those for texts of another length."""
    resize = text_family(text).resize
    if resize is None:
        raise ConfigError(
            f'text.context_length = {length} for a tower of kind "{text.kind}"', cure="use it in its own length"
        )
    resize(state, text, length)


def _refuse_bound(state: dict[str, Any], size: int, image: ImageTowerSpec, marks: tuple[str, ...]) -> None:
    """Refuse another size for a tower with weights that belong to one size."""
    bound = next((name for name in state if name.startswith("visual.") and any(mark in name for mark in marks)), None)
    if bound is not None:
        raise ConfigError(
            f"image.size = {size}: {bound} belongs to pictures of {image.size} pixels", cure="use it in its own size"
        )


def _resize_table(grid: Grid, state: dict[str, Any], format_name: str) -> None:
    rule = RULES.get(grid.rule or format_name, RULES[DEFAULT])
    name = f"visual.{grid.name}"
    table = np.asarray(state[name])
    resized = resize_grid(table.reshape(-1, table.shape[-1]), grid.side, extra=grid.extra, rule=rule)
    state[name] = resized.reshape(*table.shape[:-2], *resized.shape)


def _resize_text(spec: ModelSpec, state: dict[str, Any], length: int) -> ModelSpec:
    resize_text_weights(spec.text, state, length)
    text = replace(spec.text, context_length=length)
    return replace(spec, text=text, tokenizer=replace(spec.tokenizer, context_length=length))
