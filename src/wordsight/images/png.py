"""PNG files whose texts or colour profile are larger than Pillow reads: those are left out, for the pixels are fine."""

import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import BinaryIO, NamedTuple

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MOST = 1 << 20  # bytes of one text or profile, unpacked: PngImagePlugin.MAX_TEXT_CHUNK
_MOST_IN_ALL = 4 << 20
_MOST_CHUNKS = 1_000_000  # largest images of the smallest usual chunks have a thirtieth of it
_HEAD = 8  # bytes: length and name
_FRAME = 12  # and the check sum behind


class _Chunk(NamedTuple):
    name: bytes
    start: int
    length: int


def trimmed(handle: BinaryIO) -> BinaryIO:
    """Return the file as it is, or, where it holds more text than Pillow reads, a copy in memory without that."""
    left, large = _MOST_IN_ALL, set()
    for chunk in _chunks(handle):
        if chunk.name in _KEYWORDS:
            size = _unpacked(handle, chunk)
            if size > min(_MOST, left):
                large.add(chunk.start)
            else:
                left -= size
    if not large:
        return handle
    copy = BytesIO()
    copy.write(SIGNATURE)
    for chunk in _chunks(handle):
        if chunk.start not in large:
            handle.seek(chunk.start)
            copy.write(handle.read(_FRAME + chunk.length))
    return copy


def _chunks(handle: BinaryIO) -> Iterator[_Chunk]:
    """Yield the chunks of a file, whatever is done with it between; the last may be cut short."""
    at = len(SIGNATURE)
    for _ in range(_MOST_CHUNKS):
        handle.seek(at)
        head = handle.read(_HEAD)
        if len(head) < _HEAD:
            return
        chunk = _Chunk(head[4:], at, int.from_bytes(head[:4], "big"))
        yield chunk
        at += _FRAME + chunk.length
    raise ValueError(f"it has more than {_MOST_CHUNKS:,} chunks")


# Bytes between a chunk's keyword with its zero byte and what may be packed.
_KEYWORDS = {b"tEXt": 0, b"zTXt": 1, b"iCCP": 1, b"iTXt": 2}


def _unpacked(handle: BinaryIO, chunk: _Chunk) -> int:
    """Return how many bytes a text or profile has when unpacked; a few more than `_MOST` for any that has more."""
    if chunk.length > _MOST:
        return chunk.length
    handle.seek(chunk.start + _HEAD)
    _, _, rest = handle.read(chunk.length).partition(b"\0")
    packed = chunk.name in (b"zTXt", b"iCCP") or (chunk.name == b"iTXt" and rest[:1] == b"\1")
    if not packed:
        return len(rest)
    content = rest[_KEYWORDS[chunk.name] :]
    if chunk.name == b"iTXt":  # language and translated keyword come before the text
        content = content.partition(b"\0")[2].partition(b"\0")[2]
    try:
        return len(zlib.decompressobj().decompress(content, _MOST + 1))
    except zlib.error:
        return len(content)
