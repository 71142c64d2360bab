"""Coloured squares with captions: the fake engine sees their colours, so what fits is known."""

import io

import numpy as np
from PIL import Image

COLOURS = {"red": (220, 30, 30), "green": (40, 150, 50), "blue": (40, 70, 210), "yellow": (240, 225, 40)}


def square(colour, number=0, *, size=(64, 48), kind="PNG"):
    """Return an image of a colour with a little of its own texture."""
    pixels = np.full((size[1], size[0], 3), COLOURS[colour], np.int16)
    pixels += (
        np.random.default_rng(number)
        .integers(-9, 10, (-(-size[1] // 8), -(-size[0] // 8), 1))
        .repeat(8, 0)
        .repeat(8, 1)[: size[1], : size[0]]
    )
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, kind)
    return buffer.getvalue()


def write(folder, name, content, *captions):
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    (folder / name).with_suffix(".txt").write_text("\n".join(captions))
