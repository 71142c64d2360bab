"""The search page with its first results written into it, so that the browser asks for images at once.

What the address asks is answered where that takes no longer than `AT_ONCE`.  Else, and for whoever may not read, the
page is its file alone and its scripts ask.  The same results stand there twice: as images, which the scripts take over,
and as the answers that they would have asked for.
"""

import asyncio
import json
import logging
from html import escape
from urllib.parse import quote

import msgspec
from starlette.responses import Response

from wordsight.base.errors import WordsightError
from wordsight.serve.answering import encoded
from wordsight.serve.names_in_json import decoded
from wordsight.serve.own.hits import HitAnswer
from wordsight.serve.own.searching import SearchAnswer, SearchRequest, answer_of
from wordsight.serve.own.status import StatusAnswer, status_of_server
from wordsight.serve.page.addresses import AskedByAddress, Body, asked_by
from wordsight.serve.page.files import KINDS, page_bytes, page_file
from wordsight.serve.route import HttpCall
from wordsight.serve.safety.admission import asker_of

AT_ONCE = 0.1  # seconds that the page waits for its results
CHUNK = 60  # results, as many as the scripts ask for at once
WRITTEN = 24  # images that fill a window; the scripts draw the others
SIDE = 256  # of thumbnails: those that are made before anybody asks
NARROWEST, WIDEST = 5, 26  # tenths: width by height of an image, as `search-layout.js` has it
_SCRIPTS, _SCRIPTS_END, _HERE = b"<!-- scripts -->", b"<!-- all of them -->", b"<!-- first results -->"
_ONE, _SEVERAL = b'<body class="search-page">', b'<body class="search-page several">'  # libraries
_LATER = (  # scripts, in a template: `search-start.js` puts them into the page once an image is there
    b'<link rel="expect" href="#first-results" blocking="render">'  # one picture of it all
    b'<script src="/page/search-start.js" defer fetchpriority="low"></script><template id="scripts">',
    b"</template>",
)
log = logging.getLogger("wordsight.serve")


class FirstResults(msgspec.Struct):
    """What the scripts need not ask for any more; `search` is what was asked of `library`, `answer` the answer."""

    status: StatusAnswer
    library: str
    search: Body
    answer: SearchAnswer


async def search_page(call: HttpCall[None]) -> Response:
    """Return the search page, with what its address asks for where that is there at once."""
    asked = asked_by(call.request.query_params.multi_items())
    is_open = "read" in asker_of(call.request).scopes and call.host.libraries.names
    try:
        if asked is not None and is_open:
            page = _written(await _results(call, asked), drawn=asked.is_bare)
            return Response(page, headers={"cache-control": "private, no-store"}, media_type=KINDS["html"])
    except (TimeoutError, WordsightError, msgspec.MsgspecError) as error:  # the scripts ask, and say what is wrong
        log.debug("the search page has no first results: %s", type(error).__name__)
    except Exception:
        log.exception("the search page has no first results")
    return page_file("index.html", call)


async def _results(call: HttpCall[None], asked: AskedByAddress) -> FirstResults:
    """Return the first results; `TimeoutError` where they are not there at once."""
    host, asker = call.host, asker_of(call.request)
    library = asked.library or host.libraries.names[0]
    request = decoded(json.dumps({**asked.search, "k": CHUNK}).encode("ascii"), SearchRequest)
    host.memory.require()
    if asked.search:
        host.safety.count(asker)
    async with asyncio.timeout(AT_ONCE):
        answer = await answer_of(request, host, library)
        return FirstResults(await status_of_server(host, asker), library, asked.search, answer)


def _written(results: FirstResults, *, drawn: bool) -> bytes:
    """Return the page with results: images where they are `drawn`, and the answers as data."""
    answer = results.answer
    is_cut = answer.calibrated and answer.matching is not None and "sort" not in results.search
    hits = answer.hits[: answer.matching] if is_cut else answer.hits
    cells = [_cell(results.library, hit) for hit in hits[:WRITTEN]] if drawn else []
    images = f'<div class="first" role="row">{"".join(cells)}</div>' if cells else ""
    data = encoded(results).replace(b"<", b"\\u003c")
    script = b'<script type="application/json" id="first-results">' + data + b"</script>"
    page = page_bytes("index.html").replace(_SCRIPTS, _LATER[0]).replace(_SCRIPTS_END, _LATER[1])
    if len(results.status.libraries) > 1:
        page = page.replace(_ONE, _SEVERAL)
    return page.replace(_HERE, images.encode("utf-8", "replace") + script)


def _cell(library: str, hit: HitAnswer) -> str:
    shape = round(10 * hit.width / hit.height) if hit.width and hit.height else 10
    shape = min(WIDEST, max(NARROWEST, shape))
    name = escape(hit.name)
    image = f'<img src="{escape(thumbnail_address(library, hit.key))}" alt="">'
    return f'<div class="hit s{shape}" role="gridcell" title="{name}">{image}</div>'


def thumbnail_address(library: str, key: str) -> str:
    """Return the address of a thumbnail, letter by letter as `imageAddress` of `api.js` writes it."""
    letters = "!*'()"
    name = quote(library, safe=letters)
    return f"/api/libraries/{name}/thumbnails/{quote(key, safe=f'/{letters}', errors='surrogateescape')}?side={SIDE}"
