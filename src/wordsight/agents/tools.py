"""What an agent may ask of a library, as plain functions whose answers are JSON.

    tools = LibraryTools(library)
    tools.search("two dogs on grass", count=5)      # {"hits": [{"score", "match", "key", "path", "meta"}], ...}
    tools.look("dogs/a.jpg")                        # a small JPEG

Nothing is changed but the library itself, which is brought up to date before it answers.  The docstrings are read by
agents.  Knows no protocol.
"""

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from wordsight.base.errors import InputError, NotFound, UsageError

if TYPE_CHECKING:
    from wordsight.index.index import IndexEntry
    from wordsight.search.hits import Hits
    from wordsight.search.library import Library

MOST = 100  # hits of one answer: an agent reads all of them
LOOK_SIDE, LOOK_MOST = 512, 1024  # pixels of the longer side of an image that is looked at


class LibraryTools:
    """The tools over one library; `sync`: it is brought up to date before each answer."""

    def __init__(self, library: "Library", *, sync: bool = True) -> None:
        self._library = library
        self._sync = sync
        self._lock = threading.Lock()

    def search(
        self,
        query: str,
        *,
        count: int = 10,
        where: str = "",
        without: str | Sequence[str] = (),
        least_match: float = 0.0,
        sort: str = "",
    ) -> dict[str, Any]:
        """Find images by what can be seen in them, described in words ("a red bicycle against a wall").

        count: how many at most, to 100. where: a condition on the metadata columns that `about` lists, such as
        "width > 2000 and folder contains '2024'" or "taken >= 2025-06-01". without: descriptions of what should not be
        seen. least_match: the least probability, 0 to 1, that an image shows the query; 0.03 leaves out the unlikely.
        sort: a column ("-mtime": newest first) by which the matches come, instead of by likeness.

        A hit has score (a cosine), match (the probability that it shows the query, null where unknown), key (which the
        other tools take), path and meta. Few or no hits mean that few images match; do not lower least_match to get
        more. The model sees images, not events, names or dates: ask for those with where.
        """
        from wordsight.search.query import plain_query
        from wordsight.search.wishes import Wishes

        _require(query)
        if not 0 <= least_match <= 1:
            raise UsageError(f"least_match {least_match:g}", cure="give a probability from 0 to 1")
        asked = plain_query(query, where=where, without=_listed(without), wishes=Wishes(sort=sort or None))
        return _answer(self._current().answer(asked, k=_counted(count), min_match=least_match or None))

    def similar(self, key: str, *, count: int = 10, where: str = "") -> dict[str, Any]:
        """Find images of the library that look like one of it.

        key: the key of a hit. count and where as for search.
        """
        library = self._current()
        _entry(library, key)
        return _answer(library.search(like=[key], k=_counted(count), where=where or None))

    def ask(self, key: str, question: str, *, answers: str | Sequence[str] = ()) -> dict[str, Any]:
        """Answer a question about an image of the library by ranking answers ("What colour is the car?").

        key: the key of a hit. answers: what to choose from; without it a list that fits the question. Probabilities are
        shares among these answers, whether any is right or not; a margin near 0 says that the model does not decide.
        The model cannot count, read or understand "not". Look at the image where it matters.
        """
        from wordsight.search.ask import Ballot, record
        from wordsight.text.visual_questions import visual_question

        library = self._current()
        asked = visual_question(question, _listed(answers) or None)
        return record(asked, Ballot(library.model, asked).answers(_entry(library, key).embedding), top=MOST)

    def facets(self, query: str, *, columns: str | Sequence[str] = (), where: str = "") -> dict[str, Any]:
        """Count which values of metadata columns the matches of a query have, to narrow it down.

        columns: which (default: those in which few values are shared by many). The "where" of a value is the condition
        that narrows to it.
        """
        from wordsight.search.facets import facets
        from wordsight.search.query import plain_query

        _require(query)
        counts = self._current().count(plain_query(query, where=where), _listed(columns) or None)
        return {
            name: [{"value": one.label, "count": one.count, "where": one.where} for one in values]
            for name, values in facets(counts, named=bool(columns)).items()
        }

    def about(self) -> dict[str, Any]:
        """Say what the library holds: how many images, of which location, and its metadata columns with examples."""
        from wordsight.search.about import described_columns

        library = self._current()
        return {
            "location": str(library.location),
            "images": len(library),
            "model": library.model.name,
            "columns": {one.name: {"holds": one.holds, "examples": one.examples} for one in described_columns(library)},
        }

    def look(self, key: str, *, side: int = LOOK_SIDE) -> bytes:
        """Return an image of the library as a small JPEG, to see what it shows.

        key: the key of a hit. side: pixels of its longer side, to 1024.
        """
        from wordsight.search.thumbnails import as_jpeg, thumbnails

        if not 16 <= side <= LOOK_MOST:
            raise UsageError(f"side {side}", cure=f"give 16 to {LOOK_MOST} pixels")
        library = self._current()
        (jpeg,) = thumbnails([library.hit_of(_entry(library, key))], as_jpeg, side=side)
        if isinstance(jpeg, InputError):
            raise jpeg
        return jpeg

    def _current(self) -> "Library":
        """Return the library, made, and in step with its location; one call at a time brings it up to date."""
        if not self._library.exists():
            raise NotFound(
                f"no library of {self._library.location}", cure=f"make it with wordsight index {self._library.location}"
            )
        if self._sync:
            with self._lock:
                self._library.sync()
        return self._library


def _counted(count: int) -> int:
    if not 1 <= count <= MOST:
        raise UsageError(f"count {count}", cure=f"ask for 1 to {MOST}")
    return count


def _entry(library: "Library", key: str) -> "IndexEntry":
    try:
        with library.reading() as index:
            return index.entries([key])[0]
    except NotFound:
        raise NotFound(f"no image {key!r} in the library", cure="give the key of a hit") from None


def _listed(given: str | Sequence[str]) -> list[str]:
    """Return one text or several as a list."""
    return [given] if isinstance(given, str) else list(given)


def _require(query: str) -> None:
    if not query.strip():
        raise UsageError("an empty query", cure="describe what is to be seen")


def _answer(hits: "Hits") -> dict[str, Any]:
    """Return hits for programs, and how many match where that is known."""
    matching = {} if hits.matching is None else {"matching": hits.matching}
    return {"hits": [hit.record() for hit in hits], **matching}
