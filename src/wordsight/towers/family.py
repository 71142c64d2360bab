"""What a family of towers is: one value that says everything the rest of the program asks about its towers.

Torch, onnx and other packages are named as "module:attribute" and imported when used.  Free of PyTorch.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import RowIds, Tokens
from wordsight.text.spec import TokenizerSpec
from wordsight.towers.layers import LayerNames
from wordsight.towers.parts.shapes import NamedShape
from wordsight.towers.tower_spec import ImageTowerSpec, TextTowerSpec

if TYPE_CHECKING:
    from wordsight.towers.spec import ModelSpec

I = TypeVar("I", bound=ImageTowerSpec)  # noqa: E741
T = TypeVar("T", bound=TextTowerSpec)


class Grid(NamedTuple):
    """Learned positions of a patch grid: the weight `name` (extra + side*side, D).

    `rule` is a key of `wordsight.towers.parts.resize.RULES`, "" where the format that the weights came in decides.
    """

    name: str
    side: int
    extra: int
    rule: str = ""


def no_grid(image: ImageTowerSpec) -> Grid | None:
    """Return None: the towers have no positions to resize."""
    del image
    return None


def all_shown(tower: ImageTowerSpec | TextTowerSpec) -> Mapping[str, Any]:
    """Return nothing: the weights show every field of the first version that embeddings depend on."""
    del tower
    return {}


def of_size(image: I, size: int) -> I:
    """Return the spec for images of another size."""
    return replace(image, size=size)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFamily(Generic[I]):
    """A family of image towers.

    `module` is called with (spec, width of the space) and makes an `nn.Module` from pixels (B, 3, S, S) to (B, E),
    for a native family an `ImageTower`; it needs the packages of `extra`.  "" for finished graphs, which have no
    weights.  `check` raises `ConfigError` for what cannot be built.  `shapes` yields names and shapes of the weights
    in the module's order, without "visual."; None where only another package knows them.  `graph` is called with
    (Graph, Weights, spec, ModelSpec) and writes the tower as ONNX; "" where it is traced.  `cut`: its module is
    a `wordsight.towers.tower.CutTower`.  `states`: the graph names what enters each block (`Graph.state`).

    `any_shape`: it can read images that keep their shape.  `integers`: int8 is its fastest precision on a
    processor.  `resized` returns the spec for another image size (None: there is no other), `grid` the positions to
    resize then, and `fixed` are parts of the names of weights that belong to one size.  `implied` are values of the
    flat spec of earlier versions that its towers have and do not state (`wordsight.towers.flat`).  `usual` returns
    those fields of the first version that change embeddings and that no weight shows, with the values that do not
    count in the fingerprint.  `layers` says at which depth a parameter lies (None: the tower learns whole or not at
    all).
    """

    spec: type[I]
    check: "Callable[[I, ModelSpec], None]"
    module: str = ""
    extra: str = "train"
    shapes: Callable[[I, int], Iterable[NamedShape]] | None = None
    graph: str = ""
    cut: bool = False
    states: bool = False
    any_shape: bool = False
    integers: bool = True
    resized: Callable[[I, int], I] | None = of_size
    grid: Callable[[I], Grid | None] = no_grid
    fixed: tuple[str, ...] = ()
    implied: Mapping[str, Any] = field(default_factory=dict)
    usual: Callable[[I], Mapping[str, Any]] = all_shown
    layers: LayerNames | None = None

    @property
    def native(self) -> bool:
        """Whether it is built here, and its weights are known without another package."""
        return self.shapes is not None

    @property
    def finished(self) -> bool:
        """Whether its towers are finished graphs, without weights."""
        return not self.module


def before_padding(tokens: Tokens, text: TextTowerSpec) -> RowIds:
    """Return the position behind the last token that is no padding, (B,); all of a row that is nothing else."""
    length = tokens.shape[1]
    real: NDArray[np.bool_] = tokens != text.pad_id
    last: RowIds = np.where(real.any(axis=1), length - real[:, ::-1].argmax(axis=1), length)
    return last


def no_end(text: TextTowerSpec, tokenizer: TokenizerSpec) -> int | None:
    """Return None: the tower needs no end token."""
    del text, tokenizer
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFamily(Generic[T]):
    """A family of text towers.

    `module`, `extra`, `check`, `graph`, `implied`, `usual` and `layers` are as in `ImageFamily`; the module turns token
    ids (B, L) into (B, E).  `at_root`: its weights lie at the root of `TwoTowers`, which computes it.  `shapes` yields
    what it has of its own there and what lies in modules, apart.

    `cut`: its module is a `wordsight.towers.tower.CutTextTower`.  `reads_padding`: does an embedding depend on how far
    the text is filled up?  `needed` returns how many positions of each row matter where it does not, `end_token` the
    id that every row must hold because it is read there.  `resize` changes the weights for another length of texts;
    None where there is no other.
    """

    spec: type[T]
    check: "Callable[[T, ModelSpec], None]"
    module: str = ""
    extra: str = "train"
    at_root: bool = False
    roots: "Callable[[T, ModelSpec], Iterable[NamedShape]] | None" = None
    shapes: "Callable[[T, ModelSpec], Iterable[NamedShape]] | None" = None
    graph: str = ""
    cut: bool = False
    reads_padding: Callable[[T, TokenizerSpec], bool]
    needed: Callable[[Tokens, T], RowIds] = before_padding
    end_token: Callable[[T, TokenizerSpec], int | None] = no_end
    resize: Callable[[dict[str, Any], T, int], None] | None = None
    implied: Mapping[str, Any] = field(default_factory=dict)
    usual: Callable[[T], Mapping[str, Any]] = all_shown
    layers: LayerNames | None = None

    @property
    def native(self) -> bool:
        """Whether it is built here, and its weights are known without another package."""
        return self.shapes is not None
