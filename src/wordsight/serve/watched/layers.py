"""The layers that note every request, from outside to inside: (ASGI application, host) -> one around it."""

from collections.abc import Callable
from typing import Any

LAYERS: tuple[Callable[[Any, Any], Any], ...] = ()
