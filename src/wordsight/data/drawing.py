"""The pencil for drawn scenes: eight shapes, eight colours, four textures on a soft backdrop, with smooth edges.

image = paint("star", "red", "striped", spots=[Spot(0.5, 0.5, 0.2)], rng=np.random.default_rng(0))

Everything random comes from the generator that is handed in, so equal generators draw equal images.
Knows nothing of captions.
"""

import colorsys
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from wordsight.base.arrays import Pixels
from wordsight.base.errors import UsageError

SIDE = 96  # pixels; objects stay clear at the 64 that small towers look at
FINER = 3  # masks are drawn this many times larger and then averaged
LIGHT = 0.75  # how far the second tone of a texture lies from the colour, towards white
EDGE = 0.45  # the outline's tone: this share of the colour
SHOWN = 0.5  # a pixel shows an object that covers at least so much of it
INNER = 0.86  # what lies within the outline, as a share of the radius

# hue in degrees, saturation, value; neighbours lie far enough apart that the jitter below cannot swap them
COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0, 0.88, 0.82),
    "orange": (27, 0.95, 0.95),
    "yellow": (54, 0.90, 0.96),
    "green": (125, 0.80, 0.62),
    "cyan": (183, 0.80, 0.86),
    "blue": (222, 0.88, 0.85),
    "purple": (273, 0.75, 0.62),
    "pink": (325, 0.48, 0.98),
}
TEXTURES = ("plain", "striped", "dotted", "checked")

Points = Sequence[tuple[float, float]]
Floats = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Spot:
    """Where one object lies: its centre and radius, as shares of the image's side."""

    x: float
    y: float
    radius: float


@dataclass(frozen=True, slots=True)
class Figure:
    """One object to draw: what it is and where it lies."""

    shape: str
    colour: str
    texture: str
    spot: Spot


@dataclass(frozen=True, slots=True, eq=False)
class Painting:
    """An image, uint8 (SIDE, SIDE, 3), and which object each pixel shows, uint8 (SIDE, SIDE).

    0 is the backdrop, i + 1 the object number i.
    """

    image: Pixels
    labels: NDArray[np.uint8]


def paint(shape: str, colour: str, texture: str, *, spots: Sequence[Spot], rng: np.random.Generator) -> Pixels:
    """Draw one object of the kind at each spot; return uint8 (SIDE, SIDE, 3)."""
    return paint_figures([Figure(shape, colour, texture, spot) for spot in spots], rng=rng)


def paint_figures(figures: Sequence[Figure], *, rng: np.random.Generator) -> Pixels:
    """Draw objects that may differ, later ones over earlier ones; return uint8 (SIDE, SIDE, 3)."""
    return paint_located(figures, rng=rng).image


def paint_located(figures: Sequence[Figure], *, rng: np.random.Generator) -> Painting:
    """Draw objects as `paint_figures` does, and say of every pixel which one it shows."""
    image = _backdrop(rng)  # (S, S, 3) float in 0..255
    labels = np.zeros((SIDE, SIDE), np.uint8)
    for number, figure in enumerate(figures, start=1):
        window = _window(figure.spot)
        turn = float(rng.uniform(-0.2, 0.2))
        ink = _ink(figure.colour, rng)
        inside = np.s_[window.top : window.top + window.side, window.left : window.left + window.side]
        part = image[inside]
        for skin, reach in ((ink * EDGE, 1.0), (_skin(ink, figure.texture, window=window, rng=rng), INNER)):
            mask = _mask(figure.shape, window, turn=turn, reach=reach)  # (W, W, 1)
            part[:] = part * (1 - mask) + skin * mask
            labels[inside][mask[..., 0] >= SHOWN] = number
    return Painting((image + 0.5).astype(np.uint8), labels)


@dataclass(frozen=True, slots=True)
class Window:
    """The square of pixels around one object; centre and radius in pixels, counted from its corner."""

    left: int
    top: int
    side: int
    x: float
    y: float
    radius: float


def _window(spot: Spot) -> Window:
    """Return the window of a spot, moved back into the image where it would stick out."""
    radius = spot.radius * SIDE
    side = min(SIDE, math.ceil(2.3 * radius) + 2)
    left, top = (min(max(round(at * SIDE - side / 2), 0), SIDE - side) for at in (spot.x, spot.y))
    return Window(left, top, side, spot.x * SIDE - left, spot.y * SIDE - top, radius)


def _backdrop(rng: np.random.Generator) -> Floats:
    """Return a soft gradient between two nearly grey tones, (S, S, 3)."""
    base = rng.uniform(0.12, 0.97)
    ends = [colorsys.hsv_to_rgb(rng.uniform(), rng.uniform(0, 0.10), _shade(base, rng)) for _ in range(2)]
    first, last = 255 * np.array(ends, dtype=np.float32)
    angle = rng.uniform(0, 2 * math.pi)
    side = np.linspace(-0.5, 0.5, SIDE, dtype=np.float32)
    along = np.clip(side * np.float32(math.cos(angle)) + side[:, None] * np.float32(math.sin(angle)) + 0.5, 0, 1)
    return np.asarray(first + along[..., None] * (last - first))


def _shade(base: float, rng: np.random.Generator) -> float:
    return float(np.clip(base + rng.uniform(-0.12, 0.12), 0.05, 1.0))


def _ink(colour: str, rng: np.random.Generator) -> Floats:
    """Return a jittered (R, G, B) of the named colour."""
    hue, saturation, value = COLOURS[colour]
    shifted = ((hue + rng.uniform(-5, 5)) % 360) / 360
    strong = min(1.0, saturation * rng.uniform(0.92, 1.06))
    red_green_blue = colorsys.hsv_to_rgb(shifted, strong, min(1.0, value * rng.uniform(0.9, 1.05)))
    return 255 * np.array(red_green_blue, dtype=np.float32)


