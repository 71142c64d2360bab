"""A browser gets its session, and gives it back.

POST /api/session {"key": "ws_..."}      # sets the cookie
DELETE /api/session                      # ends it
"""

from typing import TYPE_CHECKING

import msgspec
from starlette.responses import Response

from wordsight.serve.answering import encoded
from wordsight.serve.errors import Refused
from wordsight.serve.route import HttpCall
from wordsight.serve.safety.sessions import SECONDS, cookie_name, session_of

if TYPE_CHECKING:
    from starlette.requests import Request


class SessionRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The key that the browser shall have.  `key`: the API key that the session stands for."""

    key: str


class SessionAnswer(msgspec.Struct):
    """What the key may, and for how long.  `seconds`: for how many seconds the session lasts."""

    scopes: list[str]
    seconds: int


async def start(call: HttpCall[SessionRequest]) -> Response:
    """Set the cookie of a key."""
    safety = call.host.safety
    key = safety.keys.find(call.asked.key)
    if key is None:
        raise Refused(401, "a wrong key" if safety.keys.in_force else "no key is needed", cure="ask whoever runs it")
    response = Response(
        encoded(SessionAnswer(sorted(key.scopes), SECONDS)),
        media_type="application/json",
        headers={"cache-control": "no-store"},
    )
    _set_cookie(call.request, response, safety.sessions.start(key), SECONDS)
    return response


async def end(call: HttpCall[None]) -> Response:
    """End the session of the cookie, and take it back."""
    session = session_of(call.request.headers.get("cookie", ""), cookie_name(call.request.scope))
    call.host.safety.sessions.end(session)
    response = Response(status_code=204, headers={"cache-control": "no-store"})
    _set_cookie(call.request, response, "", 0)
    return response


def _set_cookie(request: "Request", response: Response, value: str, seconds: int) -> None:
    name = cookie_name(request.scope)
    secure = request.url.scheme == "https"
    response.set_cookie(name, value, max_age=seconds, path="/", secure=secure, httponly=True, samesite="strict")
