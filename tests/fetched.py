"""Packages of neighbours that are fetched for one file of tests, for what they depend on cannot stand beside ours."""

import contextlib
import importlib
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock


@contextlib.contextmanager
def fetched(folder: Path, *packages: str, unused: Iterable[str] = ()) -> Iterator[Callable[[str], Any]]:
    """Fetch packages into a folder, without what they depend on; give what imports a module of them.

    `unused`: modules that they import and that are not needed here; those that are not imported are stood in for.
    """
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-compile",
        "--target",
        str(folder),
        *packages,
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    before = set(sys.modules)
    sys.path.append(str(folder))
    standing_in = {name: MagicMock() for name in unused if name not in before}
    sys.modules.update(standing_in)
    try:
        yield importlib.import_module
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            if name in standing_in or _lies_in(sys.modules[name], folder):
                del sys.modules[name]


def _lies_in(module: ModuleType, folder: Path) -> bool:
    places = [getattr(module, "__file__", None) or "", *getattr(module, "__path__", ())]
    return any(str(place).startswith(str(folder)) for place in places)