def _skin(ink: Floats, texture: str, *, window: Window, rng: np.random.Generator) -> Floats:
    """Return the ink, with a lighter tone of it where patterned: (3,) or (W, W, 3)."""
    if texture == "plain":
        return ink
    if texture not in PATTERNS:
        raise UsageError(f"no texture {texture!r}", cure=f"known: {', '.join(TEXTURES)}")
    light = ink + (255 - ink) * LIGHT
    period = max(8.0, 0.8 * window.radius) * rng.uniform(0.9, 1.1)  # pixels: a small object has its pattern too
    turn = rng.uniform(-0.35, 0.35) + (rng.choice((0.0, math.pi / 2, math.pi / 4)) if texture == "striped" else 0.0)
    rows, columns = np.mgrid[0 : window.side, 0 : window.side]
    rows, columns = rows - window.y, columns - window.x
    u = (columns * math.cos(turn) + rows * math.sin(turn)) / period
    v = (rows * math.cos(turn) - columns * math.sin(turn)) / period
    share = PATTERNS[texture](u, v, period)[..., None]  # (W, W, 1), 1 where light
    return np.asarray(ink * (1 - share) + light * share)


def _stripes(u: Floats, v: Floats, period: float) -> Floats:
    del v
    return _step((np.abs((u % 1.0) - 0.5) - 0.25) * period)


def _dots(u: Floats, v: Floats, period: float) -> Floats:
    away = np.hypot((u % 1.0) - 0.5, (v % 1.0) - 0.5)
    return _step((0.30 - away) * period)


def _checks(u: Floats, v: Floats, period: float) -> Floats:
    wave = np.sin(2 * math.pi * u) * np.sin(2 * math.pi * v)
    return _step(wave * period / (2 * math.pi))


def _step(distance: Floats) -> Floats:
    """Return 0 where the distance (pixels) is well below zero, 1 where well above, smooth over one pixel."""
    stepped: Floats = np.clip(distance + 0.5, 0, 1)
    return stepped


PATTERNS: dict[str, Callable[[Floats, Floats, float], Floats]] = {
    "striped": _stripes,
    "dotted": _dots,
    "checked": _checks,
}


def _mask(shape: str, window: Window, *, turn: float, reach: float) -> Floats:
    """Return how much of each pixel of the window the object at `reach` of its size covers, (W, W, 1) in 0..1."""
    if shape not in SHAPES:
        raise UsageError(f"no shape {shape!r}", cure=f"known: {', '.join(SHAPES)}")
    canvas = Image.new("L", (window.side * FINER, window.side * FINER))
    pencil = ImageDraw.Draw(canvas)
    for points, covered in SHAPES[shape]:
        size = window.radius * (reach if covered else 2 - reach)  # a hole grows as the object shrinks
        pencil.polygon(_placed(points, window, turn=turn, size=size), fill=255 if covered else 0)
    return np.asarray(canvas.reduce(FINER), dtype=np.float32)[..., None] / 255


def _placed(points: Points, window: Window, *, turn: float, size: float) -> list[tuple[float, float]]:
    """Turn, enlarge and move points of the unit circle onto the fine canvas of a window."""
    cos, sin = math.cos(turn), math.sin(turn)
    return [
        ((window.x + size * (x * cos - y * sin)) * FINER, (window.y + size * (x * sin + y * cos)) * FINER)
        for x, y in points
    ]


def _polar(count: int, radii: Sequence[float] = (1.0,), first: float = -90.0) -> list[tuple[float, float]]:
    """Return `count` points around the centre, their radii taken in turn, the first at `first` degrees (-90 is up)."""
    angles = [math.radians(first + 360 * i / count) for i in range(count)]
    return [(radii[i % len(radii)] * math.cos(a), radii[i % len(radii)] * math.sin(a)) for i, a in enumerate(angles)]


def _arrow() -> list[tuple[float, float]]:
    """Upwards, with a broad head."""
    right = [(0.95, 0.05), (0.42, 0.05), (0.42, 1.0)]
    return [(0.0, -1.0), *right, *((-x, y) for x, y in reversed(right))]


def _heart() -> list[tuple[float, float]]:
    """The usual curve 16 sin^3 t, 13 cos t - 5 cos 2t - 2 cos 3t - cos 4t, brought into the unit circle."""
    points = []
    for t in np.linspace(0, 2 * math.pi, 60, endpoint=False):
        up = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
        points.append((16 * math.sin(t) ** 3 / 17, -(up + 2.5) / 17))
    return points


def _moon() -> list[tuple[float, float]]:
    outer = [(math.cos(a), math.sin(a)) for a in np.linspace(math.radians(40), math.radians(320), 40)]
    inner = [
        (0.35 + 0.77 * math.cos(a), 0.77 * math.sin(a)) for a in np.linspace(math.radians(303), math.radians(57), 40)
    ]
    return outer + inner


# name -> the polygons that make it: points about within the unit circle, and whether they cover or cut out
SHAPES: dict[str, list[tuple[Points, bool]]] = {
    "circle": [(_polar(72, (0.9,)), True)],
    "square": [(_polar(4, (1.1,), first=45), True)],
    "triangle": [(_polar(3, (1.1,)), True)],
    "star": [(_polar(10, (1.1, 0.46)), True)],
    "arrow": [(_arrow(), True)],
    "heart": [(_heart(), True)],
    "ring": [(_polar(72), True), (_polar(72, (0.44,)), False)],
    "moon": [(_moon(), True)],
}
