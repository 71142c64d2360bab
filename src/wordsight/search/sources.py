"""A table or tar shards as what a library is made of: every image with the file that is or holds it.

What was met on the way decides what became of the images that were not: a table that was read whole and has no row of
an image, or a shard without its sample, proves that it is gone; what was damaged anywhere proves nothing, nor does a
shard that looks as if it had been copied in part.
"""

import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.base.errors import FormatError, InputError
from wordsight.base.files import sha256_bytes
from wordsight.base.nouns import Sample
from wordsight.base.progress import notice
from wordsight.base.value import Value
from wordsight.data import fields
from wordsight.data.kinds import TABLE, TEXT_TABLES
from wordsight.data.listing import Stamp, stamp_of
from wordsight.data.source import BrokenEntry, Walk, open_files
from wordsight.data.source_files import SourceFiles
from wordsight.images.files import PassedOver
from wordsight.index.index import FileState
from wordsight.search.brought import MARK_OF_TABLE, Brought
from wordsight.search.contents import (
    INSIDE,
    OURS,
    SIGNATURE,
    TABLES,
    Candidate,
    Listing,
    NoFile,
    States,
    away,
    file_of_hit,
    is_container,
    recalled,
    refused,
)
from wordsight.search.missing import Disk, Whereabouts
from wordsight.search.originals import Originals

if TYPE_CHECKING:
    from wordsight.data.source import Columns


