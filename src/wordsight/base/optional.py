"""Optional packages and lazy entry points: heavy things are opened when used, by name."""

import importlib
from types import ModuleType
from typing import Any

from wordsight.base.errors import MissingExtra


def require(module: str, *, extra: str) -> ModuleType:
    """Import `module`, or say which install command brings it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise MissingExtra(f"this needs the package {error.name}", cure=f"pip install 'wordsight[{extra}]'") from None


def resolve(target: str, *, extra: str = "") -> Any:
    """Return the object named by "module:attribute"; with `extra`, a missing package names that extra."""
    module, _, name = target.partition(":")
    if not extra:
        return getattr(importlib.import_module(module), name)
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("wordsight"):
            raise
        raise MissingExtra(f"this needs the package {error.name}", cure=f"pip install 'wordsight[{extra}]'") from None
