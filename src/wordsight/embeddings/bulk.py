"""The bulk job: a whole source embedded into a store, going on where it was stopped.

    report = embed_source(model, open_source("photos"), Path("out"), BulkOptions(what="both"))

Reading, decoding, encoding and writing overlap: one thread reads, several decode, the engine encodes in the calling
thread, one thread writes.  A part is the unit of resuming: after `kill -9` at any time the finished parts count and
the rest is done again.  A sample whose image cannot be read is listed and the others go on.
"""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from wordsight.base.arrays import Embeddings, Pixels
from wordsight.base.errors import FormatError, UsageError
from wordsight.base.files import storage_errors, sweep
from wordsight.base.progress import bar
from wordsight.base.threads import read_ahead, write_behind
from wordsight.data.source import Position, Reading, Source, readings
from wordsight.embeddings import store
from wordsight.embeddings.model import Model
from wordsight.embeddings.pipeline import Encoded, StageTimes
from wordsight.embeddings.store import EmbeddingBlock, PartNote, StoreLayout, StoreManifest
from wordsight.images.files import require_image

What = Literal["image", "text", "both"]


@dataclass(frozen=True, slots=True)
class BulkOptions:
    """What to embed, how to write it, and how many samples a part holds (what is lost at most when stopped)."""

    what: What = "image"
    layout: StoreLayout = "npy"
    part_size: int = 2000


@dataclass(frozen=True, slots=True)
class BulkReport:
    """The manifest of the finished store, how many of its parts were there before, and the seconds of this run."""

    manifest: StoreManifest
    resumed_parts: int
    wall_seconds: float
    failures: tuple[dict[str, str], ...]


@dataclass(slots=True)
class _Part:
    """A part that is being filled."""

    read: int = 0
    embeddings: list[Embeddings] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    texts: list[dict[str, str]] = field(default_factory=list)
    failures: list[dict[str, str]] = field(default_factory=list)
    samples: int = 0
    failed: list[int] = field(default_factory=list)
    position: Position = field(default_factory=Position)


def embed_source(model: Model, source: Source, out: Path, options: BulkOptions) -> BulkReport:
    """Embed all of `source` into the store `out` and return what came of it.

    Goes on with an unfinished store of the same source, model and options; a different one is refused.
    """
    started = time.perf_counter()
    manifest = _begin(model, source, out, options)
    resumed = store.finished_parts(out)
    if not manifest.complete:
        rest = _run(model, source, out, options, resumed)
        manifest = _finish(out, manifest, rest)
    notes = [store.read_note(out, number) for number in range(manifest.parts)]
    failures = tuple(failure for note in notes for failure in note.failures)
    return BulkReport(manifest, min(resumed, manifest.parts), time.perf_counter() - started, failures)


def _begin(model: Model, source: Source, out: Path, options: BulkOptions) -> StoreManifest:
    """Write the manifest of a new store, or read that of one to go on with."""
    fresh = StoreManifest(
        model=model.name,
        fingerprint=model.fingerprint,
        width=model.spec.width,
        source=source.name,
        source_fingerprint=source.fingerprint(),
        what=options.what,
        layout=options.layout,
        part_size=options.part_size,
    )
    if options.part_size < 1:
        raise UsageError(f"a part of {options.part_size} samples", cure="give at least 1")
    with storage_errors(out):
        there = (out / store.MANIFEST).is_file()
        others = not there and out.is_dir() and any(out.iterdir())
    if others:
        raise UsageError(f"{out} holds other files", cure="give a new or empty folder")
    if not there:
        store.write_store_manifest(out, fresh)
        return fresh
    stored = store.read_store_manifest(out)
    store.require_same_model(out, stored, model.fingerprint)
    for name in ("source_fingerprint", "what", "layout", "part_size"):
        if getattr(stored, name) != getattr(fresh, name):
            raise UsageError(
                f"{out} was begun with another {name.replace('_', ' ')} "
                f"({getattr(stored, name)}, now {getattr(fresh, name)})",
                cure="go on with the same source and options, or give another --out",
            )
    sweep(out)
    return stored


def _run(model: Model, source: Source, out: Path, options: BulkOptions, first: int) -> dict[str, float]:
    """Read, decode, encode and write all parts from number `first` on; return seconds not noted in a part."""
    times = StageTimes()
    start = Position()
    if first:
        note = store.read_note(out, first - 1)
        start = Position(note.next_part, note.next_entry)
    reads = read_ahead(times.each("read", readings(source.samples(start))), 64)
    encoded = model.encode_images(reads, _loader(model, options, times), name=_name, times=times)

    def parts() -> Iterator[tuple[int, _Part, list[EmbeddingBlock]]]:
        for number, part in enumerate(_parts(encoded, options, source.count()), start=first):
            yield number, part, _blocks(model, part, options, times)

    with closing(reads), closing(encoded):
        write_behind(partial(_write, out, options, times), parts())
    return times.take()


