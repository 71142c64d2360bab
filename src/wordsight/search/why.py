"""Why a hit came: which part of the query gave how much of its score, and where in the image the query is seen.

    hits = library.search(["2:a dog", "0.5:snow"], k=5)
    for reason in library.why(["2:a dog", "0.5:snow"], hits):
        reason.shares                 # [Share("a dog", 2.0…, cosine 0.31, share 0.28), …]: they add up to the score
        print(reason.text)            # strongest at the lower left (box 0.05,0.50,0.40,0.35); …
        reason.overlay(image)         # uint8 (H, W, 3): the map over the image

The score of an image is linear in the query, so the shares are exact.  The map is that of the whole query, by the
method that `wordsight.explain` takes for the model; images are looked at again, one by one.

Shapes: E the width of embeddings, G cells of a map along a side, H and W sides of an image.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from wordsight.base.arrays import Embeddings, Pixels
from wordsight.base.errors import InputError, UsageError
from wordsight.embeddings.model import Model
from wordsight.explain.heat import Maps, on_whole, overlay
from wordsight.explain.hiding import Hiding, hiding
from wordsight.explain.masks import box_of
from wordsight.explain.methods import ANY
from wordsight.explain.occlusion import occlusion
from wordsight.explain.perturbed import is_of_one_colour, upsampled
from wordsight.explain.sanity import SanityCheck, text_swap
from wordsight.explain.superpixels import connected
from wordsight.images.spec import PreprocessSpec
from wordsight.search.direction import Direction
from wordsight.search.hits import Hit
from wordsight.search.originals import images_of

NEUTRAL = "a photo"  # says nothing of what an image shows; the map of a query has to differ from its map
LEAST = 0.0005  # of a score: less is 0.000 where it is printed
GRID = 8  # cells of maps by hiding; 12, as in explain, takes twice as long
NOT_ASKED = "not asked for"  # the problem of a map that nobody wants
STRONG = 0.5  # of a map's range: what lies above it around the strongest point is the box
SIDE = 256  # pixels of the longer side on which places are told
_ROWS, _COLUMNS = ("upper", "", "lower"), ("left", "", "right")


class Share(NamedTuple):
    """What one part of the query gave: the `cosine` of the image with it, and `share`, its summand of the score."""

    name: str
    cosine: float
    share: float


class Strongest(NamedTuple):
    """Where a map is strongest: in words, and the box around it (x, y, width, height) as shares of the image."""

    region: str
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Reason:
    """Why one hit came.

    `shares` add up to the hit's score; `without` is what the unwanted queries, `unwanted`, took off together.
    `relevance` (G, G) is the raw map of the query on what the tower sees, None where the image could not be read:
    `problem` says why.  `swap` and `hiding` are its two checks; neither is made of a map that is even, which singles
    nothing out.
    """

    key: str
    shares: tuple[Share, ...]
    without: float
    unwanted: tuple[str, ...] = ()
    method: str = ""
    relevance: Maps | None = field(default=None, repr=False)
    preprocess: PreprocessSpec | None = field(default=None, repr=False)
    spot: Strongest | None = None
    swap: SanityCheck | None = None
    hiding: Hiding | None = None
    problem: str = ""

    @property
    def passes(self) -> bool | None:
        """Whether the map stood both checks; None where there is none, or it is even."""
        if self.swap is None or self.hiding is None:
            return None
        return self.swap.passes and self.hiding.passes

    @property
    def text(self) -> str:
        """One line for people."""
        if self.problem == NOT_ASKED:
            where = ""
        elif self.problem:
            where = f"no map: {self.problem}"
        elif self.spot is None:
            where = "the map is even: no part of the image stands out"
        else:
            box = ",".join(f"{value:.2f}" for value in self.spot.box)
            where = f"strongest {self.spot.region} (box {box})"
            where += ", map stands its check" if self.passes else ", map FAILS its check"
        return "; ".join(part for part in (self.summed, where) if part)

    @property
    def summed(self) -> str:
        """The score as a sum of its parts; "" where there is only one."""
        parts = [f"{one.share:+.3f} {one.name}" for one in self.shares]
        parts += [f"{self.without:+.3f} {self.unwished}"] if self.unwished else []
        return ", ".join(parts) if len(parts) > 1 else ""

    @property
    def unwished(self) -> str:
        """How what was taken off is called, "" where that is nothing."""
        return f"without {', '.join(self.unwanted)}" if abs(self.without) >= LEAST else ""

    def map(self, height: int, width: int) -> Maps:
        """Return the map on the image of this size (H, W), from 0 to 1; NaN where the tower saw nothing."""
        if self.relevance is None or self.preprocess is None:
            raise UsageError(f"{self.key} has no map: {self.problem}", cure="see `problem` before")
        shown: Maps = on_whole(self.relevance[None], self.preprocess, (height, width))[0]
        return shown

    def overlay(self, image: Pixels) -> Pixels:
        """Return an image (H, W, 3) under the map."""
        return overlay(image, self.map(*image.shape[:2]))


def reasons_of(
    model: Model,
    direction: Direction,
    hits: Sequence[Hit],
    stored: Mapping[str, Embeddings],
    *,
    maps: bool = True,
    done: Callable[[], object] | None = None,
) -> list[Reason]:
    """Return why each hit came, in their order; `stored` are the embeddings (E,) of the hits, by key.

    `done` is called behind each.  An image that cannot be read has a `problem` and no map.  Models whose images keep
    their shape have none either.  Without `maps` no image is read.
    """
    if not maps:
        return [Reason(hit.key, *_summed(hit, direction, stored), problem=NOT_ASKED) for hit in hits]
    if model.spec.preprocess.resize == "patches":
        problem = f"maps need images of one size, and {model.name} keeps the shape of each"
        raise UsageError(problem, cure="leave --explain out, or use a model with images of one size")
    mapper = _Mapper.of(model, direction)
    made: dict[int, Reason] = {}
    for position, image in images_of(hits):
        hit = hits[position]
        summed = _summed(hit, direction, stored)
        try:
            if isinstance(image, InputError):
                raise image
            made[position] = mapper.reason(image, hit, summed)
        except InputError as error:
            made[position] = Reason(hit.key, *summed, problem=error.problem)
        if done is not None:
            done()
    return [made[position] for position in range(len(hits))]


class _Sum(NamedTuple):
    """A score as a sum: the first fields of `Reason` behind its key."""

    shares: tuple[Share, ...] = ()
    without: float = 0.0
    unwanted: tuple[str, ...] = ()


def _summed(hit: Hit, direction: Direction, stored: Mapping[str, Embeddings]) -> _Sum:
    """Return the shares of a score, and what unwanted queries took off it."""
    if hit.key not in stored:
        return _Sum()
    embedding = stored[hit.key]
    cosines = [float(term.embedding @ embedding) for term in direction.terms]
    shares = tuple(
        Share(term.name, cosine, term.factor * cosine) for term, cosine in zip(direction.terms, cosines, strict=True)
    )
    off = hit.score - float(direction.embedding @ embedding) if direction.unwanted else 0.0
    return _Sum(shares, off, tuple(one.name for one in direction.unwanted))


@dataclass(frozen=True, slots=True)
class _Mapper:
    """Makes the maps of one query: `texts` (2, E) are the query and what says nothing."""

    model: Model
    texts: Embeddings

    @classmethod
    def of(cls, model: Model, direction: Direction) -> "_Mapper":
        return cls(model, np.stack([direction.embedding, model.embed_texts([NEUTRAL])[0]]))

    def reason(self, image: object, hit: Hit, summed: _Sum) -> Reason:
        """Return why one hit came; `image` is a path or bytes."""
        spec = self.model.spec.preprocess
        seen = self.model.load_seen(image, name=hit.key)
        even = Reason(hit.key, *summed, ANY, np.zeros((1, 1), np.float32), spec)
        if is_of_one_colour(seen.pixels):
            return even
        relevance, neutral = self._maps(seen.pixels)
        spot = spot_of(on_whole(relevance[None], spec, _sides(seen.height, seen.width))[0])
        if spot is None:
            return even
        large = upsampled(relevance[None], *seen.pixels.shape[:2])[0]
        return Reason(
            hit.key,
            *summed,
            ANY,
            relevance,
            spec,
            spot,
            text_swap(relevance, neutral),
            hiding(self.model.engine, seen.pixels, self.texts[0], large),
        )

    def _maps(self, pixels: Pixels) -> Maps:
        return occlusion(self.model.engine, pixels, self.texts, grid=min(GRID, *pixels.shape[:2]))


def spot_of(shown: Maps) -> Strongest | None:
    """Return where a map (H, W) from 0 to 1 is strongest: around its greatest value, what lies above a half.

    None for a map that is even.
    """
    height, width = shown.shape
    if not np.nanmax(shown) > STRONG:
        return None
    row, column = divmod(int(np.nanargmax(shown)), width)
    parts = connected((np.nan_to_num(shown) > STRONG).astype(np.int32))
    left, top, right, bottom = box_of(parts == parts[row, column])
    box = (left / width, top / height, (right - left) / width, (bottom - top) / height)
    return Strongest(region_of((row + 0.5) / height, (column + 0.5) / width), box)


def region_of(down: float, across: float) -> str:
    """Return in words where a point lies, of nine parts of an image; `down` and `across` from 0 to 1."""
    row, column = _ROWS[min(int(3 * down), 2)], _COLUMNS[min(int(3 * across), 2)]
    if not row and not column:
        return "in the middle"
    if not column:
        return "at the top" if row == "upper" else "at the bottom"
    return f"at the {row} {column}" if row else f"on the {column}"


def _sides(height: int, width: int) -> tuple[int, int]:
    """Return the sides of an image no longer than places are told on."""
    share = min(1.0, SIDE / max(height, width))
    return max(1, round(share * height)), max(1, round(share * width))
