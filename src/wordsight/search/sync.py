"""Bringing a library up to date with its location: what `plan` says has changed is done to the index.

What an image is, is its content: one whose SHA-256 is known keeps its embedding under whatever name, so a renamed
folder costs reading, not encoding.  What is finished is saved every few seconds; a broken image is noted with its
stamp and not tried again until it changes.  Knows the protocol of an index, the model and the contents of the
location.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from wordsight.base.errors import InputError, NotFound, UnreadableFile
from wordsight.base.nouns import Value
from wordsight.base.progress import bar
from wordsight.base.threads import read_ahead
from wordsight.embeddings.model import Model
from wordsight.embeddings.pipeline import Encoded
from wordsight.images.decode import Wanted, opened
from wordsight.images.files import image_hash, unchanged
from wordsight.images.transform import resizing_need
from wordsight.index.index import FileState, Index, IndexEntry
from wordsight.search.contents import MEASURED, READER, SIGNATURE, Candidate, Contents, Listing, reader
from wordsight.search.plan import Plan, plan, to_read
from wordsight.search.report import SyncReport

SAVE_SECONDS = 5.0  # between saves: what a killed process has to do again at most
GROUP = 256  # images handed to the index at once


class KnownContents:
    """Where the embedding of every known content is: under a key of the index, or kept when that key has changed."""

    def __init__(self, index: Index, before: Mapping[str, FileState]) -> None:
        self._index = index
        self._keys = {state.sha256: key for key, state in before.items() if not state.error}
        self._kept: dict[str, IndexEntry] = {}

    def __contains__(self, sha256: str) -> bool:
        return sha256 in self._keys

    def entry(self, sha256: str) -> IndexEntry:
        """Return the entry of a known content."""
        return self._kept.get(sha256) or self._index.entries([self._keys[sha256]])[0]

    def keep(self, replaced: Mapping[str, FileState]) -> None:
        """Keep what these keys held until now: other images may have that content."""
        for key, state in replaced.items():
            if self._keys.get(state.sha256) == key and state.sha256 not in self._kept:
                self._kept[state.sha256] = self._index.entries([key])[0]

    def add(self, states: Mapping[str, FileState]) -> None:
        """Note what is in the index from now on."""
        for key, state in states.items():
            if not state.error:
                self._keys.setdefault(state.sha256, key)


class Sync:
    """One run; `run` does it all."""

    def __init__(self, index: Index, model: Model, contents: Contents, listing: Listing) -> None:
        self._index = index
        self._model = model
        self._contents = contents
        self._listing = listing
        self._before = index.files.states()
        self._now: dict[str, FileState | None] = {}  # of what has been read; None where it could not be opened
        self._known = KnownContents(index, self._before)
        self._failed: list[tuple[str, str]] = []
        self._renewed: list[str] = []  # keys whose metadata alone changed
        self._saved = time.monotonic()

    def run(self) -> SyncReport:
        """Bring the index in step with the location."""
        stamps = self._listing.stamps
        again = self._index.facts().get(READER) != reader()
        known = {key: state for key, state in self._before.items() if not (again and state.error)}
        self._read_all(None if stamps is None else to_read(known, stamps))
        self._require_some()
        unread = [key for key in stamps or () if key not in self._now]
        done = plan(self._before, {**{key: self._before[key] for key in unread}, **self._now})
        self._index.remove(done.gone)
        self._index.files.forget([*done.gone, *done.forgotten])
        if self._listing.signature != self._index.facts().get(SIGNATURE, ""):
            self._renew_metadata([key for key in unread if not self._before[key].error])
            self._failed += [("", str(problem)) for problem in self._contents.problems()]
        self._index.note({SIGNATURE: self._listing.signature or "", READER: reader()})
        self._index.save()
        return SyncReport(
            added=list(done.added),
            changed=[*done.changed, *self._renewed],
            moved=list(done.moved),
            removed=list(done.removed),
            failed=self._failed,
        )

    def _require_some(self) -> None:
        """Raise `NotFound` when there were images and none is left: it may be a disk that is not mounted."""
        if self._listing.stamps is None and self._before and not any(s and not s.error for s in self._now.values()):
            reason = self._failed[0][1] if self._failed else f"{self._contents.location} is empty"
            raise NotFound(f"no image can be read any more: {reason}", cure="the library is left as it is")

    def _read_all(self, keys: Sequence[str] | None) -> None:
        """Read and encode these images, or all, and put them into the index group by group."""
        images = self._contents.images(self._listing, keys)
        total = None if keys is None else len(keys)
        with (
            closing(read_ahead(images, 64)) as reading,
            closing(self._model.encode_images(reading, self._load, name=_name)) as encoded,
            bar(total, unit="picture", desc="indexing") as progress,
        ):
            while group := list(islice(encoded, GROUP)):
                self._put(group)
                progress.update(len(group))
                if time.monotonic() - self._saved > SAVE_SECONDS:
                    self._index.save()
                    self._saved = time.monotonic()

    def _load(self, candidate: Candidate | InputError) -> Any:
        """Read one image; in a thread.  None when its content is known already."""
        if isinstance(candidate, InputError):
            raise candidate
        name = _name(candidate)
        with unchanged(candidate.image):
            candidate.sha256 = image_hash(candidate.image, key=candidate.key)
            if candidate.sha256 in self._known:
                return None
            wanted = Wanted(colours="kept", further=partial(resizing_need, spec=self._model.spec.preprocess))
            with opened(candidate.image, name=name, wanted=wanted) as image:
                candidate.meta |= {"width": image.width, "height": image.height}
                return self._model.load_pixels(image, name=name)

    def _put(self, group: Sequence[Encoded[Candidate | InputError]]) -> None:
        """Put what has been read of a group into the index."""
        read: list[tuple[Candidate, Encoded[Any]]] = []
        now: dict[str, FileState | None] = {}
        for one in group:
            if isinstance(one.item, InputError):
                self._failed.append(("", str(one.item)))
                continue
            read.append((one.item, one))
            now[one.item.key] = _state(one.item, one.error)
            if one.error is not None:
                self._failed.append((one.item.key, str(one.error)))
        known = {key: self._before[key] for key in now if key in self._before}
        self._apply(plan(known, now), [pair for pair in read if pair[1].error is None])
        states = {key: state for key, state in now.items() if state is not None}
        self._index.files.record(states)
        self._known.add(states)
        self._now |= now

    def _apply(self, step: Plan, read: Sequence[tuple[Candidate, Encoded[Any]]]) -> None:
        """Do to the index what the plan of a group says; `read` are those that could be read."""
        replaced = {
            key: self._before[key]
            for key in (*step.changed, *step.failed)
            if key in self._before and not self._before[key].error
        }
        self._known.keep(replaced)
        self._index.remove([key for key in step.failed if key in replaced])
        same = {*step.touched, *step.unchanged}
        entries = [self._entry(candidate, one, same=candidate.key in same) for candidate, one in read]
        changed = [entry for entry in entries if entry is not None]
        self._add(changed)

    def _entry(self, candidate: Candidate, one: Encoded[Any], *, same: bool) -> IndexEntry | None:
        """Return the entry to store; None when the one that is there is right as it stands."""
        if one.embedding is not None:
            return IndexEntry(candidate.key, one.embedding, candidate.meta)
        known = self._index.entries([candidate.key])[0] if same else self._known.entry(candidate.sha256)
        candidate.meta |= {column: known.meta[column] for column in MEASURED if column in known.meta}
        if same and _present(candidate.meta) != _present(known.meta):
            self._renewed.append(candidate.key)
        elif same and candidate.meta.get("mtime") == known.meta.get("mtime"):
            return None
        return replace(known, key=candidate.key, meta=candidate.meta)

    def _renew_metadata(self, keys: Sequence[str]) -> None:
        """Give every entry the metadata it should have, after the table beside the images has changed."""
        for start in range(0, len(keys), GROUP):
            old = self._index.entries(keys[start : start + GROUP])
            new = [replace(entry, meta=self._contents.meta(entry.key, entry.meta)) for entry in old]
            changed = [n for n, o in zip(new, old, strict=True) if _present(n.meta) != _present(o.meta)]
            self._add(changed)
            self._renewed += [entry.key for entry in changed]

    def _add(self, entries: Sequence[IndexEntry]) -> None:
        embeddings = np.array([entry.embedding for entry in entries], np.float32)
        self._index.add(
            [entry.key for entry in entries],
            embeddings.reshape(len(entries), self._model.spec.width),
            [entry.meta for entry in entries],
        )


def _name(candidate: Candidate | InputError) -> str:
    """Return how messages call an image: its file, or its key where it lies inside another file."""
    if isinstance(candidate, InputError):
        return ""
    return str(candidate.image) if isinstance(candidate.image, Path) else candidate.key


def _state(candidate: Candidate, error: InputError | None) -> FileState | None:
    if isinstance(error, UnreadableFile):
        return None
    return FileState(*candidate.stamp, candidate.sha256, "" if error is None else str(error))


def _present(meta: Mapping[str, Value]) -> dict[str, Value]:
    """Return the metadata as the index gives it back, without the time of change."""
    return {n: int(v) if isinstance(v, bool) else v for n, v in meta.items() if v is not None and n != "mtime"}
