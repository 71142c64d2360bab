"""A folder of embeddings as what a library is made of: they are taken as they are, and nothing is encoded.

    contents = EmbeddedContents(Path("out"))
    require_same_model(contents, model)                # before a library is made of it

Which files these are is in `embedding_parts`.  The images need not be there; those that are show hits, and some of
them are embedded to see that the model in use made what is stored.  Where one part changes all are read again, and what
is as it was stays as it is in the library.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wordsight.base.errors import FingerprintMismatch, FormatError, InputError, NotFound, UsageError
from wordsight.base.files import sha256_bytes
from wordsight.base.progress import notice
from wordsight.base.value import Value
from wordsight.data import fields
from wordsight.images.files import PassedOver
from wordsight.images.fragments import file_of, is_fragment
from wordsight.index.index import FileState
from wordsight.search.contents import INSIDE, SIGNATURE, TABLES, Candidate, Contents, Listing, States, away, refused
from wordsight.search.embedding_parts import EmbeddedRow, EmbeddingPart, embedding_parts
from wordsight.search.missing import Disk, Whereabouts
from wordsight.search.originals import Originals

if TYPE_CHECKING:
    from wordsight.data.source import Columns
    from wordsight.embeddings.model import Model

KEYS = ("key", "uid", "image_path", "url")  # columns that name an image, the best first
FILES = ("image_path", "path")  # columns that name its file
COMPARED = 16  # images that are embedded to see whether the model is the right one
TRIED = 64  # rows in which their files are looked for
AGREES = 0.99  # the least cosine of two embeddings of one image by one model: other precisions stay above it
_NO_IMAGE = "it was not there when its embedding was read"
_CURE = "bring the image back, and touch the file of its embedding"


class EmbeddedContents:
    """Embeddings in a folder; keys are those of a column, else the numbers of the rows."""

    def __init__(self, location: Path, columns: "Columns | None" = None) -> None:
        self.location = location
        self.columns = columns
        self.originals: Originals | None = Originals(location, None, missing=InputError(_NO_IMAGE, cure=_CURE))
        self.passed = PassedOver()
        self._parts, self._unpaired = embedding_parts(location)
        self._disk = Disk(location)
        self._broken: set[str] = set()  # parts that could not be read to their end
        self._unusable: set[str] = set()  # keys of rows that are there and cannot be used

    def look(self, states: States, facts: Mapping[str, str]) -> Listing:
        """See `Contents`.  The signature is of the files, and nothing else is looked at."""
        self._disk, self._broken, self._unusable = Disk(self.location), set(), set()
        if not self._parts and not states():
            raise NotFound(f"no embeddings in {self.location}", cure="it needs embeddings, and metadata of each part")
        paths = [path for part in self._parts for path in part]
        lines = [f"{self._file(path)} {_stamp(path)}" for path in paths]
        lines += [error.problem for error in self._unpaired]
        asked = "" if self.columns is None else f" {self.columns}"
        signature = sha256_bytes("\n".join(lines).encode(errors="surrogateescape"))[:16]
        return Listing(None, f"embeddings {signature}{asked}{refused(paths)}", complete=False)

    def facts(self, listing: Listing, states: Mapping[str, FileState]) -> dict[str, str]:
        """See `Contents`."""
        return {SIGNATURE: listing.signature or "", INSIDE: "", TABLES: json.dumps([])}

    def images(self, listing: Listing, keys: Sequence[str] | None) -> Iterator[Candidate | InputError]:
        """See `Contents`; all are read.  A key that two rows have is an error at the second."""
        seen: set[str] = set()
        yield from self._unpaired
        before = missing = 0
        for part in self._parts:
            try:
                count, _ = part.shape()
                key_column, files = self._named(part.names())
                for row in part.rows():
                    one = self._candidate(part, row, _key(row, key_column, before), files)
                    if isinstance(one, Candidate) and one.key in seen:
                        yield self._key_again(part, one.key)
                        continue
                    if isinstance(one, Candidate):
                        seen.add(one.key)
                        missing += "path" not in one.meta
                    yield one
                before += count
            except (InputError, FormatError, UsageError) as error:
                self._broken.add(self._file(part.embeddings))
                yield InputError(error.problem, cure=error.cure)
        if missing:
            notice(f"{self.location}: {missing:,} images are not there: their hits have no image", once=True)

    def _named(self, names: Sequence[str]) -> tuple[str | None, tuple[str, ...]]:
        """Return the column of keys, None for none, and those that may name a file."""
        key, image = (None, None) if self.columns is None else (self.columns.key, self.columns.image)
        for asked in (key, image):
            if asked is not None and asked not in names:
                raise UsageError(f"{self.location} has no column {asked}", cure=f"there are: {', '.join(names)}")
        key = key or next((name for name in KEYS if name in names), None)
        return key, tuple(name for name in ([image] if image else FILES) if name in names)

    def _candidate(
        self, part: EmbeddingPart, row: EmbeddedRow, key: str | None, files: Sequence[str]
    ) -> Candidate | InputError:
        if isinstance(row.values, InputError):
            self._broken.add(self._file(part.embeddings))  # whose row it is cannot be told
            return row.values
        if key is None:
            problem = f"{part.records}: row {row.number + 1} has no key"
            return InputError(problem, cure="give every row one, or name another column as key")
        file = self._file(part.embeddings)
        if row.embedding is None:
            self._unusable.add(key)
            error = InputError(
                f"{part.embeddings}: row {row.number + 1} is NaN, infinite or zero", cure="embed it again"
            )
            return Candidate(key, error, (0, 0), file=file)
        data = np.ascontiguousarray(row.embedding, "<f4").tobytes()
        meta = fields.meta(row.values, {"key": "key"})
        meta.pop("path", None)
        path = self._path_of(row.values, key, files)
        if path is not None:
            meta["path"] = path
        stamp = (len(data), 0)
        return Candidate(key, None, stamp, meta, sha256=sha256_bytes(data), file=file, kept=row.embedding)

    def _path_of(self, values: Mapping[str, Any], key: str, files: Sequence[str]) -> str | None:
        """Return the file of a row's image in full, None where it is not there."""
        for name in files:
            stated = values.get(name)
            if not isinstance(stated, str) or not stated or "\0" in stated:
                continue
            stated = file_of(stated) if is_fragment(key) else stated
            for base in (self.location, self.location.parent):
                path = os.path.join(base.absolute(), stated)
                if os.path.isfile(path):
                    return os.path.normpath(path)
        return None

    def _key_again(self, part: EmbeddingPart, key: str) -> InputError:
        return InputError(
            f"{part.records}: a row has the key {key}, as one before it has",
            cure="give every row its own, or name another column as key",
        )

    def judge(self, key: str, state: FileState) -> Whereabouts:
        """See `Contents`.  What a part held that was read to its end and holds it no more, is gone."""
        if not os.path.exists(self.location):
            return away(self.location)
        if not state.file:  # an image of a folder that has become one of embeddings
            return Whereabouts.UNREAD if self._broken else self._disk.judge(key, through_links=False)
        if state.file in {self._file(part.embeddings) for part in self._parts}:
            is_there = state.file in self._broken or key in self._unusable
            return Whereabouts.UNREAD if is_there else Whereabouts.GONE
        return self._disk.judge(state.file)

    def meta(self, key: str, meta: Mapping[str, Value]) -> dict[str, Value]:
        """Return the metadata as it is: a folder that changes is read again as a whole."""
        return dict(meta)

    def is_unsure(self, key: str) -> bool:
        """Return False: what tells of an image is what names it."""
        return False

    def path(self, key: str, meta: Mapping[str, Value]) -> Path | None:
        """Return the file of an image, None where it was not there."""
        return Path(str(meta["path"])) if meta.get("path") else None

    def problems(self) -> list[InputError]:
        """Return nothing: whatever is wrong is met on the way."""
        return []

    def require(self, model: "Model") -> None:
        """Raise `FingerprintMismatch` unless the embeddings are of the model, as far as that can be seen.

        A column that was asked for and is not there raises `UsageError`.
        """
        for part in self._parts:
            try:
                width = part.shape()[1]
            except InputError:  # `images` tells of it
                continue
            if width != model.spec.width:
                problem = f"{part.embeddings} holds embeddings of {width} numbers, those of model {model.name} have"
                raise FingerprintMismatch(
                    f"{problem} {model.spec.width}", cure="name the model that made them: --model NAME"
                )
        if any(part.states_its_model for part in self._parts):
            from wordsight.embeddings.store import open_store

            open_store(self.location, fingerprint=model.fingerprint)
            return
        cosines = list(self._cosines(model))
        if not cosines:
            problem = "none of the images that were looked for is there to compare with"
            notice(
                f"{self.location}: {problem}: that model {model.name} made its embeddings is taken on trust", once=True
            )
            return
        agreeing = sum(cosine >= AGREES for cosine in cosines)
        if 2 * agreeing <= len(cosines):
            raise FingerprintMismatch(
                f"the embeddings in {self.location} are not of model {model.name}: of {len(cosines)} images {agreeing} "
                f"have a cosine of {AGREES} with it, and the median is {np.median(cosines):.2f}",
                cure="name the model that made them (--model NAME), or leave them out where the images have changed",
            )

    def _cosines(self, model: "Model") -> Iterator[float]:
        """Yield the cosines of some stored embeddings with those of the images that are there."""
        compared = 0
        for row, path in chain.from_iterable(map(self._samples, self._parts[:: max(1, len(self._parts) // 4)][:4])):
            try:
                embedding = model.embed_images([path])[0]
            except InputError:  # an image that is damaged proves nothing
                continue
            yield float(embedding @ row)
            compared += 1
            if compared == COMPARED:
                return

    def _samples(self, part: EmbeddingPart) -> list[tuple[Any, Path]]:
        """Return embedding and file of some rows of a part whose images are there, spread over it."""
        try:
            count, _ = part.shape()
            files = self._named(part.names())[1]
            wanted = min(count, TRIED // min(4, len(self._parts)))
            numbers = sorted({int(number) for number in np.linspace(0, count - 1, wanted)}) if files else []
            rows = part.rows_at(numbers, (*files, "key"))
        except (InputError, FormatError):  # `images` tells of it
            return []
        pairs = [(row.embedding, row.values) for row in rows if isinstance(row.values, Mapping)]
        whole = [(one, values) for one, values in pairs if not is_fragment(str(values.get("key")))]
        met = [(embedding, self._path_of(values, "", files)) for embedding, values in whole]
        there = [(embedding, Path(path)) for embedding, path in met if embedding is not None and path is not None]
        return there[:: max(1, len(there) * min(4, len(self._parts)) // COMPARED)]

    def _file(self, path: Path) -> str:
        return path.relative_to(self.location).as_posix()


def require_same_model(contents: Contents, model: "Model") -> None:
    """Raise `FingerprintMismatch` where a location gives embeddings of another model; others give none."""
    if isinstance(contents, EmbeddedContents):
        contents.require(model)


def _key(row: EmbeddedRow, column: str | None, before: int) -> str | None:
    """Return the key of a row, None where its column has none; `before` counts the rows of the parts before."""
    if isinstance(row.values, InputError):
        return None
    return str(before + row.number) if column is None else fields.name(row.values.get(column))


def _stamp(path: Path) -> str:
    try:
        facts = path.stat()
    except OSError:
        return "-"
    return f"{facts.st_size} {facts.st_mtime_ns}"
