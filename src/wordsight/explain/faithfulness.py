"""How far to trust a map: does the score fall when what it calls relevant goes, and more than by chance?

    results = faithfulness(engine, pixels, texts, maps)      # maps (C, H, W), one result for each text
    results[0].passes                                        # beats random maps
    print(results[0])

Works with any engine and any map.  A model fails on changed images anyway, so an area alone says nothing: each is
measured beside that of the reversed map, of the image's centre and of random maps of the same image.

Shapes: C texts, M maps, N random maps, K steps, H and W the image's sides.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings, Pixels
from wordsight.base.errors import UsageError
from wordsight.base.progress import bar
from wordsight.engines.engine import Engine
from wordsight.explain.locating import centre_map
from wordsight.explain.occlusion import Maps
from wordsight.explain.perturbed import Fill, blended, check_count, check_request, cosines, filled, upsampled

Score = Literal["cosine", "probability"]
Baseline = Literal["moved", "grids"]
CurveScores = NDArray[np.float64]
Ranks = NDArray[np.int64]  # (M, H, W), 0 the pixel of most relevance
LEVEL = 0.05  # the usual level of a test; with 19 random maps: better than all of them
LEAST_RANDOM = 19  # with fewer no map could reach the level
CHEFER_LEAVES_OUT = 1  # Chefer et al. remove up to 90 %: the last point of ten steps is not used


@dataclass(frozen=True, slots=True, kw_only=True)
class Perturbation:
    """How maps are tested.

    `steps`: how many equal shares of the pixels are removed or inserted one after the other.  `removed` is what
    stands in for removed pixels, `shown` what an insertion begins with: with a blurred image no new edges appear
    (Petsiuk et al. 2018).

    `score` "cosine" is the image's with the text.  It is the default for it needs no other text, and does not
    saturate: a probability among texts stays near 1 until most of the image has gone, and depends on which texts are
    asked.  "probability" is that among the C texts, as papers on classifiers have it: it asks what tells them apart.

    `baseline` "moved": random maps are the map itself, shifted around the image's border and flipped at random.  They
    have its values and its smoothness and only lie elsewhere, which is the question.  "grids" are enlarged grids of
    noise, `cells` on a side: cheaper for many texts, which share them, but blunter or sharper than the map.  Of 12
    photos (bundled model, 2026-11-30) 7 occlusion maps passed against "moved" and 8 against "grids"; those made for
    another text did in 1 and in 4, the mere centre in 0 and in 2.  Noise of single pixels is no fair opponent: it
    destroys every image at once.
    """

    steps: int = 10
    removed: Fill = "mean"
    shown: Fill = "blur"
    score: Score = "cosine"
    baseline: Baseline = "moved"
    randoms: int = LEAST_RANDOM
    cells: int = 7
    seed: int = 0

    def __post_init__(self) -> None:
        check_count("steps:", self.steps, least=2, most=1000)
        check_count("random maps:", self.randoms, least=LEAST_RANDOM, most=100_000)
        check_count("cells of a random map:", self.cells, least=2, most=1000)
        if self.score not in ("cosine", "probability"):
            raise UsageError(f"no score {self.score!r}", cure="use cosine or probability")
        if self.baseline not in ("moved", "grids"):
            raise UsageError(f"no baseline {self.baseline!r}", cure="use moved or grids")


@dataclass(frozen=True, slots=True)
class Areas:
    """Mean heights of the curves of one map: `deletion` (low is good) and `insertion` (high is good)."""

    deletion: float
    insertion: float

    @property
    def gap(self) -> float:
        """Insertion less deletion: one number that is high for a good map."""
        return self.insertion - self.deletion


@dataclass(frozen=True, slots=True, eq=False)
class Faithfulness:
    """What became of the score of one text; curves (K + 1,) begin with nothing changed.

    `deletion`: most relevant pixels go first; `kept`: least relevant first; `insertion`: most relevant come first.
    `reversed`, `centre` and `randoms` are the areas of the map turned upside down, of one that falls off from the
    image's centre, and of random maps.
    """

    deletion: CurveScores
    kept: CurveScores
    insertion: CurveScores
    areas: Areas
    reversed: Areas
    centre: Areas
    randoms: tuple[Areas, ...]

    @property
    def positive(self) -> float:
        """Area of Chefer, Gur and Wolf 2021 for the most relevant pixels first, up to 90 %; low is good."""
        return area(self.deletion[:-CHEFER_LEAVES_OUT])

    @property
    def negative(self) -> float:
        """The same for the least relevant first; high is good."""
        return area(self.kept[:-CHEFER_LEAVES_OUT])

    @property
    def better_than_random(self) -> float:
        """By how much the gap of insertion and deletion is larger than the mean of random maps."""
        return self.areas.gap - float(np.mean([one.gap for one in self.randoms]))

    @property
    def p_value(self) -> float:
        """The share of all maps, this one among them, whose gap is at least this map's: an exact test by drawing."""
        return (1 + sum(one.gap >= self.areas.gap for one in self.randoms)) / (1 + len(self.randoms))

    @property
    def passes(self) -> bool:
        """Whether the map beats random maps: `p_value` at most 0.05."""
        return self.p_value <= LEVEL

    def __str__(self) -> str:
        """One line: the gap beside the others', and whether it passes."""
        random = float(np.mean([one.gap for one in self.randoms]))
        return (
            f"insertion {self.areas.insertion:.3f} - deletion {self.areas.deletion:.3f} = {self.areas.gap:+.3f}; "
            f"random maps {random:+.3f}, centre {self.centre.gap:+.3f}, reversed {self.reversed.gap:+.3f}; "
            f"{'better than' if self.passes else 'no better than'} random (p = {self.p_value:.2f})"
        )


