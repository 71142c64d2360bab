"""Drawn scenes with captions: a small world in which everything is known, for demonstrations and tests.

    for drawn in scenes(3000, pairs=seen_pairs(), seed=0): ...
    write_scenes(folder, scenes(...))               # folder/00000.png ... and folder/metadata.csv

A scene holds one to four objects of one kind: a shape, a colour, a texture, and (for a single object) a place.
Some pairs of colour and shape are held out: no training scene shows them and no training caption names them, so
that naming them later means having learned what a colour is and what a shape is.  Scene number i of a seed is a
pure function of (seed, i).  Free of PyTorch.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from wordsight.base.arrays import Pixels
from wordsight.base.files import atomic_write, storage_errors
from wordsight.data.drawing import COLOURS, SHAPES, TEXTURES, Spot, paint


@dataclass(frozen=True, slots=True)
class Location:
    """The centre of a single object, as shares of the image's side, and how captions name it."""

    x: float
    y: float
    phrase: str


COUNTS = {1: "one", 2: "two", 3: "three", 4: "four"}
LOCATIONS = {
    "left": Location(0.28, 0.5, "on the left"),
    "right": Location(0.72, 0.5, "on the right"),
    "top": Location(0.5, 0.28, "at the top"),
    "bottom": Location(0.5, 0.72, "at the bottom"),
    "middle": Location(0.5, 0.5, "in the middle"),
}
JITTER = 0.04  # how far a centre lies from where it should, a share of the side
_QUARTERS = ((0.27, 0.27), (0.73, 0.27), (0.27, 0.73), (0.73, 0.73))
_RADII_OF_ONE = (0.18, 0.25)  # shares of the side, least and most
_RADII_OF_MANY = (0.15, 0.185)  # two neighbours never touch
_OPENINGS = ("", "a picture of ", "a drawing of ")
_OF_ONE = (  # "A " becomes "a " or "an "
    "{thing}",
    "A {thing}",
    "A {textured}",
    "A {textured} {where}",
    "{where} there is A {thing}",
    "one {shape} {where}, {texture} and {colour}",
)
_OF_MANY = (
    "{thing}",
    "{number} {thing}",
    "{number} {textured}",
    "there are {number} {textured}",
    "{thing}, {number} of them",
    "{number} {shape}, {texture} and {colour}",
)
TABLE = "metadata.csv"
HELD_OUT_STEPS = (2, 5)  # colour i is never seen with the shapes i+2 and i+5: each colour and each shape loses two

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Scene:
    """What is to be seen.  `place` is "" when there are several objects: they lie in any quarters."""

    colour: str
    shape: str
    texture: str
    count: int
    place: str

    @property
    def pair(self) -> Pair:
        """The colour and the shape."""
        return self.colour, self.shape

    @property
    def name(self) -> str:
        """Colour and shape in words: "red circle"."""
        return f"{self.colour} {self.shape}"


@dataclass(frozen=True, slots=True)
class Drawn:
    """A scene with its image, uint8 (S, S, 3), and true captions of it in several phrasings."""

    scene: Scene
    image: Pixels
    captions: tuple[str, ...]


def all_pairs() -> list[Pair]:
    """Return every (colour, shape), 64 of them."""
    return [(colour, shape) for colour in COLOURS for shape in SHAPES]


def held_out_pairs() -> list[Pair]:
    """Return the 16 (colour, shape) that training never shows: two of each colour and two of each shape."""
    shapes = list(SHAPES)
    return [(c, shapes[(i + step) % len(shapes)]) for i, c in enumerate(COLOURS) for step in HELD_OUT_STEPS]


def seen_pairs() -> list[Pair]:
    """Return the 48 (colour, shape) that training shows."""
    hidden = set(held_out_pairs())
    return [pair for pair in all_pairs() if pair not in hidden]


def scenes(count: int, *, pairs: Sequence[Pair], seed: int = 0) -> Iterator[Drawn]:
    """Draw `count` scenes whose (colour, shape) are the given pairs in turn, everything else at random.

    Scene i depends on (seed, i) and `pairs` only.
    """
    for i in range(count):
        rng = np.random.default_rng([seed, i])
        yield draw(_imagine(pairs[i % len(pairs)], rng), rng)


