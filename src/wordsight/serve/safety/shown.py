"""Messages without the paths of the server: what a library lies in is nobody's business but its owner's.

shown = without_paths(roots, "/srv/Photos/a.jpg cannot be read")       # "…/Photos/a.jpg cannot be read"
"""

import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wordsight.serve.settings import ServeSettings


def roots_of(settings: "ServeSettings") -> tuple[str, ...]:
    """Return the folders whose names are not shown, the longest first."""
    given: list[Path] = [Path.cwd(), Path.home(), Path(tempfile.gettempdir()), Path(sys.prefix)]
    for library in settings.libraries:
        given += [library.location.parent, *([library.folder.parent] if library.folder is not None else [])]
    given += [Path(model).parent for model in settings.models if model is not None and os.sep in model]
    given += [settings.keys.parent] if settings.keys is not None else []
    given += [Path(__file__).parents[3]]  # where the package lies
    paths = {str(path) for one in given for path in (one.absolute(), one.resolve())}
    return tuple(sorted((path for path in paths if len(path) > 1), key=len, reverse=True))


def without_paths(roots: Iterable[str], text: str) -> str:
    """Return a text with these folders left out."""
    if "/" not in text and "\\" not in text:
        return text
    for root in roots:
        text = text.replace(root, "…")
    return text
