"""Architectures as data.  Free of PyTorch, so that the light install can read a model's card and spec."""

from dataclasses import dataclass, field
from typing import Literal

from wordsight.images.spec import PreprocessSpec
from wordsight.text.spec import TokenizerSpec

Activation = Literal["gelu", "quick_gelu"]


@dataclass(frozen=True, slots=True)
class ImageTowerSpec:
    """An image encoder.

    kind "vit": `layers` is the depth, `width` the channels, `heads` the heads, `patch` the patch side.
    `stem`: "patch" is one convolution of stride `patch`; "conv" is a stack of 3x3 convolutions of
    stride 2 that ends at the same grid (for small data). `pool`: "class" token or "mean" of the patch
    tokens. `positions`: "learned" or fixed "sincos".
    kind "resnet": CLIP's modified ResNet; `stages` are the blocks of each stage, `width` the channels
    of the stem, `heads` those of the attention pooling.
    """

    kind: Literal["vit", "resnet"] = "vit"
    size: int = 224
    width: int = 768
    layers: int = 12
    heads: int = 12
    patch: int = 32
    mlp_ratio: float = 4.0
    activation: Activation = "gelu"
    stem: Literal["patch", "conv"] = "patch"
    pool: Literal["class", "mean"] = "class"
    positions: Literal["learned", "sincos"] = "learned"
    stages: tuple[int, ...] = ()
    drop_path: float = 0.0


@dataclass(frozen=True, slots=True)
class TextTowerSpec:
    """CLIP's text transformer: causal attention, pooled at the end token."""

    context_length: int = 77
    vocabulary_size: int = 49408
    width: int = 512
    layers: int = 12
    heads: int = 8
    mlp_ratio: float = 4.0
    activation: Activation = "gelu"
    dropout: float = 0.0


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Two towers that share a space of `width` dimensions, with what has to be done before each.

    `scale` and `bias` are initial values; `loss` says how scores are meant: "softmax" (scaled cosines) or
    "sigmoid" (scaled cosines plus bias).
    """

    name: str
    width: int = 512
    image: ImageTowerSpec = field(default_factory=ImageTowerSpec)
    text: TextTowerSpec = field(default_factory=TextTowerSpec)
    preprocess: PreprocessSpec = field(default_factory=PreprocessSpec)
    tokenizer: TokenizerSpec = field(default_factory=TokenizerSpec)
    loss: Literal["softmax", "sigmoid"] = "softmax"
    scale: float = 1 / 0.07
    bias: float | None = None
