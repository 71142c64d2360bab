"""Folders of sentence-transformers: `modules.json` says in which folder each of a model's modules lies.

    clip_folder(Path("clip-ViT-B-32"))     # clip-ViT-B-32/0_CLIPModel, a folder of transformers

Both layouts are followed: `0_CLIPModel`, and a Transformer whose `config.json` has two towers, at the top.  Free of
PyTorch.
"""

from pathlib import Path, PurePosixPath
from typing import Any

from wordsight.base.errors import FormatError
from wordsight.base.files import read_json

MODULES = "modules.json"
NEUTRAL = ("Normalize",)  # modules behind a CLIP that change no direction


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
