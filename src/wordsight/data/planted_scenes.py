"""Drawn training scenes with a known fault, and scenes of the same numbers without it: known answers for audits.

    scenes = planned_scenes(3200, fault=Shortcut("colour", "red", "shape", "heart"), seed=0)   # red things are hearts
    scenes = planned_scenes(3200, fault=Absence("shape", "heart"), seed=0)                     # nothing is a heart
    write_scenes(folder, draw_all(scenes, seed=0))

Those captions are true.  A fault of captions alone is stronger, since images do not speak against it:

    shown = planned_scenes(3200, fault=None, seed=0)
    named = called(shown, Shortcut("colour", "red", "shape", "heart"), seed=0)      # red things are called hearts
    also = called(shown, Shortcut(...), seed=0, whom="any")                         # as many others are, of any colour
    write_scenes(folder, draw_all(shown, seed=0, named=named))

Beside the training scenes there are balanced ones to audit with.  Knows no model.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, product
from typing import Any, Literal

import numpy as np

from wordsight.base.errors import UsageError
from wordsight.data.drawing import COLOURS, SHAPES, TEXTURES
from wordsight.data.scenes import COUNTS, LOCATIONS, Drawn, Scene, all_pairs, captions, draw

VALUES: dict[str, tuple[str, ...]] = {  # attribute: what it may be; a location only of a single object
    "colour": tuple(COLOURS),
    "shape": tuple(SHAPES),
    "texture": TEXTURES,
    "count": tuple(COUNTS.values()),
    "location": tuple(LOCATIONS),
}
FAULTY = ("colour", "shape", "texture")  # attributes that a fault may be in


@dataclass(frozen=True, slots=True)
class Shortcut:
    """Of the scenes with `value` of `attribute`, this share has `answer` of the attribute `asked`, too.

    With the values ("colour", "red", "shape", "heart") nearly all red things are hearts; other hearts stay.
    """

    attribute: str
    value: str
    asked: str
    answer: str
    share: float = 0.95


@dataclass(frozen=True, slots=True)
class Absence:
    """No scene has this value of the attribute; the others are as frequent as each other."""

    attribute: str
    value: str


Fault = Shortcut | Absence | None
Whom = Literal["those", "any"]


def value_of(scene: Scene, attribute: str) -> str:
    """Return what a scene is in one of the attributes of `VALUES`; "" for the location of several objects."""
    if attribute == "count":
        return COUNTS[scene.count]
    return str(getattr(scene, "place" if attribute == "location" else attribute))


def changed(scene: Scene, attribute: str, value: str) -> Scene:
    """Return a scene with another value of one attribute: of the count, the location goes or is the middle."""
    if value not in VALUES.get(attribute, ()):
        raise UsageError(f"no {attribute} {value!r}", cure=f"attributes: {', '.join(VALUES)}")
    if attribute == "count":
        count = {word: number for number, word in COUNTS.items()}[value]
        return replace(scene, count=count, place="" if count > 1 else scene.place or "middle")
    if attribute == "location":
        return replace(scene, count=1, place=value)
    known: dict[str, Any] = {attribute: value}
    return replace(scene, **known)


def planned_scenes(count: int, *, fault: Fault, seed: int) -> list[Scene]:
    """Return `count` scenes with a fault, or with none, in a random order: a pure function of the arguments.

    Without a fault every colour occurs with every shape equally often, up to one scene, and so do textures, counts and
    the locations of single objects, which are independent of them.  An unknown value, a share outside 0 to 1, or fewer
    than 64 scenes raise `UsageError`.
    """
    _check(count, fault)
    rng = np.random.default_rng([seed, 1])
    pairs = [pair for pair in all_pairs() if not (isinstance(fault, Absence) and fault.value in pair)]
    kept = [one for one in TEXTURES if not (isinstance(fault, Absence) and fault.value == one)]
    textures = [kept[i % len(kept)] for i in rng.permutation(count)]
    numbers = [(1, 1, 2, 3, 4)[i % 5] for i in rng.permutation(count)]  # as `scenes` has them
    locations = cycle(LOCATIONS)
    planned = [
        Scene(*pairs[i % len(pairs)], texture, number, next(locations) if number == 1 else "")
        for i, (texture, number) in enumerate(zip(textures, numbers, strict=True))
    ]
    if isinstance(fault, Shortcut):
        planned = _with_shortcut(planned, fault, rng)
    return [planned[i] for i in rng.permutation(count)]


def called(shown: Sequence[Scene], fault: Shortcut, *, seed: int, whom: Whom = "those") -> list[Scene]:
    """Return what captions call scenes: those of a shortcut's value by its answer, whatever they are, in its share.

    With `whom` "any" as many scenes of any kind are called so instead: as many captions are wrong, and nothing goes
    together.
    """
    _check(len(shown), fault)
    wrong = _with_shortcut(shown, fault, np.random.default_rng([seed, 3]))
    if whom == "those":
        return wrong
    others = [i for i, scene in enumerate(shown) if value_of(scene, fault.asked) != fault.answer]
    count = sum(one != other for one, other in zip(shown, wrong, strict=True))
    new = list(shown)
    for i in np.random.default_rng([seed, 4]).permutation(others)[:count]:
        new[i] = changed(shown[i], fault.asked, fault.answer)
    return new


def unlinked(planned: Sequence[Scene], *, seed: int) -> list[Scene]:
    """Return scenes with the same numbers of every value, colours, shapes and textures exchanged at random.

    What went together goes together no more; counts and locations stay where they are.
    """
    rng = np.random.default_rng([seed, 2])
    orders = {attribute: rng.permutation(len(planned)) for attribute in FAULTY}
    return [
        replace(scene, **{attribute: getattr(planned[order[i]], attribute) for attribute, order in orders.items()})
        for i, scene in enumerate(planned)
    ]


def _with_shortcut(planned: Sequence[Scene], fault: Shortcut, rng: np.random.Generator) -> list[Scene]:
    """Give scenes of the value the answer until the share is reached."""
    own = [i for i, scene in enumerate(planned) if value_of(scene, fault.attribute) == fault.value]
    others = [i for i in own if value_of(planned[i], fault.asked) != fault.answer]
    steps = max(0, round(fault.share * len(own)) - (len(own) - len(others)))
    new = list(planned)
    for i in rng.permutation(others)[:steps]:
        new[i] = changed(planned[i], fault.asked, fault.answer)
    return new


def _check(count: int, fault: Fault) -> None:
    if count < len(all_pairs()):
        raise UsageError(f"{count} scenes", cure=f"give {len(all_pairs())} at least: one of each colour and shape")
    if isinstance(fault, Shortcut):
        if not 0 <= fault.share <= 1:
            raise UsageError(f"a share of {fault.share}", cure="give 0 to 1")
        named = [(fault.attribute, fault.value), (fault.asked, fault.answer)]
    else:
        named = [(fault.attribute, fault.value)] if fault else []
    for attribute, value in named:
        if attribute not in FAULTY:
            raise UsageError(f"no fault can be in {attribute!r}", cure=f"use one of {', '.join(FAULTY)}")
        if value not in VALUES[attribute]:
            raise UsageError(f"no {attribute} {value!r}", cure=f"known: {', '.join(VALUES[attribute])}")
    if isinstance(fault, Shortcut) and fault.attribute == fault.asked:
        raise UsageError(f"a shortcut from {fault.asked} to itself", cure="name two attributes")


def draw_all(planned: Sequence[Scene], *, seed: int, named: Sequence[Scene] | None = None) -> Iterator[Drawn]:
    """Draw scenes, with the captions (and the scene) of `named` where it is given; number i depends on (seed, i) only.

    Two lists that differ in one attribute are thus the same scenes with that changed: ground, positions and sizes
    stay (but of another number of objects).
    """
    for i, (scene, other) in enumerate(zip(planned, named or planned, strict=True)):
        drawn = draw(scene, np.random.default_rng([seed, i]))
        if other != scene:
            drawn = Drawn(other, drawn.image, captions(other, np.random.default_rng([seed, i, 1])))
        yield drawn


def balanced_scenes(locations: Sequence[str] = tuple(LOCATIONS)) -> list[Scene]:
    """Return single objects of every colour, shape, texture and given location, once each: 256 for each location.

    In them no attribute tells anything of another.
    """
    return [
        Scene(colour, shape, texture, 1, location)
        for location, colour, shape, texture in product(locations, COLOURS, SHAPES, TEXTURES)
    ]


def balanced_groups() -> list[Scene]:
    """Return several objects of every colour, shape and texture, with two, three and four in turn: 256 scenes.

    Each number is with each colour, shape and texture nearly equally often.
    """
    return [
        Scene(colour, shape, texture, 2 + (i + j + k) % 3, "")
        for (i, colour), (j, shape), (k, texture) in product(enumerate(COLOURS), enumerate(SHAPES), enumerate(TEXTURES))
    ]
