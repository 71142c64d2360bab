"""The half of a library that writes: its index kept in step with its location, made again, mended, and noted on.

    keeper = Keeper(OpenIndex(location, folder, model), columns=None, exclude=None)
    keeper.sync()
    keeper.note([("a.jpg", {"tags": "dog"})])

`Library` says what each of these does.  One thread of a process writes at a time.  Knows the protocol of an index.
"""

import contextlib
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from wordsight.base.errors import NotFound, StorageError
from wordsight.base.processes import PerProcess
from wordsight.base.progress import notice
from wordsight.base.value import Value
from wordsight.index.index import Damage, FileState
from wordsight.search import background
from wordsight.search.contents import (
    NOTHING,
    SIGNATURE,
    Contents,
    FolderContents,
    Listing,
    lies_aside,
    open_contents,
)
from wordsight.search.open_index import OpenIndex
from wordsight.search.origin import columns_of, excluded_of, last_listing, origin
from wordsight.search.report import SyncReport

if TYPE_CHECKING:
    from wordsight.data.source import Columns


class Keeper:
    """`columns` and `exclude` are those asked for; without them those that the library remembers are used."""

    def __init__(self, index: OpenIndex, *, columns: "Columns | None", exclude: Sequence[str] | None) -> None:
        self.columns = columns
        self.exclude = exclude
        self._index = index
        self._contents: Contents | None = None
        self._stays = True  # whether the next look is at the same contents
        self._syncing = PerProcess(threading.Lock)

    @property
    def contents(self) -> Contents:
        """What lies at the location, read with the columns asked for, else with those the library was made with."""
        contents = self._contents  # which another thread may take away
        if contents is None:
            columns = self.columns
            if columns is None:
                columns = columns_of(self._index.facts())
            asked = self.columns is not None
            contents = open_contents(self._index.location, columns, asked=asked, exclude=self._excluded())
            self._contents = contents
        return contents

    def _excluded(self) -> Sequence[str]:
        """Return the patterns of what is left alone: those asked for, else those that the library remembers."""
        if self.exclude is None:
            self.exclude = excluded_of(self._index.facts())
        return self.exclude

    def looked(self) -> tuple[Contents, Listing]:
        """Look at what lies there now: all but a folder in which images were seen may be something else by now."""
        if not self._stays:
            self._contents = None
        contents, self._stays = self.contents, False
        listing = contents.look(self._states, self._index.facts())
        self._stays = isinstance(contents, FolderContents) and bool(listing.stamps)
        return contents, listing

    def recorded(self, listing: Listing) -> Listing:
        """Return how the location looked when the library was last in step with it, to compare `listing` with."""
        with contextlib.suppress(NotFound), self._index.reading() as index:
            return last_listing(index, listing)
        return NOTHING

    def _states(self) -> Mapping[str, FileState]:
        with contextlib.suppress(NotFound), self._index.reading() as index:
            return index.files.states()
        return {}

    def sync(self, *, accept_removal: bool = False) -> SyncReport:
        """See `Library`."""
        opened = self._index
        with self._syncing.here:
            report = self._sync(accept_removal=accept_removal)
            if report or not background.is_there(opened.folder, opened.model.fingerprint):
                with opened.reading() as index:
                    background.refresh(opened.folder, index, opened.model)
            if not report:
                opened.tend()
            return report

    def _sync(self, *, accept_removal: bool = False) -> SyncReport:
        opened = self._index
        location, folder = opened.location, opened.folder
        opened.renew()
        contents, listing = self.looked()
        before = self.recorded(listing)
        moved = opened.moved_from(opened.facts()) if lies_aside(folder, location) else None
        if moved is not None:
            notice(f"the library in {folder} was that of {moved}, which is gone: it is that of {location} now")
        if listing.in_step(before) and not accept_removal and moved is None:
            return SyncReport()
        from wordsight.search.embedded_folder import require_same_model
        from wordsight.search.sync import Sync

        require_same_model(contents, opened.model)
        with opened.writing() as index:
            if last_listing(index, listing) != before:  # another process wrote since, perhaps from a newer listing
                listing = contents.look(index.files.states, index.facts())
            index.note(origin(contents, self._excluded(), opened.model, index.facts()))
            return Sync(index, opened.model, contents, listing, accept_removal=accept_removal, folder=folder).run()

    def rebuild(self, *, accept_removal: bool = False) -> SyncReport:
        """See `Library`."""
        from wordsight.search.embedded_folder import require_same_model
        from wordsight.search.rebuild import rebuilt

        with self._syncing.here:
            self._index.moved_from(self._index.facts())
            self._contents = None  # it is decided anew what lies there
            require_same_model(self.contents, self._index.model)
            return rebuilt(self._index, self.contents, self._excluded(), accept_removal=accept_removal)

    def verify(self) -> list[Damage]:
        """See `Library`."""
        with self._syncing.here:
            self._index.renew()
            with self._index.reading() as index:
                damage = index.verify()
            if damage:
                try:
                    damage = self._mend()
                except StorageError as error:
                    raise StorageError(f"{error.problem}; damaged: {damage[0].what}", cure=error.cure) from error
                self._sync()
        return damage

    def _mend(self) -> list[Damage]:
        """Forget what is damaged, so that it is embedded again."""
        from wordsight.search.fragments import unfinished

        with self._index.writing() as index:
            damage = index.verify()
            index.mend(damage)
            if damage:
                index.files.record(unfinished(index.files.states()))
            index.note({SIGNATURE: ""})  # so that a table or shards are read again
            index.save()
        return damage

    def note(self, noted: Iterable[tuple[str, Mapping[str, Value]]]) -> int:
        """See `Library`."""
        from wordsight.search.noting import note

        if not self._index.exists():
            raise self._index.not_made()
        with self._syncing.here, self._index.writing() as index:
            changed = note(index, noted)
            index.save()
        return changed

    def drop(self, keys: Iterable[str]) -> int:
        """See `Library`."""
        with self._syncing.here, self._index.writing() as index:
            states = index.files.states()
            gone = [key for key in dict.fromkeys(keys) if key in states]
            index.remove([key for key in gone if not states[key].error])
            index.files.forget(gone)
            index.save()
        return len(gone)

    def forget(self) -> None:
        """See `Library`."""
        self._excluded()  # what it remembers counts on
        self._contents = None
        self._index.forget()
