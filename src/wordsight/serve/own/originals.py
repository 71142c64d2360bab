"""The files of images as they are, streamed, whole or a range of them; by key, and never by a path.

What browsers show is given out as what it is, told from its first bytes; all else is a download, so that nothing of it
runs: SVG and HTML are no images here.  A link that leads out of the location is refused.
"""

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from wordsight.base.errors import InputError, NotFound
from wordsight.base.reading import open_regular
from wordsight.images.fragments import file_of
from wordsight.serve.errors import Refused
from wordsight.serve.hosting.located import LocatedImage, located, require_own
from wordsight.serve.own.images import key_of
from wordsight.serve.route import HttpCall

if TYPE_CHECKING:
    from wordsight.search.library import Library

CHUNK = 1 << 18  # bytes read at once
HEAD = 64  # bytes that tell what a file is
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_BEGINNINGS = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"\x1aE\xdf\xa3", "video/webm"),
)
_BRANDS = {  # behind "ftyp" in the files of MPEG-4 and its relatives
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heif",
    b"qt  ": "video/quicktime",
}
_VIDEO_BRANDS = (b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"M4V ", b"dash", b"MSNV")


class OpenedFile(NamedTuple):
    """A file that is open, its size, its first bytes, and its tag."""

    handle: BinaryIO
    size: int
    head: bytes
    tag: str


async def original(call: HttpCall[None]) -> Response:
    """Return the file of an image, or the range of it that is asked for."""
    key = key_of(call, "originals")
    library = call.host.libraries.named(call.path["library"])
    opened = await call.host.libraries.run(_opened, library, key)
    media = media_type_of(opened.head)
    headers = {
        "etag": opened.tag,
        "accept-ranges": "bytes",
        "cache-control": "private, max-age=0, must-revalidate",
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; sandbox",
        "content-disposition": _disposition(key, is_shown=media is not None),
    }
    asked, size = call.request.headers, opened.size
    if opened.tag in asked.get("if-none-match", ""):
        opened.handle.close()
        return Response(status_code=304, headers=headers)
    start, stop, status = 0, size, 200
    if (wanted := asked.get("range", "")) and asked.get("if-range", opened.tag) == opened.tag:
        try:
            start, stop, status = _range(wanted, size)
        except Refused:
            opened.handle.close()
            unsatisfied = {**headers, "content-range": f"bytes */{size}"}
            return Response(status_code=416, headers=unsatisfied)
    if status == 206:
        headers["content-range"] = f"bytes {start}-{stop - 1}/{size}"
    headers["content-length"] = str(stop - start)
    media = media or "application/octet-stream"
    if call.request.method == "HEAD":
        opened.handle.close()
        return Response(status_code=status, headers=headers, media_type=media)
    parts = _parts(opened.handle, start, stop)
    return StreamingResponse(parts, status_code=status, headers=headers, media_type=media)


def media_type_of(head: bytes) -> str | None:
    """Return the media type of what browsers show, told from its first bytes; None for all else."""
    for beginning, media in _BEGINNINGS:
        if head.startswith(beginning):
            return media
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12]) or ("video/mp4" if head[8:12] in _VIDEO_BRANDS else None)
    return None


def _opened(library: "Library", key: str) -> OpenedFile:
    image = located(library, key)
    require_own(image.hit, library)
    if image.hit.path is None:
        return _inside(image, library)
    path = Path(file_of(str(image.hit.path)))
    try:
        handle = open_regular(path)
    except OSError as error:
        raise NotFound(f"{key} is not there any more: {error.strerror}", cure="bring the library up to date") from None
    try:
        status = os.fstat(handle.fileno())
        head = handle.read(HEAD)
    except BaseException:
        handle.close()
        raise
    return OpenedFile(handle, status.st_size, head, f'"{status.st_mtime_ns:x}-{status.st_size:x}"')


def _inside(image: LocatedImage, library: "Library") -> OpenedFile:
    """Return an image that lies inside a table or shard."""
    try:
        content = image.hit.image()
    except InputError as error:
        raise Refused(404, error.problem, cure=error.cure) from None
    if isinstance(content, Path):
        require_own(replace(image.hit, path=content), library)
        content = content.read_bytes()
    return OpenedFile(BytesIO(content), len(content), content[:HEAD], f'"{image.mark}"')


def _range(wanted: str, size: int) -> tuple[int, int, int]:
    """Return start, stop and status of what a Range header asks for; what is not understood asks for all."""
    match = _RANGE.fullmatch(wanted.replace(" ", ""))
    if match is None or not (match[1] or match[2]) or max(map(len, match.groups())) > 18:
        return 0, size, 200
    if not match[1]:
        start, stop = max(size - int(match[2]), 0), size
    else:
        start, stop = int(match[1]), min(int(match[2] or size - 1) + 1, size)
        if match[2] and int(match[2]) < start:
            return 0, size, 200
    if start >= size or start >= stop:
        raise Refused(416, f"{wanted} of {size} bytes", cure="ask for bytes that are there")
    return start, stop, 206


def _disposition(key: str, *, is_shown: bool) -> str:
    name = file_of(key).rpartition("/")[2] or "image"
    return f"{'inline' if is_shown else 'attachment'}; filename*=UTF-8''{quote(name, safe='', errors='replace')}"


async def _parts(handle: BinaryIO, start: int, stop: int) -> AsyncIterator[bytes]:
    """Yield a file in parts, and close it."""
    with contextlib.closing(handle):
        await asyncio.to_thread(handle.seek, start)
        while start < stop:
            part = await asyncio.to_thread(handle.read, min(CHUNK, stop - start))
            if not part:
                return  # it was cut meanwhile: the connection ends before all has come
            start += len(part)
            yield part
