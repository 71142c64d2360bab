"""What an EXIF block says of an image: when, where and with what it was made; and Windows' title, keywords, stars.

    block = read_block(handle)            # an EXIF block, a TIFF file, or a raw file that is made like one
    block.columns()                       # {"taken": "2025-06-01T12:00:00", "camera": "NIKON D850", "iso": 100, ...}
    block.xmp, block.iptc                 # further blocks that lie in it, as in TIFF and raw files

Three directories are read, each once and up to a number of entries: the first, the one of the photo, the one of the
position.  Neither a maker's notes nor further images are.  Whatever is not sound is left out, and the rest stays.
Source: Exif 2.32, TIFF 6.0.
"""

import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import BinaryIO

from wordsight.base.value import Value
from wordsight.images import iptc, xmp
from wordsight.images import sound_values as sound
from wordsight.images.moments import moment, with_receiver

ORDERS = {b"II": "<", b"MM": ">"}
FIRST, PHOTO, POSITION = 0, 0x8769, 0x8825  # directories; the last two by the tags that lead to them
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 9: 4, 10: 8, 11: 4, 12: 8, 129: 1}
_NUMBERS = {1: "B", 3: "H", 4: "I", 9: "i", 5: "I", 10: "i", 11: "f", 12: "d"}
_MOST_ENTRIES = 1000
_LONGEST = 1 << 16  # bytes of a value
_MOST_NUMBERS = 16
_XMP, _IPTC, _PHOTOSHOP = 700, 33723, 34377
_LONG = {_XMP: xmp.LARGEST, _IPTC: iptc.LARGEST, _PHOTOSHOP: 4 * iptc.LARGEST}
_WIDE = (0x9C9B, 0x9C9C, 0x9C9E)  # texts of Windows: title, comment, keywords
_TAGS = {
    FIRST: frozenset((0x10E, 0x10F, 0x110, 0x132, 0x4746, 0x4749, 0x9C9B, 0x9C9C, 0x9C9E, PHOTO, POSITION, *_LONG)),
    PHOTO: frozenset((0x829A, 0x829D, 0x8827, 0x8832, 0x9003, 0x9004, 0x9010, 0x9011, 0x9012, 0x920A, 0xA434)),
    POSITION: frozenset((1, 2, 3, 4, 5, 6, 7, 0x1D)),
}

_Values = bytes | tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ExifBlock:
    """The known tags of the three directories: tag -> bytes, or numbers; NaN for a fraction of 0."""

    directories: Mapping[int, Mapping[int, _Values]] = field(default_factory=dict)

    @property
    def xmp(self) -> bytes:
        """The XMP document that lies in the first directory, b"" where there is none."""
        return self._bytes(_XMP)

    @property
    def iptc(self) -> bytes:
        """The IPTC block that lies in the first directory, or in Photoshop's resources there; b"" where none does."""
        return self._bytes(_IPTC) or iptc.of_photoshop(self._bytes(_PHOTOSHOP))

    def also(self, other: "ExifBlock") -> "ExifBlock":
        """Return both; where they differ, this one."""
        tags = {d: {**other.directories.get(d, {}), **self.directories.get(d, {})} for d in _TAGS}
        return ExifBlock(tags)

    def columns(self) -> dict[str, Value]:
        """Return what is sound as columns of metadata."""
        north = _degrees(self._many(POSITION, 2), self._text(POSITION, 1), "NS")
        east = _degrees(self._many(POSITION, 4), self._text(POSITION, 3), "EW")
        at = sound.position(north, east)
        columns: dict[str, Value] = {
            "camera": sound.camera(self._text(FIRST, 0x10F), self._text(FIRST, 0x110)),
            "lens": sound.lens(self._text(PHOTO, 0xA434)),
            "latitude": at and at[0],
            "longitude": at and at[1],
            "altitude": self._altitude(),
            "rating": self._rating(),
            "keywords": sound.keywords((self._wide(0x9C9E) or "").split(";")),
            "title": sound.line(self._wide(0x9C9B)),
            "caption": sound.caption(self._text(FIRST, 0x10E)) or sound.caption(self._wide(0x9C9C)),
            "iso": sound.iso(self._number(PHOTO, 0x8827)) or sound.iso(self._number(PHOTO, 0x8832)),
            "aperture": sound.number(self._number(PHOTO, 0x829D), 0.3, 1000),
            "focal_length": sound.number(self._number(PHOTO, 0x920A), 0.1, 100_000),
            "exposure": sound.number(self._number(PHOTO, 0x829A), 1e-7, 1_000_000),
        }
        return {**{name: value for name, value in columns.items() if value is not None}, **self._moment()}

    def _moment(self) -> dict[str, str]:
        """Return when it was made: the time of the last change counts only where a camera is named."""
        columns = moment(self._text(PHOTO, 0x9003), self._text(PHOTO, 0x9011))
        columns = columns or moment(self._text(PHOTO, 0x9004), self._text(PHOTO, 0x9012))
        if not columns and (self._text(FIRST, 0x10F) or self._text(FIRST, 0x110)):
            columns = moment(self._text(FIRST, 0x132), self._text(PHOTO, 0x9010))
        return with_receiver(columns, self._of_receiver())

    def _of_receiver(self) -> datetime | None:
        day, time = moment(self._text(POSITION, 0x1D)).get("taken", ""), self._many(POSITION, 7)
        if (
            len(day) != 10
            or len(time) != 3
            or not all(0 <= part < most for part, most in zip(time, (24, 60, 61), strict=True))
        ):
            return None
        hours, minutes, seconds = time
        return datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(
            hours=hours, minutes=minutes, seconds=seconds
        )

    def _altitude(self) -> float | None:
        height = self._number(POSITION, 6)
        if height is None:
            return None
        reference = self.directories[POSITION].get(5, b"")
        return sound.altitude(-height if reference in (b"\1", (1.0,)) else height)

    def _rating(self) -> int | None:
        stars = sound.rating(self._number(FIRST, 0x4746))
        percent = sound.number(self._number(FIRST, 0x4749), 0, 100)
        return sound.stars_of_percent(percent) if stars is None and percent is not None else stars

    def _bytes(self, tag: int) -> bytes:
        value = self.directories.get(FIRST, {}).get(tag, b"")
        return value if isinstance(value, bytes) else b""

    def _text(self, directory: int, tag: int) -> str | None:
        value = self.directories.get(directory, {}).get(tag)
        return sound.decoded(value).strip() or None if isinstance(value, bytes) else None

    def _wide(self, tag: int) -> str | None:
        return self._bytes(tag).decode("utf-16-le", errors="replace").partition("\0")[0] or None

    def _many(self, directory: int, tag: int) -> tuple[float, ...]:
        value = self.directories.get(directory, {}).get(tag, ())
        return value if isinstance(value, tuple) else ()

    def _number(self, directory: int, tag: int) -> float | None:
        return next(iter(self._many(directory, tag)), None)


