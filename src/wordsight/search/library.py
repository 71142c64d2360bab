"""A library: the pictures of a place, their rows and their metadata, kept in step.

    library = open_library("photos")
    library.sync()                                   # what was added, changed, moved, removed, failed
    library.search("red shoes", k=5, where="width > 500", without=["sandals"])

It lies in PLACE/.wordsight (FILE.wordsight beside a table or shard) unless told otherwise.  Searching changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wordsight.base.arrays import Embeddings
from wordsight.base.errors import NotFound, StorageError, UsageError
from wordsight.base.nouns import Value
from wordsight.embeddings.model import Model, load
from wordsight.index import index as index_nouns
from wordsight.index.database import NAME
from wordsight.index.exact import ExactIndex
from wordsight.index.lock import LibraryBusy, writing
from wordsight.search.contents import Contents, library_folder, open_contents
from wordsight.search.query import Part, part_row, query_row, read_query
from wordsight.search.report import SIGNATURE, SyncReport

CANDIDATES = 10  # times k: how many of the best are weighed against `without`
LEAST_CANDIDATES = 200

__all__ = ["Hit", "Library", "LibraryBusy", "open_library"]


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer.  `path` is the picture's file, or None when it lies inside a table or shard."""

    score: float
    key: str
    path: Path | None
    meta: Mapping[str, Value]


class Library:
    """Use it as a context manager, or `close` it."""

    def __init__(self, place: Path, folder: Path, model: Model) -> None:
        self.place = place
        self.folder = folder
        self.model = model
        self._contents: Contents | None = None
        self._index: ExactIndex | None = None

    def __len__(self) -> int:
        """Return the number of pictures in the library; 0 when there is none yet."""
        return len(self._reading()) if self.exists() else 0

    def exists(self) -> bool:
        """Say whether the library has been made."""
        return (self.folder / NAME).is_file()

    def failures(self) -> dict[str, str]:
        """Return key -> reason of the pictures that are known to be broken."""
        return self._reading().files.failures()

    def in_step(self) -> bool:
        """Say, from names, sizes and times alone, whether the library is up to date with its place."""
        if not self.exists():
            self.contents.look({}, None)  # a place without pictures is told before a library is made
            return False
        index = self._reading()
        signature = index.facts().get(SIGNATURE)
        return self.contents.look(index.files.stamps(), signature).nothing_new(signature)

    def sync(self) -> SyncReport:
        """Bring the library up to date and say what was done; makes it if it is not there.

        Raises `LibraryBusy` when another process is at it, `FingerprintMismatch` for a library of another model,
        `StorageError` for a place that cannot be written.
        """
        if self.in_step():
            return SyncReport()
        from wordsight.search.sync import Sync

        contents = self.contents
        self.close()
        self._make_folder()
        with writing(self.folder), self._open(writable=True) as index:
            index.note({"model": self.model.name, "place": str(self.place.absolute())})
            return Sync(index, self.model, contents).run()

    def forget(self) -> None:
        """Delete the library, not the pictures; the next `sync` makes it again."""
        self.close()
        if not self.exists():
            return
        with writing(self.folder):
            # The journal first: left alone beside a new database it would spoil it.
            for path in [self.folder / f"{NAME}-journal", self.folder / NAME, *self.folder.glob("rows-*.f32")]:
                path.unlink(missing_ok=True)

    def search(
        self,
        query: str | Sequence[str],
        *,
        k: int = 10,
        where: str | None = None,
        without: Sequence[str] = (),
        min_match: float | None = None,
    ) -> list[Hit]:
        """Return up to k pictures, best first.

        `query`: words, a picture's path, or a list of parts, each with a weight ("2:words") if wanted.  `where`: a
        condition on metadata, applied before ranking.  `without`: queries to stay away from.  `min_match`: the least
        score, which is a cosine (-1 to 1) less what `without` takes off.

        With `without`, the best max(10 k, 200) pictures for the query are weighed: each loses, for every unwanted
        query, weight times what its cosine with that query is above the mean over these pictures.
        """
        wanted, unwanted = self.read(query, where=where, without=without)
        if k < 1:
            raise UsageError(f"k = {k}", cure="ask for at least one hit")
        index = self._reading()
        row = query_row(wanted, self.model)
        found = self._weigh(index, row, unwanted, k, where) if unwanted else index.search(row[None], k, where)[0]
        return [self._hit(hit) for hit in found if min_match is None or hit.score >= min_match]

    def read(
        self, query: str | Sequence[str], *, where: str | None = None, without: Sequence[str] = ()
    ) -> tuple[list[Part], list[Part]]:
        """Return the parts of a query and those to stay away from; whatever is wrong is told before any work."""
        if where is not None:
            from wordsight.index.where import parse

            parse(where)
        unwanted = [part for text in without for part in read_query(text, place=self.place)]
        return read_query(query, place=self.place), unwanted

    @property
    def contents(self) -> Contents:
        """What lies at the place."""
        if self._contents is None:
            self._contents = open_contents(self.place)
        return self._contents

    def close(self) -> None:
        """Close the files; the library opens them again when used."""
        if self._index is not None:
            self._index.close()
        self._index = None

    def __enter__(self) -> "Library":
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def _weigh(
        self, index: ExactIndex, row: Embeddings, unwanted: Sequence[Part], k: int, where: str | None
    ) -> list[index_nouns.Hit]:
        """Return the hits with what they share with the unwanted queries taken off their scores."""
        found = index.search(row[None], max(CANDIDATES * k, LEAST_CANDIDATES), where)[0]
        rows = index.rows([hit.key for hit in found])  # (n, width)
        scores = np.array([hit.score for hit in found], np.float64)
        for part in unwanted:
            cosines = rows @ part_row(part, self.model)
            scores -= part.weight * np.maximum(0, cosines - cosines.mean()) if len(found) else 0
        best = np.argsort(-scores, kind="stable")[:k]
        return [index_nouns.Hit(found[i].key, float(scores[i]), found[i].meta) for i in best]

    def _hit(self, hit: index_nouns.Hit) -> Hit:
        return Hit(hit.score, hit.key, self.contents.path(hit.key, hit.meta), hit.meta)

    def _reading(self) -> ExactIndex:
        if self._index is None:
            if not self.exists():
                raise NotFound(f"no library of {self.place}", cure=f"make it with wordsight index {self.place}")
            self._index = self._open(writable=False)
        return self._index

    def _open(self, *, writable: bool) -> ExactIndex:
        model = self.model
        return ExactIndex.open(self.folder, fingerprint=model.fingerprint, width=model.spec.width, writable=writable)

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"no library can be made in {self.folder}: {error.strerror}",
                cure="give it a place you may write to with --library DIR (library_dir=)",
            ) from error


def open_library(
    place: str | Path, *, model: Model | str | Path | None = None, library_dir: str | Path | None = None
) -> Library:
    """Return the library of a folder, a table or tar shards; nothing is read or made before `sync`.

    `model`: a loaded model, a name or folder, or None for the default.  `library_dir`: where the library lies when not
    beside its place.
    """
    place = Path(place)
    if not place.exists():
        raise NotFound(f"nothing at {place}", cure="check the path")
    folder = library_folder(place) if library_dir is None else Path(library_dir)
    return Library(place, folder, model if isinstance(model, Model) else load(model))
