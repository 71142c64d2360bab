"""The noun `Index`: embeddings under keys, with their metadata, searched by cosine; what a library asks of a store.

Two protocols, for two things that are saved together: `Index` holds the embeddings, `FileStates` what is known of the
files they were made from.  `Backend` is how an index is opened and deleted, and what a row of `INDEXES` in `open.py`
gives.  Whatever implements them is held to tests/index/test_conformance.py.

Every method sees one state: for a reader the last save, for the writer its own changes too.  Knows no storage.
"""

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings, RowIds, is_unit
from wordsight.base.errors import FingerprintMismatch, FormatError, UsageError
from wordsight.base.value import Value

if TYPE_CHECKING:
    from wordsight.index.where import Column, Condition

DIGEST = 32  # bytes of a SHA-256


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """What is stored under a key: an embedding (width,), not to be written to, and metadata without missing values."""

    key: str
    embedding: Embeddings = field(compare=False)
    meta: Mapping[str, Value] = field(default_factory=dict)

    def near(self, score: float) -> "Neighbour":
        """Return it as an answer with this score."""
        return Neighbour(self.key, score, self.embedding, self.meta)


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An entry near a query; `score` is the dot product of the two embeddings, or from `keywords` a share."""

    key: str
    score: float
    embedding: Embeddings = field(compare=False)
    meta: Mapping[str, Value] = field(default_factory=dict)


class RankedKeys(NamedTuple):
    """The keys of the nearest entries, best first, with their scores (k,); `total`: how many there are to rank."""

    keys: list[str]
    scores: NDArray[np.float32]
    total: int


@dataclass(frozen=True, slots=True)
class FileState:
    """Size in bytes, time of change in nanoseconds, SHA-256 of the content, and why it failed ("" if it did not).

    `absent`: it was not there when last looked for; its entry is kept, and left out of searches.  `file`: the file
    that is or holds the image where the key is not its path below the location, as for images that tables name.
    """

    size: int
    mtime_ns: int
    sha256: str
    error: str = ""
    absent: bool = False
    file: str = ""

    @property
    def digest(self) -> bytes:
        """See `digest_of`."""
        return digest_of(self.sha256)


class Damage(NamedTuple):
    """Something stored that is not what was written: in words, and which keys have to be made again.

    `ids` are the index's own numbers of the damaged entries, `whole` the keys beside them that are sound.
    """

    what: str
    keys: tuple[str, ...]
    ids: tuple[int, ...] = ()
    whole: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes on the disk, of what may be lost at any time as `caches`, and the scan that proposes candidates.

    `scan` is "" where a query is compared with every embedding.
    """

    database: int = 0
    embeddings: int = 0
    caches: int = 0
    scan: str = ""


class EarlierFormat(FormatError):
    """A library that an earlier version wrote: opened for writing it is renewed, and nothing is embedded again."""


class FileStates(Protocol):
    """What was known of each file when it was indexed, by path; `Index.save` makes changes permanent."""

    def stamps(self) -> dict[str, tuple[int, int]]:
        """Return size and time of change of every file that is not absent, quickly: it is asked at every search."""
        ...

    def states(self) -> dict[str, FileState]:
        """Return all that is known of every file, of absent ones too."""
        ...

    def states_after(self, path: str | None, count: int) -> dict[str, FileState]:
        """Return up to `count` states by path, ascending, that come after `path`, or the first.

        So all can be walked over in little memory, absent ones and broken ones too.
        """
        ...

    def of(self, paths: Iterable[str]) -> dict[str, FileState]:
        """Return what is known of these files; unknown ones are left out."""
        ...

    def record(self, states: Mapping[str, FileState]) -> None:
        """Note the states of these files; what was known of them is replaced."""
        ...

    def forget(self, paths: Iterable[str]) -> None:
        """Forget these files; unknown ones are passed over."""
        ...