def read_block(handle: BinaryIO, base: int = 0, *, directory: int = FIRST) -> ExifBlock:
    """Return what the block says that begins at `base`; nothing where it is none, and of a damaged one what is sound.

    `directory` is what its first one is: raw files of some kinds have a block for each.
    """
    handle.seek(base)
    head = handle.read(8)
    order = ORDERS.get(head[:2])
    if order is None or len(head) < 8:
        return ExifBlock()
    reader = _Directories(handle, base, order)
    directories = {directory: reader.read(int(struct.unpack(f"{order}I", head[4:])[0]), _TAGS[directory])}
    if directory == FIRST:
        for tag in (PHOTO, POSITION):
            offset = directories[FIRST].get(tag)
            if isinstance(offset, tuple) and offset:
                directories[tag] = reader.read(int(offset[0]), _TAGS[tag])
    return ExifBlock(directories)


def together(blocks: Iterable[ExifBlock]) -> ExifBlock:
    """Return all blocks as one; where they differ, the first."""
    one = ExifBlock()
    for block in blocks:
        one = one.also(block)
    return one


@dataclass(frozen=True, slots=True)
class _Directories:
    handle: BinaryIO
    base: int
    order: str

    def read(self, offset: int, wanted: frozenset[int]) -> dict[int, _Values]:
        """Return the wanted tags of the directory at an offset; those that are damaged are left out."""
        self.handle.seek(self.base + offset)
        (count,) = struct.unpack(f"{self.order}H", self.handle.read(2).ljust(2, b"\0"))
        data = self.handle.read(12 * min(count, _MOST_ENTRIES))
        values: dict[int, _Values] = {}
        for tag, kind, length, first in struct.iter_unpack(f"{self.order}HHI4s", data[: len(data) // 12 * 12]):
            if tag in wanted and tag not in values and (value := self._value(tag, kind, length, first)) is not None:
                values[tag] = value
        return values

    def _value(self, tag: int, kind: int, length: int, first: bytes) -> _Values | None:
        size = _SIZES.get(kind, 0) * length
        if not 0 < size <= _LONG.get(tag, _LONGEST):
            return None
        if size <= 4:
            data = first[:size]
        else:
            self.handle.seek(self.base + struct.unpack(f"{self.order}I", first)[0])
            data = self.handle.read(size)
        if tag in _LONG or tag in _WIDE or kind not in _NUMBERS:
            return data
        width = struct.calcsize(_NUMBERS[kind])
        whole = data[: min(len(data) // width, 2 * _MOST_NUMBERS) * width]
        numbers = [float(one) for (one,) in struct.iter_unpack(self.order + _NUMBERS[kind], whole)]
        if kind in (5, 10):
            pairs = zip(numbers[::2], numbers[1::2], strict=False)
            return tuple(above / below if below else math.nan for above, below in pairs)
        return tuple(numbers)


def _degrees(parts: tuple[float, ...], reference: str | None, sides: str) -> float | None:
    """Return degrees of degrees, minutes and seconds; which side of the equator or of Greenwich has to be stated."""
    side = (reference or "")[:1].upper()
    if not side or side not in sides or not 1 <= len(parts) <= 3:
        return None
    degrees, minutes, seconds = (*parts, 0.0, 0.0)[:3]
    minutes, seconds = (0.0 if math.isnan(one) and n else one for n, one in enumerate((minutes, seconds), 1))
    if not (0 <= degrees <= 180 and 0 <= minutes <= 60 and 0 <= seconds <= 60):
        return None
    angle = degrees + minutes / 60 + seconds / 3600
    return -angle if side == sides[1] else angle
