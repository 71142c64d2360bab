"""The file of an image that a client sent: base64, a data address, or a web address where the settings allow those.

await image_file("data:image/png;base64,iVBOR...", host)       # bytes
"""

from wordsight.serve.errors import Refused
from wordsight.serve.hosting.host import Host
from wordsight.serve.own.embedding import image_bytes

WEB = ("http://", "https://")


async def image_file(address: str, host: Host) -> bytes:
    """Return the bytes of an image's file; raises `Refused` for what is no base64, is too large or may not be asked."""
    if address[:8].lower().startswith(WEB):
        return await _of_web(address, host)
    if address.startswith("data:") and ";base64," not in address[:128]:
        raise Refused(400, "a data address that is not base64", cure="write data:image/...;base64,...")
    if any(space in address for space in "\n\r "):
        address = "".join(address.split())  # as programs break base64 into lines
    return image_bytes(address, host)


async def _of_web(address: str, host: Host) -> bytes:
    """Return what lies at a web address: the one place where addresses are followed."""
    raise Refused(403, "images are not fetched from web addresses", cure="send the file, in base64")
