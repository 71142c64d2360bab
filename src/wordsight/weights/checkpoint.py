"""A model in memory as every format reads and writes it: spec, weights under our names, tokenizer files.

Free of PyTorch.

    checkpoint = read_any(Path("open_clip_model.safetensors"))    # wordsight.weights.formats.table
    save_checkpoint(checkpoint, folder)                           # wordsight.weights.folder

Weights are numpy arrays in the type they were stored in (bfloat16 is widened to float32).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from wordsight.base.errors import ShapeMismatch
from wordsight.towers.check import check_numbers
from wordsight.towers.families import native
from wordsight.towers.shapes import shapes
from wordsight.towers.spec import ModelSpec
from wordsight.weights.finite import check_finite

Array = NDArray[Any]
SHOWN = 5  # how many names an error lists


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a file or folder of any format holds.

    `state` has the parameter names of `wordsight.towers` (`logit_scale` is the logarithm of the scale).
    `tokenizer_files` holds them by the name they have in a model folder ("merges.txt",
    "tokenizer.json", "spiece.model"). `graphs` holds the files of finished ONNX graphs ("image", "text") where
    there are no weights. `assumed` are sentences on what the file does not determine, each
    with the way to say otherwise. `origin` says where it came from ("format", "file", "revision"...).
    """

    spec: ModelSpec
    state: Mapping[str, Array]
    tokenizer_files: Mapping[str, bytes] = field(default_factory=dict)
    assumed: tuple[str, ...] = ()
    origin: Mapping[str, str] = field(default_factory=dict)
    card: str = ""
    graphs: Mapping[str, Path] = field(default_factory=dict)


class Keys(Mapping[str, Array]):
    """The tensors of a checkpoint, each taken exactly once.

    keys = Keys(given.tensors, where=str(given.path)); weight = keys.take("visual.proj"); keys.finish()
    """

    def __init__(self, tensors: Mapping[str, Array], *, where: str) -> None:
        self._tensors = tensors
        self._left = dict.fromkeys(tensors)
        self.where = where

    def __getitem__(self, name: str) -> Array:
        return self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    @property
    def left(self) -> list[str]:
        """The names that nobody has taken, in the file's order."""
        return list(self._left)

    def take(self, name: str) -> Array:
        """Return a tensor and strike it off; a missing one, or one taken before, is a `ShapeMismatch`."""
        if name not in self._tensors:
            raise ShapeMismatch(f"{self.where} has no {name}", cure="the file is not whole, or of another kind")
        if name not in self._left:
            raise ShapeMismatch(f"{name} of {self.where} would be used twice", cure="report this file's layout")
        del self._left[name]
        return self._tensors[name]

    def drop(self, *names: str) -> None:
        """Strike off what holds nothing learned (mask and position-number buffers); names that are not there pass."""
        for name in names:
            self._left.pop(name, None)

    def finish(self) -> None:
        """Raise `ShapeMismatch` listing what is left over."""
        if self._left:
            raise ShapeMismatch(
                f"{self.where} holds {len(self._left)} weights that have no place: {some(self.left)}",
                cure="the file is of another kind, or holds more than two towers",
            )


def check_state(spec: ModelSpec, state: Mapping[str, Array], *, where: str) -> None:
    """Raise `ShapeMismatch`, listing what is wrong, unless `state` is exactly the weights of `spec`'s towers.

    Weights that are NaN or infinite, and an absurd scale, raise `FormatError`.  Towers of other packages are compared
    when they are built (`wordsight.weights.tensors.fit`).
    """
    check_numbers(spec)
    if native(spec):
        check_shapes(shapes(spec), state, where=where)
    check_finite(state, where=where)


def check_shapes(expected: Mapping[str, tuple[int, ...]], state: Mapping[str, Array], *, where: str) -> None:
    """Raise `ShapeMismatch` unless `state` has exactly these names with these shapes."""
    both = [name for name in expected if name in state]
    given = {name: (state[name].shape, state[name].dtype) for name in both}
    sizes = [
        f"{name} is {given[name][0]}, not {tuple(expected[name])}"
        for name in both
        if given[name][0] != tuple(expected[name])
    ]
    kinds = [f"{name} is {given[name][1]}" for name in both if given[name][1].kind != _kind(name)]
    problems = {
        "missing": [name for name in expected if name not in state],
        "unknown": [name for name in state if name not in expected],
        "of another shape": sizes,
        "of another kind": kinds,
    }
    lines = [f"{len(names)} {what} ({some(names)})" for what, names in problems.items() if names]
    if lines:
        raise ShapeMismatch(
            f"the weights in {where} do not fit their architecture: {'; '.join(lines)}",
            cure="the spec and the weights must come from the same model",
        )


def _kind(name: str) -> str:
    """Return numpy's letter for the kind of numbers: batch norms count their batches, all else is floating."""
    return "i" if name.endswith("num_batches_tracked") else "f"


def some(names: list[str]) -> str:
    """Return the first names of a list, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
