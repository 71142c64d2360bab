"""Embeddings on disk: numbered parts, each whole or not there, with a manifest that says what made them.

    store = open_store("embeddings", fingerprint=model.fingerprint)
    store.embeddings("image"), store.keys("image")      # float32 (n, width); row i belongs to key i

The format is specified in docs/embeddings.md.  Reads npy stores; parquet ones are for other programs to read.
"""

import io
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

from wordsight.base.arrays import Embeddings
from wordsight.base.config import from_dict, to_dict
from wordsight.base.errors import ConfigError, FingerprintMismatch, FormatError, NotFound, UsageError
from wordsight.base.files import atomic_write, read_json, write_json
from wordsight.base.optional import require

T = TypeVar("T")
Kind = Literal["image", "text"]
StoreLayout = Literal["npy", "parquet"]
FORMAT = "wordsight-embeddings"
VERSION = 1
MANIFEST = "manifest.json"
FAILURES = "failures.jsonl"


@dataclass(frozen=True, slots=True)
class StoreManifest:
    """What a store holds.

    `read` counts what the source gave, `images` and `texts` the embeddings, `failures` the samples without an image
    embedding; all are of the finished parts.  `seconds` are summed by stage over threads and runs.
    """

    model: str
    fingerprint: str
    width: int
    source: str
    source_fingerprint: str
    what: Literal["image", "text", "both"]
    layout: StoreLayout
    part_size: int
    parts: int = 0
    complete: bool = False
    read: int = 0
    images: int = 0
    texts: int = 0
    failures: int = 0
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PartNote:
    """What is noted of one finished part; `next_part` and `next_entry` are the position in the source behind it.

    `failed` are the samples without an embedding by their number in the part: keys need not differ.  `crc32` are the
    checksums of the part's npy and jsonl files by name; earlier versions wrote none.
    """

    read: int
    images: int
    texts: int
    failures: tuple[dict[str, str], ...]
    next_part: int
    next_entry: int
    seconds: dict[str, float] = field(default_factory=dict)
    failed: tuple[int, ...] = ()
    crc32: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EmbeddingBlock:
    """The embeddings (n, width) of one kind in one part, with a record {"key": …} or {"key": …, "text": …} for each."""

    kind: Kind
    embeddings: Embeddings
    records: Sequence[Mapping[str, str]]


class DamagedStore(FormatError):
    """A store that is not what was written."""


class Store:
    """An npy store, opened for reading.  Only finished parts are looked at; a damaged one is a `DamagedStore`."""

    def __init__(self, folder: Path, manifest: StoreManifest) -> None:
        self.folder = folder
        self.manifest = manifest
        self.parts = finished_parts(folder)

    def embeddings(self, kind: Kind) -> Embeddings:
        """Return all embeddings of a kind: float32 (n, width)."""
        parts = [np.empty((0, self.manifest.width), np.float32), *self.blocks(kind)]
        embeddings: Embeddings = np.concatenate(parts)
        return embeddings

    def notes(self) -> list[PartNote]:
        """Return what is noted of each part."""
        return [read_note(self.folder, number) for number in range(self.parts)]

    def blocks(self, kind: Kind) -> Iterator[Embeddings]:
        """Yield the embeddings of a kind part by part, float32 (n, width): no more than one part in memory."""
        for path, count, data in self._files(kind, ".npy"):
            try:
                part = np.load(io.BytesIO(data), allow_pickle=False)
            except (ValueError, EOFError):
                raise _damaged(path) from None
            if part.dtype != np.float32 or part.shape != (count, self.manifest.width):
                raise _damaged(path)
            yield part

    def records(self, kind: Kind) -> Iterator[dict[str, str]]:
        """Yield the record of each embedding: its key, and for texts the text."""
        for path, count, data in self._files(kind, ".jsonl"):
            try:
                records = [json.loads(line) for line in data.splitlines()]
            except ValueError:
                raise _damaged(path) from None
            if len(records) != count or not all(isinstance(one, dict) and "key" in one for one in records):
                raise _damaged(path)
            yield from records

    def keys(self, kind: Kind) -> list[str]:
        """Return the key of each embedding; texts of one sample share its key."""
        return [record["key"] for record in self.records(kind)]

    def failures(self) -> list[dict[str, str]]:
        """Return what could not be embedded: {"key": …, "error": …}."""
        return [failure for note in self.notes() for failure in note.failures]

    def _files(self, kind: Kind, suffix: str) -> Iterator[tuple[Path, int, bytes]]:
        """Yield path, number of embeddings and content of a kind's file in each part."""
        for number in range(self.parts):
            note, path = read_note(self.folder, number), self.folder / part_name(kind, number, suffix)
            try:
                data = path.read_bytes()
            except FileNotFoundError:
                raise _damaged(path) from None
            if note.crc32.get(path.name, zlib.crc32(data)) != zlib.crc32(data):
                raise _damaged(path)
            yield path, note.images if kind == "image" else note.texts, data


def _damaged(path: Path) -> DamagedStore:
    problem = "is not what was written" if path.is_file() else "is gone"
    return DamagedStore(f"{path} {problem}", cure="embed again into another folder")