class SourceContents:
    """A table or tar shards; keys are those of the samples, columns come along as metadata."""

    def __init__(
        self, location: Path, files: SourceFiles, columns: "Columns | None" = None, *, asked: bool = False
    ) -> None:
        self.location = location
        self.columns = columns
        self.originals: Originals | None = Originals(location, columns)
        self.passed = PassedOver()
        self._asked = asked
        self._files = files
        self._source = open_files(files, columns)
        self._paths = files.paths
        self._is_table = files.kind == TABLE
        self._of_cell = fields.from_text if files.paths[0].suffix.lower() in TEXT_TABLES else fields.plain
        self._base = str((location if location.is_dir() else location.parent).absolute())
        self._begin(dict, {})

    def _begin(self, states: States, facts: Mapping[str, str]) -> None:
        self._states = states
        names_files = self._is_table and facts.get(INSIDE) != "yes"
        self._brought = Brought(facts, facts.get(SIGNATURE, "") if names_files else None)
        self._in_use = recalled(facts)  # tables that told of images the last time
        self._disk = Disk(Path(self._base))
        self._broken: set[str] = set()  # parts that could not be read, or not every entry of them
        self._unusable: set[str] = set()  # keys of entries that are there and cannot be used
        self._in_part: dict[str, bool] = {}  # shard -> whether it may have been copied in part
        self._named: set[str] = set()  # keys of the known images of tables whose files are there

    def look(self, states: States, facts: Mapping[str, str]) -> Listing:
        """Return a signature of the names, sizes and times of the files, and stamps of the known images.

        Those of images that tables name are looked up; those that lie in the files are as they were, and where all do
        there is nothing to look up.  Which absent
        images have a file is a part of the signature: it tells when one comes back, or was missing in a table only.
        """
        self._begin(states, facts)
        if self._is_table and not facts.get(SIGNATURE):
            self._settle_columns()
        if not self._is_table or facts.get(INSIDE) == "yes":
            return Listing(None, self._signature_of_files(), complete=False)  # no mark: all would be read again
        stamps: dict[str, Stamp] = {}
        absent = []
        is_recorded = True  # with their files
        for key, state in states().items():
            stamp: Stamp | None = (state.size, state.mtime_ns)
            if state.file and not is_container(state.file):
                stamp = _stamp(state.file if os.path.isabs(state.file) else f"{self._base}{os.sep}{state.file}")
                if stamp is not None:
                    self._named.add(key)
                elif state.error and not state.sha256:  # there was none the last time either
                    stamp = state.size, state.mtime_ns
            is_recorded &= bool(state.file) or state.absent
            if state.absent:
                absent.append(key)
            elif stamp is not None:
                stamps[key] = stamp
        signature = self._signature(f"{self._signature_of_files()}{MARK_OF_TABLE}", absent) if is_recorded else None
        return Listing(stamps, signature, complete=False)

    def _settle_columns(self) -> None:
        """Guess the image column of a library that is to be made, which then remembers it."""
        from wordsight.data.source import Columns
        from wordsight.data.table import TableSource

        assert isinstance(self._source, TableSource)
        try:
            image = self._source.guessed_image()
        except FormatError:  # `images` tells of it
            return
        if image is not None:
            notice(f"{self.location}: the images are those of the column {image}, by what it holds", once=True)
            self.columns = replace(self.columns or Columns(), image=image)
            self.originals = Originals(self.location, self.columns)
            self._source = open_files(self._files, self.columns)

    def _signature_of_files(self) -> str:
        return f"{self._source.fingerprint()}{refused(self._paths)}"

    def facts(self, listing: Listing, states: Mapping[str, FileState]) -> dict[str, str]:
        """See `Contents`."""
        files = (listing.signature or self._signature_of_files()).partition(" ")[0].removesuffix(MARK_OF_TABLE)
        inside = "yes" if all(is_container(state.file) for state in states.values()) else ""
        mark = "" if inside or not self._is_table else MARK_OF_TABLE
        signature = self._signature(f"{files}{mark}", [key for key, state in states.items() if state.absent])
        kept = {table for table in self._in_use - self._parts() if self._disk.judge(table) != Whereabouts.GONE}
        tables = sorted(self._parts() | kept) if self._is_table else []
        return {**self._brought.facts(), SIGNATURE: signature, INSIDE: inside, TABLES: json.dumps(tables)}

    def _signature(self, files: str, absent: Collection[str]) -> str:
        there = sorted(self._named.intersection(absent))
        return f"{files} {sha256_bytes(json.dumps(there).encode())[:16]}" if there else files

    def images(self, listing: Listing, keys: Sequence[str] | None) -> Iterator[Candidate | InputError]:
        """See `Contents`; all are read.  A key that two images have is an error at the second."""
        seen: set[str] = set()
        part = 0
        known = self._states() if self._brought.keeps_all() else {}
        self._source = open_files(self._files, self.columns)  # anew, for it remembers what lay where
        try:
            walk = self._source.samples()
        except FormatError as error:
            if self._asked or not self._states():
                raise
            self._note(error, range(len(self._paths)))  # a header that is damaged
            yield InputError(error.problem, cure=error.cure)
            return
        for sample in walk:
            yield from self._failures(walk, range(part, walk.position.part + 1))
            part = walk.position.part
            if sample.key in seen:
                yield self._key_again(sample)
                continue
            seen.add(sample.key)
            yield self._candidate(sample, self._file(self._paths[part]), known.get(sample.key))
        yield from self._failures(walk, range(part, len(self._paths)))

    def _failures(self, walk: Walk, parts: range) -> Iterator[InputError]:
        """Take what failed since the last sample, somewhere in these parts."""
        failures, walk.failures = walk.failures, []
        for failure in failures:
            self._note(failure, parts)
            if isinstance(failure, BrokenEntry) and failure.file is not None:
                yield NoFile(failure.problem, cure=failure.cure, key=failure.key, file=self._file(failure.file))
            else:
                yield failure

    def _note(self, failure: Exception, parts: range) -> None:
        if isinstance(failure, BrokenEntry):
            self._unusable.add(failure.key)
        else:
            self._broken |= {self._file(self._paths[part]) for part in parts}

    def judge(self, key: str, state: FileState) -> Whereabouts:
        """See `Contents`."""
        if not os.path.exists(self.location):
            return away(self.location)
        if not state.file:  # an image of a folder that has become something else, or recorded without its file
            if any(map(self._may_have_had_more, self._parts())):
                return Whereabouts.ABSENT
            return Whereabouts.UNREAD if self._broken else self._disk.judge(key, through_links=False)
        if not is_container(state.file):
            return self._judge_named(key, state.file)
        if state.file in self._parts():
            return self._judge_part(state.file)
        if (Path(self._base) / state.file).is_file():  # left alone
            return Whereabouts.ABSENT
        return self._disk.judge(state.file)

    def _judge_part(self, part: str) -> Whereabouts:
        """Return what became of what a part held and was not met in it."""
        if part in self._broken:
            return self._disk.judge(part)
        return Whereabouts.ABSENT if self._may_have_had_more(part) else Whereabouts.GONE

    def _may_have_had_more(self, part: str) -> bool:
        """Say whether a part that nothing is wrong with may have been copied in part."""
        if self._is_table or part in self._broken:
            return False
        if part not in self._in_part:
            from wordsight.data.shards import ShardSource

            position = [self._file(path) for path in self._paths].index(part)
            assert isinstance(self._source, ShardSource)
            self._in_part[part] = self._source.may_have_had_more(position)
        return self._in_part[part]

    def _judge_named(self, key: str, file: str) -> Whereabouts:
        """Return what became of an image that a table names: which one did is not known."""
        if not self._is_table:
            return Whereabouts.ABSENT
        if key in self._unusable:
            return self._disk.judge(file)
        tables = {
            *(self._disk.judge(table) for table in self._in_use - self._parts()),
            *map(self._disk.judge, self._broken),
        }
        return next((one for one in (Whereabouts.UNREAD, Whereabouts.ABSENT) if one in tables), Whereabouts.GONE)

    def meta(self, key: str, meta: Mapping[str, Value]) -> dict[str, Value]:
        """Return the metadata as it is: a source that changes is read again as a whole."""
        return dict(meta)

    def is_unsure(self, key: str) -> bool:
        """Return False: what tells of an image is what names or holds it."""
        return False

    def path(self, key: str, meta: Mapping[str, Value]) -> Path | None:
        """See `file_of_hit`."""
        return file_of_hit(self.location, key, meta)

    def problems(self) -> list[InputError]:
        """Return nothing: whatever is wrong is met on the way."""
        return []

    def _parts(self) -> set[str]:
        return {self._file(path) for path in self._paths}

    def _file(self, path: Path) -> str:
        """Return a file as states have it: below the location, else in full."""
        return str(path.absolute()).removeprefix(f"{self._base}{os.sep}")

    def _key_again(self, sample: Sample) -> InputError:
        from wordsight.data.fields import how_to_name

        image = f" {sample.image}" if isinstance(sample.image, Path) else ""
        return InputError(
            f"{self.location}: the image{image} has the key {sample.key}, as one before it has",
            cure=f"give every image its own, or name another column as key ({how_to_name('key')})",
        )

    def _candidate(self, sample: Sample, part: str, known: FileState | None) -> Candidate:
        meta = {OURS.get(name, name): self._of_cell(value) for name, value in sample.meta.items()}
        if sample.label is not None:
            meta["class"] = sample.label
        if sample.texts:
            meta["text"] = "\n".join(sample.texts)
        if not isinstance(sample.image, Path):
            meta = self._brought.of_source(sample.image, meta)
            return Candidate(sample.key, sample.image, (len(sample.image or b""), 0), meta, file=part)
        path, file = str(sample.image.absolute()), self._file(sample.image)
        stamp = _stamp(path) or (0, 0)
        is_read = known is None or bool(known.error) or (known.file, known.size, known.mtime_ns) != (file, *stamp)
        meta = self._brought.of_source(sample.image if is_read else None, meta)
        return Candidate(sample.key, sample.image, stamp, {**meta, "path": path}, file=file, is_read=is_read)


def _stamp(path: str) -> Stamp | None:
    try:
        return stamp_of(os.stat(path))
    except (OSError, ValueError):
        return None
