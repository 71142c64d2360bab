"""Perception Encoder's checkpoints (PE-Core) under Meta's own names, and the image trunk of open_clip's copies.

    recognise(found), read(found), write(checkpoint, file)      see `wordsight.weights.formats.table`
    recognise_trunk(keys, vision_cfg), read_trunk(...)          `visual.trunk.` of open_clip and timm

Meta's names are nearly ours.  Not in the files, and so taken from the published configurations
(facebookresearch/perception_models, core/vision_encoder/config.py): heads, GELU, the epsilon.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from wordsight.base.errors import UsageError
from wordsight.images.spec import HALF, PreprocessSpec
from wordsight.towers.spec import ImageTowerSpec, ModelSpec, hidden_width
from wordsight.weights.archive.torchfile import write_torch
from wordsight.weights.checkpoint import Array, Checkpoint, Keys
from wordsight.weights.formats.cliptext import clip_tokenizer, read_clip_text, require_clip_text, weights_file
from wordsight.weights.formats.sizes import image_sizes
from wordsight.weights.found import Found

PROBE = "visual.attn_pool.probe"
TRUNK = "visual.trunk."
BLOCKS = "transformer.resblocks."
POOL_HEADS = 8  # attn_pooler_heads of every published configuration
HEAD_WIDTH = 64
HEADS = {1536: 16}  # elsewhere heads of 64 channels
# core/vision_encoder/transforms.py
PREPROCESS = PreprocessSpec(resize="squash", interpolation="bilinear", rgb="after", mean=HALF, std=HALF)

# Meta's names that are not ours
META = {"attn_pool.layernorm.": "attn_pool.ln."}
# timm's names and ours, in the image tower and inside its blocks
TIMM = {
    "patch_embed.proj.weight": "conv1.weight",
    "norm_pre.": "ln_pre.",
    "norm.": "ln_post.",
    "attn_pool.latent": "attn_pool.probe",
    "attn_pool.proj.": "attn_pool.attn.out_proj.",
    "attn_pool.norm.": "attn_pool.ln.",
    "attn_pool.mlp.fc1.": "attn_pool.mlp.c_fc.",
    "attn_pool.mlp.fc2.": "attn_pool.mlp.c_proj.",
}
TIMM_BLOCK = {
    "norm1.": "ln_1.",
    "norm2.": "ln_2.",
    "attn.qkv.weight": "attn.in_proj_weight",
    "attn.qkv.bias": "attn.in_proj_bias",
    "attn.proj.": "attn.out_proj.",
    "mlp.fc1.": "mlp.c_fc.",
    "mlp.fc2.": "mlp.c_proj.",
    "gamma_1": "ls_1.gamma",
    "gamma_2": "ls_2.gamma",
}


@dataclass(frozen=True, slots=True)
class Trunk:
    """What one of timm's names stands for."""

    width: int
    layers: int
    hidden: int
    patch: int
    size: int
    class_token: bool = True


# timm 1.0, models/eva.py
TRUNKS = {
    "vit_pe_core_tiny_patch16_384": Trunk(192, 12, 768, 16, 384),
    "vit_pe_core_small_patch16_384": Trunk(384, 12, 1536, 16, 384),
    "vit_pe_core_base_patch16_224": Trunk(768, 12, 3072, 16, 224),
    "vit_pe_core_large_patch14_336": Trunk(1024, 24, 4096, 14, 336),
    "vit_pe_core_gigantic_patch14_448": Trunk(1536, 50, 8960, 14, 448, class_token=False),
}


def recognise(found: Found) -> bool:
    """Say whether the weights have Meta's names, with both towers (PE-Lang and PE-Spatial have no text tower)."""
    return PROBE in found.tensors and "token_embedding.weight" in found.tensors


def read(found: Found) -> Checkpoint:
    """Return the model; weights left over or missing are errors that list them."""
    keys = Keys(found.tensors, where=str(found.weights))
    text, state = read_clip_text(keys)
    names = [name for name in keys.left if name.startswith("visual.")]
    state |= {"visual." + _renamed(name.removeprefix("visual."), META): keys.take(name) for name in names}
    keys.finish()
    image = _spec(state)
    spec = ModelSpec(
        name=found.path.stem if found.path.is_file() else found.path.resolve().name,
        width=state["text_projection"].shape[1],
        image=image,
        text=text,
        preprocess=replace(PREPROCESS, size=image.size),
        tokenizer=clip_tokenizer(text),
    )
    origin = {"format": "perception", "file": found.weights.name}
    assumed = (
        *assumed_trunk(image),
        "pictures squashed, bilinear, values from -1 to 1, as Meta's own code has it (--set preprocess.resize=...)",
    )
    return Checkpoint(spec, state, assumed=assumed, origin=origin)


def write(checkpoint: Checkpoint, target: Path) -> None:
    """Write a file that Meta's own `load_ckpt` takes; `target` is the file, or a folder for `NAME.pt`."""
    tensors = own_names(checkpoint)
    write_torch(weights_file(target, checkpoint.spec.name), tensors)


def own_names(checkpoint: Checkpoint) -> dict[str, Array]:
    """Return the weights under Meta's names; `UsageError` for what its code cannot build."""
    require_clip_text(checkpoint.spec, "Perception Encoder", PREPROCESS)
    _require(checkpoint.spec.image)
    back = {ours: theirs for theirs, ours in META.items()}
    return {
        "visual." + _renamed(name.removeprefix("visual."), back) if name.startswith("visual.") else name: value
        for name, value in checkpoint.state.items()
    }


