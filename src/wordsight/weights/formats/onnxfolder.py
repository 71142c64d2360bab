"""Folders of finished ONNX graphs, image and text apart, as published for photo applications; used as they are.

Layout: `visual/model.onnx`, `visual/preprocess_cfg.json`, `textual/model.onnx`, `textual/tokenizer.json`,
`textual/tokenizer_config.json`, and open_clip's model configuration as `config.json`.  No weights: such a model can be
run, not trained, converted or quantised.
"""

from pathlib import Path
from typing import Any

from wordsight.base.errors import FormatError, UsageError
from wordsight.base.files import read_json
from wordsight.images.spec import CLIP_MEAN, CLIP_STD, PreprocessSpec
from wordsight.text.spec import TokenizerSpec
from wordsight.towers.spec import ImageTowerSpec, ModelSpec, TextTowerSpec
from wordsight.weights.checkpoint import Checkpoint
from wordsight.weights.found import Found

IMAGE, TEXT = "visual/model.onnx", "textual/model.onnx"
TOKENIZER = "tokenizer.json"
SCALE = 100.0  # the limit that softmax models' scales learn to (Radford et al. 2021, section 2.5)
SIGMOID_BIAS = -10.0  # where SigLIP's bias starts (Zhai et al. 2023, section 3.2)


def recognise(found: Found) -> bool:
    """Are both graphs there?"""
    return found.path.is_dir() and found.file(IMAGE) is not None and found.file(TEXT) is not None


def read(found: Found) -> Checkpoint:
    """Return the model; a folder without its tokenizer or preprocessing is a `FormatError` that names the file."""
    config = _values(found, "config.json")
    context = int(config.get("text_cfg", {}).get("context_length", 77))
    size = int(config.get("text_cfg", {}).get("vocab_size", 49408))
    sigmoid = "init_logit_bias" in config
    preprocess = _preprocess(_values(found, "visual/preprocess_cfg.json"))
    bias = SIGMOID_BIAS if sigmoid else None
    spec = ModelSpec(
        name=found.folder.resolve().name,
        width=int(config["embed_dim"]),
        image=ImageTowerSpec(kind="onnx", size=preprocess.size),
        text=TextTowerSpec(kind="onnx", context_length=context, vocabulary_size=size, mask="none", pool="last"),
        preprocess=preprocess,
        tokenizer=_tokenizer(found, config, context=context, size=size),
        loss="sigmoid" if sigmoid else "softmax",
        scale=SCALE,
        bias=bias,
    )
    assumed = (
        f"the graphs hold no temperature: scores are made with scale = {SCALE:g}"
        f"{'' if bias is None else f' and bias = {bias:g}'}; rows and rankings do not depend on it",
    )
    folder = found.folder
    return Checkpoint(
        spec,
        {},
        vocabulary={TOKENIZER: (folder / "textual" / TOKENIZER).read_bytes()},
        assumed=assumed,
        origin={"format": "onnx-folder", "file": str(found.path)},
        graphs={"image": folder / IMAGE, "text": folder / TEXT},
    )


def write(checkpoint: Checkpoint, target: Path) -> None:
    """Refuse: `convert --to onnx` writes our own graphs."""
    raise UsageError(f"{checkpoint.spec.name} cannot be written as onnx-folder", cure="use --to onnx")


def _values(found: Found, name: str) -> dict[str, Any]:
    values = found.json(name)
    if values is None:
        raise FormatError(f"{found.folder} has no {name}", cure="fetch the folder whole")
    return values


def _preprocess(values: dict[str, Any]) -> PreprocessSpec:
    size = values.get("size", 224)
    side = size if isinstance(size, int) else size[0]
    if not isinstance(size, int) and len(set(size)) > 1:
        raise FormatError(f"pictures of {size} pixels", cure="only square pictures are supported")
    return PreprocessSpec(
        size=side,
        resize=values.get("resize_mode", "shortest"),
        interpolation=values.get("interpolation", "bicubic"),
        rgb="after",
        fill=values.get("fill_color", 0),
        mean=tuple(values.get("mean", CLIP_MEAN)),
        std=tuple(values.get("std", CLIP_STD)),
    )


def _tokenizer(found: Found, config: dict[str, Any], *, context: int, size: int) -> TokenizerSpec:
    path = found.folder / "textual" / TOKENIZER
    if not path.is_file():
        raise FormatError(f"{found.folder} has no textual/{TOKENIZER}", cure="fetch the folder whole")
    canonical = config.get("text_cfg", {}).get("tokenizer_kwargs", {}).get("clean") == "canonicalize"
    return TokenizerSpec(
        kind="tokenizers",
        vocabulary_size=size,
        context_length=context,
        cleaning="canonical" if canonical else "whitespace",
        pad_id=_pad_id(path, found.json("textual/tokenizer_config.json") or {}),
        padding="full",
    )


def _pad_id(path: Path, config: dict[str, Any]) -> int:
    """Look the padding token up in tokenizer.json, added tokens first; 0 when the configuration names none."""
    token = config.get("pad_token")
    name = token.get("content") if isinstance(token, dict) else token
    if name is None:
        return 0
    values = read_json(path)
    added = {entry["content"]: entry["id"] for entry in values.get("added_tokens", [])}
    vocabulary = values.get("model", {}).get("vocab", {})
    if name in added:
        return int(added[name])
    if isinstance(vocabulary, dict) and name in vocabulary:
        return int(vocabulary[name])
    raise FormatError(f"{path} does not hold the padding token {name!r}", cure="fetch the folder whole")
