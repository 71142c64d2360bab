"""The raw relevance of an image's places by any of the methods.

method = ready("auto", model)                             # its name, and the towers that it looks into
relevance = relevance_of(method.name, model, pixels, texts, towers=method.towers)       # (C, G, G)
"""

from dataclasses import dataclass, replace
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


@dataclass(frozen=True, slots=True, eq=False)
class Ready:
    """A method that can be computed with a model, and the model's towers where it looks inside them.

    `for_words` are the towers again, or where the method needs none, those whose text tower can be looked into, if any.
    """

    name: str
    towers: "TwoTowers | None"
    for_words: "TwoTowers | None" = None


def ready(name: str, model: "Model") -> Ready:
    """Return the method that is meant, with towers that were built once.

    "auto" is that of the model's family, or `ANY` where that one cannot be computed.  Unknown methods and those that
    do not fit raise `UsageError`; one that is named and needs an extra that is not there, `MissingExtra`.
    """
    kind = model.spec.image.kind
    if name == AUTO:
        usual = DEFAULTS.get(kind, ANY)
        towers = towers_if_any(model) if METHODS[usual].inside else None
        return Ready(usual if towers is not None or not METHODS[usual].inside else ANY, towers)
    if name not in METHODS:
        raise UsageError(f"no method {name!r}", cure=suggest(name, [AUTO, *METHODS]))
    if name not in fitting(kind):
        problem = f"{name} does not fit {model.name}, whose image tower is of kind {kind!r}"
        raise UsageError(problem, cure=f"use one of {', '.join(fitting(kind))}")
    return Ready(name, towers_of(model) if METHODS[name].inside else None)


def ready_for_words(name: str, model: "Model") -> Ready:
    """Return the method as `ready` does, with the towers for words, which `explain` takes for many images."""
    how = ready(name, model)
    return replace(how, for_words=how.towers or towers_if_any(model))


def towers_if_any(model: "Model") -> "TwoTowers | None":
    """Return the model as PyTorch modules, None where there is no PyTorch, or are no weights that it can take."""
    try:
        return towers_of(model)
    except (MissingExtra, UsageError):
        return None


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


def randomised_of(name: str, model: "Model", pixels: Pixels, texts: Embeddings, *, towers: "TwoTowers") -> Maps:
    """Return what a method that looks inside gives of the same towers with random weights, (C, G, G).

    The texts' embeddings stay: only what looks at the image has learned nothing.
    """
    random = resolve("wordsight.explain.inside.tensors:with_random_weights", extra="train")(towers)
    return relevance_of(name, model, pixels, texts, towers=random)
