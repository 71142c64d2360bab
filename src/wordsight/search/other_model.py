"""A library that another model made: what to do about it, as commands that can be copied.

The default model may have changed under it (`wordsight models use`, another version's bundled model).
"""

import contextlib
import shlex
from pathlib import Path

from wordsight.base.errors import FingerprintMismatch, WordsightError
from wordsight.embeddings.model import Model
from wordsight.search.contents import library_folder
from wordsight.weights.find import NAME, find_model
from wordsight.weights.folder import read_fingerprint


def with_commands(error: FingerprintMismatch, location: Path, folder: Path, model: Model) -> FingerprintMismatch:
    """Return the error of a library in `folder` with the command that embeds its images again, and the way back."""
    command = ["wordsight", "index", str(location), "--rebuild"]
    if folder != library_folder(location):
        command += ["--library", str(folder)]
    if model.folder is not None and model.folder != _folder_of(None):
        command += ["--model", str(model.folder)]
    bundled = _folder_of(NAME)
    former = bundled is not None and read_fingerprint(bundled) in error.problem and model.folder != bundled
    back = f"--model {NAME}" if former else "--model and its folder"
    return FingerprintMismatch(
        error.problem, cure=f"embed its images again: {shlex.join(command)}; or use that model: {back}"
    )


def _folder_of(name: str | None) -> Path | None:
    with contextlib.suppress(WordsightError):
        return find_model(name, fetch=False)
    return None
