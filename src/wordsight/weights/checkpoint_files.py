"""A file or folder that somebody calls a model, before anybody knows its format.  Free of PyTorch.

    found = CheckpointFiles(Path("folder or file"))
    found.json("open_clip_config.json")     # dict, or None
    found.tensors                           # name -> array, each read when it is asked for
    found.facts                             # plain values beside the weights: "epoch", "name"...

Training checkpoints hold more than weights: `part` says which part was read (see `PARTS`), `others` what else
could have been, `tree` is all of it.  What stands before every name of the weights, such as "model.", is left out:
`prefix`.  Where it stands before some names only, `wrapped` has those alone.  Knows which files of a folder hold
weights and how each container is read; not what the names in it mean.
"""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from wordsight.base.errors import FormatError, NotFound
from wordsight.base.files import read_json, require_content
from wordsight.weights.archive.lazy import StoredTensor, Tensors
from wordsight.weights.archive.pickles import PickledObject
from wordsight.weights.archive.table import SUFFIXES, read_tree
from wordsight.weights.archive.torchread import flattened
from wordsight.weights.finite import check_variances
from wordsight.weights.sentence_transformers import clip_folder

# in order of preference; the names in use are those of open_clip's and Hugging Face's hubs
WEIGHT_FILES = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
    "model.safetensors.index.json",
    "model.safetensors",
    "pytorch_model.bin.index.json",
    "pytorch_model.bin",
    "pytorch_model.pth",
    "model.pth",
)

# where training checkpoints keep weights, the one that is read first; averages (EMA) are read when asked for, or
# when there is nothing else, as open_clip's and EVA's own loaders do
PARTS = ("state_dict", "model", "module", "params", "model_state_dict", "network")
AVERAGES = ("state_dict_ema", "model_ema", "ema_state_dict", "ema", "module_ema", "ema_model", "params_ema")
MOST_JSON = 128 * 2**20  # bytes; the largest tokenizer.json in use has 35 million
# what torch.compile, FSDP and activation checkpointing put into names, wherever the wrapped module lies
WRAPPERS = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
DEEPEST = 3  # modules around a model that lies beside other weights
MOST_MODULES = 20  # that are looked at for a model: the largest ones
AVERAGED = ("ema", "average", "teacher", "momentum")  # parts of the names of averaged models, read after the others


