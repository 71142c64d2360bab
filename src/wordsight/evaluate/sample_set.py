"""The samples that a task measures on, with their images beside them.

    images = read_samples(open_source("flowers5", split="test"))
    images.samples[7].label, images.images[7]        # the image is a path, or bytes read when it is asked for

Images that lie inside shards and tables are held encoded, in memory up to `HELD` bytes and in a nameless file of the
cache beyond, so a set may be larger than memory.  Does not decode, and knows no tasks.
"""

import hashlib
import json
import os
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, overload

from wordsight.base.cache import cache_folder
from wordsight.base.errors import InputError
from wordsight.base.files import storage_errors
from wordsight.base.nouns import Sample
from wordsight.base.threads import ordered_map
from wordsight.images.spec import PreprocessSpec
from wordsight.images.transform import load_pixels
from wordsight.index.index import spread_evenly

ImageErrors = Callable[[Sequence[Any], Sequence[str]], list[InputError | None]]  # of images and their names
HELD = 1 << 28  # bytes of encoded images in memory; a laptop has room for so much beside a model


class EncodedImages(Sequence[Any]):
    """Encoded images in order: paths as they are, bytes in memory or, once there are many, in a file without a name."""

    def __init__(self, most: int = HELD) -> None:
        self._most, self._held = most, 0
        self._items: list[Any] = []
        self._spool: Any = None

    def append(self, item: Any) -> None:
        """Put an image (or None) behind the others."""
        if isinstance(item, bytes) and self._held + len(item) > self._most:
            self._items.append(self._put(item))
        else:
            self._held += len(item) if isinstance(item, bytes) else 0
            self._items.append(item)

    def _put(self, data: bytes) -> tuple[int, int]:
        if self._spool is None:
            folder = cache_folder()
            with storage_errors(folder):
                folder.mkdir(parents=True, exist_ok=True)
                self._spool = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - it lives as long as this
                weakref.finalize(self, self._spool.close)
        with storage_errors(cache_folder()):
            start = int(self._spool.seek(0, os.SEEK_END))
            self._spool.write(data)
            self._spool.flush()
        return start, len(data)

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, position: int) -> Any: ...
    @overload
    def __getitem__(self, position: slice) -> list[Any]: ...
    def __getitem__(self, position: int | slice) -> Any:
        if isinstance(position, slice):
            return [self._read(item) for item in self._items[position]]
        return self._read(self._items[position])

    def _read(self, item: Any) -> Any:
        if not isinstance(item, tuple):
            return item
        return os.pread(self._spool.fileno(), item[1], item[0])


class LazyItems(Sequence[Any]):
    """A sequence of `count` items, item i being `read(i)`, which is called when the item is asked for."""

    def __init__(self, count: int, read: Callable[[int], Any]) -> None:
        self._count, self._read = count, read

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, position: int) -> Any: ...
    @overload
    def __getitem__(self, position: slice) -> list[Any]: ...
    def __getitem__(self, position: int | slice) -> Any:
        rows = range(self._count)[position]  # negative ones too; IndexError beyond
        return [self._read(row) for row in rows] if isinstance(rows, range) else self._read(rows)


def some_of(items: Sequence[Any], rows: Sequence[int]) -> LazyItems:
    """Return some of the items of another sequence, read when they are asked for."""
    return LazyItems(len(rows), lambda position: items[rows[position]])


def concatenated(first: Sequence[Any], second: Sequence[Any]) -> LazyItems:
    """Return the items of two sequences behind each other, read when they are asked for."""
    before = len(first)
    return LazyItems(
        before + len(second),
        lambda position: first[position] if position < before else second[position - before],
    )


@dataclass(frozen=True, slots=True)
class SampleSet:
    """Samples (N) of a source without their images, and the images (N), encoded; `name` is what results are called."""

    name: str
    samples: Sequence[Sample]
    images: Sequence[Any]

    def __len__(self) -> int:
        return len(self.samples)

    def of(self, rows: Iterable[int]) -> "SampleSet":
        """Return some of the samples."""
        chosen = [int(row) for row in rows]
        return SampleSet(self.name, [self.samples[row] for row in chosen], some_of(self.images, chosen))

    def also(self, other: "SampleSet") -> "SampleSet":
        """Return these samples, and behind them the other's."""
        return SampleSet(self.name, [*self.samples, *other.samples], concatenated(self.images, other.images))

    def labelled(self) -> "SampleSet":
        """Return those that have an image and a class."""
        return self.of(
            row for row, sample in enumerate(self.samples) if sample.label is not None and self.images[row] is not None
        )

    def digest(self, image_digest: Callable[[Any], bytes]) -> str:
        """Return 16 hexadecimal digits over all that the samples are: keys, images, texts, classes, metadata."""
        whole = hashlib.sha256()
        for sample, image in zip(self.samples, ordered_map(image_digest, self.images), strict=True):
            facts = [sample.key, list(sample.texts), sample.label, dict(sorted(sample.meta.items()))]
            whole.update(json.dumps(facts, default=str).encode() + image)
            whole.update(image_digest(sample.mask) if sample.mask is not None else b"")
        return whole.hexdigest()[:16]


