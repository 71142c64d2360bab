"""Masks as others write them: COCO's run lengths, plain or as a string, and boxes.

    mask = read_rle({"size": [480, 640], "counts": "eY4..."})      # bool (H, W)
    rle = rle_of(mask)                                             # the same, as COCO and SAM write it
    box_of(mask), box_mask(box, mask.shape), as_xyxy((x, y, w, h))

Runs go down the columns, zeros first (COCO API, maskApi.c).  What comes from files is checked: every fault is one
`FormatError`.  Boxes are in pixels, x to the right and y down from the upper left corner of the picture.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.base.errors import FormatError, UsageError
from wordsight.images.decode import DEFAULT_MAX_PIXELS
from wordsight.images.resize import Box

BoolMask = NDArray[np.bool_]  # (H, W), true inside
LONGEST_RUN = 7  # letters of one count: 35 bits, more than any picture that is read has pixels
_FIRST, _LAST = 48, 111  # the letters 0 to o: six bits each
_MORE, _SIGN = 0x20, 0x10  # another letter follows; the last letter's sign


def read_rle(rle: Any) -> BoolMask:
    """Return the mask (H, W) of `{"size": [H, W], "counts": ...}`: counts are a list, or COCO's string or bytes."""
    if not isinstance(rle, dict) or "size" not in rle or "counts" not in rle:
        raise FormatError(f"a mask without size and counts: {short(rle)}", cure="it is {'size': …, 'counts': …}")
    height, width = checked_size(rle["size"])
    counts = rle["counts"]
    if isinstance(counts, str | bytes):
        counts = _from_letters(counts, most=height * width)
    elif not isinstance(counts, list) or not all(isinstance(one, int) and not isinstance(one, bool) for one in counts):
        raise FormatError(f"counts of a mask that are {short(counts)}", cure="they are a list of whole numbers")
    least, total = min(counts, default=0), sum(counts)
    if least < 0 or total != height * width or len(counts) > 2 * total + 1:
        cure = f"they are at least 0, sum to {height} x {width} = {height * width} and are at most twice as many"
        raise FormatError(
            f"{len(counts)} counts of a mask from {short(least)} on with the sum {short(total)}", cure=cure
        )
    values = np.arange(len(counts)) % 2 == 1  # zeros come first
    return np.repeat(values, np.array(counts, dtype=np.int64)).reshape(width, height).T


def rle_of(mask: BoolMask, *, packed: bool = True) -> dict[str, Any]:
    """Return a mask (H, W) as run lengths: counts a string, or a list where not `packed`."""
    _check_mask(mask)
    flat = mask.T.ravel()  # down the columns
    changes = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff(np.concatenate([[0], changes, [flat.size]])).tolist()
    if flat[0]:
        counts.insert(0, 0)
    return {"size": list(mask.shape), "counts": _letters(counts) if packed else counts}


def checked_size(size: Any) -> tuple[int, int]:
    """Return (H, W) if `size` is a list of two that a picture can have, else raise `FormatError`."""
    whole = isinstance(size, list | tuple) and len(size) == 2
    whole = whole and all(isinstance(side, int) and not isinstance(side, bool) for side in size)
    if not whole and isinstance(size, list | tuple) and any(isinstance(side, str) for side in size):
        raise FormatError(f"a mask of the size {short(size)}, which are texts", cure="write numbers, without quotes")
    if not whole or min(size) < 1 or size[0] * size[1] > DEFAULT_MAX_PIXELS:
        cure = f"it is [height, width], each at least 1, of {DEFAULT_MAX_PIXELS:,} pixels at most"
        raise FormatError(f"a mask of the size {short(size)}", cure=cure)
    return size[0], size[1]


