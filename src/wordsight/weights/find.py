"""From what a user types after `--model` to the folder of a model.  Free of PyTorch."""

import difflib
import os
from pathlib import Path

from wordsight.base.errors import UnknownModel
from wordsight.towers import catalogue

MANIFEST = "model.json"
VARIABLE = "WORDSIGHT_MODEL"
BUNDLED = Path(__file__).parent.parent / "bundled"
CHECKPOINTS = (".pt", ".pth", ".bin", ".safetensors", ".npz", ".onnx", ".ckpt")
OURS = "train one (wordsight train), or give the folder of a model saved by wordsight"


def find_model(name_or_path: str | Path | None = None) -> Path:
    """Return the folder of a model: a path; None is $WORDSIGHT_MODEL, else the model that ships with the package.

    Anything else raises `UnknownModel`, which says what the name is, if it is known, and the cure.
    """
    if name_or_path is not None:
        return _find(str(name_or_path))
    named = os.environ.get(VARIABLE)
    if named:
        try:
            return _find(named)
        except UnknownModel as error:
            raise UnknownModel(f"{VARIABLE}: {error.problem}", cure=error.cure) from None
    if not (BUNDLED / MANIFEST).is_file():
        raise UnknownModel(
            "no model comes with this installation", cure=f"give --model FOLDER or set {VARIABLE}; {OURS}"
        )
    return BUNDLED


def _find(name: str) -> Path:
    folder = Path(name).expanduser()
    if (folder / MANIFEST).is_file():
        return folder
    if folder.is_dir():
        raise _no_model_in(folder)
    if folder.is_file():
        raise UnknownModel(f"{folder} is a file, not the folder of a model", cure=_file_cure(folder))
    raise _unknown_name(name)


def _no_model_in(folder: Path) -> UnknownModel:
    inside = sorted(path.parent for path in folder.glob(f"*/{MANIFEST}"))
    if inside:
        return UnknownModel(f"{folder} has no {MANIFEST}", cure=f"did you mean {' or '.join(map(str, inside[:3]))}?")
    return UnknownModel(f"{folder} has no {MANIFEST}, so it is no model", cure=OURS)


def _file_cure(path: Path) -> str:
    if path.name == "weights.safetensors" or path.name == MANIFEST:
        return f"give its folder, {path.parent}"
    if path.suffix in CHECKPOINTS:
        return f"reading public checkpoints is not part of this version; {OURS}"
    return OURS


def _unknown_name(name: str) -> UnknownModel:
    shape, _, rest = name.partition("/")
    shapes = {known.lower(): known for known in catalogue.names()}
    if name.replace("/", "-").lower() in shapes:
        known = shapes[name.replace("/", "-").lower()]
        return UnknownModel(
            f"{name!r} is an architecture ({known}), not weights", cure=f"wordsight has none for it yet: {OURS}"
        )
    if name.startswith(("hf-hub:", "http:", "https:")) or (rest and shape.lower() in shapes):
        return _public(name)
    near = difflib.get_close_matches(name, catalogue.names(), n=3, cutoff=0.6)
    if near:
        return UnknownModel(
            f"no model {name!r}",
            cure=f"near it are the architectures {', '.join(near)}, but they are no weights; {OURS}",
        )
    if name.count("/") == 1 and not name.startswith((".", "/", "~")):
        return UnknownModel(
            f"no folder {name!r}", cure=f"if it is a public model: reading those is not part of this version; {OURS}"
        )
    return UnknownModel(f"no model {name!r}: there is no such folder", cure=OURS)


def _public(name: str) -> UnknownModel:
    return UnknownModel(f"{name!r} names a public checkpoint; reading those is not part of this version", cure=OURS)
