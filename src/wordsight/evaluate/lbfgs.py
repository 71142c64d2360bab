"""The minimum of a smooth function of many numbers: L-BFGS (Liu and Nocedal 1989) in numpy.

    best = minimise(value_and_gradient, start)

Knows nothing of classifiers.
"""

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

Float64s = NDArray[np.float64]
Smooth = Callable[[Float64s], tuple[float, Float64s]]  # a point (D,) to the value there and the gradient (D,)

MEMORY = 10  # pairs of steps and changes of the gradient that are kept, as in scipy and scikit-learn
DECREASE = 1e-4  # of what the slope promises, that a step must bring (Armijo; Nocedal and Wright 2006, section 3.1)
HALVINGS = 30  # of a step before the search gives up: the numbers have no more digits then


def minimise(function: Smooth, start: Float64s, *, steps: int = 1000, tolerance: float = 1e-5) -> Float64s:
    """Return the point where the largest entry of the gradient is `tolerance` or less, or that after `steps` steps."""
    with threadpool_limits(1, user_api="blas"):  # threads wait for each other longer than such products take
        return _minimise(function, np.array(start, dtype=np.float64), steps=steps, tolerance=tolerance)


def _minimise(function: Smooth, point: Float64s, *, steps: int, tolerance: float) -> Float64s:
    value, gradient = function(point)
    pairs: deque[tuple[Float64s, Float64s]] = deque(maxlen=MEMORY)
    for _ in range(steps):
        if np.abs(gradient).max() <= tolerance:
            break
        direction = _direction(gradient, pairs)
        slope = float(gradient @ direction)
        length = 1.0 if pairs else min(1.0, 1.0 / float(np.abs(gradient).sum()))
        for _ in range(HALVINGS):
            reached, there = function(point + length * direction)
            if reached <= value + DECREASE * length * slope:
                break
            length /= 2
        else:
            break
        moved, change = length * direction, there - gradient
        if float(moved @ change) > 1e-10 * float(change @ change):  # else the curvature is not known here
            pairs.append((moved, change))
        point, value, gradient = point + moved, reached, there
    return point


def _direction(gradient: Float64s, pairs: deque[tuple[Float64s, Float64s]]) -> Float64s:
    """Return minus the gradient times the inverse Hessian that the pairs tell of (the two-loop recursion)."""
    direction = -gradient
    shares = []
    for moved, change in reversed(pairs):
        share = float(moved @ direction) / float(moved @ change)
        direction = direction - share * change
        shares.append(share)
    if pairs:
        moved, change = pairs[-1]
        direction = direction * (float(moved @ change) / float(change @ change))
    for (moved, change), share in zip(pairs, reversed(shares), strict=True):
        direction = direction + moved * (share - float(change @ direction) / float(moved @ change))
    return direction
