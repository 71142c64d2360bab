"""What can be seen of an image tower from inside, whatever its family: states, pooling, projection.

    tower = image_tower(towers)
    for x in tower.states(pixels): ...
    tower.project(tower.pool(x))

Shapes: B batch, S side of the image in pixels, T tokens, D width of the tower, C channels, G side of the last grid, E
width of the shared space.
"""

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class ImageTower(Protocol):
    """A native image tower.

    `width` are the channels of its last state, `depth` its blocks (or stages), `heads` those of its attention;
    `cell` is the side in pixels of what a token (or a cell of the last grid) stands for, and `extra` are the
    tokens before those.
    """

    width: int
    depth: int
    heads: int
    cell: int
    extra: int

    def states(self, pixels: Tensor) -> Iterator[Tensor]:
        """Yield what enters the first block and what leaves each, depth + 1 times (B, T, D), or (B, C, G, G)."""
        ...

    def last(self, pixels: Tensor) -> Tensor:
        """Return the last of the states."""
        ...

    def read(self, tokens: Tensor) -> Tensor:
        """Return the last state as pooling reads it."""
        ...

    def pool(self, tokens: Tensor) -> Tensor:
        """Return the pooled row of each image for the last state, (B, D)."""
        ...

    def project(self, pooled: Tensor) -> Tensor:
        """Return (B, E) for pooled rows."""
        ...


@runtime_checkable
class CutTower(ImageTower, Protocol):
    """An image tower that can be gone on with from any of its states: what lies before may be computed once."""

    def rest(self, state: Tensor, first: int) -> Tensor:
        """Return the last of the states for the one that enters block `first`, counted from 0."""
        ...


@runtime_checkable
class TextTower(Protocol):
    """A text tower that is a module of its own, cut in two: what may be computed once, and what maps it to the space.

    Calling it with token ids (B, L) gives `project(features(tokens))`.
    """

    def features(self, tokens: Tensor) -> Tensor:
        """Return the pooled row of each text, (B, D), for token ids (B, L)."""
        ...

    def project(self, pooled: Tensor) -> Tensor:
        """Return (B, E) for pooled rows."""
        ...


@runtime_checkable
class CutTextTower(TextTower, Protocol):
    """A text tower that can be gone on with from any of its states: what lies before may be computed once."""

    def states(self, tokens: Tensor) -> Iterator[Tensor]:
        """Yield what enters the first block and what leaves each, layers + 1 times (B, L, D)."""
        ...

    def rest(self, state: Tensor, tokens: Tensor, first: int) -> Tensor:
        """Return the pooled row of each text, (B, D), for the state (B, L, D) that enters block `first`."""
        ...


@runtime_checkable
class OtherImageTower(Protocol):
    """An image tower of another package that is cut in two as a `TextTower` is."""

    def features(self, pixels: Tensor) -> Tensor:
        """Return the pooled row of each image, (B, D), for pixels (B, 3, S, S)."""
        ...

    def project(self, pooled: Tensor) -> Tensor:
        """Return (B, E) for pooled rows."""
        ...


@runtime_checkable
class PatchTower(Protocol):
    """An image tower that can read images of several shapes at once, cut into patches."""

    def patches(self, patches: Tensor, mask: Tensor, shapes: Tensor) -> Tensor:
        """Return (B, E) for patches (B, N, P*P*3), `mask` (B, N) and grid `shapes` (B, 2)."""
        ...


@runtime_checkable
class CalibratedTower(Protocol):
    """An image tower whose int8 graph needs to know what images make of it."""

    def calibrate(self, pixels: Tensor) -> None:
        """Measure it on normalised images (B, 3, S, S) and keep it in the weights; embeddings stay the same."""
        ...


@runtime_checkable
class SplitAttention(Protocol):
    """An attention module in two parts, between which the values are mixed: what explanations look at.

    Called with `inputs` tensors, and a mask behind them where it takes one; `causal` hides later tokens.
    """

    causal: bool
    inputs: int
    heads: int

    def split(self, *inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries (B, H, T, D/H), keys and values (B, H, S, D/H)."""
        ...

    def join(self, mixed: Tensor) -> Tensor:
        """Return what the module gives for what each head makes of the values, (B, H, T, D/H)."""
        ...


@runtime_checkable
class AttendingBlock(Protocol):
    """A residual block of a native image tower: called with `x` (B, T, D) it returns what leaves it."""

    def attended(self, x: Tensor) -> Tensor:
        """Return what the block's attention adds to `x`, (B, T, D)."""
        ...


def of_patches(tower: ImageTower, state: Tensor) -> Tensor:
    """Return a state row by row without the extra tokens, (B, N, D)."""
    return state[:, tower.extra :] if state.ndim == 3 else state.flatten(2).transpose(1, 2)
