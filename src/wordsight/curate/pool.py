"""The pairs of a source with all that rules and scores ask about them, each thing made when it is first asked for.

    pool = PairPool(open_source("photos"), load)             # `load` opens the model, once and only if needed
    pool.prepare(["looks", "scores"])
    pool.scores().cosines                                # float32 (P,), NaN where the image is broken
    pool.failures()                                      # what could not be read, decoded or embedded

Embeddings come from the bulk job and stay in the cache, so a stopped run continues; they are read part by part, or
from a file that is mapped, never all into memory.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings
from wordsight.base.cache import cache_errors, cache_folder
from wordsight.base.errors import FormatError, UsageError
from wordsight.base.files import sha256_bytes, storage_errors
from wordsight.base.nouns import Sample
from wordsight.curate.looks import Looks, read_looks
from wordsight.curate.records import Records, pairs_folder, read_records
from wordsight.curate.scores import PairScores, pair_scores
from wordsight.data.source import START, Position, Source, Walk, open_source, walk_changed
from wordsight.embeddings.bulk import BulkOptions, What, embed_source
from wordsight.embeddings.kept import kept_as
from wordsight.embeddings.model import Model
from wordsight.embeddings.store import DamagedStore, Store, open_store

NEEDS = ("sides", "looks", "images", "scores")  # what rules may need: see `PairPool.prepare`


@dataclass(frozen=True)
class ImageEmbeddings:
    """Embeddings (N, width), read from a mapped file; rows that are not `sound` are zeros, `failures` says why."""

    rows: Embeddings
    sound: NDArray[np.bool_]
    failures: dict[int, str]


class PairPool:
    """A source's pairs; `open_model` is called at most once."""

    def __init__(self, source: Source, open_model: Callable[[], Model], *, prefix: str = "") -> None:
        self.source = source
        self.prefix = prefix
        self._open_model = open_model
        self._scores: PairScores | None = None
        self._others: dict[str, PairPool] = {}

    def compared_with(self, location: str) -> "PairPool":
        """Return the pool of another set, with the same model; one without images is a `UsageError`.

        What fails there is among the `failures` here.
        """
        if location not in self._others:
            other = PairPool(open_source(location), lambda: self.model)
            if not other.records.images:
                raise UsageError(f"{location} holds no images", cure="name a set that does")
            self._others[location] = other
        return self._others[location]

    @cached_property
    def model(self) -> Model:
        """The model."""
        return self._open_model()

    @cached_property
    def records(self) -> Records:
        """Keys and captions."""
        return read_records(self.source)

    @cached_property
    def looks(self) -> Looks:
        """What the files are; decodes every image."""
        return read_looks(self.source, self.records)

    @cached_property
    def sides(self) -> NDArray[np.int32]:
        """Width and height (N, 2) as the source states them (original_width, original_height), else the image's own."""
        stated = [record.sides for record in self.records.rows()]
        if all(stated):
            return np.array(stated, np.int32).reshape(-1, 2)
        sides = self.looks.sides.copy()
        for row, one in enumerate(stated):
            if one is not None:
                sides[row] = one
        return sides

    @cached_property
    def images(self) -> ImageEmbeddings:
        """The embeddings of the images."""
        with _kept_here():
            return self._gathered(self._store("image", self.source))

    def scores(self) -> PairScores:
        """The scores of the pairs."""
        if self._scores is None:
            source = Prefixed(self.source, self.prefix) if self.prefix else self.source
            images = self.images
            with _kept_here():
                blocks = self._store("text", source).blocks("text")
                self._scores = pair_scores(blocks, self.records, images.rows, images.sound)
        return self._scores

    def prepare(self, needs: Sequence[str]) -> None:
        """Make what rules need; afterwards `sound` and `failures` are all that these needs can tell."""
        if not self.records.pairs:
            problem = f"{self.source.name} has no captions" if self.records.images else f"{self.source.name} is empty"
            raise UsageError(problem, cure="give a source with captions, or name their column: --captions COLUMN")
        for need in NEEDS:
            if need in needs:
                self.scores() if need == "scores" else getattr(self, need)

    def sound(self) -> NDArray[np.bool_]:
        """Return which images (N,) are not known to be broken."""
        sound = np.ones(self.records.images, bool)
        for name in ("looks", "images"):
            if name in self.__dict__:
                sound &= getattr(self, name).sound
        return sound

    def failures(self) -> list[str]:
        """Return what is known to have failed: rows without a sample first, then images in the order of the source."""
        by_row: dict[int, str] = {}
        for name in ("images", "looks"):
            if name in self.__dict__:
                by_row |= getattr(self, name).failures
        others = (failure for other in self._others.values() for failure in other.failures())
        return [*self.records.failures, *(by_row[row] for row in sorted(by_row)), *others]

    def _store(self, what: What, source: Source) -> Store:
        folder = pairs_folder(source) / kept_as(self.model) / what
        with cache_errors("pairs"):
            embed_source(self.model, source, folder, BulkOptions(what=what))
        return open_store(folder, fingerprint=self.model.fingerprint)

    def _gathered(self, store: Store) -> ImageEmbeddings:
        """Return the embeddings of a store by image, in a file that is mapped and goes with this process."""
        sound, first = np.zeros(self.records.images, bool), 0
        failures: dict[int, str] = {}
        shape = (len(sound), store.manifest.width)
        folder = Path(tempfile.gettempdir())
        with tempfile.TemporaryFile(dir=folder) as file, storage_errors(folder):  # a full disk is an error only
            for note, block in zip(
                store.notes(), store.blocks("image"), strict=True
            ):  # for what is written, not mapped
                here = np.ones(note.images + len(note.failed), bool)
                here[list(note.failed)] = False
                if first + len(here) > len(sound):
                    break
                sound[first : first + len(here)] = here
                rows = np.zeros((len(here), store.manifest.width), np.float32)
                rows[here] = block
                file.write(rows.data)
                whys = [failure["error"] for failure in note.failures if failure["key"]]
                failures |= {first + row: why for row, why in zip(note.failed, whys, strict=False)}
                first += len(here)
            file.flush()
            if first != len(sound):
                raise FormatError(
                    f"{store.folder} is of another reading of {self.source.name}", cure="delete that folder"
                )
            mapped = np.memmap(file, np.float32, "r", shape=shape) if len(sound) else np.empty(shape, np.float32)
        return ImageEmbeddings(mapped, sound, failures)


@contextmanager
def _kept_here() -> Iterator[None]:
    """Let damage to kept embeddings say that they may be deleted, for they are made again."""
    try:
        yield
    except DamagedStore as error:
        cure = f"delete the folder {cache_folder() / 'curate'}, what it holds is made again"
        raise DamagedStore(error.problem, cure=cure) from None


class Prefixed:
    """A `Source` with the same words before every caption."""

    def __init__(self, source: Source, prefix: str) -> None:
        self.name = source.name
        self._source, self._prefix = source, prefix

    def samples(self, start: Position = START) -> Walk:
        """Walk over the samples from `start` on."""
        return walk_changed(self._source, start, self._prefixed)

    def _prefixed(self, sample: Sample) -> Sample:
        return Sample(sample.key, sample.image, tuple(self._prefix + text for text in sample.texts))

    def parts(self) -> int:
        """Return how many files the source has."""
        return self._source.parts()

    def count(self) -> int | None:
        """Return the number of entries, as the source has it."""
        return self._source.count()

    def fingerprint(self) -> str:
        """Return what names the source and the prefix."""
        return sha256_bytes(f"{self._source.fingerprint()} {self._prefix!r}".encode())[:16]
