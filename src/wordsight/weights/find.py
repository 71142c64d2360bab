"""From what a user types after `--model` to the folder of a model.  Free of PyTorch.

    find_model("ViT-B-32/openai"), find_model("model.pt"), find_model("folder"), find_model("bundled"), find_model(None)
    default_model()     # which one None is, and where that was set

A public checkpoint is converted once, into the cache (`weights.converted`); all that comes after sees only folders of
ours.
"""

import os
from pathlib import Path
from typing import NamedTuple

from wordsight.base.errors import UnknownModel
from wordsight.base.files import put_back
from wordsight.base.optional import resolve
from wordsight.base.settings import read_settings, settings_file

MANIFEST = "model.json"
NAME = "bundled"  # of the model that comes with the package
SHOWN = 80  # letters of a wrong name that a message repeats
VARIABLE = "WORDSIGHT_MODEL"
BUNDLED = Path(__file__).parent.parent / "bundled"
PATHS = (".", "/", "~", "\\")  # what a path that is no name begins with
FILES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".npz", ".onnx")  # no model on the hub is called so
OURS = "train one (wordsight train), or give the file or folder of a public checkpoint"


class ModelLocation(NamedTuple):
    """Where a model lies: a folder of ours, or a public checkpoint; `name` is what the model is called."""

    path: Path
    name: str = ""

    @property
    def ours(self) -> bool:
        """Is it a model folder of ours?"""
        return (self.path / MANIFEST).is_file()


def find_model(name_or_path: str | Path | None = None, *, fetch: bool = True) -> Path:
    """Return the folder of a model: of a path or name; None is `default_model()`.

    Public checkpoints are fetched (unless `fetch` is False or the network is not to be used) and converted once.  A
    licence that excludes commercial use is printed in one line.
    What leads to no model raises `UnknownModel`, which says what the name is, if it is known, and the cure.
    """
    location = locate(name_or_path, fetch=fetch)
    if location.path == BUNDLED:
        return BUNDLED
    folder = location.path
    if not location.ours:
        folder = resolve("wordsight.weights.converted:converted")(location.path, name=location.name)
    resolve("wordsight.weights.licences:mention")(folder)
    return folder


def locate(name_or_path: str | Path | None = None, *, fetch: bool = True) -> ModelLocation:
    """Return where a model lies, before anything is converted."""
    if name_or_path is not None:
        return _locate(name_or_path, fetch=fetch)
    default = default_model()
    if not default.source:
        return _bundled()
    try:
        return _locate(default.name, fetch=fetch)
    except UnknownModel as error:
        cure = error.cure if default.source == VARIABLE else f"{error.cure}; or go back: wordsight models use {NAME}"
        raise UnknownModel(f"{default.source}: {error.problem}", cure=cure) from None


class Default(NamedTuple):
    """The model that is used where none is named; `source` is the variable or file that says so, "" where none does."""

    name: str
    source: str


def default_model() -> Default:
    """Return the default: $WORDSIGHT_MODEL, else what `wordsight models use` has kept, else the bundled model."""
    named = os.environ.get(VARIABLE)
    if named:
        return Default(named, VARIABLE)
    kept = read_settings().model
    return Default(kept, str(settings_file())) if kept else Default(NAME, "")


def shown(name: str) -> str:
    """Return a name as a message repeats it: no longer than a line, with nothing a terminal would act upon."""
    return repr(name if len(name) <= SHOWN else f"{name[:SHOWN]}…")


def _name_of_bundled() -> str:
    """Return the name that the bundled model has itself, as `wordsight models` shows it; "" where there is none."""
    if not (BUNDLED / MANIFEST).is_file():
        return ""
    return str(resolve("wordsight.weights.manifest:read_model_manifest")(BUNDLED).spec.name)


def _bundled() -> ModelLocation:
    if not (BUNDLED / MANIFEST).is_file():
        raise UnknownModel("no model comes with this installation", cure=f"give --model or set {VARIABLE}; {OURS}")
    return ModelLocation(BUNDLED)


def _locate(given: str | Path, *, fetch: bool) -> ModelLocation:
    """Return the model at a path, else of a name; a folder without a model does not stand in the way of a name."""
    name = str(given).strip()
    path = _existing(Path(given)) if name else None
    refused = UnknownModel(f"no model {shown(name)}: there is no such file or folder", cure=OURS)
    if path is not None:
        problem = None if (path / MANIFEST).is_file() else _refused(path)
        if problem is None:
            return ModelLocation(path)
        refused = problem
    if isinstance(given, Path) or name.startswith(PATHS) or name.lower().endswith(FILES):
        raise refused
    if name == NAME or name == _name_of_bundled():
        return _bundled()
    if path is not None and not resolve("wordsight.weights.lookup:is_known")(name):
        raise refused
    return ModelLocation(*resolve("wordsight.weights.lookup:by_name")(name, fetch=fetch))


def means_path(name: str, path: Path) -> bool:
    """Say whether a name means what lies at `path`: a model, or anything that is not called as a known model is."""
    there = _existing(path)
    if there is None:
        return False
    if (there / MANIFEST).is_file() or _refused(there) is None:
        return True
    return name != NAME and not resolve("wordsight.weights.lookup:is_known")(name)


def _existing(path: Path) -> Path | None:
    """Return where a path leads, or None; what no file system can hold leads nowhere."""
    try:
        path = path.expanduser()
        put_back(path)
        if path.is_file() and (path.parent / MANIFEST).is_file() and path.name in (MANIFEST, "weights.safetensors"):
            path = path.parent
        return path if path.exists() else None
    except (OSError, RuntimeError, ValueError):  # a name that is too long, of nobody's home, or with a zero byte
        return None


def _refused(path: Path) -> UnknownModel | None:
    """Return why a path holds no public model, None if it may."""
    inside = sorted(inner.parent for inner in path.glob(f"*/{MANIFEST}")) if path.is_dir() else []
    if inside:
        return UnknownModel(f"{path} has no {MANIFEST}", cure=f"did you mean {' or '.join(map(str, inside[:3]))}?")
    if (path / "weights.safetensors").is_file() and (
        path / "merges.txt"
    ).is_file():  # a model folder of ours, not whole
        return UnknownModel(f"{path} has no {MANIFEST}", cure="copy it from where the model came from")
    try:
        resolve("wordsight.weights.converted:require_model")(path)
    except UnknownModel as error:
        return error
    return None
