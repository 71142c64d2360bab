"""The towers of a run before its first step: weights that it begins from are put in, what does not learn is frozen.

    begun = begin_towers(spec, config.train, starts)
    begun.towers, begun.rates         # what learns, each with a factor of the learning rate

Each weight of a start is used once, or named as left out.

Another image size or text length than the start's is made to fit by the family's rule.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from wordsight.base.errors import ConfigError, ShapeMismatch
from wordsight.base.progress import notice
from wordsight.towers.build import build
from wordsight.towers.spec import ModelSpec
from wordsight.towers.two import TwoTowers
from wordsight.train.config import PARTS, LearnConfig, TowerName
from wordsight.train.init import Start, Starts
from wordsight.train.learned import choose, depths_of, freeze, names_of
from wordsight.weights.checkpoint import Array, some
from wordsight.weights.finite import check_finite
from wordsight.weights.resize import resize_image_weights, resize_text_weights

# what may be missing before the names in a plain file of weights, of a tower or of another package's trunk in one
BEFORE = ("", "visual.", "text.", "visual.trunk.", "text.transformer.")


@dataclass(frozen=True, slots=True)
class Begun:
    """Towers, and the names of the parameters that learn with a factor of the learning rate for each.

    `left_out` are names in the files begun from, `new` those of weights that stayed random, `kept` the batch norms
    that use the start's statistics.
    """

    towers: TwoTowers
    rates: dict[str, float]
    left_out: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


def begin_towers(spec: ModelSpec, config: LearnConfig, starts: Starts) -> Begun:
    """Build the towers, put in what they begin from, freeze what does not learn.

    A tower that the weights do not fit is a `ShapeMismatch`, new weights that would stay random a `ConfigError`.
    """
    towers = build(spec)
    left_out, new = put_in(towers, starts)
    rates = choose(towers, config, new=new)
    for part in PARTS:
        still = [name for name in names_of(towers, part) if name in new and name not in rates]
        if still:
            what = getattr(config, part)
            cure = f'set train.{part} = "projection"'
            raise ConfigError(f'train.{part} = "{what}", but its projection is new and would stay random', cure=cure)
    _drop_patches(towers, config.patch_dropout)
    kept = _norms(towers, starts) if config.statistics == "start" else ()
    return Begun(towers, freeze(towers, rates, config, new=new), left_out, new, kept)


def _norms(towers: TwoTowers, starts: Starts) -> tuple[str, ...]:
    """Return the names of the batch norms in towers that begin from known weights."""
    known = {part == "image" for part in PARTS if starts.of(part) is not None}
    norms = [name for name, part in towers.named_modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    return tuple(name for name in norms if name.startswith("visual.") in known)


def _drop_patches(towers: TwoTowers, share: float) -> None:
    if not share:
        return
    if getattr(towers.visual, "patch_dropout", None) is None:
        kind = towers.spec.image.kind
        cure = 'set train.patch_dropout = 0; towers of kind "vit" without rotary positions can leave patches out'
        raise ConfigError(f'train.patch_dropout = {share} for an image tower of kind "{kind}"', cure=cure)
    towers.visual.patch_dropout = share  # type: ignore[assignment]


def put_in(towers: TwoTowers, starts: Starts) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give the towers the weights they begin from; return the names left out of the files, and those that stay new."""
    state = towers.state_dict()
    left_out: list[str] = []
    new: list[str] = []
    for part in PARTS:
        start = starts.of(part)
        if start is None:
            continue
        given, dropped = _given(start, part, towers)
        projection = _new(towers, part, given, where=start.facts["name"])
        used = {name: given[name] for name in names_of(towers, part) if name not in projection}
        _copy(state, used)
        _copy(state, _hidden(start, state, projection))
        left_out += [*dropped, *(name for name in given if name not in used)]
        if projection:
            notice(f"{part}: a new projection ({some(projection)}), which {start.facts['name']} does not give")
        new += projection
    if starts.model is not None:
        _put_scalars(towers, starts.model)
    if left_out:
        notice(f"left out of what is begun from: {some(left_out)}")
    return tuple(left_out), tuple(new)


def _hidden(start: Start, state: Mapping[str, Tensor], projection: Sequence[str]) -> dict[str, Array]:
    """Return the classifier of a start as the new hidden layer of an image tower's projection, where it has that shape.

    Its units then stand for classes, which is what the layer behind them reads best from few pairs.
    """
    classifier = None if start.image is None else start.image.classifier
    name = "visual.hidden.weight"
    if classifier is None or name not in projection or state[name].shape != classifier.weight.shape:
        return {}
    return {name: classifier.weight, "visual.hidden.bias": classifier.bias}


def _given(start: Start, part: TowerName, towers: TwoTowers) -> tuple[dict[str, Array], tuple[str, ...]]:
    """Return the weights of a tower under its names, and the names that its file has besides."""
    if start.tensors is None:
        return _sized(start, part, towers.spec)
    names, tensors = set(names_of(towers, part)), start.tensors
    before = max(BEFORE, key=lambda before: sum(f"{before}{name}" in names for name in tensors))
    given = {f"{before}{name}": tensors[name] for name in tensors if f"{before}{name}" in names}
    check_finite(given, where=start.facts["name"])
    return given, tuple(name for name in tensors if f"{before}{name}" not in names)


def _sized(start: Start, part: TowerName, spec: ModelSpec) -> tuple[dict[str, Array], tuple[str, ...]]:
    """Return the weights of a tower for the size of the run's towers, and the names that its file has besides."""
    if part == "image":
        image = start.image
        assert image is not None
        state: dict[str, Any] = dict(image.weights)
        if image.spec.size != spec.image.size:
            resize_image_weights(image.spec, spec.image, state, format_name=image.origin.get("format", ""))
        return state, image.left_out
    text = start.text
    assert text is not None
    state = dict(text.weights)
    if text.spec.context_length != spec.text.context_length:
        resize_text_weights(text.spec, state, spec.text.context_length)
    return state, text.left_out


def _new(towers: TwoTowers, part: TowerName, given: Mapping[str, Array], *, where: str) -> list[str]:
    """Return the names of a tower's weights that are not given, those of its projection; else raise `ShapeMismatch`."""
    state, names = towers.state_dict(), names_of(towers, part)
    depths = depths_of(names, towers.spec, part)
    shapes = {name: tuple(state[name].shape) for name in names}
    unfit = [name for name in names if name not in given or tuple(given[name].shape) != shapes[name]]
    projection = [name for name in names if depths is not None and depths.of[name] == depths.projection]
    wrong = [name for name in unfit if name not in projection]
    if wrong:
        problems = [
            f"{name} is {tuple(given[name].shape)} there, {shapes[name]} here"
            if name in given
            else f"{name} is not there"
            for name in wrong
        ]
        raise ShapeMismatch(
            f"{where} does not fit the {part} tower of the recipe: {some(problems)}",
            cure=f"leave out what the recipe says of model.{part} besides init, so that it has the shape of its start",
        )
    return projection if unfit else []


def _copy(state: Mapping[str, Tensor], given: Mapping[str, Array]) -> None:
    with torch.no_grad():
        for name, array in given.items():
            state[name].copy_(torch.from_numpy(np.array(array, array.dtype.newbyteorder("="))))  # a mapped file's stays


def _put_scalars(towers: TwoTowers, start: Start) -> None:
    """Take over scale and bias where the recipe states no others."""
    spec, before = towers.spec, start.spec
    assert before is not None
    if (spec.loss, spec.scale, spec.bias) == (before.loss, before.scale, before.bias):
        _copy(towers.state_dict(), start.scalars)
