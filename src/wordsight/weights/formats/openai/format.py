"""OpenAI's checkpoints: the TorchScript archives as published, and state dicts saved from them.

    recognise(files), read(files), write(checkpoint, target)      see `wordsight.weights.formats.table`

The parameter names are ours.  The architecture follows from the shapes as in openai/CLIP `clip/model.py`
(`build_model`): heads are 64 channels wide.  What no file says is the activation: OpenAI's towers use QuickGELU,
x * sigmoid(1.702 x), and files of this layout that were trained with GELU exist.  Three whole numbers in the file
(`EXTRAS`) are what distinguishes its own files from others of the same names; without them the file is open_clip's.
"""

import math
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from wordsight.base.errors import ShapeMismatch, UsageError
from wordsight.base.files import plain_name
from wordsight.base.progress import notice
from wordsight.images.spec import PreprocessSpec
from wordsight.text.spec import TokenizerSpec
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.resnet.spec import ResNetSpec
from wordsight.towers.spec import ModelSpec
from wordsight.towers.tower_spec import ImageTowerSpec
from wordsight.towers.vit.spec import VitSpec
from wordsight.weights.archive.torchfile import write_torch
from wordsight.weights.checkpoint import Array, Checkpoint, Keys
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.formats.families import of_family
from wordsight.weights.formats.trunks.clip_text import other_preprocessing
from wordsight.weights.formats.trunks.sizes import depth, image_sizes, text_sizes

EXTRAS = ("input_resolution", "context_length", "vocab_size")
HEAD_WIDTH = 64  # Radford et al. 2021, table 20; clip/model.py
REDUCTION = 32  # pixels for each cell of the ResNet's last grid, along one side
WIDENED = 32  # channels of the ResNet's last grid for each of the stem's
SUFFIX = ".pt"
ASSUMED = (
    "that the towers use QuickGELU, as OpenAI's do; to say otherwise: wordsight convert {file} "
    "DIR --to wordsight --set image.activation=gelu --set text.activation=gelu"
)
FREE = (
    "size",
    "width",
    "layers",
    "heads",
    "patch",
    "context_length",
    "vocabulary_size",
    "drop_path",
    "dropout",
)


def recognise(files: CheckpointFiles) -> bool:
    """Say whether the weights have OpenAI's names and one of its three extra numbers."""
    keys = files.tensors
    named = all(name in keys for name in ("visual.conv1.weight", "token_embedding.weight", "text_projection"))
    return named and any(name in keys for name in EXTRAS)


def read(files: CheckpointFiles) -> Checkpoint:
    """Return the model; QuickGELU is assumed, which `assumed` says."""
    keys = Keys(files.tensors, where=str(files.weights))
    keys.drop(*(name for name in keys if name.endswith("attn_mask")))  # made, not learned; some archives keep it
    extras = {name: int(keys.take(name)) for name in EXTRAS if name in keys}
    scale = keys.take("logit_scale").reshape(())
    state = {name: keys.take(name) for name in keys.left} | {"logit_scale": scale}
    image = _resnet(state) if "visual.layer1.0.conv1.weight" in state else _vit(state)
    text = _text(state)
    _compare(files, extras, image, text)
    spec = ModelSpec(
        name=files.weights.stem,
        width=state["text_projection"].shape[1],
        image=image,
        text=text,
        preprocess=PreprocessSpec(size=image.size, rgb="after"),
        tokenizer=TokenizerSpec(vocabulary_size=text.vocabulary_size, context_length=text.context_length),
    )
    origin = {"format": "openai", "file": files.weights.name}
    return Checkpoint(spec, state, assumed=(ASSUMED.format(file=files.path),), origin=origin)


