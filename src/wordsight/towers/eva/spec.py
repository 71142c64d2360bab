"""EVA's vision transformer as data.  Free of PyTorch."""

from dataclasses import dataclass
from typing import Literal

from wordsight.towers.tower_spec import Activation, ImageTowerSpec


@dataclass(frozen=True, slots=True)
class EvaSpec(ImageTowerSpec):
    """A vision transformer of EVA's: `width` channels, `layers`, `heads`, `patch` the patch side.

    It has a class token, learned positions and a bias on its patches. `mlp` "swiglu", `inner_norm` norms inside
    attention and MLP, `attention_bias` whether query and value have one, `norm` "rms" without mean and bias,
    `norm_order` "post" norms each branch's result instead of its input. `pool`: "class" token, "mean" of the
    patches, "mean_all" with the class token. `rotary` adds rotary positions to the learned ones; `rotary_grid`:
    rows and columns are counted as if the grid had that side (0: as they are). `projection`: "matrix" `proj`
    (D, E), or "linear" layer with a bias. `layer_scale`: a learned factor on each residual branch.
    """

    kind: Literal["eva"] = "eva"
    width: int = 768
    layers: int = 12
    heads: int = 12
    patch: int = 32
    mlp_ratio: float = 4.0
    activation: Activation = "gelu"
    epsilon: float = 1e-5
    rotary: Literal["none", "eva"] = "none"
    rotary_grid: int = 0
    pool: Literal["class", "mean", "mean_all"] = "class"
    projection: Literal["matrix", "linear"] = "matrix"
    layer_scale: bool = False
    mlp: Literal["plain", "swiglu"] = "plain"
    inner_norm: bool = False
    attention_bias: Literal["no_key", "none"] = "no_key"
    norm: Literal["layer", "rms"] = "layer"
    norm_order: Literal["pre", "post"] = "pre"
    drop_path: float = 0.0