def faithfulness(
    engine: Engine, pixels: Pixels, texts: Embeddings, maps: Maps, *, how: Perturbation = Perturbation()
) -> list[Faithfulness]:
    """Return for each text (C, E) how its map (C, H, W) stands the test on an image (H, W, 3).

    With ten steps a map takes 36 images and each random map 18: of those there are 19 for each text ("moved") or 19 in
    all ("grids").  The centre and the whole image take 21.
    """
    check_request(engine, pixels, texts)
    if maps.shape != (len(texts), *pixels.shape[:2]):
        cure = f"give {(len(texts), *pixels.shape[:2])}; wordsight.explain.perturbed.upsampled enlarges maps"
        raise UsageError(f"maps of the shape {maps.shape}", cure=cure)
    if not np.isfinite(maps).all():
        raise UsageError("a map with values that are not finite", cure="a map that failed cannot be tested")
    if how.score == "probability" and len(texts) == 1:
        raise UsageError("the probability of one text is always 1", cure="give more texts, or take score='cosine'")
    with bar(_images(len(maps), how), unit="image", desc="testing maps") as progress:
        return _tested(_Bench(engine, pixels, texts, how, progress), maps)


def _images(count: int, how: Perturbation) -> int:
    """Return how many images so many maps take: the whole and what stands in for it, the centre, maps, random maps."""
    curve = how.steps - 1
    sets = count if how.baseline == "moved" else 1
    return 1 + len({how.removed, how.shown}) + 2 * curve + 4 * curve * count + 2 * curve * how.randoms * sets


def _tested(bench: "_Bench", maps: Maps) -> list[Faithfulness]:
    how, pixels = bench.how, bench.pixels
    centre = bench.areas(_ranks(centre_map(pixels.shape[:2])[None], how.seed))  # (1, C)
    results = []
    shared: list[list[Areas]] = []
    for number, relevance in enumerate(maps):
        ranks = _ranks(relevance[None], how.seed)
        gone, left = bench.curves(ranks, how.removed)[0, :, number], bench.curves(-1 - ranks, how.removed)[0, :, number]
        into, out = (
            bench.curves(-1 - ranks, how.shown)[0, ::-1, number],
            bench.curves(ranks, how.shown)[0, ::-1, number],
        )
        if how.baseline == "moved" or not shared:
            shared = bench.areas(_ranks(random_maps(relevance, how), how.seed))
        results.append(
            Faithfulness(
                deletion=gone,
                kept=left,
                insertion=into,
                areas=Areas(area(gone), area(into)),
                reversed=Areas(area(left), area(out)),
                centre=centre[0][number],
                randoms=tuple(one[number] for one in shared),
            )
        )
    return results