def rows_of_others(images: SampleSet, others: SampleSet) -> list[int]:
    """Return the rows of `images` whose image is none of the `others`': by their bytes, objects in memory by identity.

    Only images of one size in bytes are read; one that cannot be is like no other: who embeds it says what is wrong.
    """
    if images is others:
        return []
    own, their = ([_size(one) for one in part.images] for part in (images, others))
    both = set(own) & set(their) - {None}

    def marks(part: SampleSet, sizes: list[Any]) -> list[Any]:
        return list(ordered_map(lambda row: _mark(part.images[row]) if sizes[row] in both else None, range(len(part))))

    known = set(marks(others, their)) - {None}
    return [row for row, mark in enumerate(marks(images, own)) if mark not in known]


def _size(item: Any) -> Any:
    """Return what equal images have in common: the number of bytes, of other objects themselves; None of no image."""
    if isinstance(item, Path):
        try:
            return item.stat().st_size
        except OSError:
            return None
    return len(item) if isinstance(item, bytes) else None if item is None else ("object", id(item))


def _mark(item: Any) -> Any:
    """Return what tells images of one size apart."""
    try:
        content = item.read_bytes() if isinstance(item, Path) else item
    except OSError:
        return None
    return hashlib.sha256(content).digest() if isinstance(content, bytes) else ("object", id(item))


def in_memory(name: str, samples: Sequence[Sample]) -> SampleSet:
    """Return samples that were read already, as a set."""
    return SampleSet(name, samples, [sample.image for sample in samples])


def read_samples(walk: Any, name: str, *, limit: int | None = None) -> tuple[SampleSet, list[InputError]]:
    """Walk over a source, to the first `limit` samples, and return them with what could not be read."""
    samples: list[Sample] = []
    images = EncodedImages()
    for sample in walk:
        images.append(sample.image)
        samples.append(sample if isinstance(sample.image, Path) else replace(sample, image=None))
        if len(samples) == limit:
            break
    return SampleSet(name, samples, images), list(walk.failures)


def decoded(images: SampleSet, spec: PreprocessSpec) -> SampleSet:
    """Return the set with the pixels of its images, prepared as a tower wants them."""

    def pixels(row: int) -> Any:
        image = images.images[row]
        return None if image is None else load_pixels(image, spec, name=images.samples[row].key)

    return SampleSet(images.name, images.samples, list(ordered_map(pixels, range(len(images)))))


def decoding_errors(images: Sequence[Any], names: Sequence[str]) -> list[InputError | None]:
    """Return why an image (n) cannot be decoded, None where it can or there is none; `names` is how errors call it."""

    def check(row: int) -> InputError | None:
        image = images[row]
        try:
            if image is not None:
                load_pixels(image, PreprocessSpec(), name=names[row])
        except InputError as error:
            return error
        return None

    return list(ordered_map(check, range(len(images))))


def without_broken(
    images: SampleSet, failures: list[InputError], *, errors_of: ImageErrors = decoding_errors
) -> SampleSet:
    """Return the samples whose images can be used, and add to `failures` why the others cannot."""
    errors = errors_of(images.images, [sample.key for sample in images.samples])
    failures += [error for error in errors if error is not None]
    return images.of(row for row, error in enumerate(errors) if error is None)


def spread(images: SampleSet, most: int) -> SampleSet:
    """Return at most so many samples, evenly spread, since sources are often sorted; each with its first text alone."""
    chosen = images.of(spread_evenly(len(images), most).tolist())
    return SampleSet(images.name, [replace(one, texts=one.texts[:1]) for one in chosen.samples], chosen.images)


def blocks(count: int, size: int) -> Iterator[slice]:
    """Yield the slices of `size` that make up `count` things."""
    return (slice(start, min(start + size, count)) for start in range(0, count, size))