def draw(scene: Scene, rng: np.random.Generator) -> Drawn:
    """Draw one scene and describe it."""
    spots = _spots(scene, rng)
    image = paint(scene.shape, scene.colour, scene.texture, spots=spots, rng=rng)
    return Drawn(scene, image, captions(scene, rng))


def write_scenes(folder: Path, drawn: Iterable[Drawn]) -> Path:
    """Write images into `folder`, and beside them `metadata.csv`: file, captions, class and all that is known.

    `open_source(folder)` reads them for training and measuring, `open_library(folder)` for searching.  A folder that
    is there already is written over, not emptied.  Returns the folder.
    """
    rows = []
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for i, one in enumerate(drawn):
            name = f"{i:05d}.png"
            Image.fromarray(one.image).save(folder / name, compress_level=1)
            captions_json = json.dumps(one.captions)
            rows.append({"file": name, "captions": captions_json, "class": one.scene.name, **asdict(one.scene)})
    with atomic_write(folder / TABLE, "w") as handle:
        table = csv.DictWriter(handle, rows[0], lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    return folder


def read_scenes(folder: Path) -> list[tuple[Path, Scene]]:
    """Return the images that `write_scenes` wrote into a folder, each with its scene."""
    with open(folder / TABLE, newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    return [(folder / row["file"], _read_scene(row)) for row in rows]


def _read_scene(row: Mapping[str, str]) -> Scene:
    return Scene(row["colour"], row["shape"], row["texture"], int(row["count"]), row["place"])


def captions(scene: Scene, rng: np.random.Generator) -> tuple[str, ...]:
    """Return true captions of a scene: the same thing at different length and in different order, none twice."""
    phrases = [_fill(phrase, scene) for phrase in (_OF_ONE if scene.count == 1 else _OF_MANY)]
    phrases[1] = f"{rng.choice(_OPENINGS)}{phrases[1]}"
    return tuple(dict.fromkeys(phrases))


def describe(scene: Scene, *, with_location: bool = False) -> str:
    """Return one caption with number, texture, colour and shape, and with the place of a single object if asked."""
    if scene.count > 1:
        return _fill("{number} {textured}", scene)
    return _fill("A {textured} {where}" if with_location else "A {textured}", scene)


def _fill(phrase: str, scene: Scene) -> str:
    shape = scene.shape if scene.count == 1 else f"{scene.shape}s"
    values = {
        "thing": f"{scene.colour} {shape}",
        "textured": f"{scene.texture} {scene.colour} {shape}",
        "shape": shape,
        "colour": scene.colour,
        "texture": scene.texture,
        "number": COUNTS[scene.count],
        "where": LOCATIONS[scene.place].phrase if scene.place else "",
    }
    return _with_article(phrase.format(**values))


def _with_article(text: str) -> str:
    """Turn the placeholder "A " into "a " or "an "."""
    return re.sub(r"\bA (?=[aeiou])", "an ", text).replace("A ", "a ")


def _imagine(pair: Pair, rng: np.random.Generator) -> Scene:
    count = int(rng.choice((1, 1, 2, 3, 4)))
    location = str(rng.choice(list(LOCATIONS))) if count == 1 else ""
    return Scene(*pair, texture=str(rng.choice(TEXTURES)), count=count, place=location)


def _spots(scene: Scene, rng: np.random.Generator) -> list[Spot]:
    """Return where the objects lie: near the named place, or one in each of some quarters of the image."""
    shift = rng.uniform(-JITTER, JITTER, size=(scene.count, 2))
    radii = rng.uniform(*(_RADII_OF_ONE if scene.count == 1 else _RADII_OF_MANY), size=scene.count)
    if scene.count == 1:
        centres = [(LOCATIONS[scene.place].x, LOCATIONS[scene.place].y)]
    else:
        centres = [_QUARTERS[i] for i in rng.permutation(len(_QUARTERS))[: scene.count]]
    return [
        Spot(x + float(dx), y + float(dy), float(radius))
        for (x, y), (dx, dy), radius in zip(centres, shift, radii, strict=True)
    ]