def _loader(model: Model, options: BulkOptions, times: StageTimes) -> Any:
    def load(read: Reading) -> Pixels | None:
        if read.sample is None or options.what == "text":
            return None
        image = require_image(read.sample.image, key=read.sample.key)
        with times.stage("decode"):
            return model.load_pixels(image, name=_name(read))

    return load


def _name(read: Reading) -> str:
    """Return how messages call an image: its file, or its key where it lies inside another file."""
    sample = read.sample
    if sample is None:
        return ""
    return str(sample.image) if isinstance(sample.image, Path) else sample.key


def _parts(encoded: Iterator[Encoded[Reading]], options: BulkOptions, total: int | None) -> Iterator[_Part]:
    """Collect what comes out of the engine into parts."""
    part = _Part()
    with bar(total, unit="sample", desc="embedding") as progress:
        for one in encoded:
            progress.update(_collect(part, one, options))
            if part.read >= options.part_size:
                yield part
                part = _Part()
    if part.read:
        yield part


def _collect(part: _Part, one: Encoded[Reading], options: BulkOptions) -> int:
    """Put one sample into the part and return how many things were read."""
    read = one.item
    part.position = read.position
    part.failures += [{"key": "", "error": str(error)} for error in read.failures]
    before = part.read
    part.read += len(read.failures) + (read.sample is not None)
    if read.sample is not None:
        if one.error is not None:
            part.failures.append({"key": read.sample.key, "error": str(one.error)})
            part.failed.append(part.samples)
        part.samples += 1
        if one.embedding is not None:
            part.embeddings.append(one.embedding)
            part.keys.append(read.sample.key)
        if options.what != "image":
            part.texts += [{"key": read.sample.key, "text": text} for text in read.sample.texts]
    return part.read - before


def _blocks(model: Model, part: _Part, options: BulkOptions, times: StageTimes) -> list[EmbeddingBlock]:
    blocks = []
    if options.what != "text":
        embeddings = np.array(part.embeddings, np.float32).reshape(len(part.embeddings), model.spec.width)
        blocks.append(EmbeddingBlock("image", embeddings, [{"key": key} for key in part.keys]))
    if options.what != "image":
        with times.stage("encode"):
            embeddings = model.embed_texts([record["text"] for record in part.texts])
        blocks.append(EmbeddingBlock("text", embeddings, part.texts))
    return blocks


def _write(out: Path, options: BulkOptions, times: StageTimes, filled: tuple[int, _Part, list[EmbeddingBlock]]) -> None:
    number, part, blocks = filled
    with times.stage("write"), storage_errors(out):
        note = PartNote(
            read=part.read,
            images=sum(len(block.embeddings) for block in blocks if block.kind == "image"),
            texts=sum(len(block.embeddings) for block in blocks if block.kind == "text"),
            failures=tuple(part.failures),
            next_part=part.position.part,
            next_entry=part.position.entry,
            seconds=times.take(),
            failed=tuple(part.failed),
        )
        store.write_part(out, number, blocks, note=note, layout=options.layout)


def _finish(out: Path, manifest: StoreManifest, rest: dict[str, float]) -> StoreManifest:
    """Add up the parts, see that the counts agree, and write the finished manifest."""
    parts = store.finished_parts(out)
    notes = [store.read_note(out, number) for number in range(parts)]
    failures = [failure for note in notes for failure in note.failures]
    timed = [*(note.seconds for note in notes), rest]
    finished = replace(
        manifest,
        parts=parts,
        complete=True,
        read=sum(note.read for note in notes),
        images=sum(note.images for note in notes),
        texts=sum(note.texts for note in notes),
        failures=len(failures),
        seconds={s: round(sum(t.get(s, 0.0) for t in timed), 3) for s in sorted({s for t in timed for s in t})},
    )
    if finished.what != "text" and finished.images + finished.failures != finished.read:
        raise FormatError(
            f"{out}: {finished.read} read, but {finished.images} embeddings and {finished.failures} failures",
            cure="embed again into another folder, and report this",
        )
    store.write_failures(out, failures)
    store.write_store_manifest(out, finished)
    return finished
