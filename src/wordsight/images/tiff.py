"""The first directory of a TIFF file, read before a library reads it: what kind it is, and how long its lists are."""

import struct
from collections.abc import Mapping
from typing import BinaryIO

MAGIC = {b"II*\0": "<", b"MM\0*": ">", b"II+\0": "<", b"MM\0+": ">"}  # the last two: BigTIFF
_MOST_TAGS = 4096
_PARTS = (273, 279, 324, 325)  # offsets and sizes of strips and tiles
MOST_PARTS = 1 << 18  # one-row strips of the tallest images people have; each costs Pillow some hundred bytes


def first_directory(handle: BinaryIO) -> Mapping[int, tuple[int, bytes]]:
    """Return tag -> (number of values, the eight or four bytes of the first values or their offset); {} if damaged."""
    handle.seek(0)
    head = handle.read(16)
    order = MAGIC.get(head[:4])
    if order is None:
        return {}
    big = head[2:4] in (b"+\0", b"\0+")
    counting, entry = (order + "Q", order + "HHQ8s") if big else (order + "H", order + "HHI4s")
    try:
        handle.seek(struct.unpack_from(order + ("Q" if big else "I"), head, 8 if big else 4)[0])
        (count,) = struct.unpack(counting, handle.read(struct.calcsize(counting)))
        data = handle.read(min(count, _MOST_TAGS) * struct.calcsize(entry))
    except (struct.error, OSError, OverflowError, ValueError):
        return {}
    whole = len(data) - len(data) % struct.calcsize(entry)
    return {tag: (values, first) for tag, _, values, first in struct.iter_unpack(entry, data[:whole])}


def most_parts(directory: Mapping[int, tuple[int, bytes]]) -> int:
    """Return into how many strips or tiles the image says it is cut."""
    return max((directory[tag][0] for tag in _PARTS if tag in directory), default=0)


def is_raw(directory: Mapping[int, tuple[int, bytes]]) -> bool:
    """Say whether it is a camera's raw file: DNG, or a reduced first image with the sensor's in a directory below."""
    dng_version, subfile_type, directories_below = 50706, 254, 330
    reduced = directory.get(subfile_type, (0, b""))[1].strip(b"\0") == b"\x01"
    return dng_version in directory or (reduced and directories_below in directory)
