r"""Images as text that terminals show as pictures, in the three ways that are in use.

    sys.stdout.write(PROTOCOLS["sixel"](image, rows=8))

Each function returns characters that are all ASCII and leave the cursor behind the image.  Which way a terminal
understands is not known here.  Sources: the Kitty graphics protocol (sw.kovidgoyal.net/kitty/graphics-protocol),
iTerm2's inline images (iterm2.com/documentation-images.html), DEC's sixels (VT330/340 programmer manual, chapter 14).
"""

import base64
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

CHUNK = 4096  # characters of base64 in one part, by Kitty's protocol
COLOURS = 256  # of a sixel palette, as many as terminals of today have
BAND = 6  # pixels that one row of sixels is high


def kitty(image: "Image", *, rows: int) -> str:
    """Return an image for Kitty's protocol, `rows` lines of text high: PNG in parts, answers of the terminal off."""
    data = _packed(image, "PNG")
    parts = [data[start : start + CHUNK] for start in range(0, len(data), CHUNK)]
    shown = [
        f"\x1b_G{'m' if at else f'a=T,f=100,q=2,r={rows},m'}={int(part is not parts[-1])};{part}\x1b\\"
        for at, part in enumerate(parts)
    ]
    return "".join(shown)


def iterm(image: "Image", *, rows: int) -> str:
    """Return an image for iTerm2's protocol, `rows` lines of text high."""
    data = _packed(image, "PNG")
    return f"\x1b]1337;File=inline=1;height={rows};preserveAspectRatio=1:{data}\a"


def sixel(image: "Image", *, rows: int) -> str:
    """Return an image as sixels, in its own pixels (sixels know no lines of text: `rows` changes nothing)."""
    reduced = image.convert("RGB").quantize(COLOURS)
    pixels = np.asarray(reduced, np.uint8)  # (H, W)
    height, width = pixels.shape
    palette = np.array(reduced.getpalette(), np.int64).reshape(-1, 3)
    used = np.unique(pixels).tolist()
    percents = (palette[used] * 100 + 127) // 255
    colours = "".join(f"#{n};2;{r};{g};{b}" for n, (r, g, b) in zip(used, percents.tolist(), strict=True))
    bands = "-".join(_band(pixels[top : top + BAND]) for top in range(0, height, BAND))
    return f'\x1bP0;1q"1;1;{width};{height}{colours}{bands}\x1b\\'


def _band(pixels: NDArray[np.uint8]) -> str:
    """Return one row of sixels: for each colour in it the pixels that have it, over each other."""
    bits = 1 << np.arange(len(pixels))[:, None]  # (h, 1): the top pixel is the lowest bit
    lines = []
    for colour in np.unique(pixels).tolist():
        sixels = ((pixels == colour) * bits).sum(0)  # (W,), 0 to 63
        lines.append(f"#{colour}{''.join(_runs(sixels))}")
    return "$".join(lines)


def _runs(sixels: NDArray[np.int64]) -> Iterator[str]:
    """Yield the sixels with runs of the same shortened."""
    starts = np.flatnonzero(np.diff(sixels, prepend=-1))
    lengths = np.diff(starts, append=len(sixels))
    for value, length in zip(sixels[starts].tolist(), lengths.tolist(), strict=True):
        character = chr(63 + value)
        yield f"!{length}{character}" if length > 3 else character * length


def _packed(image: "Image", kind: str) -> str:
    packed = BytesIO()
    image.save(packed, kind)
    return base64.b64encode(packed.getvalue()).decode("ascii")


PROTOCOLS: Mapping[str, Callable[..., str]] = {"kitty": kitty, "iterm": iterm, "sixel": sixel}