class Index(Protocol):
    """Embeddings (n, width) under unique keys, with metadata.

    Keys are any text; metadata values are text, numbers, booleans (kept as 0 and 1) or None (the same as absent).
    """

    @property
    def files(self) -> FileStates:
        """The states of the files, saved together with the entries."""
        ...

    def __len__(self) -> int:
        """Return the number of entries."""
        ...

    def add(self, keys: Sequence[str], embeddings: Embeddings, meta: Sequence[Mapping[str, Value]]) -> None:
        """Store the entries; a key that is there already is replaced."""
        ...

    def remove(self, keys: Sequence[str]) -> None:
        """Forget the keys; an unknown key raises `NotFound`, and nothing is removed."""
        ...

    def search(
        self,
        embeddings: Embeddings,
        k: int,
        where: "Condition | None" = None,
        *,
        absent: bool = False,
        exact: bool = False,
    ) -> list[list[Neighbour]]:
        """Return, for each query (Q, width), up to k neighbours, best first, among the entries that satisfy `where`.

        The condition is applied before the ranking, so k neighbours come whenever k entries satisfy it.  One that
        does not fit the columns raises `WhereError`.  Entries whose file is absent come only with `absent`.  `exact`:
        every embedding is compared, which a store that always does so need not heed.
        """
        ...

    def ranked(
        self, embedding: Embeddings, k: int, where: "Condition | None" = None, *, absent: bool = False
    ) -> RankedKeys:
        """Return what `search` does of one query (width,), without reading entries: k may be all, or 0 to count."""
        ...

    def values(
        self, columns: Sequence[str], where: "Condition | None" = None
    ) -> "Iterable[tuple[str, Sequence[Value]]]":
        """Return key and values of some columns of all entries under a condition, None where one has none.

        They come in no order, and quickly; entries whose file is absent are left out.
        """
        ...

    def last_save(self) -> str:
        """Return a text that names the last save: it is another one after each."""
        ...

    def keywords(
        self, words: Sequence[str], k: int, where: "Condition | None" = None, *, absent: bool = False
    ) -> list[Neighbour]:
        """Return up to k entries that have any of the words, best first by BM25, among those that satisfy `where`.

        Words are as `keywords.words_of` gives them, scores and order as `keywords.ranked` has them, over all entries.
        """
        ...

    def one_look(self) -> contextlib.AbstractContextManager[None]:
        """Let all calls of this thread inside the block see one state."""
        ...

    def sample(self, count: int) -> Embeddings:
        """Return up to `count` embeddings (n, width), spread evenly over those of files that are not absent."""
        ...

    def entries(self, keys: Sequence[str]) -> list[IndexEntry]:
        """Return the entries of these keys in this order; an unknown key raises `NotFound`."""
        ...

    def columns(self) -> "dict[str, Column]":
        """Return every metadata column there has been, with the kinds of values it has held."""
        ...

    def facts(self) -> dict[str, str]:
        """Return what is noted about the index as a whole, its `fingerprint` and `width` among it."""
        ...

    def note(self, facts: Mapping[str, str]) -> None:
        """Note facts about the index; others stay."""
        ...

    def verify(self) -> list[Damage]:
        """Compare everything that is stored with its checksums; raises `FormatError` where nothing can be mended."""
        ...

    def mend(self, damage: Sequence[Damage]) -> None:
        """Forget the entries and the files that `verify` returned, so that they are made again."""
        ...

    def noticed(self) -> list[str]:
        """Return what was met damaged while answering and left out, each in a sentence."""
        ...

    def footprint(self) -> Footprint:
        """Return what it takes on the disk, and how it is searched."""
        ...

    def wants_upkeep(self) -> bool:
        """Return whether so much was removed, is new, or was left by a process that was stopped, that `upkeep` pays."""
        ...

    def upkeep(self) -> None:
        """Give back the room of what was removed, and make what searches are quick by; readers are not disturbed."""
        ...

    def save(self) -> None:
        """Make everything since the last save permanent, files and facts too: all of it or nothing."""
        ...

    def close(self) -> None:
        """Let go of what is held; what was not saved is dropped."""
        ...


