"""The raw relevance of an image's places by any of the methods.

name = chosen("auto", model)
relevance = relevance_of(name, model, pixels, texts)      # (C, G, G)
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from wordsight.base.arrays import Embeddings, Pixels
from wordsight.base.errors import MissingExtra, UsageError
from wordsight.base.optional import resolve
from wordsight.base.suggest import suggest
from wordsight.explain.heat import Maps
from wordsight.explain.methods import ANY, AUTO, DEFAULTS, METHODS, fitting

if TYPE_CHECKING:
    from wordsight.embeddings.model import Model
    from wordsight.towers.two import TwoTowers


def chosen(name: str, model: "Model") -> str:
    """Return the method that is meant: "auto" is that of the model's family, or `ANY` where it cannot be computed."""
    kind = model.spec.image.kind
    if name == AUTO:
        usual = DEFAULTS.get(kind, ANY)
        return usual if usual == ANY or _towers_can_be_built(model) else ANY
    if name not in METHODS:
        raise UsageError(f"no method {name!r}", cure=suggest(name, [AUTO, *METHODS]))
    if name not in fitting(kind):
        problem = f"{name} does not fit {model.name}, whose image tower is of kind {kind!r}"
        raise UsageError(problem, cure=f"use one of {', '.join(fitting(kind))}")
    return name


def _towers_can_be_built(model: "Model") -> bool:
    """Say whether PyTorch is there, and weights that it can take."""
    try:
        towers_of(model)
    except (MissingExtra, UsageError):
        return False
    return True


def towers_of(model: "Model") -> "TwoTowers":
    """Return the model as PyTorch modules; one that has none says what works without."""
    if model.folder is None:
        raise UsageError(f"{model.name} has no weights to look into", cure=f"use {ANY}, which needs none")
    try:
        towers: TwoTowers = resolve("wordsight.weights.folder:load_towers", extra="train")(model.folder)
    except MissingExtra as error:
        raise MissingExtra(error.problem, cure=f"{error.cure}, or use {ANY}, which works without") from None
    return towers


def relevance_of(name: str, model: "Model", pixels: Pixels, texts: Embeddings, *, towers: Any = None) -> Maps:
    """Return the relevance (C, G, G) of each place of what the tower sees for each text, raw.

    `pixels` uint8 (S, S, 3) of the model's size, `texts` (C, E); `towers` where they were built already.
    """
    method = METHODS[name]
    if not method.inside:
        return np.asarray(resolve(method.target)(model.engine, pixels, texts), np.float32)
    towers = towers or towers_of(model)
    function = resolve(method.target, extra="train")
    inside = resolve("wordsight.explain.inside.tensors:called", extra="train")
    wanted = {"never": False, "one text": len(texts) == 1, "sigmoid": model.spec.loss == "sigmoid"}
    empty = model.embed_texts([method.empty])[0] if wanted[method.wants_empty] else None
    return np.asarray(inside(function, towers, pixels, texts, empty=empty), np.float32)