def box_of(mask: BoolMask) -> Box:
    """Return the smallest box (left, top, right, bottom) around a mask; right and bottom lie behind its last pixels.

    A mask with nothing inside has the box 0, 0, 0, 0, as in COCO.
    """
    _check_mask(mask)
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if len(columns) == 0:
        return 0.0, 0.0, 0.0, 0.0
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def box_mask(box: Box, shape: tuple[int, ...]) -> BoolMask:
    """Return the mask (H, W) of the pixels whose centres lie in a box (left, top, right, bottom)."""
    height, width = shape
    left, top, right, bottom = _numbers(box)
    if left > right or top > bottom:
        cure = "give left, top, right, bottom; as_xyxy makes it of x, y, width, height"
        raise UsageError(f"the box {short(box)}", cure=cure)
    x, y = np.arange(width) + 0.5, np.arange(height) + 0.5
    return ((y >= top) & (y < bottom))[:, None] & ((x >= left) & (x < right))


def as_xyxy(box: Any) -> Box:
    """Return (left, top, right, bottom) of a box (x, y, width, height), which is how COCO and SAM write it."""
    x, y, width, height = _numbers(box)
    if width < 0 or height < 0:
        raise FormatError(f"the box {short(box)}", cure="width and height are at least 0")
    return x, y, x + width, y + height


def as_xywh(box: Box) -> Box:
    """Return (x, y, width, height) of a box (left, top, right, bottom)."""
    left, top, right, bottom = _numbers(box)
    return left, top, right - left, bottom - top


def _numbers(box: Any) -> Box:
    kinds = (int, float, np.integer, np.floating)
    sound = isinstance(box, list | tuple) and len(box) == 4
    if not sound or not all(isinstance(one, kinds) and not isinstance(one, bool) for one in box):
        raise FormatError(f"a box that is {short(box)}", cure="it is four numbers")
    try:
        left, top, right, bottom = (float(one) for one in box)
    except OverflowError:
        raise FormatError(f"a box that is {short(box)}", cure="its numbers are far outside any picture") from None
    if not all(map(math.isfinite, (left, top, right, bottom))):
        raise FormatError(f"a box that is {short(box)}", cure="its numbers are finite")
    return left, top, right, bottom


def _check_mask(mask: BoolMask) -> None:
    if mask.dtype != np.bool_ or mask.ndim != 2 or mask.size == 0:
        raise UsageError(f"a mask of the shape {mask.shape} and type {mask.dtype}", cure="give bool (H, W)")


def _from_letters(text: str | bytes, *, most: int) -> list[int]:
    """Return the counts of COCO's string: five bits a letter, lowest first; from the fourth on less the last but one.

    Every count but the first is at least a pixel where COCO wrote them, so more than twice as many counts as pixels
    are not read.
    """
    letters = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    counts: list[int] = []
    value = shift = 0
    for letter in letters:
        if not _FIRST <= letter <= _LAST or shift == 5 * LONGEST_RUN or len(counts) > 2 * most:
            cure = "it is COCO's compressed form: letters 0 to o"
            raise FormatError(f"counts of a mask that are {short(text)}", cure=cure)
        bits = letter - _FIRST
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & _MORE:
            continue
        if bits & _SIGN:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    if shift:
        raise FormatError(f"counts of a mask that end within a number: {short(text)}", cure="the file is cut short")
    return counts


def _letters(counts: list[int]) -> str:
    letters = bytearray()
    for number, count in enumerate(counts):
        value = count - counts[number - 2] if number > 2 else count
        more = True
        while more:
            bits = value & 0x1F
            value >>= 5  # keeps the sign
            more = value != (-1 if bits & _SIGN else 0)
            letters.append(_FIRST + (bits | _MORE if more else bits))
    return letters.decode("ascii")


def short(value: Any) -> str:
    """Return a value from a file for a message, cut where it is long."""
    try:
        text = repr(value[:8] if isinstance(value, list | tuple | str | bytes) else value)
    except ValueError:  # Python does not write numbers of more digits
        return "a number of thousands of digits"
    return text if len(text) <= 80 else f"{text[:80]}…"
