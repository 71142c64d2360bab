"""The files of the pages, given out with a tag of their content; names are those of a fixed list, never a path."""

import functools
from importlib.resources import files

from starlette.responses import Response

from wordsight.base.errors import NotFound
from wordsight.base.files import sha256_bytes
from wordsight.serve.route import HttpCall

KINDS = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "json": "application/json",
}
JOINED = {"search-all.css": ("base.css", "search.css")}  # files that are given out as one, for fewer requests


@functools.cache
def _file(name: str) -> tuple[bytes, str]:
    """Return a file of the pages and its tag."""
    known = {one.name: one for one in files("wordsight.serve.page").iterdir() if one.name.rpartition(".")[2] in KINDS}
    parts = JOINED.get(name, (name,))
    if not known.keys() >= set(parts):
        raise NotFound(f"no file {name!r} of the pages", cure="open /")
    content = b"".join(known[one].read_bytes() for one in parts)
    return content, f'"{sha256_bytes(content)[:20]}"'


def page_bytes(name: str) -> bytes:
    """Return the content of a file of the pages."""
    return _file(name)[0]


def page_file(name: str, call: HttpCall[None]) -> Response:
    """Return a file of the pages, or 304 where the browser has it."""
    content, tag = _file(name)
    headers, kind = {"etag": tag, "cache-control": "no-cache"}, KINDS[name.rpartition(".")[2]]
    if call.request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers, media_type=kind)  # the policy of a page hangs on its kind
    return Response(content, headers=headers, media_type=kind)


async def icon(call: HttpCall[None]) -> Response:
    """Return the icon, for which browsers ask by this name where a page names none."""
    return page_file("icon.svg", call)


async def map_page(call: HttpCall[None]) -> Response:
    """Return the map of a library."""
    return page_file("map.html", call)


async def duplicates(call: HttpCall[None]) -> Response:
    """Return the review of duplicates."""
    return page_file("duplicates.html", call)


async def docs(call: HttpCall[None]) -> Response:
    """Return the documentation of the API."""
    return page_file("docs.html", call)


async def file(call: HttpCall[None]) -> Response:
    """Return a script, a style or another page."""
    return page_file(call.path["name"], call)
