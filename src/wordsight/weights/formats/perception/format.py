"""Perception Encoder's checkpoints (PE-Core) under Meta's own names, and the image trunk of open_clip's copies.

    recognise(files), read(files), write(checkpoint, file)      see `wordsight.weights.formats.table`

Meta's names are nearly ours.  Not in the files, and so read from the published configurations
(facebookresearch/perception_models, core/vision_encoder/config.py): heads, GELU, the epsilon.
"""

from dataclasses import replace
from pathlib import Path

from wordsight.images.spec import HALF, PreprocessSpec
from wordsight.towers.spec import ModelSpec
from wordsight.weights.archive.torchfile import write_torch
from wordsight.weights.checkpoint import Array, Checkpoint, Keys
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.formats.trunks.clip_text import clip_tokenizer, read_clip_text, require_clip_text, weights_file
from wordsight.weights.formats.trunks.perception import assumed_trunk, renamed, require_tower, tower_spec

PROBE = "visual.attn_pool.probe"
# core/vision_encoder/transforms.py
PREPROCESS = PreprocessSpec(resize="squash", interpolation="bilinear", rgb="after", mean=HALF, std=HALF)

# Meta's names that are not ours
META = {"attn_pool.layernorm.": "attn_pool.ln."}


def recognise(files: CheckpointFiles) -> bool:
    """Say whether the weights have Meta's names, with both towers (PE-Lang and PE-Spatial have no text tower)."""
    return PROBE in files.tensors and "token_embedding.weight" in files.tensors


def read(files: CheckpointFiles) -> Checkpoint:
    """Return the model; weights left over or missing are errors that list them."""
    keys = Keys(files.tensors, where=str(files.weights))
    text, state = read_clip_text(keys)
    names = [name for name in keys.left if name.startswith("visual.")]
    state |= {"visual." + renamed(name.removeprefix("visual."), META): keys.take(name) for name in names}
    keys.finish()
    image = tower_spec(state)
    spec = ModelSpec(
        name=files.name,
        width=state["text_projection"].shape[1],
        image=image,
        text=text,
        preprocess=replace(PREPROCESS, size=image.size),
        tokenizer=clip_tokenizer(text),
    )
    origin = {"format": "perception", "file": files.weights.name}
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
    require_tower(checkpoint.spec.image)
    back = {ours: theirs for theirs, ours in META.items()}
    return {
        "visual." + renamed(name.removeprefix("visual."), back) if name.startswith("visual.") else name: value
        for name, value in checkpoint.state.items()
    }
