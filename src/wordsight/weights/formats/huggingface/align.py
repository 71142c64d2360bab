"""ALIGN as transformers holds it: EfficientNet for images, BERT for texts.  Free of PyTorch.

    checkpoint = read(CheckpointFiles(Path("align-base")))
    write(checkpoint, Path("out"))             # what AlignModel and AlignProcessor load strictly

The image tower's pooled features are the embedding; a text is read at its first position and goes through a layer
with a bias.  The file holds a temperature T, by which cosines are divided: our `logit_scale` is -log T.
"""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from wordsight.base.config import to_dict
from wordsight.base.errors import ConfigError, FormatError, UsageError
from wordsight.images.spec import HALF, PreprocessSpec
from wordsight.towers.spec import ModelSpec
from wordsight.towers.transformers.options import (
    IMAGE_FIELDS,
    TEXT_FIELDS,
    ImageOptions,
    TextOptions,
    full_config,
    image_options,
    text_options,
)
from wordsight.towers.transformers.spec import TransformersImageSpec, TransformersTextSpec
from wordsight.weights.checkpoint import Array, Checkpoint, Keys
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.formats.families import of_family
from wordsight.weights.formats.huggingface.folder import half, write_folder
from wordsight.weights.formats.huggingface.processor import processor_values, read_processor, write_processor
from wordsight.weights.formats.tokenizers.bert import bert_files, read_bert_tokenizer
from wordsight.weights.formats.trunks.transformers_text import BUFFERS, text_spec

WHO = "transformers' AlignModel"
IMAGE, TEXT = "align_vision_model", "bert"  # ALIGN's text trunk computes what BERT does
NAMES = {"text_model.": "text.transformer.", "text_projection.": "text.proj.", "vision_model.": "visual.trunk."}
CONTEXT_LENGTH = 64  # AlignProcessor's max_length
SIZE, SCALE_TO = 289, 346  # of EfficientNet-B7 (Tan and Le 2019), which kakaobrain/align-base is
MAX_SCALE = 100  # of softmax towers, where `wordsight.towers.two` clamps
Values = dict[str, Any]

# the class attributes of transformers' EfficientNetImageProcessor, 5.23
PIXELS: Values = {
    "do_resize": True,
    "size": {"height": SCALE_TO, "width": SCALE_TO},
    "resample": 3,
    "do_center_crop": False,
    "crop_size": {"height": SIZE, "width": SIZE},
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "rescale_offset": False,
    "do_normalize": True,
    "image_mean": HALF,
    "image_std": (0.5, 0.5, 0.5),
    "include_top": True,
}


def read(files: CheckpointFiles) -> Checkpoint:
    """Return the model; every weight is used exactly once, or `ShapeMismatch` lists what is left or missing."""
    config = files.json("config.json") or {}
    keys = Keys(files.tensors, where=str(files.weights))
    state = {"logit_scale": _log_scale(keys.take("temperature"), keys.where)}
    for name in keys.left:
        if name.startswith("text_model.") and name.endswith(BUFFERS):
            keys.drop(name)
    for name in keys.left:
        start = next((theirs for theirs in NAMES if name.startswith(theirs)), None)
        if start is not None:
            state[NAMES[start] + name.removeprefix(start)] = keys.take(name)
    keys.finish()
    pixels, assumed = _read_pixels(files)
    scale = math.exp(float(state["logit_scale"]))
    if scale > MAX_SCALE:
        assumed += (f"the temperature stands for a scale of {scale:.1f}: scores are scaled by {MAX_SCALE}, the most.",)
    spec, tokenizer_files = _spec(files, config, state, pixels)
    origin = {"format": "huggingface", "model_type": "align", "file": files.weights.name}
    return Checkpoint(spec, state, tokenizer_files, assumed, origin)


def write(checkpoint: Checkpoint, target: Path) -> None:
    """Write a folder for `AlignModel.from_pretrained`; `UsageError` where it has no place for such towers."""
    spec, state = checkpoint.spec, checkpoint.state
    image_tower = of_family(spec.image, TransformersImageSpec, WHO)
    text_tower = of_family(spec.text, TransformersTextSpec, WHO)
    _check(image_tower, text_tower, spec)
    names = {ours: theirs for theirs, ours in NAMES.items()}
    tensors: dict[str, Array] = {}
    for name, array in state.items():
        start = next((ours for ours in names if name.startswith(ours)), None)
        if start is not None:
            tensors[names[start] + name.removeprefix(start)] = array
    tensors["temperature"] = np.exp(-np.asarray(state["logit_scale"], np.float64)).astype(np.float32)
    text, image = text_options(text_tower).config, image_options(image_tower).config
    config = {
        "architectures": ["AlignModel"],
        "model_type": "align",
        "projection_dim": spec.width,
        "temperature_init_value": 1 / spec.scale,
        "text_config": {"model_type": "align_text_model", **text},
        "vision_config": {"model_type": IMAGE, "image_size": spec.image.size, **image},
    }
    processor = write_processor(spec.preprocess, "EfficientNetImageProcessor")
    processor |= {"include_top": False, "processor_class": "AlignProcessor"}
    write_folder(target, config, processor=processor, tokenizer=bert_files(checkpoint), tensors=tensors)


