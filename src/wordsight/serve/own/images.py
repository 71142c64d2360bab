"""The images of a library: small ones to look at, and the files themselves; by key, and never by a path."""

from urllib.parse import unquote

import msgspec
from starlette.responses import Response

from wordsight.base.errors import InputError
from wordsight.serve.errors import Refused
from wordsight.serve.hosting.thumbnails import SIDES
from wordsight.serve.route import HttpCall

AGE = 300  # seconds in which a browser need not ask again whether a thumbnail is the same


class ThumbnailRequest(msgspec.Struct, forbid_unknown_fields=True):
    """`side`: how many pixels the longer side should have; the next of 64, 128, 256, 512 and 1024 is made."""

    side: int = 256


async def thumbnail(call: HttpCall[ThumbnailRequest]) -> Response:
    """Return a small JPEG of an image, or 304 where the asker has it."""
    side = call.asked.side
    if not 32 <= side <= SIDES[-1]:
        raise Refused(422, f"side = {side}", cure=f"ask for 32 to {SIDES[-1]} pixels")
    library = call.host.libraries.named(call.path["library"])
    known = call.request.headers.get("if-none-match", "")
    try:
        small = await call.host.thumbnails.of(library, key_of(call, "thumbnails"), side=side, known=known)
    except InputError as error:
        raise Refused(404, error.problem, cure=error.cure) from None
    age = AGE if small.is_as_known else 0
    headers = {"etag": small.tag, "cache-control": f"private, max-age={age}", "x-content-type-options": "nosniff"}
    if small.jpeg is None:
        return Response(status_code=304, headers=headers)
    return Response(small.jpeg, headers=headers, media_type="image/jpeg")


def key_of(call: HttpCall[ThumbnailRequest] | HttpCall[None], after: str) -> str:
    """Return the key behind a part of the path, decoded as the names of files are."""
    raw: bytes = call.request.scope.get("raw_path") or b""
    _, parted, key = raw.partition(b"?")[0].partition(f"/{after}/".encode())
    return unquote(key.decode("ascii", "replace"), errors="surrogateescape") if parted else call.path["key"]
