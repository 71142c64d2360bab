"""EXIF as JSON, as img2dataset keeps it beside the images that it writes anew: `{"Image Make": "Canon", ...}`.

    columns_of_json('{"Image Model": "Canon EOS 5D", "EXIF ISOSpeedRatings": "100"}')   # {"camera": ..., "iso": 100}

Values are texts: a number, a fraction, or a list of them in brackets.
"""

import json
import re
from collections.abc import Mapping
from fractions import Fraction

from wordsight.base.value import Value
from wordsight.images import sound_values as sound
from wordsight.images.moments import moment

COLUMN = "exif"
_LONGEST = 1 << 20  # letters
_NUMBER = re.compile(r"-?\d{1,18}(?:/\d{1,18}|\.\d{1,18})?", re.ASCII)


def columns_of_json(stated: object) -> dict[str, Value]:
    """Return what is sound as columns of metadata; none for what is no such JSON."""
    if not isinstance(stated, str) or len(stated) > _LONGEST or not stated.lstrip().startswith("{"):
        return {}
    try:
        tags = json.loads(stated)
    except (ValueError, RecursionError):
        return {}
    at = sound.position(_degrees(tags, "Latitude", "N", "S"), _degrees(tags, "Longitude", "E", "W"))
    columns: dict[str, Value] = {
        "camera": sound.camera(tags.get("Image Make"), tags.get("Image Model")),
        "lens": sound.lens(tags.get("EXIF LensModel")),
        "latitude": at and at[0],
        "longitude": at and at[1],
        "caption": sound.caption(tags.get("Image ImageDescription")),
        "iso": sound.iso(_number(tags, "EXIF ISOSpeedRatings")),
        "aperture": sound.number(_number(tags, "EXIF FNumber"), 0.3, 1000),
        "focal_length": sound.number(_number(tags, "EXIF FocalLength"), 0.1, 100_000),
        "exposure": sound.number(_number(tags, "EXIF ExposureTime"), 1e-7, 1_000_000),
    }
    when = moment(tags.get("EXIF DateTimeOriginal"), tags.get("EXIF OffsetTimeOriginal"))
    when = when or moment(tags.get("EXIF DateTimeDigitized"))
    return {**{name: value for name, value in columns.items() if value is not None}, **when}


def _numbers(tags: Mapping[str, object], name: str) -> list[float]:
    stated = tags.get(name)
    if not isinstance(stated, str) or len(stated) > sound.NAME:
        return []
    try:
        return [float(Fraction(one)) for one in _NUMBER.findall(stated)]
    except ZeroDivisionError:
        return []


def _number(tags: Mapping[str, object], name: str) -> float | None:
    return next(iter(_numbers(tags, name)), None)


def _degrees(tags: Mapping[str, object], name: str, ahead: str, behind: str) -> float | None:
    parts, side = _numbers(tags, f"GPS GPS{name}"), tags.get(f"GPS GPS{name}Ref")
    if side not in (ahead, behind) or len(parts) != 3 or not all(0 <= one <= 180 for one in parts):
        return None
    angle = parts[0] + parts[1] / 60 + parts[2] / 3600
    return -angle if side == behind else angle