def _spec(
    files: CheckpointFiles, config: Values, state: dict[str, Array], pixels: PreprocessSpec
) -> tuple[ModelSpec, dict[str, bytes]]:
    try:
        text = full_config(TEXT_FIELDS, TEXT, half(config, "text_config"), "the text tower")
        image = full_config(IMAGE_FIELDS, IMAGE, half(config, "vision_config"), "the image tower")
    except ConfigError as error:
        raise FormatError(f"{files.folder}: {error.problem}", cure=error.cure) from None
    length = min(CONTEXT_LENGTH, text["max_position_embeddings"])
    tokenizer = read_bert_tokenizer(files, size=text["vocab_size"], context_length=length)
    text["pad_token_id"] = tokenizer.spec.pad_id
    options = TextOptions(
        config=text,
        pooler="cls_last_hidden_state",
        pooling_layer="text.transformer.pooler.dense.weight" in state,
        projection="linear",
        projection_bias=True,
    )
    spec = ModelSpec(
        name=files.name,
        width=int(config.get("projection_dim", 640)),
        image=TransformersImageSpec(
            trunk=IMAGE,
            size=pixels.size,
            projection="none",
            options=to_dict(ImageOptions(config=image)),
        ),
        text=text_spec(TEXT, options, length),
        preprocess=pixels,
        tokenizer=tokenizer.spec,
        scale=1 / float(config.get("temperature_init_value", 1.0)),
    )
    return spec, dict(tokenizer.files)


def _read_pixels(files: CheckpointFiles) -> tuple[PreprocessSpec, tuple[str, ...]]:
    """Return what the processor does: its rescaling with an offset and its two normalisations are one of ours."""
    values = processor_values(files)
    if values is None:
        spec = PreprocessSpec(SIZE, "squash", SCALE_TO, interpolation="bilinear", crop="floor", mean=HALF, std=HALF)
        return spec, (
            f"No preprocessor_config.json: {SCALE_TO} pixels, of which the middle {SIZE} are read, bilinear, are "
            "assumed, as in kakaobrain/align-base; say otherwise with --set preprocess.scale_to=N.",
        )
    given = PIXELS | {key: value for key, value in values.items() if value is not None}
    side = given["crop_size" if given["do_center_crop"] else "size"]
    size = side if isinstance(side, int) else side["height"]
    pixels = read_processor(files, size=size, defaults=PIXELS)
    factor = 255 * given["rescale_factor"] if given["do_rescale"] else 255.0
    offset = 1.0 if given["do_rescale"] and given["rescale_offset"] else 0.0
    mean = given["image_mean"] if given["do_normalize"] else (0.0, 0.0, 0.0)
    std = given["image_std"] if given["do_normalize"] else (1.0, 1.0, 1.0)
    again = given["image_std"] if given["include_top"] else (1.0, 1.0, 1.0)
    means = [(offset + m) / factor for m in mean]
    deviations = [first * second / factor for first, second in zip(std, again, strict=True)]
    spec = replace(
        pixels.spec,
        mean=(means[0], means[1], means[2]),
        std=(deviations[0], deviations[1], deviations[2]),
    )
    return spec, pixels.assumed


def _log_scale(temperature: Array, where: str) -> Array:
    value = float(np.asarray(temperature, np.float64).reshape(()))
    if not value > 0:
        raise FormatError(f"temperature {value} in {where}", cure="it must be above 0; fetch the model again")
    return np.asarray(-math.log(value), np.float32)


def _check(image: TransformersImageSpec, text: TransformersTextSpec, spec: ModelSpec) -> None:
    options = text_options(text)
    problems = {
        f"image.trunk = {image.trunk!r}": image.trunk != IMAGE,
        f"text.trunk = {text.trunk!r}": text.trunk != TEXT,
        f"text.options.pooler = {options.pooler!r}": options.pooler != "cls_last_hidden_state",
        "a text trunk without its pooling layer": not options.pooling_layer,
        "a text projection without a bias": options.projection != "linear" or not options.projection_bias,
        "a bias of the scores": spec.bias is not None,
    }
    for problem, there in problems.items():
        if there:
            raise UsageError(f"{problem} has no place in {WHO}", cure="choose another format")
