"""The ASGI application: routes over what a process serves, inside the layers that every request goes through.

    app = make_app(ServeSettings(...))

Layers, from outside: who asks and what it costs is noted (`watched`), who may ask is decided (`safety`), then routes.
"""

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute

from wordsight.serve.answering import endpoint_of, refusal
from wordsight.serve.errors import Refused
from wordsight.serve.hosting.host import Host
from wordsight.serve.route import Route
from wordsight.serve.routes import ROUTES
from wordsight.serve.safety.layers import LAYERS as SAFETY
from wordsight.serve.settings import ServeSettings
from wordsight.serve.watched.layers import LAYERS as WATCHED

Layer = Callable[[Any, Host], Any]  # an ASGI application and the host -> an ASGI application around it
_UNKNOWN = Route("GET", "", "", "")


class _AnyLetters(StringConvertor):
    """A part of a path that is a key: of any letters, a break of line among them, unlike Starlette's own `path`."""

    regex = r"(?s:.*)"


register_url_convertor("key", _AnyLetters())


def make_app(settings: ServeSettings) -> Any:
    """Return the application; what it serves is opened when it starts, and closed when it ends."""
    host = Host(settings)

    @contextlib.asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        async with host:
            yield

    routes = [StarletteRoute(one.path, endpoint_of(one, host), methods=[one.method]) for one in ROUTES]
    app: Any = Starlette(routes=routes, lifespan=lifespan, exception_handlers={404: _not_there, 405: _not_so})
    app.router.redirect_slashes = False  # they would lead to whatever name the client calls us
    for layer in reversed((*WATCHED, *SAFETY)):
        app = layer(app, host)
    return app


async def _not_there(request: Request, error: Exception) -> Response:
    return refusal(_UNKNOWN, Refused(404, f"nothing at {request.url.path[:200]}", cure="see /docs"))


async def _not_so(request: Request, error: Exception) -> Response:
    response = refusal(_UNKNOWN, Refused(405, f"no {request.method} at {request.url.path[:200]}", cure="see /docs"))
    allowed = getattr(error, "headers", None) or {}
    response.headers.update({name: value for name, value in allowed.items() if name.lower() == "allow"})
    return response
