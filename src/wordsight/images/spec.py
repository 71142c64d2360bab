"""What has to be done to a picture before a tower sees it: a fact about the weights."""

from dataclasses import dataclass
from typing import Literal

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)  # openai/CLIP, clip/clip.py
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True, slots=True)
class PreprocessSpec:
    """Resize, crop and normalisation.

    `size` is the side of the square in pixels. `resize`: "shortest" scales the shorter side to `size`
    and crops the centre; "squash" scales both sides to `size`. `mean` and `std` are per RGB channel on
    values in 0..1.
    """

    size: int = 224
    resize: Literal["shortest", "squash"] = "shortest"
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"
    mean: tuple[float, float, float] = CLIP_MEAN
    std: tuple[float, float, float] = CLIP_STD
