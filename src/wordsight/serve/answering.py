"""From a request to its answer: read within limits, checked against its type, handled in time, encoded.

    endpoint = endpoint_of(route, host)        # a Starlette endpoint

What goes wrong comes back in the shape that the route's clients know; a mistake of ours is status 500 and is logged.
"""

import asyncio
import json
import logging
import math
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
import numpy as np
import orjson
from numpy.typing import NDArray
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from wordsight.base.errors import WordsightError
from wordsight.base.optional import resolve
from wordsight.serve.errors import Expired, Refused, status_of
from wordsight.serve.hosting.host import Host
from wordsight.serve.leaving import Leaving
from wordsight.serve.memory import holding, reserve
from wordsight.serve.names_in_json import decoded
from wordsight.serve.route import HttpCall, Route
from wordsight.serve.watched.notes import notes

T = TypeVar("T")
JSON = "application/json"
TRUNCATED = "the JSON ends before it is whole, or has half of a surrogate pair, as \\ud800 alone"
log = logging.getLogger("wordsight.serve")


def endpoint_of(route: Route, host: Host) -> Callable[[Request], Awaitable[Response]]:
    """Return the function that answers requests of a route."""
    handler: Callable[[HttpCall[Any]], Awaitable[Any]] | None = None
    seconds = route.seconds or host.settings.limits.seconds

    async def handled(request: Request) -> Any:
        nonlocal handler
        if handler is None:
            handler = resolve(route.handler)
        host.safety.admit(route, request)
        if route.scope != "open":
            host.memory.require()
        async with asyncio.timeout(seconds):
            asked = notes().asked = await _asked(route, request)
            call = HttpCall(asked, request.path_params, host, request)
            if route.body == "raw":  # the handler reads the body itself
                return await handler(call)
            async with Leaving(request):
                return await handler(call)

    async def answer(request: Request) -> Response:
        notes().route = route.path
        try:
            with holding(host.memory):
                answered = await handled(request)
                return answered if isinstance(answered, Response) else Response(encoded(answered), media_type=JSON)
        except TimeoutError:
            return refusal(route, Expired(seconds))
        except WordsightError as error:
            return refusal(route, error, host)
        except HTTPException as error:  # of Starlette, as for a form that cannot be read
            return refusal(route, Refused(error.status_code, str(error.detail), cure="see /docs for what is asked"))
        except ClientDisconnect:
            return Response(status_code=499)
        except MemoryError:
            return refusal(route, Refused(503, "no memory left for this request", cure="ask for less at once", after=5))
        except Exception:
            log.exception("%s %s", route.method, route.path)
            return refusal(route, Refused(500, "an internal error", cure="see the server's log"))

    return answer


def refusal(route: Route, error: WordsightError, host: Host | None = None) -> Response:
    """Return an error as clients of this route know it; no text says where on the server libraries lie."""
    status = status_of(error)
    notes().error, notes().problem = type(error).__name__, error.problem
    headers = dict(error.headers) if isinstance(error, Refused) else {}
    if isinstance(error, Refused) and error.after is not None:
        headers["retry-after"] = str(max(1, math.ceil(error.after)))
    problem, cure = (one if host is None else host.public(one) for one in (error.problem, error.cure))
    body = json.dumps(route.shape(status, problem, cure)).encode("ascii")  # also names of files that are no UTF-8
    return Response(body, status_code=status, headers=headers, media_type=JSON)


def encoded(answer: Any) -> bytes:
    """Return a typed answer as JSON; names of files that are no UTF-8 are written in escapes."""
    try:
        return msgspec.json.encode(answer)
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(answer)).encode("ascii")


def numbers(array: NDArray[Any]) -> msgspec.Raw:
    """Return an array as JSON numbers, as short as its precision allows."""
    return msgspec.Raw(orjson.dumps(np.ascontiguousarray(array), option=orjson.OPT_SERIALIZE_NUMPY))


async def _asked(route: Route, request: Request) -> Any:
    """Return what is asked, typed; what does not fit its type is refused with the field that is wrong."""
    if route.asks is None or route.body == "raw":
        return None
    try:
        if route.method in ("GET", "DELETE"):
            return msgspec.convert(_query(request), route.asks, strict=False)
        return decoded(await read_body(request) or b"{}", route.asks)
    except msgspec.MsgspecError as error:
        raise Refused(422, _problem(error), cure="see /docs for what is asked") from None
    except (UnicodeDecodeError, RecursionError) as error:
        raise Refused(422, f"the body is no JSON: {error}", cure="send JSON in UTF-8") from None


def _problem(error: msgspec.MsgspecError) -> str:
    """Return what is wrong in true words: half of a surrogate pair is to msgspec the end of the body."""
    problem = str(error)
    return TRUNCATED if problem == "Input data was truncated" else problem


def _query(request: Request) -> dict[str, Any]:
    """Return the query string; a name that comes again is a list."""
    given = request.query_params
    return {name: values[0] if len(values := given.getlist(name)) == 1 else values for name in given}


async def read_body(request: Request) -> bytes:
    """Return the body of a request; memory is reserved for it, and one that is too large is refused on its way."""
    parts = []
    async for part in request.stream():
        reserve(2 * len(part))  # once more for what is made of it: files from base64, texts
        parts.append(part)
    return b"".join(parts)