class Backend(Protocol):
    """A kind of index: the class itself where `open` is a classmethod and `delete` a static one."""

    def open(self, folder: Path, *, fingerprint: str, width: int, writable: bool = False, draft: bool = False) -> Index:
        """Open the index of the library in `folder`, for embeddings of `width` by the model with this fingerprint.

        `writable` makes an index that is not there; otherwise it raises `NotFound`.  An index of another model raises
        `FingerprintMismatch`, one of another width `FormatError`, one of an earlier version, which `writable` renews,
        `EarlierFormat`.  One process writes at a time (see `lock`).  A `draft` is an index beside the library's, of
        any model, which becomes the library's by `adopt`.
        """
        ...

    def facts_in(self, folder: Path) -> dict[str, str]:
        """Return the facts of the library's index in `folder`, whichever model made it; `NotFound` without one."""
        ...

    def adopt(self, folder: Path, *, damaged: bool = False) -> None:
        """Put the draft, which is saved and closed, in the place of the library's index, all of it or nothing.

        What is left of an index that is `damaged` is kept beside, where there is a file of it.
        """
        ...

    def delete(self, folder: Path, *, draft: bool = False) -> None:
        """Delete the index of the library in `folder` and its draft, or the draft alone, where there is one."""
        ...


def digest_of(sha256: str) -> bytes:
    """Return the 32 bytes of a state's SHA-256, zeros for none.

    That of an image inside a file is the file's with the image's place in it: its own SHA-256 is taken.
    """
    if len(sha256) == 2 * DIGEST:
        return bytes.fromhex(sha256)
    return hashlib.sha256(sha256.encode()).digest() if sha256 else bytes(DIGEST)


def pages_of(files: FileStates, count: int) -> Iterator[dict[str, FileState]]:
    """Yield the states of all files by path, up to `count` at a time."""
    last = None
    while states := files.states_after(last, count):
        yield states
        last = next(reversed(states))


def spread_evenly(total: int, count: int) -> RowIds:
    """Return the positions of up to `count` of `total` things, spread evenly."""
    return np.arange(min(total, count), dtype=np.int64) * total // max(min(total, count), 1)


def check_model(facts: Mapping[str, str], folder: Path, *, fingerprint: str, width: int) -> None:
    """Raise `FingerprintMismatch` or `FormatError` where an index with these facts is not for this model."""
    if facts["fingerprint"] != fingerprint:
        name = f" ({facts['model']})" if "model" in facts else ""
        raise FingerprintMismatch(
            f"the library in {folder} was made by model {facts['fingerprint']}{name}, "
            f"the model in use is {fingerprint}",
            cure="use that model (--model), or make the library again with wordsight index PLACE --rebuild",
        )
    if int(facts["width"]) != width:
        raise FormatError(
            f"embeddings of width {width} for a library of width {facts['width']}",
            cure="wordsight index PLACE --rebuild makes the library again",
        )


def check_added(
    keys: Sequence[str], embeddings: Embeddings, meta: Sequence[Mapping[str, Value]], *, width: int
) -> None:
    """Raise `UsageError` or `FormatError` for what `Index.add` refuses."""
    if not len(keys) == len(embeddings) == len(meta):
        counts = f"{len(keys)} keys, {len(embeddings)} embeddings, {len(meta)} metadata"
        raise UsageError(counts, cure="give as many of each")
    if len(set(keys)) != len(keys):
        raise UsageError("a key appears twice in one call", cure="give every entry its own key")
    check_embeddings(embeddings, width)


def check_search(embeddings: Embeddings, k: int, *, width: int) -> None:
    """Raise `UsageError` or `FormatError` for what `Index.search` refuses."""
    if k < 1:
        raise UsageError(f"k = {k}", cure="ask for at least one hit")
    check_embeddings(embeddings, width)


def check_embeddings(embeddings: Embeddings, width: int) -> None:
    """Raise `FormatError` unless the embeddings are (n, width) and of unit length."""
    if embeddings.ndim != 2 or embeddings.shape[1] != width:
        raise FormatError(
            f"embeddings of shape {embeddings.shape} for an index of width {width}", cure=f"give (n, {width})"
        )
    if not np.isfinite(embeddings).all():
        raise FormatError(
            "embeddings that hold NaN or infinite numbers", cure="embed again; nothing was stored or compared"
        )
    sound = is_unit(embeddings)
    if not sound.all():
        row = int(np.argmin(sound))
        raise FormatError(
            f"embedding {row} has the length {np.linalg.norm(embeddings[row]):.3g}, not 1",
            cure="give embeddings of unit length; nothing was stored or compared",
        )
