"""Perception Encoder's image tower: its spec by its shapes, and what it cannot be.  Free of PyTorch.

spec = tower_spec(state)            # heads as published: no shape shows them
require_tower(spec.image)           # before writing
"""

from collections.abc import Mapping

from wordsight.base.errors import UsageError
from wordsight.towers.tower_spec import ImageTowerSpec
from wordsight.towers.vit.spec import VitSpec
from wordsight.weights.checkpoint import Array
from wordsight.weights.formats.families import of_family
from wordsight.weights.formats.trunks.sizes import image_sizes

BLOCKS = "transformer.resblocks."
POOL_HEADS = 8  # attn_pooler_heads of every published configuration
HEAD_WIDTH = 64
HEADS = {1536: 16}  # elsewhere heads of 64 channels


def assumed_trunk(image: VitSpec) -> tuple[str, ...]:
    """Return what was assumed of an image tower that no configuration describes."""
    why = "as published at this width" if image.width in HEADS else f"{HEAD_WIDTH} channels each"
    return (
        f"image.heads = {image.heads}, {why} (--set image.heads=...)",
        f"image.pool_heads = {image.pool_heads}, as every PE-Core (--set image.pool_heads=...)",
    )


def tower_spec(state: Mapping[str, Array]) -> VitSpec:
    """Read the tower's spec from its shapes."""
    sizes = image_sizes(state, class_token="visual.class_embedding" in state)
    width = sizes["width"]
    return VitSpec(
        **sizes,
        heads=HEADS.get(width, max(width // HEAD_WIDTH, 1)),
        class_token="visual.class_embedding" in state,
        rotary="perception",
        pool="attention",
        pool_heads=POOL_HEADS,
        pool_mlp_ratio=state["visual.attn_pool.mlp.c_fc.weight"].shape[0] / width,
        final_norm="tokens",
        projection="matrix" if "visual.proj" in state else "linear",
        layer_scale=f"visual.{BLOCKS}0.ls_1.gamma" in state,
    )


def require_tower(tower: ImageTowerSpec, *, linear: bool = False) -> VitSpec:
    """Return the image tower; `UsageError` unless it is a PE-Core.  `linear`: its projection may have a bias."""
    image = of_family(tower, VitSpec, "a Perception Encoder")
    wanted = {
        "activation": "gelu",
        "epsilon": 1e-5,
        "stem": "patch",
        "patch_bias": False,
        "positions": "learned",
        "rotary": "perception",
        "pre_norm": True,
        "pool": "attention",
        "pool_heads": POOL_HEADS,
        "final_norm": "tokens",
        "heads": HEADS.get(image.width, max(image.width // HEAD_WIDTH, 1)),
    }
    wrong = [
        f"image.{name} = {getattr(image, name)!r}" for name, value in wanted.items() if getattr(image, name) != value
    ]
    if image.projection != "matrix" and not linear:
        wrong.append(f'image.projection = "{image.projection}"')
    if wrong:
        raise UsageError(f"a Perception Encoder has no place for {', '.join(wrong)}", cure="choose another format")
    return image


def renamed(name: str, table: Mapping[str, str]) -> str:
    """Return a name with its beginning replaced, where the table has it."""
    for old, new in table.items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name
