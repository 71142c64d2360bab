"""EVA-CLIP's checkpoints under baaivision/EVA's own names, and the image trunk of open_clip's copies of them.

    recognise(found), read(found), write(checkpoint, file)      see `wordsight.weights.formats.table`
    recognise_trunk(keys, vision_cfg), read_trunk(...)          `visual.trunk.` of open_clip and timm

The names are settled in `eva_trunk`.  Not in the files, and so taken from the published configurations
(eva_clip/model_configs of EVA-CLIP and EVA-CLIP-18B): heads, the order of norms, GELU, epsilons.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from wordsight.base.errors import FormatError, UsageError
from wordsight.images.spec import PreprocessSpec
from wordsight.towers.angles import rotary_angles
from wordsight.towers.spec import ImageTowerSpec, ModelSpec, hidden_width
from wordsight.weights.archive.torchfile import write_torch
from wordsight.weights.checkpoint import Array, Checkpoint, Keys
from wordsight.weights.formats.cliptext import clip_tokenizer, read_clip_text, require_clip_text, weights_file
from wordsight.weights.formats.eva_trunk import EPSILON, KNOWN, OWN, ROTARY_GRID, TIMM, Known, read_tower, write_tower
from wordsight.weights.found import Found

MARK = "visual.blocks.0.attn.proj.weight"
TEXTS = ("token_embedding.weight", "text.token_embedding.weight")
TABLES = (".freqs_cos", ".freqs_sin")
SLACK = 4e-3  # largest difference of rotary tables that may have been stored in bfloat16
LARGEST_GRID = 129
SILENT = ("context_length", "input_resolution", "vocab_size")


@dataclass(frozen=True, slots=True)
class Trunk:
    """What one of timm's names stands for."""

    width: int
    layers: int
    hidden: int
    patch: int
    size: int


# timm 1.0, models/eva.py: those that open_clip's configurations name; giant_patch14_224 differs only in its pooling
TRUNKS = {
    "eva_giant_patch14_clip_224": Trunk(1408, 40, 6144, 14, 224),
    "eva02_base_patch16_clip_224": Trunk(768, 12, 2048, 16, 224),
    "eva02_large_patch14_clip_224": Trunk(1024, 24, 2730, 14, 224),
    "eva02_large_patch14_clip_336": Trunk(1024, 24, 2730, 14, 336),
    "eva02_enormous_patch14_clip_224": Trunk(1792, 64, 15360, 14, 224),
}


def recognise(found: Found) -> bool:
    """Say whether the weights have EVA's own names and a text tower."""
    keys = found.tensors
    return MARK in keys and "visual.cls_token" in keys and any(name in keys for name in TEXTS)


def read(found: Found) -> Checkpoint:
    """Return the model; weights left over or missing are errors that list them."""
    keys = Keys(found.tensors, where=str(found.weights))
    image, state = read_tower(keys, OWN)
    tables = _take_tables(keys)
    image = _with_rotary(image, tables, keys.where)
    text, words = read_clip_text(keys)
    state |= words
    keys.drop(*SILENT)
    keys.finish()
    spec = ModelSpec(
        name=found.path.stem if found.path.is_file() else found.path.resolve().name,
        width=state["text_projection"].shape[1],
        image=image,
        text=text,
        preprocess=PreprocessSpec(size=image.size, rgb="after"),
        tokenizer=clip_tokenizer(text),
    )
    assumed = (
        *assumed_trunk(image, tables=bool(tables)),
        "the text tower's GELU, as every published one (--set text.activation=...)",
        "CLIP's preprocessing, as EVA's own code has it (--set preprocess.resize=squash ...)",
    )
    return Checkpoint(spec, state, assumed=assumed, origin={"format": "eva", "file": found.weights.name})


def write(checkpoint: Checkpoint, target: Path) -> None:
    """Write a file that EVA's own `load_checkpoint` and `load_state_dict` take strictly, rotary tables included.

    `target` is the file, or a folder for `NAME.pt`.
    """
    tensors = own_names(checkpoint)
    write_torch(weights_file(target, checkpoint.spec.name), tensors)


def own_names(checkpoint: Checkpoint) -> dict[str, Array]:
    """Return the weights under EVA's own names; `UsageError` for what its code cannot build."""
    spec = checkpoint.spec
    require_clip_text(spec, "EVA", PreprocessSpec())
    tensors = write_tower(spec.image, checkpoint.state, OWN)
    if spec.image.rotary == "eva":
        angles = rotary_angles(spec.image)[1:]  # EVA leaves the class token out
        tables = {".freqs_cos": np.cos(angles).astype("f4"), ".freqs_sin": np.sin(angles).astype("f4")}
        places = ["visual.rope", *(f"visual.blocks.{block}.attn.rope" for block in range(spec.image.layers))]
        tensors |= {place + end: table for place in places for end, table in tables.items()}
    return tensors | {name: value for name, value in checkpoint.state.items() if not name.startswith("visual.")}


