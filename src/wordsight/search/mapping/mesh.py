"""How points of a plane push one another away, all of them at once: by a mesh and Fourier transforms.

    push = Mesh().forces(x, y)
    push.x, push.y, push.mass            # sums over all others of q² (x - x'), and of q, with q = 1 / (1 + distance²)

The points are spread over the corners of the squares they lie in, the sums over corners are convolutions, and what
they give is read off at the points: n log n instead of n², and no chance.  That is the particle-mesh method; for
layouts of neighbours it is that of Linderman, Rachh, Hoskins, Steinerberger and Kluger, "Fast interpolation-based t-SNE
for improved visualization of single-cell RNA-seq data", Nature Methods 16, 2019.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Line = NDArray[np.float32]  # (N,)

STEP = 0.5  # of the mesh: q falls to a half at a distance of 1
MOST = 512  # squares on a side: what is wider has a coarser mesh
LEAST = 48
GROWTH = 1.12  # between steps, so that the transforms of the kernels last a while


class Push(NamedTuple):
    """The forces on N points along both axes, (N,) each, and the sum of q over all ordered pairs."""

    x: Line
    y: Line
    mass: float


class Mesh:
    """Keeps the transforms of the kernels while the points stay about as wide as they were."""

    def __init__(self) -> None:
        self._side, self._step = 0, 0.0
        self._kernels: list[NDArray[np.complexfloating]] = []

    def forces(self, x: Line, y: Line) -> Push:
        """Return how all other points push each point, with coordinates (N,) each."""
        low_x, low_y = x.min(), y.min()
        self._fit(max(float(np.ptp(x)), float(np.ptp(y)), 1e-6))
        across, up = (x - low_x) / np.float32(self._step), (y - low_y) / np.float32(self._step)
        column, row = across.astype(np.int64), up.astype(np.int64)
        right, above = across - column.astype(np.float32), up - row.astype(np.float32)
        side = self._side
        corner = column * side + row
        shares = {
            0: (1 - right) * (1 - above),
            1: (1 - right) * above,
            side: right * (1 - above),
            side + 1: right * above,
        }
        spread = np.zeros(side * side)
        for offset, share in shares.items():
            spread += np.bincount(corner + offset, share, side * side)
        transformed = np.fft.rfft2(spread.reshape(side, side).astype(np.float32))
        mass, push_x, push_y = (self._read(transformed * kernel, corner, shares) for kernel in self._kernels)
        return Push(push_x, push_y, float(mass.sum(dtype=np.float64)) - len(x))

    def _read(
        self, transformed: NDArray[np.complexfloating], corner: NDArray[np.int64], shares: dict[int, Line]
    ) -> Line:
        """Return a field, given by its transform, at the points."""
        field = np.fft.irfft2(transformed, s=(self._side, self._side)).reshape(-1).astype(np.float32, copy=False)
        read = np.zeros(len(corner), np.float32)
        for offset, share in shares.items():
            read += share * field[corner + offset]
        return read

    def _fit(self, width: float) -> None:
        """Choose the step and the side of the mesh, twice as wide as the points so that what wraps around is empty."""
        wanted = max(min(STEP, width / LEAST), width / (MOST - 3))
        step = GROWTH ** float(np.ceil(np.log(wanted) / np.log(GROWTH) - 1e-9))
        side = _smooth(2 * (int(width / step) + 3))
        if (side, step) == (self._side, self._step):
            return
        self._side, self._step = side, step
        steps = (np.fft.fftfreq(side, 1 / side) * step).astype(np.float32)
        q = 1 / (1 + steps[:, None] ** 2 + steps**2)
        kernels = q, q * q * steps[:, None], q * q * steps
        self._kernels = [np.fft.rfft2(kernel) for kernel in kernels]


_POWERS: tuple[int, ...] = tuple(2**power for power in range(4, 13))


def _smooth(least: int) -> int:
    """Return the first number from `least` on that is a product of small primes, whose transforms are quick."""
    products = [power * odd for power in _POWERS for odd in (1, 3, 5, 9, 15, 27)]
    return min(side for side in products if side >= least)
