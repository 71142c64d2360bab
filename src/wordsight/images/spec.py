"""What has to be done to an image before a tower sees it: a fact about the weights."""

from dataclasses import dataclass
from typing import Literal

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)  # openai/CLIP, clip/clip.py
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
HALF = (0.5, 0.5, 0.5)  # SigLIP, ALIGN, Perception Encoder: values from -1 to 1


@dataclass(frozen=True, slots=True)
class PreprocessSpec:
    """Resize, crop and normalisation.

    `size` is the side of the square in pixels that the tower sees. `resize`: "shortest" scales the shorter
    side to `scale_to` (0 means `size`) and cuts out the centre; "squash" does so with both sides; "longest"
    scales the longer side to `size` and fills the rest with `fill`; "patches" keeps the shape of the image
    within `max_patches` patches of side `patch` (NaFlex). `crop` says how the corner of the cut is rounded: "round"
    (halves to the even number: torchvision) or "floor" (transformers); what lies outside the image is
    `fill`. `interpolation` is Pillow's, with `antialias` unless stated otherwise: "bilinear" and "nearest" can
    do without, as TensorFlow does (values are then cut to whole levels, not rounded). `rgb`: colours become
    RGB "before" the resize, transparency laid onto white (transformers), or "after" it, transparency dropped
    (OpenAI, open_clip); they differ for palettes, transparency and CMYK only. `mean` and `std` are per RGB
    channel on values in 0..1.
    """

    size: int = 224
    resize: Literal["shortest", "squash", "longest", "patches"] = "shortest"
    scale_to: int = 0
    crop: Literal["round", "floor"] = "round"
    interpolation: Literal["bicubic", "bilinear", "lanczos", "nearest"] = "bicubic"
    antialias: bool = True
    rgb: Literal["before", "after"] = "before"
    fill: int = 0
    patch: int = 0
    max_patches: int = 0
    mean: tuple[float, float, float] = CLIP_MEAN
    std: tuple[float, float, float] = CLIP_STD
