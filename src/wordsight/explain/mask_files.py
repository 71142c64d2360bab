"""Files of masks: SAM's JSON and label images.

    regions = read_sam(Path("sa_223750.json"))            # SAM's list, or a file of SA-1B
    write_sam(Path("masks.json"), regions)
    labels = read_labels(Path("0001.png"))                # (H, W) whole numbers; a class each
    write_labels(Path("0002.png"), labels)
    as_seen(labels, spec)                                 # resized and cut as the model sees the picture

Every fault of a file is one `FormatError` that names it.
"""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.base.errors import BrokenImage, FormatError, TooManyPixels, UsageError
from wordsight.base.files import atomic_write, read_json, write_json
from wordsight.base.reading import IMAGE_LIMIT, read_file
from wordsight.explain.masks import BoolMask, as_xywh, as_xyxy, box_of, read_rle, rle_of
from wordsight.images.decode import sides
from wordsight.images.failures import reading
from wordsight.images.geometry import framed
from wordsight.images.png import SIGNATURE
from wordsight.images.resize import Box
from wordsight.images.spec import PreprocessSpec

WHOLE_MODES = ("1", "L", "P", "I;16", "I;16B", "I")  # of Pillow: one whole number a pixel


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A mask (H, W), its box (left, top, right, bottom) and SAM's guess of its IoU, where there is one."""

    mask: BoolMask
    box: Box
    predicted_iou: float | None = None


def read_sam(path: Path) -> list[Region]:
    """Return the masks of a JSON file: a list as SAM's mask generator gives it, or SA-1B's with `annotations`.

    Each has `segmentation` (size and counts), `bbox` (x, y, width, height; without one it is the mask's own) and
    perhaps `predicted_iou`; other keys are left alone.  All are of one size.
    """
    content = read_json(path)
    listed = content.get("annotations") if isinstance(content, dict) else content
    if not isinstance(listed, list):
        raise FormatError(f"{path} holds no list of masks", cure="it is a list, or {'annotations': [...]}")
    regions: list[Region] = []
    for number, one in enumerate(listed):
        try:
            regions.append(_region(one))
        except FormatError as error:
            raise FormatError(f"{path}, mask {number}: {error.problem}", cure=error.cure) from None
        if regions[-1].mask.shape != regions[0].mask.shape:
            problem = f"{path}, mask {number}: {regions[-1].mask.shape} after masks of {regions[0].mask.shape}"
            raise FormatError(problem, cure="a file is about one picture")
    return regions


def write_sam(path: Path, regions: list[Region]) -> None:
    """Write masks as SAM's mask generator does: run lengths as strings, `area`, `bbox` and `predicted_iou`."""
    listed: list[dict[str, Any]] = []
    for region in regions:
        one = {"segmentation": rle_of(region.mask), "area": int(region.mask.sum()), "bbox": list(as_xywh(region.box))}
        listed.append(one if region.predicted_iou is None else {**one, "predicted_iou": region.predicted_iou})
    write_json(path, listed)


def read_labels(path: Path) -> NDArray[np.int64]:
    """Return the numbers (H, W) of a PNG of 1, 8 or 16 bits a pixel; of a palette the numbers, not colours."""
    try:
        data = read_file(path, limit=IMAGE_LIMIT)
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror}", cure="check the file") from None
    return parsed_labels(data, name=str(path))


def parsed_labels(data: bytes, *, name: str) -> NDArray[np.int64]:
    """Return the numbers (H, W) of a PNG that was read already; `name` is how errors call it."""
    from PIL import Image

    if not data.startswith(SIGNATURE):
        raise FormatError(f"{name} is no PNG", cure="save labels as PNG: formats for photos change numbers")
    try:
        sides(data, name=name)  # refuses headers of too many pixels
        with reading(name), Image.open(BytesIO(data), formats=("PNG",)) as image:
            if image.mode not in WHOLE_MODES:
                raise FormatError(
                    f"{name} is an image of mode {image.mode}, not of labels",
                    cure="labels are one whole number a pixel, as in PNG of 8 or 16 bits, grey or with a palette",
                )
            return np.asarray(image).astype(np.int64)
    except (BrokenImage, TooManyPixels) as error:
        raise FormatError(error.problem, cure="replace it with a sound label image") from error


def write_labels(path: Path, labels: NDArray[np.integer[Any]]) -> None:
    """Write labels (H, W), 0 to 65,535, as a grey PNG: of 8 bits a pixel where that is enough, else of 16."""
    from PIL import Image

    if labels.ndim != 2 or labels.size == 0 or not np.issubdtype(labels.dtype, np.integer):
        raise UsageError(
            f"labels of the shape {labels.shape} and type {labels.dtype}", cure="give whole numbers (H, W)"
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high > 0xFFFF:
        raise UsageError(f"labels from {low} to {high}", cure="a PNG holds 0 to 65535")
    with atomic_write(path) as handle:
        Image.fromarray(labels.astype(np.uint8 if high <= 0xFF else np.uint16)).save(handle, format="PNG")


def as_seen(labels: NDArray[Any], spec: PreprocessSpec, *, outside: int = 0) -> NDArray[Any]:
    """Return labels or a mask (H, W) resized and cut as a model sees their picture; `outside` is what lies beyond it.

    Each new pixel has the value of the one old pixel at its centre: numbers of classes cannot be mixed.
    """
    height, width = labels.shape
    frame = framed(height, width, spec)
    rows, rows_inside = _sources(frame.rows, frame.top, frame.height, height)
    columns, columns_inside = _sources(frame.columns, frame.left, frame.width, width)
    inside = rows_inside[:, None] & columns_inside
    return np.where(inside, labels[rows][:, columns], np.array(outside, dtype=labels.dtype))


def _sources(cut: int, first: int, scaled: int, old: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return which old pixel each of `cut` is, and whether there is one."""
    positions = np.arange(cut) + first
    sources = np.floor((positions + 0.5) * old / scaled).astype(np.int64)
    return np.clip(sources, 0, old - 1), (positions >= 0) & (positions < scaled)


def _region(one: Any) -> Region:
    if not isinstance(one, dict) or "segmentation" not in one:
        raise FormatError("no segmentation", cure="each mask is {'segmentation': …, 'bbox': …}")
    mask = read_rle(one["segmentation"])
    box = as_xyxy(one["bbox"]) if one.get("bbox") is not None else box_of(mask)
    iou = one.get("predicted_iou")
    if iou is not None and (isinstance(iou, bool) or not isinstance(iou, int | float) or not -1e3 < iou < 1e3):
        raise FormatError(f"a predicted_iou of {str(iou)[:40]}", cure="it is a number, about 0 to 1")
    return Region(mask, box, None if iou is None else float(iou))
