"""A library that another model made: what to do about it, as commands that can be copied.

The default model may have changed under it (`wordsight models use`, another version's bundled model).
"""

import contextlib
import shlex
from collections.abc import Mapping
from pathlib import Path

from wordsight.base.errors import FingerprintMismatch, WordsightError
from wordsight.embeddings.model import Model
from wordsight.search.contents import index_command
from wordsight.weights.find import NAME, find_model
from wordsight.weights.manifest import read_fingerprint

MODEL_FOLDER = "model_folder"  # the fact that keeps where the model of a library lay


def with_commands(
    error: FingerprintMismatch, library: Path, folder: Path, model: Model, *, facts: Mapping[str, str]
) -> FingerprintMismatch:
    """Return the error of a library in `folder` with the command that embeds its images again, and the way back.

    `library` is the location that was indexed, `facts` are those of its index.
    """
    named = model.folder is not None and model.folder != _folder_of(None)
    command = index_command(library, folder, "--rebuild", *(["--model", str(model.folder)] if named else []))
    names = f"{facts.get('model', 'another model')} ({facts['fingerprint']}), not by {model.name} ({model.fingerprint})"
    return FingerprintMismatch(
        f"the library in {folder} was made by the model {names}",
        cure=f"embed its images again: {command}; or use that model: {_way_back(model, facts)}",
    )


def _way_back(model: Model, facts: Mapping[str, str]) -> str:
    """Return the option that names the model of the library, where it is still there."""
    bundled, former = _folder_of(NAME), facts.get(MODEL_FOLDER)
    if bundled is not None and bundled != model.folder and read_fingerprint(bundled) == facts["fingerprint"]:
        return f"--model {NAME}"
    with contextlib.suppress(WordsightError, OSError):
        if former and read_fingerprint(Path(former)) == facts["fingerprint"]:
            return f"--model {shlex.quote(former)}"
    return "--model and its folder"


def _folder_of(name: str | None) -> Path | None:
    with contextlib.suppress(WordsightError):
        return find_model(name, fetch=False)
    return None
