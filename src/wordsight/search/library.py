"""A library: the images of a location, their embeddings and their metadata, kept in step.

    library = open_library("photos")
    library.sync()                                   # what was added, changed, moved, removed, failed
    library.search("red shoes", k=5, where="width > 500", without=["sandals"])

It lies in LOCATION/.wordsight (FILE.wordsight beside a table or shard) unless another folder is given.  Searching
changes nothing.  Knows the protocol of an index, and no index.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from wordsight.base.errors import NotFound, WordsightError
from wordsight.base.value import Value
from wordsight.embeddings.items import text_list
from wordsight.embeddings.model import Model, load
from wordsight.index.index import Damage, Index, IndexEntry
from wordsight.index.lock import LibraryBusy
from wordsight.index.open import recorded
from wordsight.search.answered import Answered
from wordsight.search.asking import Asking, asking
from wordsight.search.contents import SIGNATURE, Contents, Listing, library_folder
from wordsight.search.hits import Hit, Hits
from wordsight.search.in_step import Keeper
from wordsight.search.limits import HitLimitOptions, HitLimits
from wordsight.search.open_index import OpenIndex
from wordsight.search.origin import problems_of
from wordsight.search.query import NOTHING_ELSE, Query, read_query
from wordsight.search.report import SyncReport
from wordsight.search.wishes import SearchOptions, WishOptions, read_wishes, split

if TYPE_CHECKING:
    from wordsight.data.source import Columns
    from wordsight.search.duplicates.finding import FoundDuplicates, SoughtOptions
    from wordsight.search.facets import Counts, FacetValue
    from wordsight.search.rules.rules import LibraryRules
    from wordsight.search.tagging.job import TagReport
    from wordsight.search.tagging.options import TagOptions
    from wordsight.search.tagging.undoing import Undone
    from wordsight.search.why import Reason
    from wordsight.text.label_sets import LabelSet

__all__ = ["Hit", "Hits", "Library", "LibraryBusy", "open_library"]


class Library:
    """Use it as a context manager, or `close` it.  `index` is the kind of a library that is yet to be made.

    Threads may share it, also when one of them closes it; a forked child opens the index again, and so does a process
    that the library is pickled for.  A child forked while other threads use it may hang: fork first, or spawn.
    """

    def __init__(
        self,
        location: Path,
        folder: Path,
        model: Model,
        *,
        index: str | None = None,
        columns: "Columns | None" = None,
        exclude: Sequence[str] | None = None,
    ) -> None:
        self.location = location
        self.folder = folder
        self.model = model
        self._index = OpenIndex(location, folder, model, index)
        self._keeper = Keeper(self._index, columns=columns, exclude=exclude)

    def __reduce__(self) -> tuple[Any, ...]:
        location, folder = self.location.absolute(), self.folder.absolute()
        keeper = self._keeper
        made = partial(Library, index=self._index.kind, columns=keeper.columns, exclude=keeper.exclude)
        return made, (location, folder, self.model)

    def __repr__(self) -> str:
        try:
            state = f"{len(self)} images in {self.folder}" if self.exists() else "not indexed yet"
        except WordsightError as error:
            state = f"cannot be opened, {error.problem}"
        return f"<Library of {self.location}: {state}, model {self.model.name}>"

    def __len__(self) -> int:
        """Return the number of images in the library; 0 when there is none yet."""
        with contextlib.suppress(NotFound), self._index.reading() as index:
            return len(index)
        return 0

    def exists(self) -> bool:
        """Return whether the library has been made."""
        return self._index.exists()

    def is_unfinished(self) -> bool:
        """Return whether the first sync is still running, or was stopped: not all images are in the library yet."""
        with contextlib.suppress(NotFound), self._index.reading() as index:
            return SIGNATURE not in index.facts()
        return False

    def not_made(self) -> NotFound:
        """Return what is said of a library that is not there."""
        return self._index.not_made()

    def failures(self) -> dict[str, str]:
        """Return key -> reason of the images that are known to be broken."""
        with self._index.reading() as index:
            states = index.files.states()
        return {key: state.error for key, state in states.items() if state.error and not state.absent}

    def problems(self) -> list[str]:
        """Return what else failed when last looked: rows, tables, shards, links, files that may not be read."""
        return [reason for _, reason in problems_of(self._index.facts())]

    def absent(self) -> list[str]:
        """Return the keys of the images that were not there when last looked, and whose entries are kept."""
        with self._index.reading() as index:
            return [key for key, state in index.files.states().items() if state.absent and not state.error]

    def in_step(self) -> bool:
        """Return, from names, sizes and times alone, whether the library is up to date with its location."""
        listing = self.look()
        return listing.in_step(self._keeper.recorded(listing))

    def look(self) -> Listing:
        """Return what can be seen of the location with nothing opened."""
        return self._keeper.looked()[1]

    def search(
        self, query: Any = (), *, where: str | None = None, without: Any = (), **options: Unpack[SearchOptions]
    ) -> Hits:
        """Return a list of up to k hits, best first.  A library that is not there yet is made first, by `sync`.

        `query`: text, an image (a path, or whatever `Model.embed_images` takes), or a list of these, each with a
        weight if wanted ("2:red" or (2, image)).  `where`: a condition on metadata, applied before ranking.
        `without`: a query, or several, to stay away from.  `k`: 10 by default.  `min_match`: the least probability
        (0 to 1) that an image matches; hits of which none is known (`Hit.match` is None) stay.  `min_cosine`: the
        least score, which is a cosine (-1 to 1) less what `without` takes off.  `absent=True`: images that were not
        there when last looked are answered too.

        With `without`, the best max(10 k, 200) images for the query are weighed: each loses, for every unwanted
        query, weight times what its cosine with that query is above the mean over these images.

        `sort`: a column by which the matches come ("-mtime": newest first), which are those that are likely and near
        enough, or, where nothing tells, the best max(10 k, 500).  `fold`: near-duplicates of a better hit stand in its
        `alike`.  `keywords`: "auto", "on" or "off": whether images that have the query's exact words rise.  `like`:
        images (keys, paths or hits) that are the query themselves; `liked` and `disliked`: those that it moves towards
        and away from.
        """
        limits, wishes = split(options)
        asked = self.read(query, where=where, without=without, **wishes)
        HitLimits(**limits)
        if not self.exists():
            self.sync()
        return self.answer(asked, **limits)

    def read(
        self, query: Any = (), *, where: str | None = None, without: Any = (), **wishes: Unpack[WishOptions]
    ) -> Query:
        """Return the query as it is understood; whatever is wrong with it is raised before any work."""
        others = read_wishes(wishes) if wishes else NOTHING_ELSE
        return read_query(query, where=where, without=without, location=self.location, wishes=others)

    def answer(self, query: Query, **limits: Unpack[HitLimitOptions]) -> Hits:
        """Return the hits of a query that has been read; see `search`."""
        with self.asking(query, **limits) as asked:
            reply = asked.reply()
        return reply.as_hits(self.contents)

    def facets(
        self,
        query: Any = (),
        columns: Sequence[str] | None = None,
        *,
        where: str | None = None,
        **options: Unpack[SearchOptions],
    ) -> "dict[str, list[FacetValue]]":
        """Return what the matches of a query can be narrowed to: column -> values, each with how many matches have it.

        `columns`: which ones (default: all in which few values are shared by many).  A column that `where` restricts is
        counted without that restriction.  The matches are as for `search` with `sort`.
        """
        from wordsight.search.facets import facets

        limits, wishes = split(options)
        asked = self.read(query, where=where, **wishes)
        if not self.exists():
            self.sync()
        return facets(self.count(asked, columns, **limits), named=columns is not None)

    def count(self, query: Query, columns: Sequence[str] | None = None, **limits: Unpack[HitLimitOptions]) -> "Counts":
        """Return how many matches of a query that has been read have each value of columns; see `facets`."""
        with self.asking(query, **limits) as asked:
            return asked.count(columns)

    def why(
        self, query: Any, hits: Sequence[Hit], *, without: Any = (), maps: bool = True, done: Any = None
    ) -> "list[Reason]":
        """Return why each of these hits came; `query` and `without` as for `search`, or what `read` returned.

        `done` is called behind each.  See `wordsight.search.why`.
        """
        from wordsight.search.why import reasons_of

        asked = query if isinstance(query, Query) else self.read(query, without=without)
        with self.asking(asked) as opened:
            stored = opened.stored([hit.key for hit in hits])
        return reasons_of(self.model, opened.direction, hits, stored, maps=maps, done=done)

    @contextlib.contextmanager
    def one_look(self) -> Iterator[None]:
        """Let all that this thread asks inside the block be answered from one state of the library."""
        with self._index.reading() as index, index.one_look():
            yield

    def hit_of(self, entry: IndexEntry) -> Hit:
        """Return an entry as a hit of itself, to have its image."""
        return Answered(entry.near(1.0)).as_hit(self.contents)

    def sync(self, *, accept_removal: bool = False) -> SyncReport:
        """Bring the library up to date and return what was done; makes it if it is not there.

        An image that is missing is absent unless it is proven to be gone, and so is more than a tenth of all at once:
        entries are kept, and `search` leaves them out.  `accept_removal` removes what is missing, but for what is there
        and cannot be read.
        Raises `LibraryBusy` when another process is at it, `FingerprintMismatch` for a library of another model,
        `StorageError` for a folder that cannot be written.
        """
        return self._keeper.sync(accept_removal=accept_removal)

    def rebuild(self, *, accept_removal: bool = False) -> SyncReport:
        """Make the library again, all of it, with the model in use, and return what was done.

        It is made beside the old one, which answers until the new one is whole and takes its place; stopped, it goes on
        where it was the next time.  What is missing is kept as absent, or removed, as by `sync`; with another model it
        cannot be kept, and `StorageError` is raised unless `accept_removal`.
        """
        return self._keeper.rebuild(accept_removal=accept_removal)

    def verify(self) -> list[Damage]:
        """Compare everything that is stored with its checksums, and embed again what is damaged; returns what was.

        Raises `FormatError` where the database itself is damaged and only `rebuild` helps.
        """
        return self._keeper.verify()

    def note(self, noted: Iterable[tuple[str, Mapping[str, Value]]]) -> int:
        """Set columns of images, as (key, {column: value}), all of them or none; returns how many images changed.

        None takes a value away.  The columns stay through `sync` and `rebuild`, go with an image that moves, and are
        dropped when its content changes.  A column that the location itself gives raises `UsageError`, a key that is
        not there `NotFound`.
        """
        return self._keeper.note(noted)

    def tag(self, labels: "LabelSet | str | Path", **options: "Unpack[TagOptions]") -> "TagReport":
        """Note on every image which labels of a set it shows, as the column `tags`, a label a line; return the counts.

        `labels`: the name of a shipped set, a text file, or a `LabelSet`; one with `[watched]` and `[everyday]` fills
        the column `moderation`.  `options`: see `wordsight.search.tagging.options.TagWishes`.  What the last
        run noted in the column goes; a column that tagging did not make raises `UsageError`.
        """
        from wordsight.search.tagging.job import tag
        from wordsight.search.tagging.options import TagWishes

        return tag(self, labels, TagWishes(**options))

    def clear_tags(
        self, column: str = "tags", *, write: str | None = None, sidecar: str = "darktable", dry_run: bool = False
    ) -> "TagReport":
        """Take away what `tag` noted in a column, and with `write="xmp"` from sidecars too."""
        from wordsight.search.tagging.job import clear
        from wordsight.search.tagging.options import TagWishes

        return clear(self, column, TagWishes(write=write, sidecar=sidecar, dry_run=dry_run))

    def undo_tags(self) -> "Undone":
        """Take the last `tag` or `clear_tags` back: columns and sidecars are as they were before."""
        from wordsight.search.tagging.undoing import undo

        return undo(self)

    def drop(self, keys: Iterable[str]) -> int:
        """Forget images that are known to be gone, as those that were moved away; returns how many were there.

        An image that is there after all comes back with the next `sync`.
        """
        return self._keeper.drop(keys)

    def duplicates(self, **sought: "Unpack[SoughtOptions]") -> "FoundDuplicates":
        """Return the groups of the same and nearly the same images; a library that is not there is made first.

        `kinds`: of "exact", "near", "crop", "flip" (these by default), "burst", "stack" and "alike".  `where`: a
        condition on metadata.  `rule`: which image of a group is kept.  `min_similarity`: the least cosine of images
        that are compared.  Changes nothing.  See `wordsight.search.duplicates`.
        """
        from wordsight.search.duplicates.finding import Sought, find

        asked = Sought(**sought)
        if not self.exists():
            self.sync()
        return find(self, asked)

    def rules(self, file: Path | None = None) -> "LibraryRules":
        """Return the rules of this library, in its `rules.toml` or another file; see `wordsight.search.rules.rules`."""
        from wordsight.search.rules.rules import LibraryRules

        return LibraryRules(self, file)

    def columns(self) -> tuple[str, ...]:
        """Return the names of all metadata columns, in the order in which they came into the library."""
        with self._index.reading() as index:
            return tuple(index.columns())

    def passed_over(self) -> str:
        """Return what the location holds that is not read, by kind, as far as it has been seen; "" for nothing."""
        return self.contents.passed.text()

    def forget(self) -> None:
        """Delete the library, not the images; the next `sync` makes it again."""
        self._keeper.forget()

    @property
    def contents(self) -> Contents:
        """What lies at the location, read with the columns asked for, else with those the library was made with."""
        return self._keeper.contents

    def reading(self) -> contextlib.AbstractContextManager[Index]:
        """Give the index, open for reading, to one thread; `NotFound` when there is none."""
        return self._index.reading()

    def close(self) -> None:
        """Close the index; the library opens it again when used."""
        self._index.close()

    def __enter__(self) -> "Library":
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def asking(self, query: Query, **limits: Unpack[HitLimitOptions]) -> contextlib.AbstractContextManager[Asking]:
        """Give a query that is being asked of one state of the library; see `wordsight.search.asking`."""
        return asking(self._index, query, lambda: self.contents, limits=HitLimits(**limits))

    def state(self) -> str:
        """Return a text that is another one as soon as answers may be others: after each save, and each background."""
        from wordsight.search.background import stamp

        with self._index.reading() as index:
            return f"{index.last_save()} {stamp(self.folder)}"


def open_library(
    location: str | Path,
    *,
    model: Model | str | Path | None = None,
    library_dir: str | Path | None = None,
    index: str | None = None,
    columns: "Columns | None" = None,
    exclude: Sequence[str] | None = None,
) -> Library:
    """Return the library of a folder, a table or tar shards; nothing is read or made before `sync`.

    A location that is away is an error unless its library is elsewhere, and there.
    `model`: a loaded model, a name or folder, or None for the default.  `library_dir`: where the library lies when not
    beside its location.  `index`: the kind of index of a library that is yet to be made ("exact", "memory").
    `columns`: which columns of a table mean what, where their names do not say it; a library remembers those it was
    made with, and reads its table again when asked for others.  `exclude`: patterns of images and folders that are left
    alone, as in a `.wordsightignore` (docs/search.md); remembered too, and an empty list forgets them.
    """
    location = Path(location)
    folder = library_folder(location) if library_dir is None else Path(library_dir)
    require_location(location, folder)
    model = model if isinstance(model, Model) else load(model)
    excluded = None if exclude is None else [pattern for pattern in text_list(exclude, "pattern") if pattern]
    return Library(location, folder, model, index=index, columns=columns, exclude=excluded)


def require_location(location: Path, folder: Path) -> None:
    """Raise `NotFound` for a location that is not there, unless its library in `folder` is."""
    if not os.path.exists(location) and recorded(folder) is None:
        raise NotFound(f"nothing at {location}", cure="check the path")
