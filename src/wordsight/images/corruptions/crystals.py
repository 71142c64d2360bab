"""Ice crystals as on a frosted window, drawn from a seed: feathers of stems and barbs over a haze of clouds.

What they are like is taken from looking at photographs of frosted windows: bluish grey to white, mean brightness
0.35 to 0.8, a spread of 0.08 to 0.17, feathers of a tenth to a third of the side.  They are no model of how ice grows.
"""

import math

import numpy as np

from wordsight.images.corruptions.filters import Planes, clouds_over, unit

_FEATHERS = 240  # on 224 x 224: they cover most of it
_LENGTHS = (16.0, 90.0)  # of a stem, in pixels at 224
_BARB_GAP = 2.8  # along the stem, in pixels at 224
_BARB_SHARE = 0.36  # of the stem's length, the longest barbs
_BARB_ANGLE = (math.radians(20), math.radians(45))
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
    grey = 0.9 * _standard(ice) + 0.7 * _standard(haze)
    level = np.clip(mean + spread * _standard(grey), 0, 1)
    tint = _TINT * (2 - 2 * np.maximum(level, 0.5))[..., None]
    frost: Planes = np.clip(level[..., None] + tint, 0, 1).astype(np.float32)
    return frost


def _standard(plane: Planes) -> Planes:
    """Return a plane with mean 0 and standard deviation 1."""
    scaled: Planes = (plane - plane.mean()) / max(float(plane.std()), 1e-6)
    return scaled


def _feathers(image: Planes, generator: np.random.Generator) -> Planes:
    """Return feathers of ice (H, W), 0 to 255, later ones over earlier ones."""
    from PIL import Image, ImageDraw

    height, width = image.shape[:2]
    pixel = unit(image) * _FINE
    canvas = Image.new("L", (width * _FINE, height * _FINE), 90)
    draw = ImageDraw.Draw(canvas)
    count = round(_FEATHERS * height * width / min(height, width) ** 2)
    for _ in range(count):
        x, y = generator.uniform((0, 0), (width * _FINE, height * _FINE))
        for side, shade in _feather(float(x), float(y), pixel, generator):
            draw.line(side, fill=shade, width=max(1, round(pixel / 2)))
    small = canvas.resize((width, height), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float32)


def _feather(x: float, y: float, pixel: float, generator: np.random.Generator) -> list[tuple[list[float], int]]:
    """Return the strokes of one feather from its root: points x, y, x, y, … and a shade from 0 to 255.

    Barbs are longest at a third of the stem, bend forward and have two parts; one side lies in the light.
    """
    length = math.exp(generator.uniform(*np.log(_LENGTHS))) * pixel
    direction, bend = generator.uniform(0, 2 * math.pi), generator.uniform(-0.9, 0.9)
    angle = generator.uniform(*_BARB_ANGLE)
    light = int(generator.integers(130, 240))
    count = max(3, int(length / (_BARB_GAP * pixel)))
    lengths = _BARB_SHARE * length * generator.uniform(0.35, 1.15, (count, 2))
    stem, strokes = [x, y], []
    for index in range(count):
        along = index / count
        heading = direction + bend * along
        for side, shade in ((1, light), (-1, light // 2)):
            barb = lengths[index, side] * min(1.0, 3 * along + 0.3) * (1 - along) * 1.5
            first, second = heading + side * angle * 1.3, heading + side * angle * 0.7
            bent_x, bent_y = x + math.cos(first) * barb / 2, y + math.sin(first) * barb / 2
            tip = [bent_x + math.cos(second) * barb / 2, bent_y + math.sin(second) * barb / 2]
            strokes.append(([x, y, bent_x, bent_y, *tip], shade))
        x, y = x + math.cos(heading) * length / count, y + math.sin(heading) * length / count
        stem += [x, y]
    return [*strokes, (stem, min(255, light + 20))]
