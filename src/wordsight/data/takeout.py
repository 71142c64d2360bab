"""What Google Takeout's JSON beside photos says of them; which file tells of which photo is in `sidecars`.

if is_takeout(values):
    columns_of_takeout(values)        # {"caption": "...", "taken": "2019-05-04T10:00:00", ...}
"""

import re
from collections.abc import Mapping
from typing import Any

from wordsight.base.value import Value
from wordsight.images import sound_values as sound
from wordsight.images.moments import of_seconds

_MARKS = ("photoTakenTime", "geoData", "geoDataExif")


def is_takeout(values: Mapping[str, Any]) -> bool:
    """Say whether an object is one of Takeout's about a photo."""
    return any(isinstance(values.get(mark), Mapping) for mark in _MARKS)


def columns_of_takeout(values: Mapping[str, Any]) -> dict[str, Value]:
    """Return what it says as columns of metadata, each as far as it is sound; a title that names a file is none."""
    title = sound.line(values.get("title"))
    spot = _position(values.get("geoData")) or _position(values.get("geoDataExif"))
    stated: dict[str, Value] = {
        "title": None if title is None or re.search(r"\.\w{2,5}$", title) else title,
        "caption": sound.caption(values.get("description")),
        **(spot or {}),
    }
    when = values.get("photoTakenTime")
    seconds = when.get("timestamp") if isinstance(when, Mapping) else None
    return {**{name: value for name, value in stated.items() if value is not None}, **of_seconds(seconds)}


def _position(data: object) -> dict[str, Value] | None:
    if not isinstance(data, Mapping):
        return None
    at = sound.position(data.get("latitude"), data.get("longitude"))
    if at is None:
        return None
    height = sound.altitude(data.get("altitude"))
    return {"latitude": at[0], "longitude": at[1], **({"altitude": height} if height else {})}
