"""Where an image file keeps what is said of it: its EXIF, XMP and IPTC blocks, found by its headers, nothing decoded.

    blocks = read_blocks(handle)
    blocks.exif.columns(), blocks.xmp, blocks.iptc

Reads JPEG, PNG, WebP, TIFF, HEIC, AVIF and raw files that are made like TIFF, JPEG or HEIC (`media`).  Whatever a file
claims of its lengths, steps and bytes are limited.  Needs no other package.
"""

import struct
from collections.abc import Callable
from io import BytesIO
from typing import BinaryIO, NamedTuple

from wordsight.images import iptc, xmp
from wordsight.images.exif import ExifBlock, read_block

_MOST_SEGMENTS = 2_000  # before the image data of a JPEG; a profile or a preview in parts takes some dozens
_MOST_CHUNKS = 20_000  # of PNG and WebP: 160 MB in the usual chunks of 8 KB
_MOST_RESOURCES = 4 * iptc.LARGEST
_EXIF, _XMP, _PHOTOSHOP = b"Exif\0", b"http://ns.adobe.com/xap/1.0/\0", b"Photoshop 3.0\0"
_PNG_XMP = b"XML:com.adobe.xmp\0"
_ALONE = frozenset((0x01, *range(0xD0, 0xD9)))  # markers without a length
_LARGEST_EXIF = 1 << 24  # bytes of a block outside JPEG, where 64 KB are the most


class Blocks(NamedTuple):
    """The blocks of one file; empty where it has none."""

    exif: ExifBlock = ExifBlock()
    xmp: bytes = b""
    iptc: bytes = b""


def read_blocks(handle: BinaryIO) -> Blocks:
    """Return the blocks of a file; none where it is of no known kind."""
    handle.seek(0)
    head = handle.read(16)
    for is_of, read in _READERS:
        if is_of(head):
            return read(handle)
    return Blocks()


def _jpeg(handle: BinaryIO, start: int = 0) -> Blocks:
    exif, document, at = ExifBlock(), b"", start + 2
    resources: list[bytes] = []
    for _ in range(_MOST_SEGMENTS):
        handle.seek(at)
        head = handle.read(4)
        if len(head) < 4 or head[0] != 0xFF:
            break
        marker, length = head[1], int.from_bytes(head[2:], "big")
        if marker in _ALONE or marker == 0xFF:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in (0xDA, 0xD9):  # the image data, the end
            break
        if marker in (0xE1, 0xED):
            data = handle.read(max(length - 2, 0))
            if data.startswith(_EXIF) and not exif.directories:
                exif = read_block(BytesIO(data[len(_EXIF) + 1 :]))
            elif data.startswith(_XMP):
                document = document or data[len(_XMP) :]
            elif data.startswith(_PHOTOSHOP) and sum(len(one) for one in resources) < _MOST_RESOURCES:
                resources.append(data[len(_PHOTOSHOP) :])
        at += 2 + max(length, 2)
    return Blocks(exif, document, iptc.of_photoshop(b"".join(resources)))


def _png(handle: BinaryIO) -> Blocks:
    exif, document, at = ExifBlock(), b"", 8
    for _ in range(_MOST_CHUNKS):
        handle.seek(at)
        head = handle.read(8)
        if len(head) < 8 or head[4:] == b"IEND":
            break
        size = int.from_bytes(head[:4], "big")
        if head[4:] == b"eXIf" and size <= _LARGEST_EXIF and not exif.directories:
            exif = read_block(BytesIO(handle.read(size)))
        elif head[4:] == b"iTXt" and size <= xmp.LARGEST and not document:
            keyword, compressed = handle.read(len(_PNG_XMP)), handle.read(1)
            if keyword == _PNG_XMP and compressed == b"\0":
                rest = handle.read(size - len(_PNG_XMP) - 1)
                document = rest[1:].partition(b"\0")[2].partition(b"\0")[2]  # behind language and translated keyword
        at += 12 + size
    return Blocks(exif, document)


def _webp(handle: BinaryIO) -> Blocks:
    exif, document, at = ExifBlock(), b"", 12
    for _ in range(_MOST_CHUNKS):
        handle.seek(at)
        head = handle.read(8)
        if len(head) < 8:
            break
        size = int.from_bytes(head[4:], "little")
        if head[:4] == b"EXIF" and size <= _LARGEST_EXIF:
            data = handle.read(size)
            exif = read_block(BytesIO(data[6:] if data.startswith(_EXIF) else data))
        elif head[:4] == b"XMP " and size <= xmp.LARGEST:
            document = handle.read(size)
        at += 8 + size + size % 2
    return Blocks(exif, document)


def _tiff(handle: BinaryIO) -> Blocks:
    exif = read_block(handle)
    return Blocks(exif, exif.xmp, exif.iptc)


def _fujifilm(handle: BinaryIO) -> Blocks:
    """A raw file of Fujifilm: a JPEG with all that is said of it lies inside."""
    handle.seek(84)
    (offset,) = struct.unpack(">I", handle.read(4).ljust(4, b"\0"))
    return _jpeg(handle, offset)


def _media(handle: BinaryIO) -> Blocks:
    from wordsight.images.media import read_media  # here, for JPEG does without

    return Blocks(*read_media(handle))


_TIFF_LIKE = (b"II*\0", b"MM\0*", b"IIRO", b"IIRS", b"MMOR", b"IIU\0")
_READERS: tuple[tuple[Callable[[bytes], bool], Callable[[BinaryIO], Blocks]], ...] = (
    (lambda head: head.startswith(b"\xff\xd8\xff"), _jpeg),
    (lambda head: head.startswith(b"\x89PNG\r\n\x1a\n"), _png),
    (lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP", _webp),
    (lambda head: head.startswith(_TIFF_LIKE), _tiff),
    (lambda head: head.startswith(b"FUJIFILMCCD-RAW"), _fujifilm),
    (lambda head: head[4:8] == b"ftyp", _media),
)
