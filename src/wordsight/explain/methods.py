"""The methods by name: what each needs, which image towers it fits, which is taken where none is named.

    relevance = relevance_of("legrad", model, pixels, texts)      # (C, G, G)

A new method is one file and one row in `METHODS`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

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
    (engine, pixels, texts).  `empty` is a text that says nothing, whose map is taken off, and `wants_empty` when.
    """

    target: str
    kinds: tuple[str, ...] = ()
    inside: bool = True
    empty: str = ""
    wants_empty: Literal["never", "one text", "sigmoid"] = "never"


METHODS: Mapping[str, Method] = {
    "legrad": Method(
        "wordsight.explain.inside.legrad:relevance", TRANSFORMERS, empty="a photo of a", wants_empty="sigmoid"
    ),
    "grad-eclip": Method("wordsight.explain.inside.grad_eclip:relevance", (*TRANSFORMERS, "resnet")),
    "chefer": Method("wordsight.explain.inside.chefer:relevance", (*TRANSFORMERS, "resnet")),
    "gem": Method("wordsight.explain.inside.self_attention:gem", TRANSFORMERS),
    "surgery": Method(
        "wordsight.explain.inside.self_attention:surgery", (*TRANSFORMERS, "resnet"), wants_empty="one text"
    ),
    "grad-cam": Method("wordsight.explain.inside.grad_cam:grad_cam", (*TRANSFORMERS, *CONVOLUTIONS)),
    "grad-cam++": Method("wordsight.explain.inside.grad_cam:grad_cam_plus_plus", CONVOLUTIONS),
    "layer-cam": Method("wordsight.explain.inside.grad_cam:layer_cam", CONVOLUTIONS),
    "rollout": Method("wordsight.explain.inside.rollout:relevance", (*TRANSFORMERS, "resnet")),
    "occlusion": Method("wordsight.explain.occlusion:occlusion", inside=False),
    "rise": Method("wordsight.explain.occlusion:rise", inside=False),
}
DEFAULTS = {"vit": "legrad", "eva": "legrad"}  # by kind of image tower; docs/explain.md says what they rest on
ANY = "occlusion"  # fits every model, and points at things better than gradients do where towers have no attention
AUTO = "auto"


def fitting(kind: str) -> list[str]:
    """Return the methods that fit a kind of image tower, those that look inside first."""
    return [name for name, method in METHODS.items() if kind in method.kinds or not method.kinds]


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
