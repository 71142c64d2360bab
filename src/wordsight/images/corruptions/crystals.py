"""Ice crystals as on a frosted window, drawn from a seed: feathers of stems and barbs over a haze of clouds.

What they are like is taken from looking at photographs of frosted windows: bluish grey to white, mean brightness
0.35 to 0.8, a spread of 0.08 to 0.17, feathers of a tenth to a half of the side.  They are no model of how ice grows.
"""

import math

import numpy as np

from wordsight.images.corruptions.filters import Planes, clouds_over, unit

_FEATHERS = 110  # on 224 x 224: they cover most of it
_LENGTHS = (22.0, 95.0)  # of a stem, in pixels at 224
_BARB_GAP = 2.6  # along the stem, in pixels at 224
_BARB_SHARE = 0.34  # of the stem's length, the longest barbs
_BARB_ANGLE = (math.radians(28), math.radians(62))
_MEANS = (0.4, 0.8)  # brightness of a window
_SPREADS = (0.08, 0.16)  # standard deviation of its brightness
_TINT = np.array((-0.05, 0.0, 0.045), np.float32)  # blue, fully at brightness 0.5, none at white
_FINE = 2  # drawn at twice the size, so that lines have soft edges


def crystals_over(image: Planes, generator: np.random.Generator) -> Planes:
    """Return frost of an image's shape, float32 (H, W, 3) in 0..1."""
    mean, spread = generator.uniform(*_MEANS), generator.uniform(*_SPREADS)
    spread = min(spread, (1 - mean) / 2)
    haze = clouds_over(image, 1.7, generator)
    ice = _feathers(image, generator)
    grey = 0.6 * _standard(ice) + 0.8 * _standard(haze)
    level = np.clip(mean + spread * _standard(grey), 0, 1)
    blueness = (2 - 2 * np.maximum(level, 0.5))[..., None]
    crystals: Planes = np.clip(level[..., None] + _TINT * blueness, 0, 1).astype(np.float32)
    return crystals


def _standard(plane: Planes) -> Planes:
    standard: Planes = (plane - plane.mean()) / max(float(plane.std()), 1e-6)
    return standard


def _feathers(image: Planes, generator: np.random.Generator) -> Planes:
    """Return feathers of ice (H, W), 0 to 255, later ones over earlier ones."""
    from PIL import Image, ImageDraw

    height, width = image.shape[:2]
    pixel = unit(image) * _FINE
    canvas = Image.new("L", (width * _FINE, height * _FINE), 90)
    draw = ImageDraw.Draw(canvas)
    count = round(_FEATHERS * height * width / min(height, width) ** 2)
    for _ in range(count):
        root = generator.uniform((0, 0), (width * _FINE, height * _FINE))
        for start, stop, shade in _feather(root, pixel, generator):
            draw.line((*start, *stop), fill=shade, width=max(1, round(pixel / 2)))
    small = canvas.resize((width, height), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float32)


def _feather(
    root: np.ndarray[tuple[int], np.dtype[np.float64]], pixel: float, generator: np.random.Generator
) -> list[tuple[tuple[float, float], tuple[float, float], int]]:
    """Return the lines of one feather: start, stop, shade.  Barbs shorten to its tip; one side lies in the light."""
    length = math.exp(generator.uniform(*np.log(_LENGTHS))) * pixel
    direction, bend = generator.uniform(0, 2 * math.pi), generator.uniform(-0.4, 0.4)
    angle = generator.uniform(*_BARB_ANGLE)
    light = int(generator.integers(150, 256))
    count = max(3, int(length / (_BARB_GAP * pixel)))
    jitter = generator.uniform(0.6, 1.1, (count, 2))
    x, y = float(root[0]), float(root[1])
    lines = []
    for index in range(count):
        heading = direction + bend * index / count
        nx, ny = x + math.cos(heading) * length / count, y + math.sin(heading) * length / count
        for side, shade in ((0, light), (1, light // 2)):
            barb = _BARB_SHARE * length * (1 - index / count) * jitter[index, side]
            turn = heading + (angle if side else -angle)
            lines.append(((x, y), (x + math.cos(turn) * barb, y + math.sin(turn) * barb), shade))
        lines.append(((x, y), (nx, ny), min(255, light + 30)))
        x, y = nx, ny
    return lines
