"""The methods by name: what each needs, which image towers it fits, which is taken where none is named.

    relevance = relevance_of("legrad", model, pixels, texts)      # (C, G, G)

A new method is one file and one row in `METHODS`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from wordsight.base.arrays import Embeddings, Pixels
from wordsight.base.errors import MissingExtra, UsageError
from wordsight.base.optional import resolve
from wordsight.base.suggest import suggest
from wordsight.explain.heat import Maps

if TYPE_CHECKING:
    from wordsight.embeddings.model import Model
    from wordsight.towers.two import TwoTowers

TRANSFORMERS = ("vit", "eva")
CONVOLUTIONS = ("resnet", "efficientnet", "timm")


class Method(NamedTuple):
    """`target` is the "module:function"; `kinds` are the image towers that it fits, () for all, graphs alone too.

    With `inside` it looks inside the towers as PyTorch modules and is called with (towers, pixels, texts), else with
    (engine, pixels, texts).
    """

    target: str
    kinds: tuple[str, ...] = ()
    inside: bool = True


METHODS: Mapping[str, Method] = {
    "legrad": Method("wordsight.explain.inside.legrad:relevance", TRANSFORMERS),
    "grad-eclip": Method("wordsight.explain.inside.grad_eclip:relevance", TRANSFORMERS),
    "chefer": Method("wordsight.explain.inside.chefer:relevance", (*TRANSFORMERS, "resnet")),
    "gem": Method("wordsight.explain.inside.self_attention:gem", TRANSFORMERS),
    "surgery": Method("wordsight.explain.inside.self_attention:surgery", TRANSFORMERS),
    "grad-cam": Method("wordsight.explain.inside.grad_cam:grad_cam", (*TRANSFORMERS, *CONVOLUTIONS)),
    "grad-cam++": Method("wordsight.explain.inside.grad_cam:grad_cam_plus_plus", CONVOLUTIONS),
    "layer-cam": Method("wordsight.explain.inside.grad_cam:layer_cam", CONVOLUTIONS),
    "rollout": Method("wordsight.explain.inside.rollout:relevance", TRANSFORMERS),
    "occlusion": Method("wordsight.explain.occlusion:occlusion", inside=False),
    "rise": Method("wordsight.explain.occlusion:rise", inside=False),
}
DEFAULTS = {  # by kind of image tower: what measured best (docs/explain.md)
    "vit": "legrad",
    "eva": "legrad",
    "resnet": "grad-cam",
    "efficientnet": "layer-cam",
    "timm": "layer-cam",
}
ANY = "occlusion"  # fits every model
AUTO = "auto"


def fitting(kind: str) -> list[str]:
    """Return the methods that fit a kind of image tower, those that look inside first."""
    return [name for name, method in METHODS.items() if kind in method.kinds or not method.kinds]


def chosen(name: str, model: "Model") -> str:
    """Return the method that is meant: "auto" is the best of the model's family that can be computed here."""
    kind = model.spec.image.kind
    if name == AUTO:
        best = DEFAULTS.get(kind, ANY)
        return best if METHODS[best].inside and _towers_can_be_built(model) else ANY
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
    towers: TwoTowers = resolve("wordsight.weights.folder:load_towers", extra="train")(model.folder)
    return towers


def relevance_of(name: str, model: "Model", pixels: Pixels, texts: Embeddings, *, towers: Any = None) -> Maps:
    """Return the relevance (C, G, G) of each place of what the tower sees for each text, raw.

    `pixels` uint8 (S, S, 3) of the model's size, `texts` (C, E); `towers` where they were built already.
    """
    method = METHODS[name]
    function = resolve(method.target, extra="train")
    if not method.inside:
        return np.asarray(function(model.engine, pixels, texts), np.float32)
    inside = resolve("wordsight.explain.inside.tensors:called", extra="train")
    return np.asarray(inside(function, towers or towers_of(model), pixels, texts), np.float32)
