"""What a library is asked, and how it answers: hits of a query, and what its matches can be narrowed to.

`Library` has these methods beside those that keep it in step.  Knows the protocol of an index, and no index.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from wordsight.index.index import IndexEntry
from wordsight.search.asking import Answered, Asking, asking
from wordsight.search.contents import Contents
from wordsight.search.hits import Hit, Hits
from wordsight.search.limits import HitLimitOptions, HitLimits
from wordsight.search.open_index import OpenIndex
from wordsight.search.query import NOTHING_ELSE, Query, read_query
from wordsight.search.report import SyncReport
from wordsight.search.wishes import SearchOptions, WishOptions, read_wishes, split

if TYPE_CHECKING:
    from wordsight.search.facets import Counts, FacetValue


class Answering:
    """The half of a library that answers."""

    location: Path
    _index: OpenIndex

    @property
    def contents(self) -> Contents:
        """What lies at the location."""
        raise NotImplementedError

    def exists(self) -> bool:
        """Return whether the library has been made."""
        return self._index.exists()

    def sync(self) -> SyncReport:
        """Bring the library up to date."""
        raise NotImplementedError

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
        with self._asked(query, HitLimits(**limits)) as asked:
            reply = asked.reply()
        hits = Hits((self._hit(one) for one in reply.hits), least=reply.least)
        if reply.matching is not None:
            hits.matching, hits.is_cut = len(reply.matching.neighbours), reply.matching.is_cut
        return hits

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
        with self._asked(query, HitLimits(**limits)) as asked:
            return asked.count(columns)

    @contextlib.contextmanager
    def one_look(self) -> Iterator[None]:
        """Let all that this thread asks inside the block be answered from one state of the library."""
        with self._index.reading() as index, index.one_look():
            yield

    def hit_of(self, entry: IndexEntry) -> Hit:
        """Return an entry as a hit of itself, to have its image."""
        return self._hit(Answered(entry.near(1.0)))

    def _asked(self, query: Query, limits: HitLimits) -> contextlib.AbstractContextManager[Asking]:
        return asking(self._index, query, lambda: self.contents, limits=limits)

    def _hit(self, one: Answered) -> Hit:
        near, contents = one.neighbour, self.contents
        path = contents.path(near.key, near.meta)
        hit = Hit(near.score, near.key, path, near.meta, one.match, origin=contents.originals)
        return replace(hit, alike=one.alike, why=one.why, named=one.named)
