"""What a tower from timm is built from, typed and checked.  Free of PyTorch and of timm.

timm_options(spec.image).pool          # how the trunk is pooled
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from wordsight.base.config import from_dict
from wordsight.base.errors import ConfigError
from wordsight.towers.parts.rules import check_size, share
from wordsight.towers.timm.spec import TimmSpec

HEAD_POOLS = ("abs_attn", "rot_attn")  # attention pooling that belongs to the head, not to the trunk


@dataclass(frozen=True, slots=True)
class TimmOptions:
    """A trunk of timm and the head behind it, as open_clip puts them together.

    `pool` is timm's global pooling, "" leaves the trunk's own; "abs_attn" and "rot_attn" pool in the head
    with attention. `projection`: "linear" or "mlp" in the head (`projection_bias`: the last layer has a
    bias), "trunk": the trunk's own classifier has the space's width, "none": the trunk's features are the
    embedding. `drop` and the spec's `drop_path` act while training. `arguments` go to `timm.create_model`.
    """

    pool: str = ""
    projection: Literal["linear", "mlp", "trunk", "none"] = "linear"
    projection_bias: bool = False
    drop: float = 0.0
    arguments: dict[str, Any] = field(default_factory=dict)


def timm_options(spec: TimmSpec) -> TimmOptions:
    """Return the options of an image tower of kind "timm"; unknown ones are a `ConfigError`."""
    return from_dict(TimmOptions, spec.options, where="image.options.")


def check_timm(spec: TimmSpec) -> None:
    """Raise `ConfigError` when the tower cannot be built as it says; whether timm has the trunk, timm knows."""
    check_size(spec.size)
    share("image.drop_path", spec.drop_path)
    if not spec.trunk:
        raise ConfigError('image.trunk = "" with image.kind = "timm"', cure="name an architecture of timm")
    if ":" in spec.trunk or "/" in spec.trunk:
        raise ConfigError(
            f"image.trunk = {spec.trunk!r} is an address", cure="name an architecture of timm; nothing is fetched"
        )
    timm_options(spec)
