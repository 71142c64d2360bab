"""The methods by name: what each needs, which image towers it fits, which is taken where none is named.

A new method is one file and one row in `METHODS`.  `wordsight.explain.relevance` computes with them.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

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
ANY = "occlusion"  # fits every model, graphs alone too
# By kind of image tower, those that were measured (docs/explain.md, records/2026-11-30-explained); others have `ANY`.
# The rule: of the methods whose maps follow the text in nine of ten images and change with random weights in half, the
# one whose strongest place lies on the right thing most often; where intervals overlap, the one with the better IoU.
DEFAULTS: Mapping[str, str] = {"vit": "occlusion", "efficientnet": "grad-cam"}
AUTO = "auto"


def fitting(kind: str) -> list[str]:
    """Return the methods that fit a kind of image tower, those that look inside first."""
    return [name for name, method in METHODS.items() if kind in method.kinds or not method.kinds]
