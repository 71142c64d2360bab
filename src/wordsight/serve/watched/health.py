"""Whether the server lives, and whether it is ready."""

import msgspec

from wordsight.serve.errors import Refused
from wordsight.serve.route import HttpCall


class Health(msgspec.Struct):
    """How the process is.  `status`: "ok", where there is anything to answer."""

    status: str = "ok"


async def health(call: HttpCall[None]) -> Health:
    """Say that the process lives."""
    return Health()


async def ready(call: HttpCall[None]) -> Health:
    """Say that requests are answered without waiting for models; 503 until then."""
    if not call.host.ready:
        raise Refused(503, "not ready yet", cure="ask again later", after=1)
    return Health()