def open_store(folder: str | Path, *, fingerprint: str | None = None) -> Store:
    """Open a finished or unfinished npy store; one made by another model than `fingerprint` is refused."""
    folder = Path(folder)
    manifest = read_store_manifest(folder)
    if fingerprint is not None:
        require_same_model(folder, manifest, fingerprint)
    if manifest.layout != "npy":
        raise UsageError(f"{folder} holds {manifest.layout} files", cure="read them with a parquet reader")
    return Store(folder, manifest)


def require_same_model(folder: Path, manifest: StoreManifest, fingerprint: str) -> None:
    """Raise `FingerprintMismatch` when the store was made by another model."""
    if manifest.fingerprint != fingerprint:
        raise FingerprintMismatch(
            f"the embeddings in {folder} were made by model {manifest.fingerprint} ({manifest.model}), "
            f"the model in use is {fingerprint}",
            cure="use that model (--model), or embed again into another folder",
        )


def read_store_manifest(folder: Path) -> StoreManifest:
    """Return the manifest of a store; raises `NotFound` or `FormatError`."""
    path = folder / MANIFEST
    if not path.is_file():
        raise NotFound(f"no embeddings in {folder}", cure="make them with wordsight embed SOURCE --out DIR")
    values = read_json(path)
    if not isinstance(values, dict) or (values.pop("format", 0), values.pop("version", 0)) != (FORMAT, VERSION):
        raise DamagedStore(f"{path} is no manifest of embeddings that this program reads", cure="update wordsight")
    return _dataclass(StoreManifest, values, path)


def write_store_manifest(folder: Path, manifest: StoreManifest) -> None:
    """Write the manifest, atomically."""
    write_json(folder / MANIFEST, {"format": FORMAT, "version": VERSION, **to_dict(manifest)})


def part_name(kind: str, number: int, suffix: str) -> str:
    """Return the file name of one kind in one part: image-00000.npy."""
    return f"{kind}-{number:05d}{suffix}"


def read_note(folder: Path, number: int) -> PartNote:
    """Return what is noted of a finished part."""
    path = folder / part_name("part", number, ".json")
    return _dataclass(PartNote, read_json(path), path)


def finished_parts(folder: Path) -> int:
    """Return how many parts from the first on are finished."""
    number = 0
    while (folder / part_name("part", number, ".json")).is_file():
        number += 1
    return number


def write_part(
    folder: Path, number: int, blocks: Sequence[EmbeddingBlock], *, note: PartNote, layout: StoreLayout
) -> None:
    """Write the files of one part, its note last: a part without note counts as absent and is written again."""
    checksums: dict[str, int] = {}
    for block in blocks:
        assert len(block.embeddings) == len(block.records)
        if not np.isfinite(block.embeddings).all():
            raise FormatError(
                f"embeddings for {folder} that hold NaN or infinite numbers",
                cure="embed again; none of them was stored",
            )
        if layout == "npy":
            checksums |= _write_npy(folder, number, block)
        else:
            _write_parquet(folder, number, block)
    write_json(folder / part_name("part", number, ".json"), to_dict(replace(note, crc32=checksums)))


def write_failures(folder: Path, failures: Sequence[Mapping[str, str]]) -> None:
    """Write the list of what could not be embedded, one JSON object a line."""
    with atomic_write(folder / FAILURES, "w") as handle:
        handle.writelines(json.dumps(failure, ensure_ascii=True) + "\n" for failure in failures)


def _write_npy(folder: Path, number: int, block: EmbeddingBlock) -> dict[str, int]:
    """Write embeddings and records; return the checksums of both files by name."""
    packed = io.BytesIO()  # numpy's own writing to a file hides that the disk is full
    np.save(packed, np.ascontiguousarray(block.embeddings, "<f4"), allow_pickle=False)
    lines = "".join(json.dumps(record, ensure_ascii=True) + "\n" for record in block.records)
    contents = {".npy": packed.getvalue(), ".jsonl": lines.encode()}
    for suffix, content in contents.items():
        with atomic_write(folder / part_name(block.kind, number, suffix)) as handle:
            handle.write(content)
    return {part_name(block.kind, number, suffix): zlib.crc32(content) for suffix, content in contents.items()}


def _write_parquet(folder: Path, number: int, block: EmbeddingBlock) -> None:
    pyarrow = require("pyarrow", extra="data")
    parquet = require("pyarrow.parquet", extra="data")
    columns = {"key": [_unicode(record["key"]) for record in block.records]}
    if block.kind == "text":
        columns["text"] = [_unicode(record["text"]) for record in block.records]
    width = block.embeddings.shape[1]
    flat = pyarrow.array(np.ascontiguousarray(block.embeddings).reshape(-1), type=pyarrow.float32())
    table = pyarrow.table({**columns, "embedding": pyarrow.FixedSizeListArray.from_arrays(flat, width)})
    packed = pyarrow.BufferOutputStream()
    parquet.write_table(table, packed)
    with atomic_write(folder / part_name(block.kind, number, ".parquet")) as handle:
        handle.write(packed.getvalue())


def _unicode(text: str) -> str:
    """Return a key as valid Unicode: parquet knows no other text."""
    return text.encode("utf-8", errors="backslashreplace").decode()


def _dataclass(kind: type[T], values: dict[str, Any], path: Path) -> T:
    try:
        return from_dict(kind, values)
    except ConfigError as error:
        raise DamagedStore(f"{path}: {error.problem}", cure="embed again into another folder") from None
