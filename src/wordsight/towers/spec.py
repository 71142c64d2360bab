"""Architectures as data.  Free of PyTorch, so that the light install can read a model's card and spec."""

from dataclasses import dataclass, field
from typing import Any, Literal

from wordsight.images.spec import PreprocessSpec
from wordsight.text.spec import TokenizerSpec

Activation = Literal["gelu", "quick_gelu", "gelu_tanh", "silu"]
ImageKind = Literal["vit", "resnet", "eva", "timm", "transformers", "onnx"]
TextKind = Literal["clip", "transformers", "onnx"]
Projection = Literal["matrix", "linear", "none"]


def hidden_width(width: int, ratio: float) -> int:
    """Return the inner width of an MLP; a ratio that was made by dividing two widths gives back the first."""
    return int(width * ratio + 1e-6)


@dataclass(frozen=True, slots=True)
class ImageTowerSpec:
    """An image encoder.

    kind "vit": `layers` is the depth, `width` the channels, `heads` the heads, `patch` the patch side.
    `stem`: "patch" is one convolution of stride `patch` (with a bias where `patch_bias`); "conv" is a stack
    of 3x3 convolutions of stride 2 that ends at the same grid (for small data); "tiered" (MobileCLIP-B) is three
    convolutions without overlap, of patch / 4, 2 and 2 pixels, with `stem_padding` zeros around the picture for
    the first. `class_token`: None is "where
    `pool` needs one". `positions`: "learned" or fixed "sincos"; `rotary` adds rotary positions to queries and
    keys. `pre_norm`: a norm before the first block. `pool`: "class" token, "mean" of the patch tokens,
    "attention": SigLIP's head, one learned query (`pool_heads` heads, 0 means `heads`; an MLP of
    `pool_mlp_ratio`, 0 means `mlp_ratio`), or "queries": CoCa's head, `pool_queries` learned queries of the
    space's width, the first of which is read. `final_norm`: applied to the "pooled" row or to all "tokens"
    before pooling. `projection`: "matrix" `proj` (D, E), "linear" layer with a bias, or "none" (then the
    tower's width is the space's). `layer_scale`: a learned factor on each residual branch.
    kind "resnet": CLIP's modified ResNet; `stages` are the blocks of each stage, `width` the channels
    of the stem, `heads` those of the attention pooling.
    kind "eva": EVA's vision transformer; `mlp` "swiglu", `inner_norm` norms inside attention and MLP,
    `attention_bias` which of query, key and value have one, `norm` "rms" without mean and bias, `norm_order`
    "post" norms each branch's result instead of its input, `pool` "mean_all" means the class token with the
    patches. `rotary_grid`: rows and columns are counted as if the grid had that side (0: as they are).
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
    stem: Literal["patch", "conv", "tiered"] = "patch"
    stem_padding: int = 0
    patch_bias: bool = False
    class_token: bool | None = None
    positions: Literal["learned", "sincos"] = "learned"
    rotary: Literal["none", "eva", "perception"] = "none"
    rotary_grid: int = 0
    pre_norm: bool = True
    pool: Literal["class", "mean", "attention", "queries", "mean_all"] = "class"
    pool_heads: int = 0
    pool_mlp_ratio: float = 0.0
    pool_queries: int = 256
    final_norm: Literal["pooled", "tokens"] = "pooled"
    projection: Projection = "matrix"
    layer_scale: bool = False
    mlp: Literal["plain", "swiglu"] = "plain"
    inner_norm: bool = False
    attention_bias: Literal["all", "no_key", "none"] = "all"
    norm: Literal["layer", "rms"] = "layer"
    norm_order: Literal["pre", "post"] = "pre"
    stages: tuple[int, ...] = ()
    drop_path: float = 0.0
    trunk: str = ""
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def has_class_token(self) -> bool:
        """Whether the first token of a vit is a learned one that stands for no patch."""
        return self.pool == "class" if self.class_token is None else self.class_token


@dataclass(frozen=True, slots=True)
class TextTowerSpec:
    """A text encoder.

    kind "clip": a transformer. `mask`: "causal", "none" (every token sees every other, padding included) or
    "padding" (tokens of `pad_id` are not seen). `pool`: the token that is read: "end" (`end_id`; None is the
    largest id of the row), "last" (position L - 1, padding or not), "first", the "mean" (of the tokens that
    are seen), or "class": a learned token behind the text, L + 1 positions in all, for which padding is hidden
    whatever `mask` says (CoCa; `class_mask` "shifted": hidden one position too late and the learned token
    itself behind padding, as the published weights were trained). `projection` as in `ImageTowerSpec`, stored
    as `text_projection`. `layer_scale` as there. `mixer`: convolutions over that many tokens (an odd number)
    before the first block and after the last; 0 for none.
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
    pool: Literal["end", "last", "first", "mean", "class"] = "end"
    class_mask: Literal["shifted", "exact"] = "shifted"
    end_id: int | None = None
    pad_id: int = 0
    projection: Projection = "matrix"
    layer_scale: bool = False
    mixer: int = 0
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
