"""How many bytes it takes to decode an image and make it upright RGB, from its header; and what would take forever.

Counted per pixel, with what each of Pillow's decoders holds beside the image (measured with Pillow 13 and 11.3, see
docs/images.md); each figure is at least what was seen.
"""

from typing import TYPE_CHECKING, Any, BinaryIO

from wordsight.images.colours import needs_copy

if TYPE_CHECKING:
    from PIL.Image import Image

_STORED = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2}  # bytes a pixel; 4 in other modes
_WHOLE = 12  # bytes a pixel beside the image, of decoders that are given the whole file
_BASE = 4_000_000
_MOST_SCANNED = 6_000_000_000  # pixels of all scans: about ten seconds
_BLOCK = 1 << 20
_PART = 512  # bytes that Pillow keeps of each strip or tile


def opening_need(handle: BinaryIO, size: int) -> int:
    """Return the bytes that opening a file of `size` bytes may take, before the image is known."""
    handle.seek(0)
    head = handle.read(30)
    canvas = 0
    if head[:4] == b"RIFF" and head[12:16] == b"VP8X":
        canvas = (int.from_bytes(head[24:27], "little") + 1) * (int.from_bytes(head[27:30], "little") + 1)
    elif head[:4] == b"RIFF" and head[12:16] == b"VP8 ":
        canvas = (int.from_bytes(head[26:28], "little") & 0x3FFF) * (int.from_bytes(head[28:30], "little") & 0x3FFF)
    elif head[:4] == b"RIFF" and head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        canvas = ((bits & 0x3FFF) + 1) * ((bits >> 14 & 0x3FFF) + 1)
    return size + 8 * canvas  # WebP's decoder makes two canvases as soon as it is opened


def decoding_need(image: "Image", size: int) -> int:
    """Return the bytes that loading a Pillow image of a file of `size` bytes takes, with what turns or converts it."""
    width, height = image.size
    stored = height * (-(-width * _STORED.get(image.mode, 4) // 4) * 4 + 8)  # rows of whole words, and their addresses
    need = _BASE + size + stored
    if needs_copy(image):
        need += height * (4 * width + 8)
    beside = _BESIDE.get(image.format or "")
    waiting = getattr(image, "fp", None) is not None and (beside is _of_whole or getattr(image, "tile", []))
    return need + beside(image, size) if beside is not None and waiting else need


def reduced(image: Any) -> int:
    """Return by what a Pillow image is, or was, decoded smaller than its file holds it: 1, or 2, 4 or 8 of a JPEG."""
    config = getattr(image, "decoderconfig", ())
    return int(config[0]) if image.format in ("JPEG", "MPO") and config else 1


def _of_jpeg(image: Any, size: int) -> int:
    """Return the coefficients of an image in several scans, which are all held until the last, at any fraction.

    Each scan goes over the whole image, so a small file may ask for hours: too many raise `ValueError`.
    """
    handle = image.fp
    handle.seek(max(0, handle.tell() - 8 - 2 * image.layers))  # it stands behind the header of the first scan
    head = bytes((0xFF, 0xDA, 0, 6 + 2 * image.layers, image.layers))
    if handle.read(len(head)) == head and not image.info.get("progressive"):
        return 0
    scans = _count(handle, b"\xff\xda")
    width, height = (reduced(image) * side for side in image.size)
    if scans * width * height > _MOST_SCANNED:
        raise ValueError(f"its {scans:,} scans of {width} x {height} pixels would take too long")
    sampled = [h * v for _, h, v, _ in image.layer]
    return int(2 * width * height * sum(sampled) / max(sampled))


def _count(handle: BinaryIO, mark: bytes) -> int:
    """Return how often two bytes appear in the rest of a file, read in parts."""
    count, last = 0, b""
    while block := handle.read(_BLOCK):
        count += (last + block).count(mark)
        last = block[-1:]
    return count


def _of_png(image: Any, size: int) -> int:
    """Return two rows as they lie in the file."""
    deep = 2 if "16" in str(image.tile[0][3]) else 1
    return int(2 * image.width * len(image.getbands()) * deep)


def _of_tiff(image: Any, size: int) -> int:
    """Return a strip or tile as it lies in the file, and what is kept of each; samples not packed are read in parts."""
    tags = image.tag_v2
    bits = tags.get(258, (1,))
    a_pixel = -(-sum(bits if isinstance(bits, tuple) else (bits,)) // 8)
    listed = _PART * len(image.tile)
    if image.tile[0][0] == "raw":
        return listed - min(size, a_pixel * int(image.width * image.height))
    part = min(int(tags.get(278, image.height)), image.height) * image.width
    if 322 in tags:
        part = int(tags[322]) * int(tags[323])
    return int(part * a_pixel) + listed


def _of_gif(image: Any, size: int) -> int:
    return int(image.width * image.height)


def _of_bmp(image: Any, size: int) -> int:
    """Return what a run-length encoded image holds on its way; samples not packed are read in parts."""
    return -size if image.tile[0][0] == "raw" else 3 * int(image.width * image.height)


def _of_whole(image: Any, size: int) -> int:
    """Return what decoders hold that are given the whole file at once."""
    return _WHOLE * int(image.width * image.height) + size


_BESIDE = {
    "JPEG": _of_jpeg,
    "MPO": _of_jpeg,
    "PNG": _of_png,
    "TIFF": _of_tiff,
    "GIF": _of_gif,
    "BMP": _of_bmp,
    "WEBP": _of_whole,
    "AVIF": _of_whole,
    "HEIF": _of_whole,
}
