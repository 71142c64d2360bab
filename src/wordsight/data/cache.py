"""Images decoded once and kept on disk, so that a processor learns instead of decoding.

    cache = build_cache(open_source("flickr8k", split="train"), size=112)
    cache.array[17]                   # uint8 (112, 112, 3), memory-mapped
    cache.texts[17], cache.labels[17], cache.keys[17]

One folder a source, size and way of resizing, by default below `pictures` in our cache (`base.cache`):
`pixels.npy`, `words.jsonl` and `cache.json`.  It is built beside
and renamed, so it is whole or not there; a source whose files change gets another folder.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Literal

import numpy as np
from numpy.lib import format as npy

from wordsight.base.arrays import Pixels, RowIds
from wordsight.base.cache import cache_errors, cache_folder
from wordsight.base.errors import FormatError, InputError, WordsightError
from wordsight.base.files import (
    JSON_ESCAPES,
    atomic_folder,
    plain_name,
    read_json,
    sha256_bytes,
    storage_errors,
    write_json,
)
from wordsight.base.nouns import Sample
from wordsight.base.progress import bar, notice
from wordsight.base.threads import ordered_map
from wordsight.data.image_set import Annotation, Caption
from wordsight.data.labels import Prompter
from wordsight.data.source import Source
from wordsight.images.spec import HALF, PreprocessSpec
from wordsight.images.transform import load_pixels

VERSION = 1
CARD = "cache.json"  # written last
KEPT = "decoded images"
Resize = Literal["shortest", "squash"]


@dataclass(frozen=True, slots=True)
class CacheCard:
    """What a cache holds: written last into `cache.json`."""

    version: int
    source: str
    fingerprint: str
    size: int
    resize: str
    count: int
    failures: tuple[str, ...]


class ImageCache:
    """Decoded images with their annotations, by row."""

    def __init__(self, folder: Path) -> None:
        card = read_json(folder / CARD)
        self.folder = folder
        self.name: str = card["source"]
        self.fingerprint: str = card["fingerprint"]
        self.size: int = card["size"]
        self.failures: list[str] = card["failures"]
        self.array: Pixels = np.load(folder / "pixels.npy", mmap_mode="r")  # (N, S, S, 3)
        with open(folder / "words.jsonl", encoding="utf-8") as handle:
            records = [json.loads(line) for line in handle]
        self.keys: list[str] = [record["key"] for record in records]
        self.texts: list[tuple[str, ...]] = [tuple(record["texts"]) for record in records]
        self.labels: list[str | None] = [record["label"] for record in records]
        wanted = (card["count"], self.size, self.size, 3)
        if len(self.keys) != card["count"] or self.array.shape != wanted or self.array.dtype != np.uint8:
            images = f"images {self.array.dtype} {self.array.shape}"
            raise FormatError(f"{folder} is damaged: {len(self.keys)} texts, {images}, not {wanted}", cure="delete it")
        self._prompter = Prompter()

    def __len__(self) -> int:
        return len(self.array)

    def blocks(self) -> list[RowIds]:
        """Return the rows that have captions or a class, in one block."""
        known = [bool(texts or label) for texts, label in zip(self.texts, self.labels, strict=True)]
        return [np.flatnonzero(known)]

    def pixels(self, rows: RowIds) -> tuple[Pixels, dict[int, InputError]]:
        """Return uint8 (len(rows), S, S, 3) and no errors: broken images are not in the cache."""
        return self.array[rows], {}

    def annotation(self, row: int) -> Annotation:
        """Return the captions and class name of a row."""
        return Annotation(self.texts[row], self.labels[row])

    def draw(self, row: int, uniform: float) -> Caption:
        """Return one of the captions; without captions the class name."""
        return self._prompter.draw(self.annotation(row), uniform)


def build_cache(
    source: Source,
    *,
    size: int,
    resize: Resize = "shortest",
    preprocess: PreprocessSpec | None = None,
    folder: Path | None = None,
    workers: int | None = None,
) -> ImageCache:
    """Decode every image of the source to (size, size, 3), or open what was decoded before if it is whole.

    With a model's `preprocess`, images are prepared as for that model instead.
    `folder` is where caches lie (each in a folder of its own below).  Broken images are left out, counted and
    listed in `failures`.  Raises `FormatError` when no image could be read, `StorageError` when the disk is full.
    """
    fingerprint, spec = source.fingerprint(), preprocess or PreprocessSpec(size=size, resize=resize)
    size = spec.size
    described = f"{size} {resize}" if preprocess is None else repr(replace(spec, mean=HALF, std=HALF))
    identity = sha256_bytes(f"{VERSION} {fingerprint} {described}".encode())[:16]
    name = f"{plain_name(source.name, otherwise='source')}-{size}-{identity}"
    cached = (folder or cache_folder() / "pictures") / name
    with cache_errors(KEPT), storage_errors(cached):
        there = (cached / CARD).exists()
    opened = _opened(cached, fingerprint, size) if there else None
    if opened is not None:
        return opened
    mark = "" if there else CARD  # without it a damaged cache is replaced
    with cache_errors(KEPT), atomic_folder(cached, mark=mark) as draft:
        failures = _write(source, draft, spec, workers)
        count = len(np.load(draft / "pixels.npy", mmap_mode="r"))
        card = CacheCard(VERSION, source.name, fingerprint, size, spec.resize, count, tuple(failures))
        write_json(draft / CARD, asdict(card))
    return _with_notice(ImageCache(cached))


def _opened(folder: Path, fingerprint: str, size: int) -> ImageCache | None:
    """Return the cache in a folder, or None where it is damaged, or of another source or size."""
    try:
        cache = ImageCache(folder)
        if (cache.fingerprint, cache.size) != (fingerprint, size):
            raise FormatError(f"it is of {cache.name} at {cache.size} pixels", cure="delete it")
        return _with_notice(cache)
    except (WordsightError, OSError, EOFError, ValueError, LookupError, TypeError) as error:
        notice(f"the cache of decoded images {folder} is damaged ({error}): decoding again")
        return None


def _with_notice(cache: ImageCache) -> ImageCache:
    if cache.failures:
        count = len(cache.failures)
        notice(f"{cache.name}: {count} of {len(cache) + count} inputs failed, listed in {cache.folder / CARD}")
    return cache


def _write(source: Source, folder: Path, spec: PreprocessSpec, workers: int | None) -> list[str]:
    walk = source.samples()
    failures = []
    count = 0
    with (
        open(folder / "pixels.npy", "wb") as pixels,
        open(folder / "words.jsonl", "w", encoding="utf-8", errors=JSON_ESCAPES) as lines,
    ):
        _write_header(pixels, count, spec.size)
        for sample, decoded in _decoded(walk, source, spec, workers):
            if isinstance(decoded, InputError):
                failures.append(str(decoded))
                continue
            pixels.write(decoded.tobytes())
            record = {"key": sample.key, "texts": sample.texts, "label": sample.label}
            lines.write(json.dumps(record, ensure_ascii=False) + "\n")
            count += 1
        pixels.seek(0)
        _write_header(pixels, count, spec.size)
    failures = [str(failure) for failure in walk.failures] + failures
    if not count:
        first = f": {failures[0]}" if failures else ""
        raise FormatError(
            f"no image of {source.name} could be read{first}", cure="check the source with 'wordsight data check'"
        )
    return failures


def _write_header(handle: IO[bytes], count: int, size: int) -> None:
    # NumPy pads the header for growth along the first axis, so it has the same length for every count.
    npy.write_array_header_1_0(handle, {"descr": "|u1", "fortran_order": False, "shape": (count, size, size, 3)})


def _decoded(
    walk: Iterator[Sample], source: Source, spec: PreprocessSpec, workers: int | None
) -> Iterator[tuple[Sample, Pixels | InputError]]:
    def decode(sample: Sample) -> tuple[Sample, Pixels | InputError]:
        return sample, read_pixels(sample, spec)

    with bar(source.count(), unit="img", desc=f"decoding {source.name}") as progress:
        for pair in ordered_map(decode, walk, threads=workers):
            yield pair
            progress.update(1)


def read_pixels(sample: Sample, spec: PreprocessSpec) -> Pixels | InputError:
    """Return the image of a sample as uint8 (S, S, 3), or the error that says why not."""
    try:
        return load_pixels(sample.image, spec, name=sample.key)
    except InputError as error:
        return error
