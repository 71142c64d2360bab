"""Wordsight: two encoders that put pictures and sentences in one space, and what that space is good for.

`wordsight.load` opens a model, `wordsight.load_towers` its PyTorch towers, `wordsight.open_library` a folder of
pictures, `wordsight.losses` holds the contrastive losses.  Nothing heavy is imported before it is used.
"""

from typing import Any

from wordsight.base.optional import resolve

__version__ = "0.1.0"
__all__ = ["__version__", "load", "load_towers", "losses", "open_library"]

_PUBLIC = {
    "load": "wordsight.embeddings.model:load",
    "load_towers": "wordsight.weights.folder:load_towers",
    "open_library": "wordsight.search.library:open_library",
}


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return resolve(_PUBLIC[name])
    if name == "losses":
        import importlib

        return importlib.import_module("wordsight.losses")
    raise AttributeError(f"module 'wordsight' has no attribute {name!r}")
