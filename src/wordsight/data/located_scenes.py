"""Drawn scenes of two or three different objects, with captions that name them and the exact mask of every object.

    for scene in located_scenes(500, pairs=seen_pairs(), seed=0): ...
    scene.image, scene.names[0]             # uint8 (S, S, 3), "red circle"
    scene.mask(0)                           # bool (S, S): where the red circle is to be seen
    write_located_scenes(folder, scenes)    # one shard: KEY.png, KEY.seg.png, KEY.json

For maps and masks whose truth has to be known.  Objects of a scene differ in shape and clearly in colour, so a text
that names one is true of that one alone.  Two lie beside each other, three in three quarters of the image.  Scene
number i of a seed is a pure function of (seed, i) and of the pairs.  Knows no model; free of PyTorch.
"""

import io
import json
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wordsight.base.arrays import Pixels
from wordsight.base.errors import UsageError
from wordsight.base.files import atomic_write, storage_errors
from wordsight.data.drawing import COLOURS, TEXTURES, Figure, Spot, paint_located
from wordsight.data.scenes import JITTER, Pair, all_pairs
from wordsight.text.caption_phrases import article

SHARD = "scenes-0000.tar"
_SIDES = {  # how captions say it from either object, and the centres of the first and the second
    ("left of", "right of"): ((0.27, 0.5), (0.73, 0.5)),
    ("above", "below"): ((0.5, 0.27), (0.5, 0.73)),
}
_QUARTERS = ((0.27, 0.27), (0.73, 0.27), (0.27, 0.73), (0.73, 0.73))
_RADII = {2: (0.15, 0.21), 3: (0.14, 0.19)}  # of an object, shares of the side: two never touch
_NEAREST_COLOURS = 2  # steps in the circle of `COLOURS` that two objects lie apart, at least

Generator = np.random.Generator


@dataclass(frozen=True, slots=True, eq=False)
class LocatedScene:
    """An image, uint8 (S, S, 3), true captions of it, and the colour and shape of each object.

    `labels` (S, S): 0 the backdrop, i + 1 where object i is on top.
    """

    image: Pixels
    labels: NDArray[np.uint8]
    pairs: tuple[Pair, ...]
    captions: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Colour and shape of each object in words: "red circle"."""
        return tuple(" ".join(pair) for pair in self.pairs)

    def mask(self, number: int) -> NDArray[np.bool_]:
        """Return where an object is to be seen, (S, S)."""
        return np.asarray(self.labels == number + 1)


def located_scenes(count: int, *, pairs: Sequence[Pair], seed: int) -> Iterator[LocatedScene]:
    """Draw `count` scenes; the first object of each has the given (colour, shape) in turn, the others at random.

    Pairs of which no two differ in shape and clearly in colour raise `UsageError`.
    """
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        chosen = _chosen(pairs[number % len(pairs)], pairs, rng)
        relations, spots = _spots(len(chosen), rng)
        textures = [str(rng.choice(TEXTURES)) for _ in chosen]
        figures = [Figure(p[1], p[0], texture, spot) for p, texture, spot in zip(chosen, textures, spots, strict=True)]
        painting = paint_located(figures, rng=rng)
        yield LocatedScene(painting.image, painting.labels, chosen, _captions(chosen, relations))


def class_number(pair: Pair) -> int:
    """Return the number of a (colour, shape) in label images, 1 to 64, the same in every scene; 0 is the backdrop."""
    return all_pairs().index(pair) + 1


def write_located_scenes(folder: Path, scenes: Iterable[LocatedScene]) -> Path:
    """Write scenes into `folder` as one shard; return its path.

    KEY.png is the image, KEY.seg.png has the `class_number` of every pixel, KEY.json the captions and the names of the
    classes in the order of their numbers.  `open_source(folder)` reads images and captions, for training too.  A shard
    that is there already is replaced, by the same bytes for the same scenes.
    """
    path = folder / SHARD
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as handle, tarfile.open(fileobj=handle, mode="w") as tar:
            for number, scene in enumerate(scenes):
                key = f"{number:05d}"
                ordered = sorted(scene.pairs, key=class_number)
                known = {"captions": scene.captions, "classes": [" ".join(pair) for pair in ordered]}
                numbers = np.array([0, *map(class_number, scene.pairs)], np.uint8)
                _add(tar, f"{key}.png", _png(scene.image))
                _add(tar, f"{key}.seg.png", _png(numbers[scene.labels]))
                _add(tar, f"{key}.json", json.dumps(known).encode())
    return path


def _chosen(first: Pair, pairs: Sequence[Pair], rng: Generator) -> tuple[Pair, ...]:
    """Return two or three pairs, the first one given, that differ in shape and clearly in colour."""
    chosen = [first]
    for _ in range(int(rng.integers(1, 3))):
        fitting = [pair for pair in pairs if all(_differ(pair, other) for other in chosen)]
        if fitting:
            chosen.append(fitting[int(rng.integers(len(fitting)))])
    if len(chosen) == 1:
        problem = f"no second object beside a {' '.join(first)}"
        raise UsageError(problem, cure="give more pairs, of several shapes and colours")
    return tuple(chosen)


def _differ(one: Pair, other: Pair) -> bool:
    colours = list(COLOURS)
    steps = abs(colours.index(one[0]) - colours.index(other[0]))
    return one[1] != other[1] and min(steps, len(colours) - steps) >= _NEAREST_COLOURS


def _spots(count: int, rng: Generator) -> tuple[tuple[str, str], list[Spot]]:
    """Return where the objects lie, and how the first two do to each other ("" for more than two)."""
    relations = ("", "")
    if count == 2:
        relations = list(_SIDES)[int(rng.integers(len(_SIDES)))]
        centres: Sequence[tuple[float, float]] = _SIDES[relations]
    else:
        centres = [_QUARTERS[i] for i in rng.permutation(len(_QUARTERS))[:count]]
    spots = []
    for x, y in centres:
        dx, dy = rng.uniform(-JITTER, JITTER, size=2)
        spots.append(Spot(x + float(dx), y + float(dy), float(rng.uniform(*_RADII[count]))))
    return relations, spots


def _captions(pairs: Sequence[Pair], relations: tuple[str, str]) -> tuple[str, ...]:
    """Return each object alone, and all of them in both orders."""
    names = [" ".join(pair) for pair in pairs]
    things = [f"{article(name)} {name}" for name in names]
    if len(pairs) == 2:
        one, other = things
        together = [f"{one} {relations[0]} {other}", f"{other} {relations[1]} {one}", f"{one} and {other}"]
    else:
        together = [f"{', '.join(order[:-1])} and {order[-1]}" for order in (things, things[::-1])]
    return (*things, *together)


def _png(values: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)  # without the time, so that equal scenes are equal bytes
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))
