"""Bringing a library up to date with its location: what `plan` says has changed is done to the index.

What an image is, is its content: one whose SHA-256 is known keeps its embedding under whatever name, so a renamed
folder costs reading, not encoding; so does a content that the cache of embeddings knows.  What is finished is saved
every few seconds; a broken image is noted with its stamp and not tried again until it changes.  What is missing is
absent until it is proven to be gone.  Knows the protocol of an index, the model and the contents of the location.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from wordsight.base.arrays import is_unit
from wordsight.base.errors import InputError, NoEmbedding, UnreadableFile
from wordsight.base.progress import bar, notice
from wordsight.base.threads import read_ahead
from wordsight.base.value import Value
from wordsight.embeddings.model import Model
from wordsight.embeddings.pipeline import Encoded
from wordsight.images.embedded_names import EMBEDDED
from wordsight.images.files import image_hash, unchanged
from wordsight.images.fragments import COLUMNS, file_of, is_fragment
from wordsight.index.index import FileState, Index, IndexEntry
from wordsight.search.contents import (
    MEASURED,
    READER,
    SIGNATURE,
    Candidate,
    Contents,
    Listing,
    NoFile,
    index_command,
    reader,
)
from wordsight.search.fragments import all_of_files, ended, never_walked, with_fragments
from wordsight.search.kept_images import KeptImages
from wordsight.search.known_contents import KnownContents
from wordsight.search.missing import Whereabouts, too_many
from wordsight.search.noting import kept, noted_columns
from wordsight.search.origin import problems_fact, problems_of
from wordsight.search.plan import Plan, plan, to_read
from wordsight.search.report import SyncReport

SAVE_SECONDS = 5.0  # between saves: what a killed process has to do again at most
GROUP = 256  # images handed to the index at once


class Sync:
    """One run; `run` does it all.  `accept_removal`: what is missing may go without proof, and however much it is.

    `folder` is where the library lies, for advice.
    """

    def __init__(
        self,
        index: Index,
        model: Model,
        contents: Contents,
        listing: Listing,
        *,
        folder: Path,
        accept_removal: bool = False,
    ) -> None:
        self._folder = folder
        self._index = index
        self._model = model
        self._contents = contents
        self._accept_removal = accept_removal
        self._before = index.files.states()
        self._listing = with_fragments(listing, self._before)
        self._with_entries = frozenset(key for key, state in self._before.items() if not state.error)
        self._now: dict[str, FileState | None] = {}  # of what has been read; None where it could not be opened
        self._nowhere: dict[str, FileState] = {}  # of what tables name and is not there
        self._known = KnownContents(index, self._before)
        self._carried = (*MEASURED, *noted_columns(index.facts()))  # columns that the location does not tell
        self._failed: list[tuple[str, str]] = []
        self._renewed: list[str] = []  # keys whose metadata alone changed
        self._verdicts: dict[str, Whereabouts] = {}  # of what is missing, each judged once
        self._moved: list[tuple[str, str]] = []  # old and new keys, moved as soon as the new one is met
        self._missing = self._missing_contents()
        self._saved = time.monotonic()

    def _missing_contents(self) -> dict[str, list[str]]:
        """Return SHA-256 -> the keys that have it and are not listed, the first last; none where not all are listed.

        What is gone comes before what is missing only since now, and that before what was absent already; what is there
        and cannot be read has not moved.
        """
        missing: dict[str, list[str]] = {}
        if self._listing.complete and self._listing.stamps is not None:
            unlisted = sorted(self._with_entries - self._listing.stamps.keys(), reverse=True)
            for key in sorted(
                unlisted, key=lambda key: (self._verdict(key) == Whereabouts.GONE, not self._before[key].absent)
            ):
                if self._verdict(key) != Whereabouts.UNREAD:
                    missing.setdefault(self._before[key].sha256, []).append(key)
        return missing

    def _verdict(self, key: str) -> Whereabouts:
        """Return what became of a missing key; where not all is listed, ask after all has been read."""
        if key not in self._verdicts:
            self._verdicts[key] = self._contents.judge(key, self._before[key])
        return self._verdicts[key]

    def run(self) -> SyncReport:
        """Bring the index in step with the location."""
        stamps = self._listing.stamps or {} if self._listing.complete else None
        facts = self._index.facts()
        again = facts.get(READER) != reader()
        anew = never_walked(self._contents.location, facts, self._before)
        known = {key: one for key, one in self._before.items() if not (again and one.error) and key not in anew}
        asked = None if stamps is None else all_of_files(to_read(known, stamps), stamps)
        self._read_all(asked)
        unread = {key: _there(self._before[key]) for key in (stamps or {}).keys() - (asked or ())}
        done = self._decide({**unread, **self._now})
        self._index.remove(done.gone)
        self._index.files.forget([*done.gone, *done.forgotten])
        back = {key: state for key, state in unread.items() if self._before[key].absent}
        self._index.files.record({**back, **{key: replace(self._before[key], absent=True) for key in done.absent}})
        self._index.files.record(self._to_look_for(done))
        others = self._listing.signature != facts.get(SIGNATURE, "")
        self._renew_metadata(self._with_entry(unread if others else back))
        if others:
            self._failed += [("", str(problem)) for problem in self._contents.problems()]
        states = self._index.files.states()
        self._index.note({**self._contents.facts(self._listing, states), READER: reader()})
        before = [] if others or not self._listing.complete else problems_of(facts)
        self._index.note(problems_fact(self._problems(states, before)))
        self._index.save()
        return SyncReport(
            added=list(done.added),
            changed=[*done.changed, *self._renewed],
            moved=sorted([*self._moved, *done.moved]),
            removed=list(done.removed),
            failed=self._failed,
            absent=self._with_entry(done.absent),
            returned=sorted(self._with_entry(done.returned)),
            renewed=self._renewed,
        )

    def _problems(self, states: Mapping[str, FileState], before: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return what failed and no state tells; `before` is what failed the last time, where not all was looked at."""
        recorded = {state.error for state in states.values() if not state.absent}
        failed = [*(one for one in before if not one[0]), *self._failed]
        return [(key, reason) for key, reason in dict.fromkeys(failed) if reason not in recorded]

    def _to_look_for(self, done: Plan) -> dict[str, FileState]:
        """Return the states of what tables name, is not there and has no entry: it is found when it comes."""
        kept = self._with_entries.difference(done.gone)
        return {key: state for key, state in self._nowhere.items() if key not in kept and key not in self._now}

    def _decide(self, now: Mapping[str, FileState | None]) -> Plan:
        """Compare what was with what is; where too much would be removed, or all is missing, nothing is."""
        went = {old for old, _ in self._moved}
        came = {new: state for _, new in self._moved if (state := now[new]) is not None}  # which are paired already
        before = {key: state for key, state in self._before.items() if key not in went} | came
        missing = {key: self._verdict(key) for key in before if key not in now}
        may_go = {Whereabouts.EXCLUDED, Whereabouts.REPLACED, Whereabouts.GONE} | (
            {Whereabouts.ABSENT} if self._accept_removal else set()
        )
        done = plan(before, now, {key for key, verdict in missing.items() if verdict in may_go})
        location, known = self._contents.location, len(self._with_entries)
        if self._accept_removal:
            if kept := [key for key in self._with_entry(missing) if missing[key] == Whereabouts.UNREAD]:
                notice(f"{location}: {len(kept)} are kept: they, or what holds them, are there and cannot be read")
            return done
        certain = {Whereabouts.EXCLUDED, Whereabouts.REPLACED}
        excluded = {key for key, verdict in missing.items() if verdict in certain}
        count = len(set(done.removed) - excluded) if now else known
        if now and not too_many(count, known):
            if away := self._with_entry(done.absent):
                what = f"{len(away)} pictures are not there, and nothing proves that they are gone"
                notice(f"{location}: {what}; they are kept as absent: {self._accept()}")
            return done
        done = plan(before, now, excluded)
        if self._with_entry(done.absent):
            what = f"{count} of {known} pictures are missing" if now else f"none of {known} pictures is there any more"
            notice(f"{location}: {what}; nothing is removed, they are kept as absent: {self._accept()}")
        return done

    def _accept(self) -> str:
        return f"{index_command(self._contents.location, self._folder, '--accept-removal')} removes them"

    def _with_entry(self, keys: Iterable[str]) -> list[str]:
        """Return the known keys that are not broken ones."""
        return [key for key in keys if key in self._with_entries]

    def _read_all(self, keys: Sequence[str] | None) -> None:
        """Read and encode these images, or all, and put them into the index group by group."""
        images = self._contents.images(self._listing, keys)
        total = None if keys is None else len(keys)
        load = partial(self._load, kept=KeptImages(self._model, count=total))
        with (
            closing(read_ahead(images, 64)) as reading,
            closing(self._model.encode_images(reading, load, name=_name)) as encoded,
            bar(total, unit="picture", desc="indexing") as progress,
        ):
            while group := list(islice(encoded, GROUP)):
                self._put(group)
                progress.update(len(group))
                if time.monotonic() - self._saved > SAVE_SECONDS:
                    self._index.save()
                    self._saved = time.monotonic()

    def _load(self, candidate: Candidate | InputError, *, kept: KeptImages) -> Any:
        """Read one image; in a thread.  None when its content is known already, or kept."""
        if isinstance(candidate, InputError):
            raise candidate
        image, name = candidate.image, _name(candidate)
        if isinstance(image, InputError):
            raise image
        if candidate.kept is not None:  # the location gives it
            if candidate.sha256 in self._known:
                candidate.kept = None
            return None
        if candidate.ends is not None or is_fragment(candidate.key):
            candidate.image = None  # it may be large
            is_known = image is None or candidate.sha256 in self._known
            return None if is_known else self._model.load_seen(image, name=name).pixels
        if self._is_as_recorded(candidate):
            candidate.sha256 = self._before[candidate.key].sha256
            return None
        assert not isinstance(image, np.ndarray)
        with unchanged(image):
            candidate.sha256 = image_hash(image, key=candidate.key)
            if candidate.sha256 in self._known or kept.take(candidate, name=name):
                return None
            seen = self._model.load_seen(candidate.image, name=name)
            candidate.meta |= {"width": seen.width, "height": seen.height}
            return seen.pixels

    def _is_as_recorded(self, candidate: Candidate) -> bool:
        """Say whether an image, by its file, size and time of change, is the one that has been read before."""
        old = self._before.get(candidate.key)
        if old is None or old.error or not isinstance(candidate.image, Path):
            return False
        return (old.file, old.size, old.mtime_ns) == (candidate.file, *candidate.stamp)

    def _put(self, group: Sequence[Encoded[Candidate | InputError]]) -> None:
        """Put what has been read of a group into the index."""
        read: list[tuple[Candidate, Encoded[Any]]] = []
        now: dict[str, FileState | None] = {}
        ends: list[Candidate] = []
        for one in map(_checked, group):
            if isinstance(one.item, InputError):
                self._failed.append(("", str(one.item)))
                if isinstance(one.item, NoFile):
                    self._nowhere[one.item.key] = FileState(0, 0, "", str(one.item), file=one.item.file)
                continue
            if one.item.ends is not None:
                ends.append(one.item)
                continue
            read.append((one.item, one))
            now[one.item.key] = _state(one.item, one.error)
            if one.error is not None and (failure := (file_of(one.item.key), str(one.error))) not in self._failed[-1:]:
                self._failed.append(failure)
        known = {key: self._before[key] for key in now if key in self._before}
        step = plan(known, now)
        self._apply(step, [pair for pair in read if pair[1].error is None], now)
        self._move(step.added, now)
        states = {key: state for key, state in now.items() if state is not None}
        self._index.files.record({key: state for key, state in states.items() if state != self._before.get(key)})
        self._known.add(states)
        self._now |= now
        for one_file in ends:
            states = ended(one_file, self._now)
            self._index.files.record(states)
            self._now |= states

    def _move(self, added: Sequence[str], now: Mapping[str, FileState | None]) -> None:
        """Let a missing key go together with the coming of a new one with its content, so that no save is between."""
        for key in added:
            state = now[key]
            if state is not None and self._missing.get(state.sha256):
                old = self._missing[state.sha256].pop()
                self._known.keep({old: self._before[old]})
                self._index.remove([old])
                self._index.files.forget([old])
                self._moved.append((old, key))

    def _apply(
        self, step: Plan, read: Sequence[tuple[Candidate, Encoded[Any]]], now: dict[str, FileState | None]
    ) -> None:
        """Do to the index what the plan of a group says; `read` are those that could be read.

        Those of `now` whose embedding turns out to be damaged in the index stay as they were.
        """
        replaced = {
            key: self._before[key]
            for key in (*step.changed, *step.failed)
            if key in self._before and not self._before[key].error
        }
        self._known.keep(replaced)
        self._index.remove([key for key in step.failed if key in replaced])
        same = {*step.touched, *step.unchanged, *step.returned}
        stored = {entry.key: entry for entry in self._index.entries([one.key for one, _ in read if one.key in same])}
        entries = [self._entry(candidate, one, stored.get(candidate.key)) for candidate, one in read]
        now |= dict.fromkeys(self._add([entry for entry in entries if entry is not None]))

    def _entry(self, candidate: Candidate, one: Encoded[Any], same: IndexEntry | None) -> IndexEntry | None:
        """Return the entry to store; None when the one that is there is right as it stands.

        `same` is the one that is there, where it has the content of the image.
        """
        if candidate.key in self._before and self._contents.is_unsure(candidate.key):
            candidate.meta = {**self._meta_before(candidate.key), **candidate.meta}
        if one.embedding is not None:
            return IndexEntry(candidate.key, one.embedding, candidate.meta)
        known = same or self._known.entry(candidate.sha256)
        carried = (*self._carried, *COLUMNS) if is_fragment(candidate.key) else self._carried
        candidate.meta |= kept(known.meta, carried) | kept(candidate.meta, MEASURED)  # that a table may state
        if not candidate.is_read:
            candidate.meta = kept(known.meta, EMBEDDED) | candidate.meta
        if same and _present(candidate.meta) != _present(known.meta):
            self._renewed.append(candidate.key)
        elif same and candidate.meta.get("mtime") == known.meta.get("mtime"):
            return None
        return replace(known, key=candidate.key, meta=candidate.meta)

    def _meta_before(self, key: str) -> Mapping[str, Value]:
        return {} if self._before[key].error else self._index.entries([key])[0].meta

    def _renew_metadata(self, keys: Sequence[str]) -> None:
        """Give every entry the metadata it should have, after the table beside the images has changed."""
        for start in range(0, len(keys), GROUP):
            old = self._index.entries(keys[start : start + GROUP])
            new = [replace(entry, meta=self._meta_now(entry)) for entry in old]
            changed = [n for n, o in zip(new, old, strict=True) if _present(n.meta) != _present(o.meta)]
            damaged = self._add(changed)
            self._renewed += [entry.key for entry in changed if entry.key not in damaged]

    def _meta_now(self, entry: IndexEntry) -> dict[str, Value]:
        return {**self._contents.meta(entry.key, entry.meta), **kept(entry.meta, self._carried)}

    def _add(self, entries: Sequence[IndexEntry]) -> list[str]:
        """Store the entries; return the keys of those that are left out, for what the index held of them is damaged."""
        embeddings = np.array([entry.embedding for entry in entries], np.float32)
        embeddings = embeddings.reshape(len(entries), self._model.spec.width)
        sound = is_unit(embeddings)
        stored = [entry for entry, is_sound in zip(entries, sound, strict=True) if is_sound]
        self._index.add([entry.key for entry in stored], embeddings[sound], [entry.meta for entry in stored])
        damaged = [entry.key for entry, is_sound in zip(entries, sound, strict=True) if not is_sound]
        cure = f"make the library again with {index_command(self._contents.location, self._folder, '--rebuild')}"
        self._failed += [(key, f"the embedding of {key} in the library is not of length 1; {cure}") for key in damaged]
        return damaged


