"""What terminals are sent, taken apart again byte by byte: the picture that arrives is the one that was given."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from wordsight.report.inline_images import CHUNK, PROTOCOLS, iterm, kitty, sixel


def noise(width, height):
    pixels = np.random.default_rng(7).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels)


def same(data, image):
    assert (np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) == np.asarray(image)).all()


@pytest.mark.parametrize("size", [(1, 1), (30, 40), (200, 150)])
def test_kitty_in_parts(size):
    image = noise(*size)
    shown = kitty(image, rows=8)
    parts = re.findall("\x1b_G([^;]*);([A-Za-z0-9+/=]*)\x1b\\\\", shown)
    assert "".join(f"\x1b_G{control};{data}\x1b\\" for control, data in parts) == shown
    assert parts[0][0].startswith("a=T,f=100,q=2,r=8,m=")
    assert [control[-3:] for control, _ in parts] == [*["m=1"] * (len(parts) - 1), "m=0"]
    assert all(control.startswith("m=") for control, _ in parts[1:])
    assert all(len(data) == CHUNK and len(data) % 4 == 0 for _, data in parts[:-1]) and len(parts[-1][1]) <= CHUNK
    same(base64.b64decode("".join(data for _, data in parts)), image)


def test_iterm():
    image = noise(33, 21)
    match = re.fullmatch(
        "\x1b]1337;File=inline=1;height=8;preserveAspectRatio=1:([A-Za-z0-9+/=]+)\a", iterm(image, rows=8)
    )
    same(base64.b64decode(match[1]), image)


def decoded(shown):
    """Return the pixels of sixels, by DEC's manual; -1 where none was set."""
    match = re.fullmatch('\x1bP0;1q"1;1;(\\d+);(\\d+)((?:#\\d+;2;\\d+;\\d+;\\d+)*)(.*)\x1b\\\\', shown)
    width, height = int(match[1]), int(match[2])
    palette = {int(n): tuple(map(int, rgb.split(";"))) for n, rgb in re.findall(r"#(\d+);2;(\d+;\d+;\d+)", match[3])}
    pixels = np.full((-(-height // 6) * 6, width, 3), -1)
    at, top, colour = 0, 0, None
    for number, count, character, sign in re.findall(r"#(\d+)|(?:!(\d+))?([?-~])|([$-])", match[4]):
        if sign:
            at, top = 0, top + (6 if sign == "-" else 0)
        elif number:
            colour = palette[int(number)]
        else:
            for _ in range(int(count or 1)):
                for bit in range(6):
                    if (ord(character) - 63) >> bit & 1:
                        assert (pixels[top + bit, at] == -1).all()
                        pixels[top + bit, at] = colour
                at += 1
            assert at <= width
    assert (pixels[height:] == -1).all()
    return pixels[:height]


@pytest.mark.parametrize("size", [(1, 1), (5, 6), (40, 13), (64, 48)])
def test_sixels_give_every_pixel_once_in_its_colour(size):
    image = noise(*size).quantize(64).convert("RGB")
    pixels = decoded(sixel(image, rows=8))
    assert pixels.shape == (size[1], size[0], 3)
    assert np.abs(pixels - np.asarray(image, float) * 100 / 255).max() <= 3  # percents, and Pillow's palette


def test_one_colour_is_short():
    assert sixel(Image.new("RGB", (100, 6), (255, 0, 0)), rows=8) == '\x1bP0;1q"1;1;100;6#0;2;100;0;0#0!100~\x1b\\'


@pytest.mark.parametrize("name", PROTOCOLS)
def test_all_of_it_is_ascii(name):
    assert PROTOCOLS[name](noise(50, 30), rows=8).isascii()
