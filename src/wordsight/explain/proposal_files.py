"""Masks that others proposed, from a JSON file, whatever form they have: SAM's, COCO's run lengths, polygons, boxes.

    masks = read_proposals(Path("masks.json"), (480, 640))        # bool (480, 640) each

The file is a list, or an object with `annotations`, `masks`, `proposals`, `boxes` or `bboxes` that is one.  An entry is

- {"segmentation": {"size": [H, W], "counts": …}, …}: SAM's mask generator and SA-1B;
- {"segmentation": [[x, y, x, y, …], …], …}: COCO's polygons, of which a mask is the union;
- {"size": [H, W], "counts": …}: COCO's run lengths;
- {"bbox": [x, y, width, height]}, or that list itself: a box.

Polygons and boxes are drawn by the centres of pixels, and cut at the picture's border; boxes that reach further beyond
it than the picture is wide or high are refused: they are of another picture, or in other units.  Every fault is one
`FormatError` that names the file and the entry.
"""

from pathlib import Path
from typing import Any

import numpy as np

from wordsight.base.errors import FormatError, UsageError
from wordsight.base.files import read_json
from wordsight.explain.masks import BoolMask, as_xyxy, box_mask, read_rle, short
from wordsight.images.resize import Box

LISTS = ("annotations", "masks", "proposals", "boxes", "bboxes")
MOST = 1_000  # masks: each goes through the image tower
FARTHEST = 1_000_000  # pixels: no picture that is read is as wide
FORMS = "an entry is a mask of SAM, COCO's run lengths or polygons, or a box [x, y, width, height]"


def read_proposals(path: Path, shape: tuple[int, int]) -> list[BoolMask]:
    """Return the masks (H, W) of a file for a picture of `shape` H, W; those without a pixel are left out.

    No list, no mask at all, more than `MOST` and masks of another size raise `FormatError`.
    """
    content = read_json(path)
    if isinstance(content, dict):
        content = next((content[name] for name in LISTS if name in content), None)
    if not isinstance(content, list):
        raise FormatError(f"{path} holds no list of proposals", cure=f"it is a list; {FORMS}")
    if len(content) > MOST:
        raise FormatError(f"{path} holds {len(content):,} proposals", cure=f"give at most {MOST:,}")
    masks = []
    for number, one in enumerate(content):
        try:
            masks.append(_mask(one, shape))
        except (FormatError, UsageError) as error:
            raise FormatError(f"{path}, proposal {number}: {error.problem}", cure=error.cure) from None
    if not content:
        raise FormatError(f"{path} holds no proposals", cure="leave it out, and they are made from colours and edges")
    inside = [mask for mask in masks if mask.any()]
    if not inside:
        raise FormatError(f"{path} holds no mask with a pixel of the picture", cure="check whose masks they are")
    return inside


def _mask(one: Any, shape: tuple[int, int]) -> BoolMask:
    if isinstance(one, dict) and "counts" in one:
        return _of_size(read_rle(one), shape)
    if isinstance(one, dict) and one.get("segmentation"):
        segmentation = one["segmentation"]
        if isinstance(segmentation, list):
            return _polygons(segmentation, shape)
        return _of_size(read_rle(segmentation), shape)
    box = one.get("bbox", one.get("box")) if isinstance(one, dict) else one
    if not isinstance(box, list) or len(box) != 4:
        raise FormatError(f"no mask: {short(one)}", cure=FORMS)
    return box_mask(_near(as_xyxy(box), shape), shape)


def _near(box: Box, shape: tuple[int, int]) -> Box:
    """Return a box (left, top, right, bottom) that lies within a picture's sides around the picture."""
    height, width = shape
    left, top, right, bottom = box
    if left < -width or top < -height or right > 2 * width or bottom > 2 * height:
        corners = ", ".join(f"{value:g}" for value in (left, top, right - left, bottom - top))
        problem = f"the box {corners} lies far outside the picture of {width} x {height} pixels"
        raise FormatError(problem, cure="give x, y, width, height in pixels of this picture")
    return box


def _of_size(mask: BoolMask, shape: tuple[int, int]) -> BoolMask:
    if mask.shape != shape:
        problem = f"a mask of {mask.shape[1]} x {mask.shape[0]} pixels, the picture has {shape[1]} x {shape[0]}"
        raise FormatError(problem, cure="give masks of the picture's size")
    return mask


def _polygons(polygons: list[Any], shape: tuple[int, int]) -> BoolMask:
    """Return the union of polygons, each a list x, y, x, y, …; a pixel is inside where its centre is."""
    mask = np.zeros(shape, np.bool_)
    for polygon in polygons:
        points = isinstance(polygon, list) and len(polygon) >= 6 and len(polygon) % 2 == 0
        if not points or not all(isinstance(one, int | float) and not isinstance(one, bool) for one in polygon):
            cure = "it is x, y, x, y, … of at least three points, all of them numbers"
            raise FormatError(f"a polygon that is {short(polygon)}", cure=cure)
        if not all(-FARTHEST < one < FARTHEST for one in polygon):
            cure = f"its coordinates are pixels, below {FARTHEST:,}"
            raise FormatError(f"a polygon with too large coordinates: {short(polygon)}", cure=cure)
        mask |= _inside(np.array(polygon, np.float64).reshape(-1, 2), shape)
    return mask


def _inside(points: np.ndarray[Any, np.dtype[np.float64]], shape: tuple[int, int]) -> BoolMask:
    """Return the pixels whose centres lie inside a polygon (N, 2) of x and y, by how often a row crosses its sides."""
    height, width = shape
    crossings = np.zeros((height, width + 1), np.int64)  # of each row: how many sides begin to lie left of a pixel
    rows = np.arange(height)
    for (x, y), (next_x, next_y) in zip(points, np.roll(points, -1, axis=0), strict=True):
        low, high = min(y, next_y), max(y, next_y)
        crossed = rows[(rows + 0.5 >= low) & (rows + 0.5 < high)]
        at = x + (crossed + 0.5 - y) * (next_x - x) / (next_y - y) if len(crossed) else np.zeros(0)
        columns = np.clip(np.ceil(at - 0.5), 0, width).astype(np.int64)
        np.add.at(crossings, (crossed, columns), 1)
    inside: BoolMask = np.cumsum(crossings[:, :width], axis=1) % 2 == 1
    return inside