def random_maps(relevance: Maps, how: Perturbation) -> Maps:
    """Return random maps (N, H, W) for one map (H, W); see `Perturbation`."""
    generator = np.random.default_rng(how.seed)
    height, width = relevance.shape
    if how.baseline == "grids":
        return upsampled(generator.standard_normal((how.randoms, how.cells, how.cells)), height, width)
    moved = np.empty((how.randoms, height, width), dtype=np.float32)
    for one in moved:
        down, across = int(generator.integers(height)), int(generator.integers(width))
        steps = [1 if generator.random() < 0.5 else -1 for _ in range(2)]
        one[:] = np.roll(relevance, (down, across), axis=(0, 1))[:: steps[0], :: steps[1]]
    return moved


def area(curve: CurveScores) -> float:
    """Return the mean height under a curve (K,) of equal steps, by trapezoids: in the unit of its score."""
    return float((curve[1:] + curve[:-1]).mean() / 2)


class _Bench:
    """One image and its texts, and what becomes of their scores when pixels go in an order."""

    def __init__(self, engine: Engine, pixels: Pixels, texts: Embeddings, how: Perturbation, progress: Any) -> None:
        self.engine, self.pixels, self.texts, self.how, self.progress = engine, pixels, texts, how, progress
        self.others = {fill: filled(pixels, fill) for fill in (how.removed, how.shown)}
        ends = self._scores(iter([pixels, *self.others.values()]))
        self.whole, self.empty = ends[0], dict(zip(self.others, ends[1:], strict=True))

    def areas(self, ranks: Ranks) -> list[list[Areas]]:
        """Return the areas of maps for each text: M lists of C."""
        gone = self.curves(ranks, self.how.removed)
        into = self.curves(-1 - ranks, self.how.shown)[:, ::-1]
        return [
            [Areas(area(gone[m, :, c]), area(into[m, :, c])) for c in range(len(self.texts))] for m in range(len(ranks))
        ]

    def curves(self, ranks: Ranks, fill: Fill) -> CurveScores:
        """Return the scores (M, K + 1, C) as the pixels of the lowest ranks are replaced, a K-th at a time.

        Ranks count from 0; those below 0 count from the end, as indices do.
        """
        steps = self.how.steps
        count = ranks[0].size
        order = np.mod(ranks, count)

        def images() -> Iterator[Pixels]:
            for one in order:
                for step in range(1, steps):
                    yield blended(self.pixels, self.others[fill], one >= round(count * step / steps))

        curves = np.empty((len(ranks), steps + 1, len(self.texts)))
        curves[:, 0], curves[:, -1] = self.whole, self.empty[fill]
        curves[:, 1:-1] = self._scores(images()).reshape(len(ranks), steps - 1, -1)
        return curves

    def _scores(self, images: Iterator[Pixels]) -> CurveScores:
        scores = cosines(self.engine, self._counted(images), self.texts)
        if self.how.score == "cosine":
            return scores
        logits = scores * self.engine.scale
        if self.engine.bias is not None:  # the sigmoid loss: as the model's own probabilities are made
            logits = -np.logaddexp(0, -(logits + self.engine.bias))
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))

    def _counted(self, images: Iterator[Pixels]) -> Iterator[Pixels]:
        for image in images:
            yield image
            self.progress.update(1)


def _ranks(maps: Maps, seed: int) -> Ranks:
    """Return the rank of each pixel of maps (M, H, W), 0 the most relevant; equal ones in random order."""
    flat = maps.reshape(len(maps), -1)
    luck = np.random.default_rng(seed).random(flat.shape[1])
    ranks = np.empty(flat.shape, dtype=np.int64)
    for one, values in zip(ranks, flat, strict=True):
        one[np.lexsort((luck, -values))] = np.arange(flat.shape[1])
    return ranks.reshape(maps.shape)
