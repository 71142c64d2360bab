"""The shared space in two dimensions at several steps of training: pairs drawn together, mismatches drawn apart.

One fixed projection for all steps: the two directions in which the embeddings of the last step spread most (principal
axes of images and texts together).  Images and texts lie in two separate clouds (the modality gap: Liang et al. 2022,
Mind the Gap); each cloud's mean is taken out where the matching is then seen better.  Shapes: N pairs, width D.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.report.canvas import Span, figure, percent, svg, text

Clouds = NDArray[np.floating]
PANELS = 6  # steps that are drawn
PAIRS = 48  # pairs that are drawn of more
MISSES = 10  # images of which the nearest wrong caption is drawn, too


@dataclass(frozen=True, slots=True)
class Moment:
    """The embeddings of the same N pairs at a step, (2, N, D): unit embeddings of images, then of captions."""

    step: int
    embeddings: Clouds


@dataclass(frozen=True, slots=True)
class PlaneProjection:
    """A map to the plane: subtract `means` (2, D), one each for images and texts, then take the `axes` (D, 2)."""

    means: Clouds
    axes: Clouds
    centred: str  # "each cloud" or "both together"

    def of(self, embeddings: Clouds) -> Clouds:
        """Return (2, N, 2) for (2, N, D)."""
        projected: Clouds = (embeddings - self.means[:, None]) @ self.axes
        return projected


@dataclass(frozen=True, slots=True)
class Nearness:
    """How near images are to captions at a step, in all D dimensions."""

    right: float  # share of images whose own caption is the nearest
    pairs: float  # mean cosine of matching pairs
    others: float  # mean cosine of all mismatches
    wrong: NDArray[np.int64]  # (N,) the nearest caption of each image that is not its own


def projection_of(last: Clouds) -> PlaneProjection:
    """Return the projection for the embeddings (2, N, D) of the last step.

    Of the two ways to centre the one with the smaller distance of pairs in the plane, relative to that of mismatches.
    """
    apart = last.mean(axis=1)  # (2, D)
    together = np.stack([apart.mean(axis=0)] * 2)
    ways = [_projection(last, together, "both together"), _projection(last, apart, "each cloud")]
    return min(ways, key=lambda way: _spread(way.of(last)))


def _projection(last: Clouds, means: Clouds, centred: str) -> PlaneProjection:
    spread = (last - means[:, None]).reshape(-1, last.shape[-1]).astype(np.float64)  # (2N, D)
    _, _, directions = np.linalg.svd(spread, full_matrices=False)
    axes = np.zeros((last.shape[-1], 2))
    axes[:, : len(directions[:2])] = directions[:2].T
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), [0, 1]])  # an axis may as well point the other way: fixed here
    return PlaneProjection(means, axes * np.where(signs == 0, 1, signs), centred)


def _spread(plane: Clouds) -> float:
    """Return the mean distance of pairs over that of mismatches in the plane (2, N, 2)."""
    distances = np.linalg.norm(plane[0][:, None] - plane[1][None], axis=-1)  # (N, N)
    count = len(distances)
    pairs = np.trace(distances) / count
    others = (distances.sum() - np.trace(distances)) / max(1, count * (count - 1))
    return float(pairs / (others or 1.0))


def nearness(embeddings: Clouds) -> Nearness:
    """Return how near pairs and mismatches are; a wrong caption exactly as near as the own one counts against it."""
    cosines = embeddings[0] @ embeddings[1].T  # (N, N)
    own = np.diagonal(cosines).copy()
    count = len(own)
    others = float((cosines.sum() - own.sum()) / max(1, count * (count - 1)))
    np.fill_diagonal(cosines, -np.inf)
    right = float((cosines.max(axis=1) < own).mean()) if count > 1 else 1.0
    return Nearness(right, float(own.mean()), others, cosines.argmax(axis=1))


def chosen_steps(count: int, most: int = PANELS) -> list[int]:
    """Return at most `most` of `count` positions, the first and the last among them, evenly spread."""
    return sorted({round(i) for i in np.linspace(0, count - 1, min(most, count))})


def space_figure(name: str, moments: Sequence[Moment], *, projection: PlaneProjection, title: str) -> str:
    """Return the figure: a panel for each of up to six moments, all with one scale."""
    shown = [moments[i] for i in chosen_steps(len(moments))]
    planes = [projection.of(moment.embeddings) for moment in shown]
    low, high = (edge(np.concatenate(planes, axis=1), axis=(0, 1)) for edge in (np.min, np.max))
    reach = float((high - low).max()) / 2 * 1.08 or 1.0
    planes = [plane - (low + high) / 2 for plane in planes]
    near = [nearness(moment.embeddings) for moment in shown]
    return figure(name, title=title, draw=lambda width: _panels(shown, planes, near, (reach, width)))


def _panels(
    shown: Sequence[Moment], planes: Sequence[Clouds], near: Sequence[Nearness], frame: tuple[float, int]
) -> str:
    reach, width = frame
    columns, gap = (3, 20) if width > 500 else (2, 10)
    side = (width - gap * (columns - 1)) / columns
    high = side + 50
    parts = [_legend(width)]
    top = 30 if width > 500 else 70
    for i, (moment, plane, nearby) in enumerate(zip(shown, planes, near, strict=True)):
        x, y = (i % columns) * (side + gap), top + (i // columns) * high
        across, up = Span(-reach, reach, x, x + side), Span(-reach, reach, y + side, y)
        parts.append(f'<rect class="plot" x="{x:.1f}" y="{y:.1f}" width="{side:.1f}" height="{side:.1f}" rx="6"/>')
        parts.append(_panel(plane, nearby, across, up))
        parts.append(text(round(x, 1), round(y + side + 17, 1), f"step {moment.step:,}", "strong"))
        words = f"{percent(nearby.right)} nearest own" if columns == 3 else percent(nearby.right)
        parts.append(text(round(x + side, 1), round(y + side + 17, 1), words, "end"))
    rows = -(-len(shown) // columns)
    return svg("".join(parts), width, round(top + rows * high - 20))


def _panel(plane: Clouds, near: Nearness, across: Span, up: Span) -> str:
    kept = chosen_steps(plane.shape[1], PAIRS)
    asked = [kept[i] for i in chosen_steps(len(kept), MISSES)]
    points = [[(across.at(float(x)), up.at(float(y))) for x, y in side] for side in plane]
    misses = "".join(_line(points[0][i], points[1][int(near.wrong[i])]) for i in asked) if plane.shape[1] > 1 else ""
    pairs = "".join(_line(points[0][i], points[1][i]) for i in kept)
    images = "".join(_spot(points[0][i], "c") for i in kept)
    captions = "".join(_spot(points[1][i], "s") for i in sorted({*kept, *(int(near.wrong[i]) for i in asked)}))
    return (
        f'<path class="miss" d="{misses}"/><path class="pair" d="{pairs}"/>'
        f'<path class="caption" d="{captions}"/><path class="image" d="{images}"/>'
    )


def _line(start: tuple[float, float], end: tuple[float, float]) -> str:
    return f"M{start[0]:g} {start[1]:g}L{end[0]:g} {end[1]:g}"


def _spot(at: tuple[float, float], kind: str) -> str:
    """Return a small disc ("c"), or a square."""
    x, y = at
    if kind == "c":
        return f"M{x - 2.6:.1f} {y:g}a2.6 2.6 0 1 0 5.2 0a2.6 2.6 0 1 0 -5.2 0"
    return f"M{x - 2.3:.1f} {y - 2.3:.1f}h4.6v4.6h-4.6z"


def _legend(width: int) -> str:
    first = f'<path class="image" d="{_spot((8, 9), "c")}"/>{text(17, 13, "image")}'
    first += f'<path class="caption" d="{_spot((76, 9), "s")}"/>{text(85, 13, "caption")}'
    first += f'<path class="pair" d="M152 9h20"/>{text(178, 13, "matching pair")}'
    x, y = (282, 13) if width > 500 else (0, 34)
    words = "image and the nearest caption that is not its own"
    second = f'<path class="miss" d="M{x} {y - 4}h20"/>{text(x + 26, y, words)}'
    note = "" if width > 500 else text(0, 56, "%: images whose own caption is nearest", "soft")
    return first + second + note
