"""Folders of sentence-transformers: `modules.json` says in which folder each of a model's modules lies.

    clip_folder(Path("clip-ViT-B-32"))     # clip-ViT-B-32/0_CLIPModel, a folder of transformers
    sentence_encoder(Path("all-MiniLM-L6-v2"))     # where its encoder lies, and how it is pooled

Both layouts of a CLIP are followed: `0_CLIPModel`, and a Transformer whose `config.json` has two towers, at the top.
Free of PyTorch.
"""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from wordsight.base.errors import FormatError
from wordsight.base.files import read_json
from wordsight.weights.json_fields import JsonFields

MODULES = "modules.json"
NEUTRAL = ("Normalize",)  # modules at the end that change no direction
SETTINGS = ("sentence_bert_config.json", "sentence_roberta_config.json", "sentence_xlm-roberta_config.json")
# what Pooling's config.json calls the poolings that are read; the last two have the mean's direction
POOLINGS: dict[str, Literal["mean", "first"]] = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "first",
    "pooling_mode_mean_sqrt_len_tokens": "mean",
}


def clip_folder(folder: Path) -> Path:
    """Return where the CLIP of a folder lies: the folder itself unless it is one of sentence-transformers.

    One without a CLIP, or with layers behind it, is a `FormatError` that names its modules.
    """
    if not (folder / MODULES).is_file():
        return folder
    modules = [(_kind(module), _inside(folder, module)) for module in _listed(folder)]
    clips = [path for kind, path in modules if kind == "CLIPModel" or _has_two_towers(path)]
    others = [kind for kind, path in modules if path not in clips and kind not in NEUTRAL]
    names = ", ".join(kind for kind, _ in modules)
    if not clips:
        raise FormatError(
            f"{folder} is a model of sentence-transformers without a CLIP ({MODULES} lists {names})",
            cure="use one of images and texts, such as sentence-transformers/clip-ViT-B-32",
        )
    if others or len(clips) > 1:
        raise FormatError(
            f"{folder} is a CLIP with more layers behind it ({MODULES} lists {names})",
            cure=f"its CLIP alone is {clips[0]}, which gives other embeddings",
        )
    return clips[0]


@dataclass(frozen=True, slots=True)
class SentenceEncoder:
    """A Transformer with its Pooling: `folder` is one of transformers, `longest` the most tokens of a text (None: all).

    `lower_case`: texts are lowered before they become tokens.
    """

    folder: Path
    pool: Literal["mean", "first"]
    longest: int | None = None
    lower_case: bool = False


def sentence_encoder(folder: Path) -> SentenceEncoder | None:
    """Return the text encoder of a folder of sentence-transformers, None for another folder.

    One of other modules than a Transformer, a Pooling and Normalize is a `FormatError` that names them.
    """
    if not (folder / MODULES).is_file():
        return None
    modules = {_kind(module): _inside(folder, module) for module in _listed(folder)}
    if [kind for kind in modules if kind not in NEUTRAL] != ["Transformer", "Pooling"]:
        raise FormatError(
            f"{folder} is a model of sentence-transformers of {', '.join(modules)}",
            cure="only a Transformer with a Pooling, and Normalize, is read",
        )
    inside = modules["Transformer"]
    path = next((inside / name for name in SETTINGS if (inside / name).is_file()), None)
    settings = JsonFields({} if path is None else _object(path), str(path))
    return SentenceEncoder(
        inside,
        _pooling(modules["Pooling"] / "config.json"),
        None if settings.values.get("max_seq_length") is None else settings.whole("max_seq_length"),
        settings.flag("do_lower_case", default=False),
    )


def _pooling(path: Path) -> Literal["mean", "first"]:
    values = _object(path)
    named = values.get("pooling_mode")  # newer versions name it, as "mean" or "cls"
    chosen = [name for name, value in values.items() if name.startswith("pooling_mode_") and value is True]
    if named is not None:
        chosen = [f"pooling_mode_{named}_token{'' if named == 'cls' else 's'}"]
    if len(chosen) != 1 or chosen[0] not in POOLINGS:
        raise FormatError(f"{path} pools by {', '.join(chosen) or 'nothing'}", cure=f"known: {', '.join(POOLINGS)}")
    return POOLINGS[chosen[0]]


def _object(path: Path) -> dict[str, Any]:
    values = read_json(path)
    if not isinstance(values, dict):
        raise FormatError(f"{path} holds no JSON object", cure="fetch the model again")
    return values


def _listed(folder: Path) -> list[dict[str, Any]]:
    modules = read_json(folder / MODULES)
    if not isinstance(modules, list) or not modules or not all(isinstance(module, dict) for module in modules):
        raise FormatError(f"{folder / MODULES} is no list of modules", cure="fetch the model again")
    return modules


def _kind(module: dict[str, Any]) -> str:
    return str(module.get("type", "")).rpartition(".")[2] or "?"


def _inside(folder: Path, module: dict[str, Any]) -> Path:
    path = PurePosixPath(str(module.get("path", "")))
    if path.is_absolute() or ".." in path.parts:
        raise FormatError(f"{folder / MODULES} points to {path}, outside the folder", cure="fetch the model again")
    return folder / path


def _has_two_towers(folder: Path) -> bool:
    config = read_json(folder / "config.json") if (folder / "config.json").is_file() else {}
    return isinstance(config, dict) and {"text_config", "vision_config"} <= set(config)
