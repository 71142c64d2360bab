"""EVA-CLIP's checkpoints under baaivision/EVA's own names, and the image trunk of open_clip's copies of them.

    recognise(files), read(files), write(checkpoint, file)      see `wordsight.weights.formats.table`

The names are settled in `trunks.eva`.  Not in the files, and so read from the published configurations
(eva_clip/model_configs of EVA-CLIP and EVA-CLIP-18B): heads, the order of norms, GELU, epsilons.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from wordsight.base.errors import FormatError
from wordsight.images.spec import PreprocessSpec
from wordsight.towers.eva.angles import eva_angles
from wordsight.towers.eva.spec import EvaSpec
from wordsight.towers.spec import ModelSpec
from wordsight.weights.archive.torchfile import write_torch
from wordsight.weights.checkpoint import Array, Checkpoint, Keys
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.formats.families import of_family
from wordsight.weights.formats.trunks.clip_text import clip_tokenizer, read_clip_text, require_clip_text, weights_file
from wordsight.weights.formats.trunks.eva import OWN, ROTARY_GRID, assumed_trunk, read_tower, write_tower

MARK = "visual.blocks.0.attn.proj.weight"
TEXTS = ("token_embedding.weight", "text.token_embedding.weight")
TABLES = (".freqs_cos", ".freqs_sin")
SLACK = 4e-3  # largest difference of rotary tables that may have been stored in bfloat16
LARGEST_GRID = 129
SILENT = ("context_length", "input_resolution", "vocab_size")


def recognise(files: CheckpointFiles) -> bool:
    """Say whether the weights have EVA's own names and a text tower."""
    keys = files.tensors
    return MARK in keys and "visual.cls_token" in keys and any(name in keys for name in TEXTS)


def read(files: CheckpointFiles) -> Checkpoint:
    """Return the model; weights left over or missing are errors that list them."""
    keys = Keys(files.tensors, where=str(files.weights))
    image, state = read_tower(keys, OWN)
    tables = _take_tables(keys)
    image = _with_rotary(image, tables, keys.where)
    text, text_state = read_clip_text(keys)
    state |= text_state
    keys.drop(*SILENT)
    keys.finish()
    spec = ModelSpec(
        name=files.name,
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
    return Checkpoint(spec, state, assumed=assumed, origin={"format": "eva", "file": files.weights.name})


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
    image = of_family(spec.image, EvaSpec, "EVA")
    angles = eva_angles(image)
    if angles is not None:
        angles = angles[1:]  # EVA leaves the class token out
        tables = {".freqs_cos": np.cos(angles).astype("f4"), ".freqs_sin": np.sin(angles).astype("f4")}
        prefixes = ["visual.rope", *(f"visual.blocks.{block}.attn.rope" for block in range(image.layers))]
        tensors |= {prefix + end: table for prefix in prefixes for end, table in tables.items()}
    return tensors | {name: value for name, value in checkpoint.state.items() if not name.startswith("visual.")}


def _take_tables(keys: Keys) -> dict[str, Array]:
    """Strike off the rotary tables; each block has them, unless a writer kept equal ones once."""
    names = [name for name in keys.left if name.startswith("visual.") and name.endswith(TABLES)]
    return {name: np.asarray(keys.take(name), np.float64) for name in names}


def _with_rotary(image: EvaSpec, tables: Mapping[str, Array], where: str) -> EvaSpec:
    """Return the spec with what the stored tables say: how wide heads are, and which grid positions are counted for.

    Tables of another kind are a `FormatError`.
    """
    if not tables:
        return image
    side = image.size // image.patch
    shape = next(iter(tables.values())).shape
    heads = image.width // shape[1] if len(shape) == 2 and 0 < shape[1] <= image.width else 0
    for grid in dict.fromkeys((ROTARY_GRID, side, *range(1, LARGEST_GRID))) if heads else ():
        candidate = replace(image, rotary="eva", rotary_grid=grid, heads=heads)
        angles = eva_angles(candidate)
        assert angles is not None
        angles = angles[1:]  # EVA leaves the class token out
        expected = dict(zip(TABLES, (np.cos(angles), np.sin(angles)), strict=True))
        if all(_near(table, expected["." + name.rpartition(".")[2]]) for name, table in tables.items()):
            return candidate
    raise FormatError(
        f"the rotary tables {shape} in {where} are none of EVA's for a grid of {side} x {side}",
        cure="fetch the file again; if it is whole, report its layout",
    )


def _near(table: Array, expected: Array) -> bool:
    return table.shape == expected.shape and float(np.abs(table - expected).max()) <= SLACK
