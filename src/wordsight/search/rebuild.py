"""The draft of a library that is made again beside the old one.  Knows the protocol of an index and its drafts."""

import contextlib
from pathlib import Path

from wordsight.base.errors import FingerprintMismatch, FormatError
from wordsight.embeddings.model import Model
from wordsight.index.index import Backend, Index


def draft_of(folder: Path, backend: Backend, model: Model) -> Index:
    """Open the draft that was stopped on the way; one of another model, or a damaged one, is begun again."""

    def opened() -> Index:
        width = model.spec.width
        return backend.open(folder, fingerprint=model.fingerprint, width=width, writable=True, draft=True)

    with contextlib.suppress(FingerprintMismatch, FormatError):
        return opened()
    backend.delete(folder, draft=True)
    return opened()