def write(checkpoint: Checkpoint, target: Path) -> None:
    """Write a state dict with OpenAI's extra numbers that `clip.load` and open_clip load strictly.

    `target` is a `.pt` file, or a folder in which one is made.  `UsageError` names what the layout has no place for.
    """
    spec = checkpoint.spec
    wrong = _unlike_openai(spec)
    if wrong:
        raise UsageError(f"OpenAI's layout has no place for {', '.join(wrong)}", cure="choose another format")
    if replace(spec.preprocess, rgb="after") != PreprocessSpec(size=spec.image.size, rgb="after"):
        notice("OpenAI's own preprocessing will be used there; that of this model differs by a pixel or less")
    numbers = (spec.image.size, spec.text.context_length, spec.text.vocabulary_size)
    extras = {name: np.array(number, np.int64) for name, number in zip(EXTRAS, numbers, strict=True)}
    file = target.suffix == SUFFIX and not target.is_dir()
    path = target if file else target / f"{plain_name(spec.name, otherwise='model')}{SUFFIX}"
    write_torch(path, {**checkpoint.state, **extras})


def _vit(state: dict[str, Array]) -> VitSpec:
    sizes = image_sizes(state, class_token=True)
    return VitSpec(**sizes, heads=sizes["width"] // HEAD_WIDTH, activation="quick_gelu")


def _resnet(state: dict[str, Array]) -> ResNetSpec:
    rows = len(state["visual.attnpool.positional_embedding"]) - 1
    side = math.isqrt(max(rows, 0))
    if side < 1 or side * side != rows:
        raise ShapeMismatch(f"{rows} positions for the cells of a picture", cure="square pictures are read")
    width = len(state["visual.layer1.0.conv1.weight"])
    return ResNetSpec(
        size=side * REDUCTION,
        width=width,
        heads=width * WIDENED // HEAD_WIDTH,
        stages=tuple(depth(state, f"visual.layer{number}.") for number in (1, 2, 3, 4)),
    )


def _text(state: dict[str, Array]) -> ClipTextSpec:
    sizes = text_sizes(state)
    return ClipTextSpec(**sizes, heads=sizes["width"] // HEAD_WIDTH, activation="quick_gelu")


def _compare(files: CheckpointFiles, extras: dict[str, int], image: ImageTowerSpec, text: ClipTextSpec) -> None:
    """Raise `ShapeMismatch` when the extra numbers are not those of the shapes."""
    shown = dict(zip(EXTRAS, (image.size, text.context_length, text.vocabulary_size), strict=True))
    wrong = [f"{name} = {value}, not {shown[name]}" for name, value in extras.items() if value != shown[name]]
    if wrong:
        raise ShapeMismatch(f"{files.weights} says {', '.join(wrong)} as its weights do", cure="fetch the file again")


def _unlike_openai(spec: ModelSpec) -> list[str]:
    """Return what of a spec `build_model` would not make again from the shapes."""
    who = "OpenAI's layout"
    text, image = of_family(spec.text, ClipTextSpec, who), spec.image
    if isinstance(image, ResNetSpec):
        wrong, heads, count = [], image.width * WIDENED, image.heads
    else:
        image = of_family(image, VitSpec, who)
        wrong, heads, count = _differences("image", image, VitSpec(activation="quick_gelu")), image.width, image.heads
    # nobody sees behind the end of a text in a causal tower
    text = replace(text, pad_id=0) if text.mask == "causal" else text
    wrong += _differences("text", text, ClipTextSpec(activation="quick_gelu"))
    wrong += other_preprocessing(spec.preprocess, PreprocessSpec())
    for name, channels, given in (("image", heads, count), ("text", text.width, text.heads)):
        if channels != given * HEAD_WIDTH:
            wrong.append(f"{name}.heads = {given} ({channels} channels in heads of {HEAD_WIDTH})")
    if spec.bias is not None or spec.loss != "softmax":
        wrong.append("a bias")
    if (spec.tokenizer.kind, spec.tokenizer.vocabulary) != ("clip-bpe", "clip"):
        wrong.append("a vocabulary of its own")
    return wrong


def _differences(part: str, spec: Any, wanted: Any) -> list[str]:
    return [
        f"{part}.{field.name} = {getattr(spec, field.name)!r}"
        for field in fields(spec)
        if field.name not in FREE and getattr(spec, field.name) != getattr(wanted, field.name)
    ]
