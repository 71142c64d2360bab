"""Does a map depend on what it claims to explain: on the text, and on what the model has learned?

    check = text_swap(map_of_a_dog, map_of_a_car)        # passes where the two maps differ
    check = randomised(map_of_model, map_of_model_with_random_weights)

A map that stays as it is whatever is asked shows edges, or the picture's centre, and explains nothing.  Knows no
engine: maps (G, G) or (H, W) come from anywhere, two of the same method for one image.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wordsight.base.errors import UsageError

Floats = NDArray[np.floating]
# Bundled model, 46 photos, occlusion and RISE, 2026-11-30: 0 to 6 % of 235 pairs of texts that mean different things
# correlate more, and 54 to 74 % of 86 pairs that say the same in other words.
SWAP_LIMIT = 0.8
RANDOMISED_LIMIT = 0.5  # a quarter of the ranks' variance; 7 occlusion maps of random weights had 0.2, 0.44 at most
SSIM_LIMIT = 0.5  # these had 0.1, 0.23 at most
SSIM_WINDOW = 7  # pixels on a side, as scikit-image has it
_K1, _K2 = 0.01, 0.03  # Wang et al. 2004, section III.B


@dataclass(frozen=True, slots=True)
class SanityCheck:
    """How alike two maps are that should differ; `ssim` is None where it was not asked or maps are too small."""

    name: Literal["text swap", "randomised"]
    correlation: float
    ssim: float | None
    passes: bool

    def __str__(self) -> str:
        """One line."""
        more = "" if self.ssim is None else f", SSIM {self.ssim:.2f}"
        return f"{self.name}: rank correlation {self.correlation:+.2f}{more}: {'passes' if self.passes else 'fails'}"


def text_swap(first: Floats, second: Floats, *, limit: float = SWAP_LIMIT) -> SanityCheck:
    """Return whether the maps of one image for two texts that mean different things differ.

    They pass if their rank correlation is at most `limit`.  The default lies where hardly any two texts of different
    meaning come, and most that say the same in other words are beyond.  Two things that are both in the picture come
    closest.
    """
    correlation = rank_correlation(first, second)
    return SanityCheck("text swap", correlation, None, correlation <= limit)


def randomised(
    learned: Floats, random: Floats, *, limit: float = RANDOMISED_LIMIT, ssim_limit: float = SSIM_LIMIT
) -> SanityCheck:
    """Return whether the map of a model differs from that of the same model with random weights.

    Adebayo et al. 2018, the cascading or independent randomisation as the caller made it.  Both numbers have to be
    small: the rank correlation is taken without its sign, for a map turned upside down has the same content (their
    figures show both), and SSIM sees alike outlines that ranks do not.  SSIM is left out for maps of fewer than 7
    cells on a side.
    """
    correlation = rank_correlation(learned, random)
    likeness = ssim(learned, random) if min(learned.shape) >= SSIM_WINDOW else None
    alike = abs(correlation) > limit or (likeness is not None and likeness > ssim_limit)
    return SanityCheck("randomised", correlation, likeness, not alike)


def rank_correlation(first: Floats, second: Floats) -> float:
    """Return Spearman's rank correlation of two maps, -1..1; equal values have their mean rank.

    A map of one value has no ranks: with it the correlation is 1 if both are such (nothing differs), else 0.
    """
    _check_two(first, second)
    ranks = [_mean_ranks(one.ravel()) for one in (first, second)]
    centred = [one - one.mean() for one in ranks]
    lengths = [float(np.linalg.norm(one)) for one in centred]
    if 0.0 in lengths:
        return float(lengths[0] == lengths[1])
    return float(np.clip(centred[0] @ centred[1] / (lengths[0] * lengths[1]), -1, 1))


def ssim(first: Floats, second: Floats) -> float:
    """Return the mean structural similarity of two maps, each first stretched to 0..1 (Wang et al. 2004).

    Windows are squares of 7 pixels of equal weight that lie within the map, with sample covariances, as
    scikit-image's `structural_similarity` computes by default.
    """
    _check_two(first, second)
    if min(first.shape) < SSIM_WINDOW:
        raise UsageError(f"SSIM of maps of {first.shape}", cure=f"enlarge them to {SSIM_WINDOW} or more on each side")
    x, y = (_stretched(one) for one in (first, second))
    count = SSIM_WINDOW**2
    mean_x, mean_y = _window_means(x), _window_means(y)
    unbiased = count / (count - 1)
    var_x = unbiased * (_window_means(x * x) - mean_x**2)
    var_y = unbiased * (_window_means(y * y) - mean_y**2)
    both = unbiased * (_window_means(x * y) - mean_x * mean_y)
    light = (2 * mean_x * mean_y + _K1**2) / (mean_x**2 + mean_y**2 + _K1**2)
    structure = (2 * both + _K2**2) / (var_x + var_y + _K2**2)
    return float((light * structure).mean())


def _check_two(first: Floats, second: Floats) -> None:
    if first.shape != second.shape or first.ndim != 2 or first.size < 2:
        cure = "give two maps (H, W) of the same size"
        raise UsageError(f"maps of the shapes {first.shape} and {second.shape}", cure=cure)
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise UsageError("a map with values that are not finite", cure="a map that failed cannot be compared")


def _mean_ranks(values: Floats) -> NDArray[np.float64]:
    _, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    means: NDArray[np.float64] = (ends - (counts - 1) / 2)[codes]
    return means


def _stretched(values: Floats) -> NDArray[np.float64]:
    wide = values.astype(np.float64)
    span = float(wide.max() - wide.min())
    return (wide - wide.min()) / span if span > 0 else np.zeros_like(wide)


def _window_means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    windows = np.lib.stride_tricks.sliding_window_view(values, (SSIM_WINDOW, SSIM_WINDOW))
    means: NDArray[np.float64] = windows.mean(axis=(2, 3))
    return means
