"""Making a library again beside the old one.  Knows the protocol of an index and its drafts."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from wordsight.base.errors import FingerprintMismatch, FormatError, NotFound, StorageError
from wordsight.base.progress import notice
from wordsight.embeddings.model import Model
from wordsight.index.index import Backend, FileState, Index, IndexEntry
from wordsight.search.contents import Contents
from wordsight.search.missing import Whereabouts, too_many
from wordsight.search.noting import carry_notes
from wordsight.search.open_index import OpenIndex
from wordsight.search.origin import origin
from wordsight.search.report import SyncReport
from wordsight.search.sync import Sync


def rebuilt(
    opened: OpenIndex, contents: Contents, exclude: Sequence[str], *, accept_removal: bool = False
) -> SyncReport:
    """Make the library again and return what was done; see `Library.rebuild`."""
    folder, model = opened.folder, opened.model
    listing = contents.look(dict, opened.facts())
    with contextlib.suppress(FingerprintMismatch, FormatError):
        opened.renew()
    with opened.making_again() as backend:
        problem = _unreadable(folder, backend)
        if problem:
            notice(
                f"{contents.location}: the library is damaged: {problem}; it is made from what is there now, without "
                "the pictures that are not, and without the columns and patterns that it was made with"
            )
        with contextlib.closing(_draft_of(folder, backend, model)) as draft:
            draft.note(origin(contents, exclude, model, draft.facts()))
            report = Sync(draft, model, contents, listing, folder=folder).run()
            if not problem:
                _carry_notes(folder, backend, draft)
            if not problem and not accept_removal:
                _carry_over(folder, backend, draft, contents)
                contents.look(draft.files.states, draft.facts())  # for what was carried over: which of it has a file
                draft.note(contents.facts(listing, draft.files.states()))
                draft.save()
        backend.adopt(folder, damaged=bool(problem))
    return report


def _unreadable(folder: Path, backend: Backend) -> str:
    """Return why what the old library knows cannot be read; "" where it can, or there is none."""
    try:
        facts = backend.facts_in(folder)
        with contextlib.closing(_open_old(folder, backend, facts)) as old:
            old.files.states()
            old.entries([])  # needs to know where all embeddings lie
    except NotFound:
        return ""
    except FormatError as error:
        return error.problem
    return ""


def _open_old(folder: Path, backend: Backend, facts: Mapping[str, str]) -> Index:
    return backend.open(folder, fingerprint=facts["fingerprint"], width=int(facts["width"]))


def _draft_of(folder: Path, backend: Backend, model: Model) -> Index:
    """Open the draft that was stopped on the way; one of another model, or a damaged one, is begun again."""

    def opened() -> Index:
        width = model.spec.width
        return backend.open(folder, fingerprint=model.fingerprint, width=width, writable=True, draft=True)

    with contextlib.suppress(FingerprintMismatch, FormatError):
        return opened()
    backend.delete(folder, draft=True)
    return opened()


def _carry_over(folder: Path, backend: Backend, draft: Index, contents: Contents) -> None:
    """Keep what the old library holds, the draft lacks, and nobody has proven to be gone: it is absent in the draft.

    Raises `StorageError` where the draft is of another model, which cannot embed what is not there.
    """
    try:
        facts = backend.facts_in(folder)
    except NotFound:
        return
    with contextlib.closing(_open_old(folder, backend, facts)) as old:
        kept = _missing(old, draft, contents)
        same = facts["fingerprint"] == draft.facts()["fingerprint"]
        entries = _whole_entries(old, list(kept)) if same else []
    if kept and not same:
        raise StorageError(
            f"{len(kept)} images of the library are not there now ({', '.join(islice(kept, 3))}…), "
            "and another model cannot embed them",
            cure="bring them back and rebuild again, or give them up with --accept-removal",
        )
    keys = [entry.key for entry in entries]
    if keys:
        draft.add(keys, np.array([entry.embedding for entry in entries]), [entry.meta for entry in entries])
        draft.files.record({key: replace(kept[key], absent=True) for key in keys})
        draft.save()
        notice(f"{contents.location}: {len(keys)} pictures are not there now and are kept as absent")
    if lost := sorted(kept.keys() - set(keys)):
        what = f"{len(lost)} pictures are not there now, and what the library holds of them is damaged"
        notice(f"{contents.location}: {what}: they are lost to it: {', '.join(lost)}")


def _carry_notes(folder: Path, backend: Backend, draft: Index) -> None:
    """Keep what was noted on the images that are in both."""
    with contextlib.suppress(NotFound), contextlib.closing(_open_old(folder, backend, backend.facts_in(folder))) as old:
        carry_notes(old, draft)
        draft.save()


def _whole_entries(old: Index, keys: Sequence[str]) -> list[IndexEntry]:
    """Return the entries of these keys that are not damaged."""
    try:
        return old.entries(keys)
    except FormatError:
        if len(keys) < 2:
            return []
        middle = len(keys) // 2
        return [*_whole_entries(old, keys[:middle]), *_whole_entries(old, keys[middle:])]


def _missing(old: Index, draft: Index, contents: Contents) -> dict[str, FileState]:
    """Return the states of what is missing and may come back; of what is gone too where that is too much."""
    there, before = draft.files.states(), old.files.states()
    contents_there = {state.sha256 for state in there.values()}
    missing = {
        key: state
        for key, state in before.items()
        if not state.error and key not in there and state.sha256 not in contents_there
    }
    verdicts = {key: contents.judge(key, state) for key, state in missing.items()}
    missing = {key: state for key, state in missing.items() if verdicts[key] != Whereabouts.REPLACED}
    gone = {key for key in missing if verdicts[key] == Whereabouts.GONE}
    if too_many(len(gone), len(before)):
        return missing
    return {key: state for key, state in missing.items() if key not in gone}
