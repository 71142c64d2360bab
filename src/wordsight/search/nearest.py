"""Which library answers for a folder: its own, or, where it has none, that of a folder above which holds its images.

    scope = nearest(library)
    hits = scope.seen(scope.library.answer(scope.narrowed(query), k=10))

Makes nothing and reads no image.
"""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from wordsight.base.errors import NotFound, WordsightError
from wordsight.base.progress import notice
from wordsight.images.fragments import file_of
from wordsight.search.contents import FolderContents, library_folder
from wordsight.search.hits import Hit
from wordsight.search.library import Library
from wordsight.search.query import Query


class Scope(NamedTuple):
    """A library, and the folder in it that is asked about: `prefix` begins its keys and ends in `/`, "" means all."""

    library: Library
    location: Path
    prefix: str = ""

    def narrowed(self, query: Query) -> Query:
        """Return the query with the condition that an image lies in the folder."""
        if not self.prefix:
            return query
        from wordsight.index.where import Both, Compare

        end = self.prefix[:-1] + chr(ord("/") + 1)
        inside = (Compare("path", ">=", self.prefix, 1), Compare("path", "<", end, 1))
        return replace(query, where=Both((*inside, *([query.where] if query.where is not None else []))))

    def seen(self, hits: Iterable[Hit]) -> list[Hit]:
        """Return hits with the keys and paths they have in the folder."""
        if not self.prefix:
            return list(hits)
        return [self._seen(hit) for hit in hits]

    def _seen(self, hit: Hit) -> Hit:
        key = hit.key.removeprefix(self.prefix)
        alike = tuple(one.removeprefix(self.prefix) for one in hit.alike)
        return replace(hit, key=key, path=self.location / file_of(key), alike=alike)


def nearest(library: Library) -> Scope:
    """Return the library, or, where it is not made yet, that of the nearest folder above which covers its folder.

    That one has to be of the same model, and its walk has to come to the folder: not through a hidden one, nor one that
    its patterns leave alone.
    """
    scope = None if library.exists() else _above(library)
    if scope is None:
        return Scope(library, library.location)
    notice(f"{library.location}: answering from the library of {scope.library.location}", once=True)
    return scope


def require_made(library: Library, verb: str, *options: str) -> None:
    """Raise `NotFound` for a library that is not made yet, with what to do about it.

    Where one of a folder above has its images that is to be asked: `verb` and `options` say for what.
    """
    if library.exists():
        return
    scope = _above(library)
    if scope is None:
        raise library.not_made()
    import shlex

    above = scope.library.location
    scope.library.close()
    raise NotFound(
        f"no library of {library.location}: that of {above} has its images",
        cure=shlex.join(["wordsight", verb, str(above), *options]),
    )


def _above(library: Library) -> Scope | None:
    """Return the library of the nearest folder above that covers a folder; None where there is none."""
    if not library.location.is_dir() or not isinstance(library.contents, FolderContents):
        return None
    location = Path(os.path.realpath(library.location))
    for folder in location.parents:
        if not library_folder(folder).is_dir():
            continue
        above, below = Library(folder, library_folder(folder), library.model), location.relative_to(folder).as_posix()
        if _covers(above, below):
            return Scope(above, library.location, f"{below}/")
        above.close()
    return None


def _covers(library: Library, below: str) -> bool:
    """Say whether a library can be asked, and holds the images of a folder below its own."""
    try:
        return library.exists() and isinstance(library.contents, FolderContents) and library.contents.walks(below)
    except WordsightError:  # of another model, damaged, not readable: it is as if there were none
        return False
