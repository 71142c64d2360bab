"""Folders of finished ONNX graphs, image and text apart, as published for photo applications; used as they are.

Layout: `visual/model.onnx`, `visual/preprocess_cfg.json`, `textual/model.onnx`, `textual/tokenizer.json`,
`textual/tokenizer_config.json`, and open_clip's model configuration as `config.json`.  No weights: such a model can be
run, not trained, converted or quantised.
"""

from typing import Any

from wordsight.base.errors import FormatError
from wordsight.base.reading import read_file
from wordsight.images.spec import CLIP_MEAN, CLIP_STD, PreprocessSpec
from wordsight.text.spec import TokenizerSpec
from wordsight.towers.onnx.spec import OnnxImageSpec, OnnxTextSpec
from wordsight.towers.spec import ModelSpec
from wordsight.weights.checkpoint import Checkpoint
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.formats.tokenizers.checkpoint_tokenizer import TOKENIZER_JSON
from wordsight.weights.formats.tokenizers.tokenizer_json import token_ids, token_text

IMAGE, TEXT = "visual/model.onnx", "textual/model.onnx"
SCALE = 100.0  # the limit that softmax models' scales learn to (Radford et al. 2021, section 2.5)
SIGMOID_BIAS = -10.0  # where SigLIP's bias starts (Zhai et al. 2023, section 3.2)


def recognise(files: CheckpointFiles) -> bool:
    """Are both graphs there?"""
    return files.path.is_dir() and files.file(IMAGE) is not None and files.file(TEXT) is not None


def read(files: CheckpointFiles) -> Checkpoint:
    """Return the model; a folder without its tokenizer or preprocessing is a `FormatError` that names the file."""
    config = _values(files, "config.json")
    text_cfg = {name: value for name, value in (config.get("text_cfg") or {}).items() if value is not None}
    tokenizer = _tokenizer(files, text_cfg)
    sigmoid = config.get("init_logit_bias") is not None
    preprocess = _preprocess(_values(files, "visual/preprocess_cfg.json"))
    bias = SIGMOID_BIAS if sigmoid else None
    spec = ModelSpec(
        name=files.name,
        width=int(config["embed_dim"]),
        image=OnnxImageSpec(size=preprocess.size),
        text=OnnxTextSpec(
            context_length=tokenizer.context_length,
            vocabulary_size=tokenizer.vocabulary_size,
        ),
        preprocess=preprocess,
        tokenizer=tokenizer,
        loss="sigmoid" if sigmoid else "softmax",
        scale=SCALE,
        bias=bias,
    )
    assumed = (
        f"the graphs hold no temperature: scores are made with scale = {SCALE:g}"
        f"{'' if bias is None else f' and bias = {bias:g}'}; rows and rankings do not depend on it",
    )
    folder = files.folder
    return Checkpoint(
        spec,
        {},
        tokenizer_files={TOKENIZER_JSON: read_file(folder / "textual" / TOKENIZER_JSON)},
        assumed=assumed,
        origin={"format": "onnx-folder", "file": str(files.path)},
        graphs={"image": folder / IMAGE, "text": folder / TEXT},
    )


def _values(files: CheckpointFiles, name: str) -> dict[str, Any]:
    values = files.json(name)
    if values is None:
        raise FormatError(f"{files.folder} has no {name}", cure="fetch the folder whole")
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


def _tokenizer(files: CheckpointFiles, text_cfg: dict[str, Any]) -> TokenizerSpec:
    """Return the tokenizer; text towers of transformers say nowhere but in its file how many tokens there are."""
    values = _values(files, f"textual/{TOKENIZER_JSON}")
    settings = files.json("textual/tokenizer_config.json") or {}
    ids = token_ids(values)
    canonical = (text_cfg.get("tokenizer_kwargs") or {}).get("clean") == "canonicalize"
    return TokenizerSpec(
        kind="tokenizers",
        vocabulary_size=int(text_cfg.get("vocab_size", max(ids.values(), default=-1) + 1)),
        context_length=int(text_cfg.get("context_length", 77)),
        cleaning="canonical" if canonical else "whitespace",
        pad_id=_pad_id(ids, settings, str(files.folder)),
        padding="full",
    )


def _pad_id(ids: dict[str, int], settings: dict[str, Any], where: str) -> int:
    """Return the number of the padding token; 0 when the configuration names none."""
    name = token_text(settings.get("pad_token"))
    if not name:
        return 0
    if name not in ids:
        raise FormatError(f"{where} does not hold the padding token {name!r}", cure="fetch the folder whole")
    return ids[name]
