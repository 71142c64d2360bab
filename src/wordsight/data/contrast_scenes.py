"""Drawn pairs of pictures that differ in one thing, each with its caption: Winoground's form in a world we know.

    for pair in contrast_pairs(600, seed=0): ...            # five kinds in turn, images and captions in memory
    draw_contrasts(folder, count=600, seed=0)               # folder/00000-0.png ... and folder/selection.jsonl
    is_as_drawn(folder)                                     # by folder/checksums.json
    read_selection(folder)                                  # wordsight.data.selection

The two captions of a pair have the same words in another order ("a" may become "an"), and the two pictures the same
backdrop, places and objects but for the one thing, so neither words nor objects alone tell which belongs to which.
Pair number i of a seed is a pure function of (seed, i).  Knows no model; what is hard in photographs may be easy
here, and the reverse.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from wordsight.base.arrays import Pixels
from wordsight.base.errors import UsageError, WordsightError
from wordsight.base.files import atomic_write, read_json, storage_errors, write_json
from wordsight.base.reading import sha256_file
from wordsight.data.drawing import COLOURS, SHAPES, TEXTURES, Figure, Spot, paint_figures
from wordsight.data.scenes import COUNTS, JITTER
from wordsight.text.caption_phrases import article

TABLE = "selection.jsonl"
CHECKSUMS = "checksums.json"  # file: its SHA-256, of all that was drawn; written last
_SIDES = {  # how a caption says it, and the centres of the first and the second object
    "left of": ((0.27, 0.5), (0.73, 0.5)),
    "above": ((0.5, 0.27), (0.5, 0.73)),
}
_RADIUS = (0.17, 0.2)  # of an object, a share of the side, where size does not matter
_BIG, _SMALL = 0.21, 0.105  # radii that nobody mixes up: areas as four to one
_RADIUS_OF_MANY = 0.115  # nine fit, and none touches another
_GRID = (0.19, 0.5, 0.81)
_COUNTED = (2, 3, 4)  # with one, singular and plural would tell the captions apart

Generator = np.random.Generator


@dataclass(frozen=True, slots=True)
class ContrastPair:
    """Two images, uint8 (S, S, 3), and their captions: the first caption is true of the first image only."""

    kind: str
    images: tuple[Pixels, Pixels]
    captions: tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Thing:
    """What a picture shows of one kind, without where."""

    shape: str
    colour: str
    texture: str = "plain"

    def words(self) -> str:
        return f"{self.colour} {self.shape}"


_Plan = tuple[str, list[Figure]]  # a caption, and what its picture shows


def contrast_kinds() -> tuple[str, ...]:
    """Return the kinds of pairs, in the order in which they take turns."""
    return tuple(_KINDS)


def contrast_pairs(count: int, *, seed: int) -> Iterator[ContrastPair]:
    """Draw `count` pairs, the kinds in turn.  Pair i depends on (seed, i) only."""
    for number in range(count):
        kind = contrast_kinds()[number % len(_KINDS)]
        first, second = _KINDS[kind](np.random.default_rng([seed, number]))
        images = [paint_figures(plan[1], rng=np.random.default_rng([seed, number, 1])) for plan in (first, second)]
        yield ContrastPair(kind, (images[0], images[1]), (first[0], second[0]))


def draw_contrasts(folder: Path, *, count: int, seed: int) -> Path:
    """Write `count` pairs into `folder`: two images each, and `selection.jsonl` that names them.

    A line has key, kind, image_0, image_1, caption_0, caption_1, as Winoground names them; `checksums.json` has the
    SHA-256 of every file.  A folder that is there already is written over, not emptied.  Returns the folder.  A count
    below 1 raises `UsageError`.
    """
    if count < 1:
        raise UsageError(f"{count} pairs", cure="draw at least one")
    lines = []
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for number, pair in enumerate(contrast_pairs(count, seed=seed)):
            row = {"key": f"{number:05d}", "kind": pair.kind}
            for side, (image, caption) in enumerate(zip(pair.images, pair.captions, strict=True)):
                name = f"{number:05d}-{side}.png"
                Image.fromarray(image).save(folder / name, compress_level=1)
                row |= {f"image_{side}": name, f"caption_{side}": caption}
            lines.append(json.dumps(row))
    with atomic_write(folder / TABLE, "w") as handle:
        handle.write("\n".join(lines) + "\n")
    names = [TABLE, *(f"{number:05d}-{side}.png" for number in range(count) for side in (0, 1))]
    write_json(folder / CHECKSUMS, {name: sha256_file(folder / name) for name in names})
    return folder


def is_as_drawn(folder: Path) -> bool:
    """Say whether a folder holds every file as `draw_contrasts` wrote it; one without checksums does not."""
    try:
        sums = read_json(folder / CHECKSUMS)
        return isinstance(sums, dict) and TABLE in sums and all(sha256_file(folder / n) == s for n, s in sums.items())
    except (WordsightError, OSError):  # no checksums, damaged ones, a file that is gone or cannot be read
        return False


def _colours(rng: Generator) -> tuple[_Plan, _Plan]:
    """A red circle left of a blue square; a blue circle left of a red square."""
    one, other = _two_things(rng)
    swapped = _Thing(one.shape, other.colour), _Thing(other.shape, one.colour)
    return _beside((one, other), swapped, rng)


def _relations(rng: Generator) -> tuple[_Plan, _Plan]:
    """A red circle left of a blue square; a blue square left of a red circle."""
    one, other = _two_things(rng)
    return _beside((one, other), (other, one), rng)


def _textures(rng: Generator) -> tuple[_Plan, _Plan]:
    """A striped red circle left of a dotted blue square; a dotted red circle left of a striped blue square."""
    one, other = _two_things(rng)
    first, second = (TEXTURES[i] for i in rng.permutation(len(TEXTURES))[:2])
    things = _Thing(one.shape, one.colour, first), _Thing(other.shape, other.colour, second)
    swapped = _Thing(one.shape, one.colour, second), _Thing(other.shape, other.colour, first)
    return _beside(things, swapped, rng, name=lambda thing: f"{thing.texture} {thing.words()}")


def _sizes(rng: Generator) -> tuple[_Plan, _Plan]:
    """A big red circle left of a small blue square; a small red circle left of a big blue square."""
    things = _two_things(rng)
    relation, spots = _spots_of_two(rng)

    def plan(sizes: tuple[str, str]) -> _Plan:
        radii = [_BIG if size == "big" else _SMALL for size in sizes]
        figures = [
            Figure(thing.shape, thing.colour, thing.texture, Spot(spot.x, spot.y, radius))
            for thing, spot, radius in zip(things, spots, radii, strict=True)
        ]
        names = [f"{size} {thing.words()}" for size, thing in zip(sizes, things, strict=True)]
        return _sentence(names[0], relation, names[1]), figures

    return plan(("big", "small")), plan(("small", "big"))


def _counts(rng: Generator) -> tuple[_Plan, _Plan]:
    """Two red circles and three blue squares; three red circles and two blue squares."""
    one, other = _two_things(rng)
    numbers = [(a, b) for a in _COUNTED for b in _COUNTED if a != b]
    first, second = numbers[int(rng.integers(len(numbers)))]
    cells = [(x, y) for x in _GRID for y in _GRID]
    spots = [_shifted(cells[i], _RADIUS_OF_MANY, rng, jitter=JITTER / 2) for i in rng.permutation(9)[: first + second]]

    def plan(of_one: int, of_other: int) -> _Plan:
        things = [one] * of_one + [other] * of_other
        figures = [Figure(t.shape, t.colour, t.texture, spot) for t, spot in zip(things, spots, strict=True)]
        return f"{_counted(of_one, one)} and {_counted(of_other, other)}", figures

    return plan(first, second), plan(second, first)


_KINDS: dict[str, Callable[[Generator], tuple[_Plan, _Plan]]] = {
    "colour": _colours,
    "relation": _relations,
    "texture": _textures,
    "size": _sizes,
    "count": _counts,
}


def _two_things(rng: Generator) -> tuple[_Thing, _Thing]:
    """Return two things of different shapes, and of colours that are no neighbours in the list."""
    shapes, colours = list(SHAPES), list(COLOURS)
    first, second = rng.permutation(len(shapes))[:2]
    colour = int(rng.integers(len(colours)))
    further = (colour + int(rng.integers(2, len(colours) - 1))) % len(colours)
    return _Thing(shapes[first], colours[colour]), _Thing(shapes[second], colours[further])


def _beside(
    things: tuple[_Thing, _Thing],
    swapped: tuple[_Thing, _Thing],
    rng: Generator,
    *,
    name: Callable[[_Thing], str] = _Thing.words,
) -> tuple[_Plan, _Plan]:
    """Return the plans of two things beside each other and of what they are swapped for, at the same two places."""
    relation, spots = _spots_of_two(rng)

    def plan(pair: tuple[_Thing, _Thing]) -> _Plan:
        figures = [Figure(t.shape, t.colour, t.texture, spot) for t, spot in zip(pair, spots, strict=True)]
        return _sentence(name(pair[0]), relation, name(pair[1])), figures

    return plan(things), plan(swapped)


def _spots_of_two(rng: Generator) -> tuple[str, list[Spot]]:
    """Return a relation and where its two objects lie."""
    relation = list(_SIDES)[int(rng.integers(len(_SIDES)))]
    return relation, [_shifted(centre, float(rng.uniform(*_RADIUS)), rng, jitter=JITTER) for centre in _SIDES[relation]]


def _shifted(centre: tuple[float, float], radius: float, rng: Generator, *, jitter: float) -> Spot:
    dx, dy = rng.uniform(-jitter, jitter, size=2)
    return Spot(centre[0] + float(dx), centre[1] + float(dy), radius)


def _sentence(first: str, relation: str, second: str) -> str:
    return f"{article(first)} {first} {relation} {article(second)} {second}"


def _counted(count: int, thing: _Thing) -> str:
    return f"{COUNTS[count]} {thing.words()}s"