class CheckpointFiles:
    """The files of a checkpoint: `path` as given, `folder` where files beside the weights are looked for.

    In a folder of sentence-transformers that is where its CLIP lies, unless it is given.
    """

    def __init__(self, path: Path, *, part: str = "", folder: Path | None = None) -> None:
        if not path.exists():
            raise NotFound(f"no file or folder {path}", cure="check the path")
        self.path = path
        self.folder = folder or (clip_folder(path) if path.is_dir() else path.parent)
        self.asked = part
        self.beside: tuple[str, ...] = ()  # names of weights that lie outside the part

    @property
    def name(self) -> str:
        """What the model is called where nothing else says it: the file's name without its suffix, or the folder's."""
        return self.path.stem if self.path.is_file() else self.path.resolve().name

    def file(self, name: str) -> Path | None:
        """Return a file of the folder, or None."""
        path = self.folder / name
        if not path.is_file():
            return None
        require_content(path)
        return path

    def json(self, name: str) -> dict[str, Any] | None:
        """Return a JSON file of the folder, or None; one that is no JSON object is a `FormatError`."""
        path = self.file(name)
        if path is None:
            return None
        size = path.stat().st_size
        if size > MOST_JSON:
            raise FormatError(f"{path} has {size} bytes, too many for JSON", cure="fetch the model again")
        values = read_json(path)
        if not isinstance(values, dict):
            raise FormatError(f"{path} holds no JSON object", cure="fetch the model again")
        return values

    @cached_property
    def weights(self) -> Path:
        """The file that holds the weights; none is a `NotFound`."""
        if self.path.is_file():
            return self.path
        for name in WEIGHT_FILES:
            if (self.folder / name).is_file():
                return self.folder / name
        alone = sorted(path for path in self.folder.iterdir() if path.suffix in SUFFIXES)
        if len(alone) == 1:
            return alone[0]
        names = ", ".join(path.name for path in alone) or "none"
        raise NotFound(f"{self.folder} does not hold one file of weights ({names})", cure="name the file itself")

    @cached_property
    def tree(self) -> Any:
        """All that the weights file holds: nested dicts, lists, plain values; tensors as `StoredTensor`."""
        return read_tree(self.weights)

    @cached_property
    def part(self) -> str:
        """The path (joined by dots) of the part of the file that holds the weights; "" is the top."""
        if self.asked:
            self._at(self.asked)
            return self.asked
        return ".".join(_weights_path(self.tree))

    @property
    def others(self) -> tuple[str, ...]:
        """Further parts that hold weights, such as averaged ones."""
        if not isinstance(self.tree, dict):
            return ()
        known = [name for name in (*PARTS, *AVERAGES) if name != self.part.partition(".")[0]]
        return tuple(name for name in known if _holds_weights(self.tree.get(name)))

    @cached_property
    def facts(self) -> Mapping[str, str | int | float]:
        """The plain values at the top of the file: "epoch", "name"..."""
        top = self.tree.fields if isinstance(self.tree, PickledObject) else self.tree
        values = top.items() if isinstance(top, dict) else ()
        return {name: value for name, value in values if isinstance(name, str) and isinstance(value, str | int | float)}

    @cached_property
    def tensors(self) -> Tensors:
        """The tensors of the part that holds the weights, under their names without `prefix` and `WRAPPERS`.

        Batch norms with impossible variances are a `FormatError` here, before a format multiplies them into weights.
        """
        tensors = Tensors({name.removeprefix(self.prefix): tensor for name, tensor in self._named.items()})
        check_variances(tensors, where=str(self.weights))
        return tensors

    @cached_property
    def prefix(self) -> str:
        """What stands before the name of every weight, with its last dot; "" for nothing."""
        names = [name.split(".")[:-1] for name in self._named]
        shared = zip(*names, strict=False) if names else ()
        alike = itertools.takewhile(lambda parts: len(set(parts)) == 1, shared)
        return "".join(f"{parts[0]}." for parts in alike)

    def wrapped(self) -> Iterator["CheckpointFiles"]:
        """Yield the weights of each large module as files of their own, the largest first, averaged ones last."""
        names = [name.split(".") for name in self._named]
        paths = Counter(".".join(parts[:depth]) for depth in range(1, DEEPEST + 1) for parts in names if parts[depth:])
        largest = [path for path, _ in paths.most_common(MOST_MODULES)]
        for path in sorted(largest, key=lambda path: any(mark in path.lower() for mark in AVERAGED)):
            inside = CheckpointFiles(self.path, part=f"{self.part}.{path}".lstrip("."))
            inside.__dict__["tree"] = self.tree  # which is read once
            inside.beside = tuple(name for name in self._named if not name.startswith(f"{path}."))
            yield inside

    @cached_property
    def _named(self) -> dict[str, StoredTensor]:
        return unwrapped(flattened(self._at(self.part)), where=str(self.weights))

    def _at(self, part: str) -> Any:
        """Return what lies at a path; its end may be the beginning of names that have dots themselves."""
        node, left = self.tree, part.split(".") if part else []
        while left:
            inside = node.fields if isinstance(node, PickledObject) else node
            if isinstance(inside, dict) and left[0] in inside:
                node = inside[left.pop(0)]
                continue
            names = list(map(str, inside)) if isinstance(inside, dict) else []
            begin = ".".join(left) + "."
            if not any(name.startswith(begin) for name in names):
                raise NotFound(f"{self.weights} has no part {part}", cure=f"it has {', '.join(names[:10])}")
            return {name[len(begin) :]: inside[name] for name in names if name.startswith(begin)}
        return node


def unwrapped(stored: Mapping[str, StoredTensor], *, where: str) -> dict[str, StoredTensor]:
    """Return tensors under their names without `WRAPPERS`; two of one name are a `FormatError`."""
    names = {name: ".".join(part for part in name.split(".") if part not in WRAPPERS) for name in stored}
    if len(set(names.values())) != len(names):
        raise FormatError(
            f"{where} holds tensors whose names differ only in {' or '.join(WRAPPERS)}", cure="save the model again"
        )
    return {names[old]: tensor for old, tensor in stored.items()}


def _weights_path(tree: Any) -> list[str]:
    """Return where the weights lie in a training checkpoint, or nothing when they lie at the top."""
    if isinstance(tree, dict):
        for name in (*PARTS, *AVERAGES):
            if _holds_weights(tree.get(name)):
                return [name, *_weights_path(tree[name])]
    return []


def _holds_weights(value: Any) -> bool:
    return isinstance(value, dict | PickledObject) and bool(flattened(value))
