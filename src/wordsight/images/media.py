"""EXIF and XMP of files made of boxes (ISO base media): HEIC, AVIF, and Canon's raw files of that kind.

    exif, document = read_media(handle)

A box states its length; what does not fit into the one around it is not followed.  Source: ISO 14496-12, ISO 23008-12.
"""

import struct
from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import BinaryIO, NamedTuple

from wordsight.images import xmp
from wordsight.images.exif import FIRST, PHOTO, POSITION, ExifBlock, read_block, together

_MOST_BOXES = 10_000
_LARGEST = 1 << 23  # bytes of the box that lists the items of a file
_LARGEST_EXIF = 1 << 24
_CANON = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_OF_CANON = {b"CMT1": FIRST, b"CMT2": PHOTO, b"CMT4": POSITION}


class _Box(NamedTuple):
    kind: bytes
    start: int  # of what is in it
    end: int


def read_media(handle: BinaryIO) -> tuple[ExifBlock, bytes]:
    """Return the EXIF block and the XMP document of a file; both are empty where there is none."""
    size = handle.seek(0, 2)
    exif, document = ExifBlock(), b""
    for box in _boxes(handle, 0, size):
        if box.kind == b"meta" and box.end - box.start <= _LARGEST:
            exif, document = _of_items(handle, box)
        elif box.kind == b"moov":
            exif = exif.also(_of_canon(handle, box))
        elif box.kind == b"uuid":
            handle.seek(box.start)
            if handle.read(16) == _XMP and box.end - box.start <= xmp.LARGEST:
                document = document or handle.read(box.end - box.start - 16)
    return exif, document


def _boxes(handle: BinaryIO, at: int, end: int) -> Iterator[_Box]:
    for _ in range(_MOST_BOXES):
        handle.seek(at)
        head = handle.read(16)
        if at + 8 > end or len(head) < 8:
            return
        size, start = int.from_bytes(head[:4], "big"), at + 8
        if size == 1 and len(head) == 16:
            size, start = int.from_bytes(head[8:], "big"), at + 16
        size = size or end - at  # 0: up to the end
        if size < start - at or at + size > end:
            return
        yield _Box(head[4:8], start, at + size)
        at += size


def _of_canon(handle: BinaryIO, moov: _Box) -> ExifBlock:
    blocks = []
    for box in _boxes(handle, moov.start, moov.end):
        handle.seek(box.start)
        if box.kind != b"uuid" or handle.read(16) != _CANON:
            continue
        for one in _boxes(handle, box.start + 16, box.end):
            if one.kind in _OF_CANON and one.end - one.start <= _LARGEST_EXIF:
                handle.seek(one.start)
                part = BytesIO(handle.read(one.end - one.start))
                blocks.append(read_block(part, directory=_OF_CANON[one.kind]))
    return together(blocks)


def _of_items(handle: BinaryIO, meta: _Box) -> tuple[ExifBlock, bytes]:
    """Return the blocks among the items that the box lists, with where they lie."""
    inside = {box.kind: box for box in _boxes(handle, meta.start + 4, meta.end)}
    if b"iinf" not in inside or b"iloc" not in inside:
        return ExifBlock(), b""
    kinds = _item_kinds(handle, inside[b"iinf"])
    data = inside.get(b"idat")
    exif, document = ExifBlock(), b""
    for number, (start, size) in _extents(_content(handle, inside[b"iloc"]), data.start if data else None).items():
        if number not in kinds or size > _LARGEST_EXIF:
            continue
        handle.seek(start)
        block = handle.read(size)
        if kinds[number] == "xmp":
            document = document or block
        elif not exif.directories and len(block) > 4:
            exif = read_block(BytesIO(block[4 + int.from_bytes(block[:4], "big") :]))
    return exif, document


def _item_kinds(handle: BinaryIO, iinf: _Box) -> dict[int, str]:
    """Return the number of each item that is EXIF or XMP."""
    handle.seek(iinf.start)
    head = handle.read(8)
    kinds = {}
    for box in _boxes(handle, iinf.start + (6 if head[:1] == b"\0" else 8), iinf.end):
        content = _content(handle, box, most=1 << 12)
        if box.kind != b"infe" or content[:1] not in (b"\2", b"\3"):
            continue
        wide = 2 if content[0] == 2 else 4
        number, kind, names = (
            int.from_bytes(content[4 : 4 + wide], "big"),
            content[6 + wide : 10 + wide],
            content[10 + wide :],
        )
        if kind == b"Exif":
            kinds[number] = "exif"
        elif kind == b"mime" and names.split(b"\0")[1:2] == [b"application/rdf+xml"]:
            kinds[number] = "xmp"
    return kinds


def _content(handle: BinaryIO, box: _Box, most: int = _LARGEST) -> bytes:
    handle.seek(box.start)
    return handle.read(min(box.end - box.start, most))


def _extents(iloc: bytes, data: int | None) -> Mapping[int, tuple[int, int]]:
    """Return the number of each item -> where its first part begins in the file, and how many bytes it has.

    `data` is where the box begins that items may lie in.
    """
    extents: dict[int, tuple[int, int]] = {}
    try:
        version, sizes = iloc[0], int.from_bytes(iloc[4:6], "big")
        offset_size, length_size, base_size, index_size = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
        reader = _Numbers(iloc, 6)
        wide = 2 if version < 2 else 4
        for _ in range(min(reader.next(wide), _MOST_BOXES)):
            number = reader.next(wide)
            inside_data = version > 0 and reader.next(2) & 15 == 1
            reader.next(2)
            base = reader.next(base_size)
            for part in range(min(reader.next(2), _MOST_BOXES)):
                if version > 0:
                    reader.next(index_size)
                start, length = base + reader.next(offset_size), reader.next(length_size)
                if part == 0 and not (inside_data and data is None):
                    extents[number] = start + (data or 0) * inside_data, length
    except (IndexError, struct.error):
        return extents
    return extents


class _Numbers:
    """Takes numbers from bytes, one behind the other; raises `IndexError` behind the end."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at

    def next(self, size: int) -> int:
        number = self._data[self._at : self._at + size]
        if len(number) < size:
            raise IndexError(self._at)
        self._at += size
        return int.from_bytes(number, "big")
