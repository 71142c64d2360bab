"""The file of a tokenizer in the folder of its model."""

from pathlib import Path

from wordsight.base.errors import NotFound, UsageError
from wordsight.base.files import require_content


def vocabulary_file(folder: Path | None, name: str) -> Path:
    """Return the tokenizer's file of a model's folder; `UsageError` without a folder, `NotFound` without the file."""
    if folder is None:
        raise UsageError("this model's tokenizer is a file", cure=f"give the folder that holds {name}")
    path = folder / name
    if not path.is_file():
        raise NotFound(f"no file {path}", cure="copy it from where the model came from, or give a whole model folder")
    require_content(path)
    return path
