"""What PhotoPrism's sidecars say of photos; which file tells of which photo is in `sidecars`.

    if is_photoprism(text):
        stated, late = columns_of_photoprism(read_record(text, name="a.yml"))

It writes times in UTC, beside those on the photographer's clock, and marks what it has guessed as estimated: that is
left out.  Source: PhotoPrism's `photo.go`, `details.go`.
"""

import re
from collections.abc import Mapping

from wordsight.base.value import Value
from wordsight.data.plain_yaml import Scalar
from wordsight.images import sound_values as sound
from wordsight.images.moments import moment

_MARKS = (re.compile(r"^UID: ", re.MULTILINE), re.compile(r"^TakenAt: ", re.MULTILINE))
_NUMBER = re.compile(r"[+-]?\d{1,18}(\.\d{1,18})?([eE][+-]?\d{1,3})?", re.ASCII)
_GUESSED = ("estimate", "")  # where a time or position comes from; "" is the time of the file
_UNKNOWN_ZONES = (None, "", "Local")  # with these a time is that of some clock


def is_photoprism(text: str) -> bool:
    """Say whether a document is one of PhotoPrism's about a photo."""
    return all(mark.search(text) for mark in _MARKS)


def columns_of_photoprism(
    record: Mapping[str, Scalar | Mapping[str, Scalar]],
) -> tuple[dict[str, Value], dict[str, Value]]:
    """Return what it says as columns of metadata, and those that count behind what the image says itself.

    The latter is a time in UTC, or of an unknown zone, where the one on the photographer's clock is not there.
    """

    def text(name: str) -> str | None:
        value = record.get(name)
        return value if isinstance(value, str) else None

    details = record.get("Details")
    listed = details.get("Keywords") if isinstance(details, Mapping) else None
    title = sound.line(text("Title"))
    stated: dict[str, Value] = {
        "title": None if title == "Unknown" else title,
        "caption": sound.caption(text("Caption") or text("Description")),
        "keywords": sound.keywords((listed or "").split(",")),
        "favorite": 1 if text("Favorite") == "true" else None,
        **({} if text("PlaceSrc") == "estimate" else _position(text("Lat"), text("Lng"), text("Altitude"))),
    }
    stated = {name: value for name, value in stated.items() if value is not None}
    local, at = moment(text("TakenAtLocal")), moment(text("TakenAt"))
    if (text("TakenSrc") or "") in _GUESSED or not at:
        return stated, {}
    in_utc = {} if text("TimeZone") in _UNKNOWN_ZONES else {"taken_utc": at["taken_utc"]} if "taken_utc" in at else {}
    if local:
        return {**stated, "taken": local["taken"], **in_utc}, {}
    return stated, {"taken": at["taken"], **in_utc}


def _position(latitude: str | None, longitude: str | None, altitude: str | None) -> dict[str, Value]:
    at = sound.position(_number(latitude), _number(longitude))
    height = sound.altitude(_number(altitude))
    known = {} if at is None else {"latitude": at[0], "longitude": at[1]}
    return {**known, **({"altitude": height} if height else {})}


def _number(stated: str | None) -> float | None:
    return float(stated) if stated is not None and _NUMBER.fullmatch(stated) else None