def assumed_trunk(image: ImageTowerSpec) -> tuple[str, ...]:
    """Return what was assumed of an image tower that no configuration describes."""
    why = "as published at this width" if image.width in HEADS else f"{HEAD_WIDTH} channels each"
    return (
        f"image.heads = {image.heads}, {why} (--set image.heads=...)",
        f"image.pool_heads = {image.pool_heads}, as every PE-Core (--set image.pool_heads=...)",
    )


def recognise_trunk(keys: Mapping[str, Array], vision_cfg: Mapping[str, Any]) -> bool:
    """Say whether an open_clip checkpoint's trunk is a PE-Core."""
    parts = ("norm_pre.weight", "attn_pool.latent", "blocks.0.attn.qkv.bias")
    name = str(vision_cfg.get("timm_model_name", ""))
    return all(TRUNK + part in keys for part in parts) and (not name or name.startswith("vit_pe_") or name in TRUNKS)


def read_trunk(keys: Keys, vision_cfg: Mapping[str, Any], embed_dim: int) -> tuple[ImageTowerSpec, dict[str, Array]]:
    """Return spec and weights, under our names, of open_clip's `visual.trunk.`."""
    state: dict[str, Array] = {}
    for name in [name for name in keys.left if name.startswith(TRUNK)]:
        inside = name.removeprefix(TRUNK)
        if inside == "cls_token":
            state["visual.class_embedding"] = keys.take(name).reshape(-1)
        elif inside == "pos_embed":
            value = keys.take(name)
            state["visual.positional_embedding"] = value.reshape(value.shape[-2:])  # (1, T, D) to (T, D)
        elif inside.startswith("blocks."):
            block, rest = inside.split(".", 2)[1:]
            state[f"visual.{BLOCKS}{block}.{_renamed(rest, TIMM_BLOCK)}"] = keys.take(name)
        elif not inside.startswith(("head.", "attn_pool.q.", "attn_pool.kv.")):
            state["visual." + _renamed(inside, TIMM)] = keys.take(name)
    for end in ("weight", "bias"):
        halves = [keys.take(f"{TRUNK}attn_pool.{part}.{end}") for part in ("q", "kv")]
        state[f"visual.attn_pool.attn.in_proj_{end}"] = np.concatenate(halves)
    state |= _read_head(keys)
    return _spec(state), state


def _read_head(keys: Keys) -> dict[str, Array]:
    """Return the projection; the bias that timm adds is left out where it is zero, as in Meta's weights."""
    head, bias = keys.take(TRUNK + "head.weight"), keys.take(TRUNK + "head.bias")
    if np.any(bias):
        return {"visual.head.weight": head, "visual.head.bias": bias}
    return {"visual.proj": np.ascontiguousarray(head.T)}


def write_trunk(spec: ModelSpec, state: Mapping[str, Array]) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return open_clip's `vision_cfg` and `visual.trunk.` weights; `UsageError` when timm has no such tower."""
    image = spec.image
    _require(image, linear=True)
    hidden = hidden_width(image.width, image.mlp_ratio)
    this = Trunk(image.width, image.layers, hidden, image.patch, image.size, image.has_class_token)
    names = [name for name, trunk in TRUNKS.items() if trunk == this]
    if not names or image.layer_scale:
        raise UsageError(
            f"timm, which open_clip takes these towers from, has none of width {image.width}, {image.layers} layers, "
            f"patch {image.patch} and size {image.size} with these options",
            cure=f"write it as perception; timm has {', '.join(TRUNKS)}",
        )
    tensors: dict[str, Array] = {}
    for name, value in state.items():
        if name.startswith("visual."):
            tensors |= {TRUNK + other: part for other, part in _timm(name.removeprefix("visual."), value).items()}
    config = {
        "image_size": image.size,
        "timm_model_name": names[0],
        "timm_model_pretrained": False,
        "timm_pool": "map",
        "timm_proj": None,
    }
    return config, tensors


def _timm(name: str, value: Array) -> dict[str, Array]:
    """Return one of our weights under timm's names."""
    if name == "class_embedding":
        return {"cls_token": value.reshape(1, 1, -1)}
    if name == "positional_embedding":
        return {"pos_embed": value[None]}
    if name == "proj":
        return {"head.weight": np.ascontiguousarray(value.T), "head.bias": np.zeros(value.shape[1], value.dtype)}
    if name.startswith("attn_pool.attn.in_proj_"):
        end, third = name.rpartition("_")[2], len(value) // 3
        return {f"attn_pool.q.{end}": value[:third], f"attn_pool.kv.{end}": value[third:]}
    if name.startswith(BLOCKS):
        block, rest = name.removeprefix(BLOCKS).split(".", 1)
        return {f"blocks.{block}.{_renamed(rest, _turned(TIMM_BLOCK))}": value}
    return {_renamed(name, _turned(TIMM)): value}


def _spec(state: Mapping[str, Array]) -> ImageTowerSpec:
    """Read the tower's spec from its shapes."""
    sizes = image_sizes(state, class_token="visual.class_embedding" in state)
    width = sizes["width"]
    return ImageTowerSpec(
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


def _require(image: ImageTowerSpec, *, linear: bool = False) -> None:
    """Raise `UsageError` unless the image tower is a PE-Core; `linear` says that its projection may have a bias."""
    wanted = {
        "kind": "vit",
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


def _turned(table: Mapping[str, str]) -> dict[str, str]:
    return {ours: theirs for theirs, ours in table.items()}


def _renamed(name: str, table: Mapping[str, str]) -> str:
    """Return a name with its beginning replaced, where the table has it."""
    for old, new in table.items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name
