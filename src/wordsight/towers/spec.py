"""Architectures as data.  Free of PyTorch, so that the light install can read a model's card and spec."""

from dataclasses import dataclass, field
from typing import Any, Literal

from wordsight.images.spec import PreprocessSpec
from wordsight.text.spec import TokenizerSpec

Activation = Literal["gelu", "quick_gelu", "gelu_tanh", "silu"]
ImageKind = Literal["vit", "resnet", "eva", "timm", "transformers", "onnx"]
TextKind = Literal["clip", "transformers", "onnx"]
Projection = Literal["matrix", "linear", "none"]


@dataclass(frozen=True, slots=True)
class ImageTowerSpec:
    """An image encoder.

    kind "vit": `layers` is the depth, `width` the channels, `heads` the heads, `patch` the patch side.
    `stem`: "patch" is one convolution of stride `patch` (with a bias where `patch_bias`); "conv" is a stack
    of 3x3 convolutions of stride 2 that ends at the same grid (for small data). `class_token`: None is "where
    `pool` needs one". `positions`: "learned" or fixed "sincos"; `rotary` adds rotary positions to queries and
    keys. `pre_norm`: a norm before the first block. `pool`: "class" token, "mean" of the patch tokens, or
    "attention": SigLIP's head, one learned query (`pool_heads` heads, 0 means `heads`). `final_norm`: applied
    to the "pooled" row or to all "tokens" before pooling. `projection`: "matrix" `proj` (D, E), "linear"
    layer with a bias, or "none" (then the tower's width is the space's). `layer_scale`: a learned factor on
    each residual branch.
    kind "resnet": CLIP's modified ResNet; `stages` are the blocks of each stage, `width` the channels
    of the stem, `heads` those of the attention pooling.
    kind "eva": EVA's vision transformer; `mlp` "swiglu", `inner_norm` norms inside attention and MLP,
    `key_bias` False, `norm_order` "post" norms each branch's result instead of its input.
    kinds "timm" and "transformers": `trunk` names the architecture of that library and `options` are its
    arguments; they need that package. kind "onnx": a graph from elsewhere, run as it is.
    """

    kind: ImageKind = "vit"
    size: int = 224
    width: int = 768
    layers: int = 12
    heads: int = 12
    patch: int = 32
    mlp_ratio: float = 4.0
    activation: Activation = "gelu"
    epsilon: float = 1e-5
    stem: Literal["patch", "conv"] = "patch"
    patch_bias: bool = False
    class_token: bool | None = None
    positions: Literal["learned", "sincos"] = "learned"
    rotary: Literal["none", "eva", "perception"] = "none"
    pre_norm: bool = True
    pool: Literal["class", "mean", "attention"] = "class"
    pool_heads: int = 0
    final_norm: Literal["pooled", "tokens"] = "pooled"
    projection: Projection = "matrix"
    layer_scale: bool = False
    mlp: Literal["plain", "swiglu"] = "plain"
    inner_norm: bool = False
    key_bias: bool = True
    norm_order: Literal["pre", "post"] = "pre"
    stages: tuple[int, ...] = ()
    drop_path: float = 0.0
    trunk: str = ""
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TextTowerSpec:
    """A text encoder.

    kind "clip": a transformer. `mask`: "causal", "none" (every token sees every other, padding included) or
    "padding" (tokens of `pad_id` are not seen). `pool`: the token that is read: "end" (`end_id`; None is the
    largest id of the row), "last" (position L - 1, padding or not), "first", or the "mean". `projection` as
    in `ImageTowerSpec`, stored as `text_projection`. `layer_scale` as there.
    kind "transformers": `trunk` is that library's model type, `options` its configuration; it needs that
    package. kind "onnx": a graph from elsewhere.
    """

    kind: TextKind = "clip"
    context_length: int = 77
    vocabulary_size: int = 49408
    width: int = 512
    layers: int = 12
    heads: int = 8
    mlp_ratio: float = 4.0
    activation: Activation = "gelu"
    epsilon: float = 1e-5
    mask: Literal["causal", "none", "padding"] = "causal"
    pool: Literal["end", "last", "first", "mean"] = "end"
    end_id: int | None = None
    pad_id: int = 0
    projection: Projection = "matrix"
    layer_scale: bool = False
    dropout: float = 0.0
    trunk: str = ""
    options: dict[str, Any] = field(default_factory=dict)


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
