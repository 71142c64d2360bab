"""How an engine travels to another process: as its folder and options, to be opened again there.

    pickle.loads(pickle.dumps(engine))      # opens nothing before it is used

The bundled model travels as such, for it lies elsewhere in another installation.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wordsight.base.errors import FingerprintMismatch
from wordsight.weights.find import BUNDLED

HERE = "bundled"  # stands for the folder of the bundled model
Reopened = tuple[Any, ...]  # what `__reduce__` returns


def reopened(engine: Any, folder: Path, options: Mapping[str, Any]) -> Reopened:
    """Return what `__reduce__` of an engine returns that was made as `type(engine)(folder, **options)`."""
    return reopen, (type(engine), sent(folder), dict(options), engine.fingerprint)


def reopen(kind: Any, folder: Path | str, options: Mapping[str, Any], fingerprint: str) -> Any:
    """Return the engine, opened from its folder here; another model in that folder raises `FingerprintMismatch`."""
    engine = kind(received(folder), **options)
    if engine.fingerprint != fingerprint:
        raise FingerprintMismatch(
            f"{received(folder)} is the model {engine.fingerprint} here, the one sent was {fingerprint}",
            cure="give both processes the same files and the same version of wordsight",
        )
    return engine


def sent(folder: Path) -> Path | str:
    """Return a model's folder as another process will find it."""
    return HERE if folder == BUNDLED else folder.absolute()


def received(folder: Path | str) -> Path:
    """Return the folder that was `sent`."""
    return BUNDLED if folder == HERE else Path(folder)
