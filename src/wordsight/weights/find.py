"""From what a user types after `--model` to the folder of a model.  Free of PyTorch.

    find_model("ViT-B-32/openai"), find_model("model.pt"), find_model("folder"), find_model(None)

A public checkpoint is converted once, into the cache (`weights.converted`); all that comes after sees only folders of
ours.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from wordsight.base.errors import UnknownModel
from wordsight.base.optional import resolve
from wordsight.towers import catalogue

MANIFEST = "model.json"
VARIABLE = "WORDSIGHT_MODEL"
BUNDLED = Path(__file__).parent.parent / "bundled"
FILES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".npz", ".onnx")  # no model on the hub is called so
OURS = "train one (wordsight train), or give the file or folder of a public checkpoint"


@dataclass(frozen=True, slots=True)
class ModelLocation:
    """Where a model lies: a folder of ours, or a public checkpoint; `name` is what the model is called."""

    path: Path
    name: str = ""

    @property
    def ours(self) -> bool:
        """Is it a model folder of ours?"""
        return (self.path / MANIFEST).is_file()


def find_model(name_or_path: str | Path | None = None, *, fetch: bool = True) -> Path:
    """Return the folder of a model: of a path or name; None is $WORDSIGHT_MODEL, else the bundled model.

    Public checkpoints are fetched (unless `fetch` is False or the network is not to be used) and converted once.
    What leads to no model raises `UnknownModel`, which says what the name is, if it is known, and the cure.
    """
    location = locate(name_or_path, fetch=fetch)
    if location.ours:
        return location.path
    folder: Path = resolve("wordsight.weights.converted:converted")(location.path, name=location.name)
    return folder


def locate(name_or_path: str | Path | None = None, *, fetch: bool = True) -> ModelLocation:
    """Return where a model lies, before anything is converted."""
    if name_or_path is not None:
        return _locate(str(name_or_path), fetch=fetch)
    named = os.environ.get(VARIABLE)
    if named:
        try:
            return _locate(named, fetch=fetch)
        except UnknownModel as error:
            raise UnknownModel(f"{VARIABLE}: {error.problem}", cure=error.cure) from None
    if not (BUNDLED / MANIFEST).is_file():
        raise UnknownModel("no model comes with this installation", cure=f"give --model or set {VARIABLE}; {OURS}")
    return ModelLocation(BUNDLED)


def _locate(name: str, *, fetch: bool) -> ModelLocation:
    path = Path(name).expanduser()
    if path.is_file() and (path.parent / MANIFEST).is_file() and path.name in (MANIFEST, "weights.safetensors"):
        path = path.parent
    if path.exists():
        if not (path / MANIFEST).is_file():
            _require_public(path)
        return ModelLocation(path)
    return _named(name, fetch=fetch)


def _require_public(path: Path) -> None:
    inside = sorted(inner.parent for inner in path.glob(f"*/{MANIFEST}")) if path.is_dir() else []
    if inside:
        raise UnknownModel(f"{path} has no {MANIFEST}", cure=f"did you mean {' or '.join(map(str, inside[:3]))}?")
    resolve("wordsight.weights.converted:require_model")(path)


def _named(name: str, *, fetch: bool) -> ModelLocation:
    if name.startswith((".", "/", "~")) or name.lower().endswith(FILES):
        raise UnknownModel(f"no model {name!r}: there is no such file or folder", cure=OURS)
    shapes = {known.lower(): known for known in catalogue.names()}
    address = resolve("wordsight.weights.names:address")(name)
    if address is not None:
        return ModelLocation(
            resolve("wordsight.weights.hub:fetch")(address, offline=not fetch), address.name or str(address)
        )
    if name.replace("/", "-").lower() in shapes:
        known = shapes[name.replace("/", "-").lower()]
        raise UnknownModel(f"{name!r} is an architecture ({known}), not weights", cure=OURS)
    near = resolve("wordsight.weights.names:near")(name)
    cure = f"did you mean {' or '.join(near)}?" if near else f"there is no such folder; {OURS}"
    raise UnknownModel(f"no model {name!r}", cure=cure)
