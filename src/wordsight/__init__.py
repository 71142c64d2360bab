"""Wordsight: two encoders that put pictures and sentences in one space, and what that space is good for.

`wordsight.load` opens a model, `wordsight.load_towers` its PyTorch towers, `wordsight.open_library` a folder of
pictures or a table (whose columns `wordsight.Columns` names), `wordsight.losses` holds the contrastive losses,
`wordsight.guidance` the loss that guides an image by text.
Nothing heavy is imported before it is used.
"""

from typing import TYPE_CHECKING, Any

from wordsight.base.optional import require, resolve

if TYPE_CHECKING:
    from wordsight import guidance, losses
    from wordsight.base.errors import WordsightError
    from wordsight.data.source import Columns
    from wordsight.embeddings.model import Model, load
    from wordsight.search.hits import Hit
    from wordsight.search.library import Library, open_library
    from wordsight.weights.folder import load_towers

__version__ = "0.2.0"
__all__ = [
    "Columns",
    "Hit",
    "Library",
    "Model",
    "WordsightError",
    "__version__",
    "guidance",
    "load",
    "load_towers",
    "losses",
    "open_library",
]

_PUBLIC = {
    "Columns": "wordsight.data.source:Columns",
    "Hit": "wordsight.search.hits:Hit",
    "Library": "wordsight.search.library:Library",
    "Model": "wordsight.embeddings.model:Model",
    "WordsightError": "wordsight.base.errors:WordsightError",
    "load": "wordsight.embeddings.model:load",
    "load_towers": "wordsight.weights.folder:load_towers",
    "open_library": "wordsight.search.library:open_library",
}


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return resolve(_PUBLIC[name])
    if name in ("losses", "guidance"):
        import importlib

        if name == "guidance":
            require("torch", extra="train")
        return importlib.import_module(f"wordsight.{name}")
    raise AttributeError(f"module 'wordsight' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
