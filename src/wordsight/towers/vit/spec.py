"""The Vision Transformer as data.  Free of PyTorch."""

from dataclasses import dataclass
from typing import Literal

from wordsight.towers.tower_spec import Activation, ImageTowerSpec, Projection


@dataclass(frozen=True, slots=True)
class VitSpec(ImageTowerSpec):
    """A Vision Transformer: `layers` is the depth, `width` the channels, `heads` the heads, `patch` the patch side.

    `stem`: "patch" is one convolution of stride `patch` (with a bias where `patch_bias`); "conv" is a stack
    of 3x3 convolutions of stride 2 that ends at the same grid (for small data); "tiered" (MobileCLIP-B) is three
    convolutions without overlap, of patch / 4, 2 and 2 pixels, with `stem_padding` zeros around the image for
    the first. `class_token`: None is "where `pool` needs one". `positions`: "learned" or fixed "sincos"; `rotary`
    adds rotary positions to queries and keys. `pre_norm`: a norm before the first block. `pool`: "class" token,
    "mean" of the patch tokens, "attention": SigLIP's head, one learned query (`pool_heads` heads, 0 means `heads`;
    an MLP of `pool_mlp_ratio`, 0 means `mlp_ratio`), or "queries": CoCa's head, `pool_queries` learned queries of
    the space's width, the first of which is read. `final_norm`: applied to the "pooled" row or to all "tokens"
    before pooling. `projection`: "matrix" `proj` (D, E), "linear" layer with a bias, or "none" (then the
    tower's width is the space's). `layer_scale`: a learned factor on each residual branch.
    """

    kind: Literal["vit"] = "vit"
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
    rotary: Literal["none", "perception"] = "none"
    pre_norm: bool = True
    pool: Literal["class", "mean", "attention", "queries"] = "class"
    pool_heads: int = 0
    pool_mlp_ratio: float = 0.0
    pool_queries: int = 256
    final_norm: Literal["pooled", "tokens"] = "pooled"
    projection: Projection = "matrix"
    layer_scale: bool = False
    drop_path: float = 0.0

    @property
    def has_class_token(self) -> bool:
        """Whether the first token is a learned one that stands for no patch."""
        return self.pool == "class" if self.class_token is None else self.class_token
