"""Folders of transformers: CLIPModel, MetaClip2Model, SiglipModel, Siglip2Model; others through files of their own.

    checkpoint = read(CheckpointFiles(Path("clip-vit-base-patch32")))   # configuration, weights, processor, tokenizer
    write(checkpoint, Path("out"))                                      # what from_pretrained loads, nothing left over

A bare file of weights with transformers' names is read too; what it does not state is assumed and reported.
Free of PyTorch.
"""

from dataclasses import replace
from pathlib import Path

from wordsight.base.errors import FormatError
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.spec import ModelSpec
from wordsight.towers.transformers.spec import TransformersImageSpec, TransformersTextSpec
from wordsight.towers.vit.spec import VitSpec
from wordsight.weights.checkpoint import Checkpoint, Keys
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.formats.families import of_family
from wordsight.weights.formats.huggingface import align, chinese_clip, layers
from wordsight.weights.formats.huggingface import config as configs
from wordsight.weights.formats.huggingface.fitting import fitting
from wordsight.weights.formats.huggingface.folder import write_folder
from wordsight.weights.formats.huggingface.layers import Layout
from wordsight.weights.formats.huggingface.processor import read_processor, write_processor
from wordsight.weights.formats.huggingface.read_tokenizer import read_tokenizer
from wordsight.weights.formats.huggingface.write_tokenizer import tokenizer_files

OTHERS = {"align": align.read, "chinese_clip": chinese_clip.read}  # model_type -> what reads it
MARKS = ("text_model.embeddings.", "vision_model.embeddings.")
PROCESSORS: dict[Layout, str] = {"clip": "CLIP", "siglip": "Siglip", "siglip2": "Siglip2"}


def recognise(files: CheckpointFiles) -> bool:
    """Whether the weights have transformers' names for two towers."""
    return all(any(name.startswith(mark) for name in files.tensors) for mark in MARKS)


def read(files: CheckpointFiles) -> Checkpoint:
    """Return the model; every weight is used exactly once, or `ShapeMismatch` lists what is left or missing."""
    values = files.json("config.json")
    kind = (values or {}).get("model_type", "")
    if kind in OTHERS:
        return OTHERS[kind](files)
    keys = Keys(files.tensors, where=str(files.weights))
    layout = _layout(keys, kind, files)
    state = layers.take_image(keys, layout) | layers.take_text(keys, layout) | layers.take_scales(keys, layout)
    keys.drop(*layers.BUFFERS)
    keys.finish()
    config = configs.HuggingFaceConfig.of(layout, values) or configs.HuggingFaceConfig.guessed(layout, state)
    spec, tokenizer_files, assumed = _spec(files, layout, state, config)
    origin = {"format": "huggingface", "model_type": kind or layout, "file": files.weights.name}
    return Checkpoint(spec, state, tokenizer_files, (*config.assumed, *assumed), origin)


def write(checkpoint: Checkpoint, target: Path) -> None:
    """Write a folder for `from_pretrained`; `UsageError` where transformers has no class for such towers."""
    spec = checkpoint.spec
    if isinstance(spec.text, TransformersTextSpec):
        write_other = align.write if isinstance(spec.image, TransformersImageSpec) else chinese_clip.write
        write_other(checkpoint, target)
        return
    layout = fitting(spec)
    image, text = of_family(spec.image, VitSpec, "transformers"), of_family(spec.text, ClipTextSpec, "transformers")
    state = checkpoint.state
    tensors = layers.give_image(state, layout) | layers.give_text(state, layout) | layers.give_scales(state, layout)
    name = PROCESSORS[layout]
    processor = write_processor(spec.preprocess, f"{name}ImageProcessor") | {"processor_class": f"{name}Processor"}
    config = configs.as_json(spec, image, text, layout)
    tokenizer = tokenizer_files(spec, checkpoint.tokenizer_files, layout)
    write_folder(target, config, processor=processor, tokenizer=tokenizer, tensors=tensors)


def _layout(keys: Keys, kind: str, files: CheckpointFiles) -> Layout:
    """Return the layout that `config.json` names, or the one that the names and shapes say."""
    if kind in configs.LAYOUTS:
        return configs.LAYOUTS[kind]
    if kind:
        raise FormatError(
            f"{files.folder} holds a {kind} model",
            cure=f"two towers are read: {', '.join((*configs.LAYOUTS, *OTHERS))}",
        )
    if "visual_projection.weight" in keys:
        return "clip"
    return "siglip2" if keys["vision_model.embeddings.patch_embedding.weight"].ndim == 2 else "siglip"


def _spec(
    files: CheckpointFiles, layout: Layout, state: layers.State, config: configs.HuggingFaceConfig
) -> tuple[ModelSpec, dict[str, bytes], tuple[str, ...]]:
    """Return the whole spec, the tokenizer's files, and what was assumed for either."""
    image = configs.image_tower(state, layout, config.image)
    text = configs.text_tower(state, layout, config)
    tokenizer = read_tokenizer(files, layout, text)
    pixels = read_processor(files, size=image.size, defaults=layout)
    text = replace(text, pad_id=tokenizer.spec.pad_id)
    common = ModelSpec(
        files.name,
        image=image,
        text=text,
        preprocess=pixels.spec,
        tokenizer=tokenizer.spec,
    )
    if layout == "clip":
        spec = replace(common, width=state["visual.proj"].shape[1])
    else:
        # initial values of the paper (Zhai et al. 2023, "Sigmoid loss", algorithm 1)
        spec = replace(common, width=len(state["text_projection.bias"]), loss="sigmoid", scale=10.0, bias=-10.0)
    return spec, dict(tokenizer.files), (*tokenizer.assumed, *pixels.assumed)
