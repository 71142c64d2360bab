"""The draft of a library that is made again beside the old one.  Knows the protocol of an index and its drafts."""

import contextlib
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from wordsight.base.errors import FingerprintMismatch, FormatError, NotFound, StorageError
from wordsight.base.progress import notice
from wordsight.embeddings.model import Model
from wordsight.index.index import Backend, FileState, Index
from wordsight.search.contents import Contents
from wordsight.search.missing import Whereabouts, too_many


def draft_of(folder: Path, backend: Backend, model: Model) -> Index:
    """Open the draft that was stopped on the way; one of another model, or a damaged one, is begun again."""

    def opened() -> Index:
        width = model.spec.width
        return backend.open(folder, fingerprint=model.fingerprint, width=width, writable=True, draft=True)

    with contextlib.suppress(FingerprintMismatch, FormatError):
        return opened()
    backend.delete(folder, draft=True)
    return opened()


def carry_over(folder: Path, backend: Backend, draft: Index, contents: Contents) -> None:
    """Keep what the old library holds, the draft lacks, and nobody has proven to be gone: it is absent in the draft.

    Raises `StorageError` where the draft is of another model, which cannot embed what is not there.
    """
    try:
        facts = backend.facts_in(folder)
        fingerprint, width = facts["fingerprint"], int(facts["width"])
        with contextlib.closing(backend.open(folder, fingerprint=fingerprint, width=width)) as old:
            kept = _missing(old, draft, contents)
            same = fingerprint == draft.facts()["fingerprint"]
            entries = old.entries(list(kept)) if same else []
    except NotFound:
        return
    except FormatError as error:
        notice(f"{contents.location}: what the old library knew of missing pictures cannot be read: {error.problem}")
        return
    if kept and not same:
        raise StorageError(
            f"{len(kept)} images of the library are not there now ({', '.join(islice(kept, 3))}…), "
            "and another model cannot embed them",
            cure="bring them back and rebuild again, or give them up with --accept-removal",
        )
    if kept:
        draft.add(list(kept), np.array([entry.embedding for entry in entries]), [entry.meta for entry in entries])
        draft.files.record({key: replace(state, absent=True) for key, state in kept.items()})
        draft.save()
        notice(f"{contents.location}: {len(kept)} pictures are not there now and are kept as absent")


def _missing(old: Index, draft: Index, contents: Contents) -> dict[str, FileState]:
    """Return the states of what is missing and may come back; of what is gone too where that is too much."""
    there, before = draft.files.states(), old.files.states()
    contents_there = {state.sha256 for state in there.values()}
    missing = {
        key: state
        for key, state in before.items()
        if not state.error and key not in there and state.sha256 not in contents_there
    }
    gone = {key for key, state in missing.items() if contents.judge(key, state) == Whereabouts.GONE}
    if too_many(len(gone), len(before)):
        return missing
    return {key: state for key, state in missing.items() if key not in gone}