def _checked(one: Encoded[Candidate | InputError]) -> Encoded[Candidate | InputError]:
    """Return the image with its embedding, computed or kept, or why it failed where that is none."""
    if one.embedding is None and isinstance(one.item, Candidate) and one.error is None:
        one = replace(one, embedding=one.item.kept)
    if one.embedding is None or is_unit(one.embedding[None])[0]:
        return one
    problem = f"the embedding of {_name(one.item)} is NaN, zero or not of length 1"
    return Encoded(
        one.item, error=NoEmbedding(problem, cure="leave the image out, or compute in fp32: precision='fp32'")
    )


def _name(candidate: Candidate | InputError) -> str:
    """Return how messages call an image: its file, or its key where it lies inside another file."""
    if isinstance(candidate, InputError):
        return ""
    return str(candidate.image) if isinstance(candidate.image, Path) else candidate.key


def _state(candidate: Candidate, error: InputError | None) -> FileState | None:
    if isinstance(error, UnreadableFile):
        return None
    return FileState(*candidate.stamp, candidate.sha256, "" if error is None else str(error), file=candidate.file)


def _there(state: FileState) -> FileState:
    return replace(state, absent=False) if state.absent else state


def _present(meta: Mapping[str, Value]) -> dict[str, Value]:
    """Return the metadata as the index gives it back, without the time of change."""
    return {n: int(v) if isinstance(v, bool) else v for n, v in meta.items() if v is not None and n != "mtime"}