def _take_tables(keys: Keys) -> dict[str, Array]:
    """Strike off the rotary tables; each block has them, unless a writer kept equal ones once."""
    names = [name for name in keys.left if name.startswith("visual.") and name.endswith(TABLES)]
    return {name: np.asarray(keys.take(name), np.float64) for name in names}


def _with_rotary(image: ImageTowerSpec, tables: Mapping[str, Array], where: str) -> ImageTowerSpec:
    """Return the spec with what the stored tables say: how wide heads are, and which grid positions are counted for.

    Tables of another kind are a `FormatError`.
    """
    if not tables:
        return image
    side = image.size // image.patch
    shape = next(iter(tables.values())).shape
    heads = image.width // shape[1] if len(shape) == 2 and 0 < shape[1] <= image.width else 0
    for grid in dict.fromkeys((ROTARY_GRID, side, *range(1, LARGEST_GRID))) if heads else ():
        found = replace(image, rotary="eva", rotary_grid=grid, heads=heads)
        angles = rotary_angles(found)[1:]  # EVA leaves the class token out
        expected = dict(zip(TABLES, (np.cos(angles), np.sin(angles)), strict=True))
        if all(_near(table, expected["." + name.rpartition(".")[2]]) for name, table in tables.items()):
            return found
    raise FormatError(
        f"the rotary tables {shape} in {where} are none of EVA's for a grid of {side} x {side}",
        cure="fetch the file again; if it is whole, report its layout",
    )


def _near(table: Array, expected: Array) -> bool:
    return table.shape == expected.shape and float(np.abs(table - expected).max()) <= SLACK


def assumed_trunk(image: ImageTowerSpec, *, tables: bool = False) -> tuple[str, ...]:
    """Return what was assumed of an image tower that no configuration describes; `tables`: rotary ones were stored."""
    why = f"as published at width {image.width}" if image.width in KNOWN else "as most published ones"
    said = [f"image.norm_order = {image.norm_order}, {why} (--set image.norm_order=...)"]
    if not tables:
        said.append(f"image.heads = {image.heads}, {why} (--set image.heads=...)")
        if image.rotary == "eva":
            said.append(f"image.rotary_grid = {image.rotary_grid}, as every EVA-02 (--set image.rotary_grid=...)")
    return tuple(said)


def recognise_trunk(keys: Mapping[str, Array], vision_cfg: Mapping[str, Any]) -> bool:
    """Say whether an open_clip checkpoint's trunk is one of EVA's."""
    name = str(vision_cfg.get("timm_model_name", ""))
    ours = ("blocks.0.attn.q_bias", "blocks.0.attn.q_proj.bias")
    known = any("visual.trunk." + part in keys for part in ours)
    return known and (not name or name.startswith(("eva02_", "eva_")) or name in TRUNKS)


def read_trunk(keys: Keys, vision_cfg: Mapping[str, Any], embed_dim: int) -> tuple[ImageTowerSpec, dict[str, Array]]:
    """Return spec and weights, under our names, of open_clip's `visual.trunk.`; another pooling is a `FormatError`."""
    image, state = read_tower(keys, TIMM)
    pool = vision_cfg.get("timm_pool", "token")
    if {"class": "token", "mean": "avg"}[image.pool] != pool:
        raise FormatError(f"timm_pool {pool!r} does not fit the norms in {keys.where}", cure="check the configuration")
    return image, state


def write_trunk(spec: ModelSpec, state: Mapping[str, Array]) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return open_clip's `vision_cfg` and `visual.trunk.` weights; `UsageError` when timm has no such tower."""
    image = spec.image
    tensors = write_tower(image, state, TIMM)
    this = Trunk(image.width, image.layers, hidden_width(image.width, image.mlp_ratio), image.patch, image.size)
    names = [name for name, trunk in TRUNKS.items() if trunk == this]
    known = KNOWN.get(image.width, Known(image.width // 64))
    wanted = replace(
        image,
        heads=known.heads,
        epsilon=EPSILON,
        activation="silu" if image.mlp == "swiglu" else "gelu",
        rotary="eva" if image.inner_norm else "none",
        rotary_grid=ROTARY_GRID if image.inner_norm else 0,
        projection="linear",
        layer_scale=False,
        attention_bias="no_key",
        norm="layer",
        norm_order=known.norm_order,  # type: ignore[arg-type]
    )
    if not names or image != wanted:
        raise UsageError(
            f"timm, which open_clip takes EVA's towers from, has none of width {image.width}, {image.layers} layers, "
            f"patch {image.patch} and size {image.size} with these options",
            cure=f"write it as eva; timm has {', '.join(TRUNKS)}",
        )
    config = {
        "image_size": image.size,
        "timm_model_name": names[0],
        "timm_model_pretrained": False,
        "timm_pool": "token" if image.pool == "class" else "avg",
        "timm_proj": None,
    }
    return config, tensors
