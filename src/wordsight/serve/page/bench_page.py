"""The bench: what its maps are made with is opened while its visitor reads, for opening takes longest."""

from starlette.responses import Response

from wordsight.serve.own.explaining import open_soon
from wordsight.serve.page.files import page_file
from wordsight.serve.route import HttpCall
from wordsight.serve.safety.admission import asker_of


async def bench(call: HttpCall[None]) -> Response:
    """Return the page of the bench."""
    if "read" in asker_of(call.request).scopes:
        open_soon(call.host)
    return page_file("bench.html", call)
