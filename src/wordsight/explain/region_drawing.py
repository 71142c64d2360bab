"""Label maps as something that is looked at: the picture under the colours of its classes, boxes and names.

    drawn(image, labels, [("dog", 0, (10.0, 20.0, 80.0, 60.0))])      # uint8 (H, W, 3)
    colour_of(0)                                                      # (31, 119, 180)

Shapes: H and W sides of the picture.
"""

import colorsys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Pixels
from wordsight.images.resize import Box

GOLDEN = 0.61803398875  # of a turn: hues that follow each other lie far apart, however many there are
SHARE = 0.6  # of the colour over the picture
LETTER = 14  # pixels of a name in a picture of `SIDE` pixels
SIDE = 480

NamedBox = tuple[str, int, Box]  # name, number of the class, x y width height


def colour_of(number: int) -> tuple[int, int, int]:
    """Return the colour of a class: distinct hues, in turns lighter and darker."""
    hue = (0.58 + number * GOLDEN) % 1
    red, green, blue = colorsys.hls_to_rgb(hue, (0.5, 0.4, 0.62)[number % 3], 0.75)
    return round(255 * red), round(255 * green), round(255 * blue)


def coloured(image: Pixels, labels: NDArray[np.integer]) -> Pixels:
    """Return the picture, in grey, under the colours of its classes; where there is none (-1) it stays as it is."""
    count = int(labels.max()) + 1
    table = np.array([*(colour_of(number) for number in range(count)), (0, 0, 0)], np.float32)
    grey = image.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    mixed = (1 - SHARE) * grey[:, :, None] + SHARE * table[labels]
    shown = np.where((labels >= 0)[:, :, None], mixed, image)
    return np.clip(np.rint(shown), 0, 255).astype(np.uint8)


def drawn(image: Pixels, labels: NDArray[np.integer], named: Sequence[NamedBox]) -> Pixels:
    """Return the picture (H, W, 3) under its label map (H, W), with boxes and their names."""
    from PIL import Image, ImageDraw, ImageFont

    canvas = Image.fromarray(coloured(image, labels))
    pen, shorter = ImageDraw.Draw(canvas), min(image.shape[:2])
    font = ImageFont.load_default(max(9, round(LETTER * shorter / SIDE)))
    line = max(1, round(2 * shorter / SIDE))
    for name, number, (x, y, width, height) in named:
        colour = colour_of(number)
        pen.rectangle((x, y, max(x, x + width - 1), max(y, y + height - 1)), outline=colour, width=line)
        left, top, right, bottom = pen.textbbox((x + 2 * line, y + line), name, font=font)
        pen.rectangle((left - line, top - line, right + line, bottom + line), fill=colour)
        pen.text((x + 2 * line, y + line), name, font=font, fill="black" if sum(colour) > 380 else "white")
    return np.asarray(canvas)
