"""Which frames of a film stand for it: one for each scene, chosen while the frames go by.

    scenes = Scenes[Frame](most=200)
    for second, small, frame in frames:
        for chosen in scenes.see(second, small, frame): ...     # (second, frame)
    for chosen in scenes.end(): ...

A scene ends where a frame differs from the one that stands for it.  What stands for a scene is its last frame within
`SETTLE` seconds of its beginning, so that a cut that is met a little late, or a fade, does no harm.  Frames of one
colour stand for nothing unless there is nothing else, nor do those in the middle of a dissolve.  Holds one frame or
two; knows small copies only.
"""

from collections.abc import Iterator
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")
Small = NDArray[np.float32]  # (h, w, 3), levels of 0 to 255
SIDES = (16, 9)  # width and height of the small copies: what moves a little stays where it was
SHIFTS = [(down, across) for down in (-1, 0, 1) for across in (-2, -1, 0, 1, 2)]  # cells by which a view may have moved
DIFFERENT = 22.0  # levels: 98 of 100 photos differ by 30 or more from the next, views half a pan apart by 18 or less
DULL = 5.0  # levels of standard deviation of a frame that is of one colour
SETTLE = 1.0  # seconds
BLENDED = 1.15  # a frame is a mixture of two others where the ways over it are so much longer at most
A_MINUTE = 20  # frames in the mean
AT_ONCE = 20  # frames that may come at once
MOST = 2000  # frames of a file


class SampledFrame(NamedTuple, Generic[T]):
    """A frame with its time and its small copy."""

    second: float
    small: Small
    frame: T


class Scenes(Generic[T]):
    """`duration` in seconds, where it is known, spreads the `most` frames of a long film over all of it."""

    def __init__(self, *, duration: float | None = None, most: int = MOST) -> None:
        self._rate = min(A_MINUTE / 60, most / duration) if duration else A_MINUTE / 60
        self._left = most
        self._credit, self._filled = float(AT_ONCE), 0.0
        self._scene: SampledFrame[T] | None = None
        self._began = 0.0
        self._last: SampledFrame[T] | None = None  # what stands for the scene before
        self._dull: SampledFrame[T] | None = None
        self._given = False

    def see(self, second: float, small: Small, frame: T) -> Iterator[tuple[float, T]]:
        """Look at the next frame; yield what is chosen because of it."""
        seen = SampledFrame(second, small, frame)
        if float(small.std(axis=(0, 1)).max()) < DULL:
            self._dull = self._dull or seen
            yield from self._close(None)
        elif self._scene is None:
            self._scene, self._began = seen, second
        elif difference(self._scene.small, small) <= DIFFERENT:
            if second - self._began <= SETTLE:
                self._scene = seen
        else:
            yield from self._close(seen)
            self._scene, self._began = seen, second

    def end(self) -> Iterator[tuple[float, T]]:
        """Yield what is left; of a film of one colour its first frame."""
        yield from self._close(None)
        if not self._given and self._dull is not None:
            yield self._dull.second, self._dull.frame

    def _close(self, following: SampledFrame[T] | None) -> Iterator[tuple[float, T]]:
        scene, self._scene = self._scene, None
        if scene is None or (following is not None and self._is_blended(scene, following)):
            return
        self._credit = min(AT_ONCE, self._credit + self._rate * max(0.0, scene.second - self._filled))
        self._filled = scene.second
        self._last = scene
        if self._credit >= 1 and self._left > 0:
            self._credit -= 1
            self._left -= 1
            self._given = True
            yield scene.second, scene.frame

    def _is_blended(self, scene: SampledFrame[T], following: SampledFrame[T]) -> bool:
        """Say whether what stands for a short scene is a mixture of what came before and what comes after it."""
        if self._last is None or following.second - self._began > SETTLE:
            return False
        over = difference(self._last.small, scene.small) + difference(scene.small, following.small)
        return over <= BLENDED * difference(self._last.small, following.small)


def difference(one: Small, other: Small) -> float:
    """Return the mean difference of two small copies, in levels, where they are laid over each other as fits best."""
    height, width = one.shape[:2]
    least = np.inf
    for down, across in SHIFTS:
        mine = one[max(0, down) : height + min(0, down), max(0, across) : width + min(0, across)]
        theirs = other[max(0, -down) : height + min(0, -down), max(0, -across) : width + min(0, -across)]
        least = min(least, float(np.abs(mine - theirs).mean()))
    return least
