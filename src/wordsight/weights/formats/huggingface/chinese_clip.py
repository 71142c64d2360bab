"""Chinese CLIP as transformers holds it: CLIP's Vision Transformer for images, BERT for texts.  Free of PyTorch.

    checkpoint = read(CheckpointFiles(Path("chinese-clip-vit-base-patch16")))
    write(checkpoint, Path("out"))             # what ChineseCLIPModel and its processor load strictly

The image tower is our own; a text is read at its first position and goes through a matrix.
"""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from wordsight.base.errors import ConfigError, FormatError, UsageError
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.spec import ModelSpec
from wordsight.towers.transformers.options import TEXT_FIELDS, TextOptions, full_config, text_options
from wordsight.towers.transformers.spec import TransformersTextSpec
from wordsight.towers.vit.spec import VitSpec
from wordsight.weights.checkpoint import Array, Checkpoint, Keys
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.formats.families import of_family
from wordsight.weights.formats.huggingface import config as configs
from wordsight.weights.formats.huggingface import layers
from wordsight.weights.formats.huggingface.fitting import fitting
from wordsight.weights.formats.huggingface.folder import half, write_folder
from wordsight.weights.formats.huggingface.processor import read_processor, write_processor
from wordsight.weights.formats.tokenizers.bert import bert_files, read_bert_tokenizer
from wordsight.weights.formats.trunks.transformers_text import BUFFERS, text_spec

WHO = "transformers' ChineseCLIPModel"
TEXT = "bert"  # Chinese CLIP's text trunk computes what BERT does
CONTEXT_LENGTH = 52  # of OFA-Sys/Chinese-CLIP, cn_clip/clip/utils.py: tokenize(texts, context_length=52)
NAMES = {"text_model.": "text.transformer.", "text_projection.": "text.proj."}
POOLING_LAYER = "text.transformer.pooler.dense.weight"


def read(files: CheckpointFiles) -> Checkpoint:
    """Return the model; every weight is used exactly once, or `ShapeMismatch` lists what is left or missing."""
    values = files.json("config.json") or {}
    keys = Keys(files.tensors, where=str(files.weights))
    keys.drop(*(name for name in keys.left if name.endswith(BUFFERS)))
    state = layers.take_image(keys, "clip") | layers.take_scales(keys, "clip")
    for name in keys.left:
        start = next((theirs for theirs in NAMES if name.startswith(theirs)), None)
        if start is not None:
            state[NAMES[start] + name.removeprefix(start)] = keys.take(name)
    keys.finish()
    vision = configs.IMAGE_DEFAULTS["clip"] | half(values, "vision_config")
    image = configs.image_tower(state, "clip", vision)
    pixels = read_processor(files, size=image.size, defaults="clip")
    text, tokenizer_files = _text(files, half(values, "text_config"), state)
    spec = ModelSpec(
        name=files.name,
        width=state["visual.proj"].shape[1],
        image=image,
        text=text.text,
        preprocess=pixels.spec,
        tokenizer=text.tokenizer,
    )
    assumed = (
        f"texts are cut after {text.text.context_length} tokens, as Chinese CLIP was taught; say otherwise with "
        "--set text.context_length=N --set tokenizer.context_length=N.",
        *pixels.assumed,
    )
    origin = {"format": "huggingface", "model_type": "chinese_clip", "file": files.weights.name}
    return Checkpoint(spec, state, tokenizer_files, assumed, origin)


def write(checkpoint: Checkpoint, target: Path) -> None:
    """Write a folder for `ChineseCLIPModel.from_pretrained`; `UsageError` where it has no place for such towers."""
    spec, state = checkpoint.spec, checkpoint.state
    image, text = of_family(spec.image, VitSpec, WHO), of_family(spec.text, TransformersTextSpec, WHO)
    _check(text, spec)
    tensors = layers.give_image(state, "clip") | layers.give_scales(state, "clip")
    for theirs, ours in NAMES.items():
        tensors |= {theirs + name.removeprefix(ours): state[name] for name in state if name.startswith(ours)}
    common = {"projection_dim": spec.width}
    config: dict[str, Any] = {
        "architectures": ["ChineseCLIPModel"],
        "model_type": "chinese_clip",
        "logit_scale_init_value": math.log(spec.scale),
        **common,
        "text_config": {"model_type": "chinese_clip_text_model", **text_options(text).config, **common},
        "vision_config": {
            **configs.vision_json(image, "clip"),
            "model_type": "chinese_clip_vision_model",
            **common,
        },
    }
    processor = write_processor(spec.preprocess, "ChineseCLIPImageProcessor") | {
        "processor_class": "ChineseCLIPProcessor"
    }
    write_folder(target, config, processor=processor, tokenizer=bert_files(checkpoint), tensors=tensors)


def _text(
    files: CheckpointFiles, values: dict[str, Any], state: dict[str, Array]
) -> tuple[ModelSpec, dict[str, bytes]]:
    """Return the text tower and its tokenizer, in a spec that holds nothing else, and the tokenizer's file."""
    try:
        config = full_config(TEXT_FIELDS, TEXT, values, "the text tower")
    except ConfigError as error:
        raise FormatError(f"{files.folder}: {error.problem}", cure=error.cure) from None
    length = min(CONTEXT_LENGTH, config["max_position_embeddings"])
    tokenizer = read_bert_tokenizer(files, size=config["vocab_size"], context_length=length)
    config["pad_token_id"] = tokenizer.spec.pad_id
    options = TextOptions(
        config=config,
        pooler="cls_last_hidden_state",
        pooling_layer=POOLING_LAYER in state,
        projection="linear",
    )
    text = text_spec(TEXT, options, length)
    return ModelSpec(name="", text=text, tokenizer=tokenizer.spec), dict(tokenizer.files)


def _check(text: TransformersTextSpec, spec: ModelSpec) -> None:
    options = text_options(text)
    problems = {
        f"text.trunk = {text.trunk!r}": text.trunk != TEXT,
        f"text.options.pooler = {options.pooler!r}": options.pooler not in ("cls", "cls_last_hidden_state"),
        "the pooling layer of the text trunk": options.pooling_layer,
        f"text.options.projection = {options.projection!r}": options.projection != "linear",
        "a text projection with a bias": options.projection_bias,
    }
    for problem, there in problems.items():
        if there:
            raise UsageError(f"{problem} has no place in {WHO}", cure="choose another format")
    if fitting(replace(spec, text=ClipTextSpec())) != "clip":
        raise UsageError("the image tower is not CLIP's", cure="choose another format")
