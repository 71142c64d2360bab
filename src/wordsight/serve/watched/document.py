"""The OpenAPI document of this server."""

import asyncio
import functools

import orjson
from starlette.responses import Response

from wordsight.serve.answering import JSON
from wordsight.serve.route import HttpCall


async def document(call: HttpCall[None]) -> Response:
    """Return the OpenAPI 3.1 document of all routes."""
    address = call.request.scope.get("root_path") or "/"
    encoded = await asyncio.to_thread(_encoded, call.host.safety.keys.in_force, address)
    return Response(encoded, media_type=JSON, headers={"cache-control": "no-cache"})


@functools.lru_cache(maxsize=4)
def _encoded(keys_needed: bool, address: str) -> bytes:
    from wordsight.serve.openapi import openapi
    from wordsight.serve.routes import ROUTES

    return orjson.dumps(openapi(ROUTES, keys_needed=keys_needed, address=address))
