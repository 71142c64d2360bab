"""Writing shards: any source becomes webdataset tars with a manifest.

    manifest = pack(open_source("photos"), Path("shards"), PackOptions(resize=256))

Each sample is NAME.jpg (or the suffix its bytes have) and NAME.json with `key`, `captions`, `class` and metadata.
Shards are written one after the other, each whole or not there, and the manifest after each: a stopped run goes on
behind the last finished shard, a finished one is left as it is.  The same input gives the same bytes.
"""

import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from wordsight import __version__
from wordsight.base.config import to_dict
from wordsight.base.errors import FormatError, InputError, UsageError
from wordsight.base.files import JSON_ESCAPES, atomic_write, storage_errors, sweep
from wordsight.base.nouns import Sample
from wordsight.base.progress import bar, notice
from wordsight.base.reading import sha256_file
from wordsight.base.threads import ordered_map
from wordsight.data.manifest import VERSION, Shard, ShardManifest, read_shard_manifest, write_shard_manifest
from wordsight.data.source import Position, Reading, Source, readings
from wordsight.images.decode import opened
from wordsight.images.failures import reading
from wordsight.images.files import image_bytes, is_image_name, require_image

# The first bytes of each format, and the suffix its members get.
_MAGIC = {
    b"\xff\xd8": "jpg",
    b"\x89PNG": "png",
    b"RIFF": "webp",
    b"GIF8": "gif",
    b"BM": "bmp",
    b"II*\0": "tif",
    b"MM\0*": "tif",
}
_NAME_LENGTH = 80  # characters; longer member names need extension headers


@dataclass(frozen=True, slots=True)
class PackOptions:
    """`shard_size` samples a tar; `resize` scales the shorter side down to that many pixels (None: bytes as they are).

    `quality` is that of the JPEG written when an image is resized.
    """

    shard_size: int = 1000
    resize: int | None = None
    quality: int = 90

    def __post_init__(self) -> None:
        if self.shard_size < 1:
            raise UsageError(f"a shard size of {self.shard_size}", cure="give at least 1")
        if self.resize is not None and self.resize < 1:
            raise UsageError(f"resize to {self.resize} pixels", cure="give at least 1")
        if not 1 <= self.quality <= 100:
            raise UsageError(f"a quality of {self.quality}", cure="give 1 to 100")


@dataclass(frozen=True, slots=True)
class _Packed:
    """A sample ready to be written (None: only failures), the position behind it, what failed on the way."""

    sample: Sample | None
    position: Position
    failures: tuple[str, ...]
    image: bytes | Path = b""


def pack(source: Source, folder: Path, options: PackOptions, *, workers: int | None = None) -> ShardManifest:
    """Write the source as shards into `folder`; return the manifest, whose `failures` list what could not be read.

    Raises `UsageError` when the folder holds shards of another source or other options, `StorageError` when the disk
    is full (finished shards stay, and the next call goes on behind them).
    """
    manifest = _begin(source, folder, options)
    sweep(folder)
    if manifest.complete:
        notice(f"{folder} was complete already")
        return manifest
    packed = ordered_map(partial(_prepare, options=options), readings(source.samples(manifest.next)), threads=workers)
    with bar(source.count(), unit="img", desc=f"packing {source.name}") as progress:
        progress.update(manifest.count + len(manifest.failures))
        for group in _groups(packed, options.shard_size):
            manifest = _write_group(folder, manifest, group)
            progress.update(len(group))
    if not manifest.count:
        first = manifest.failures[0] if manifest.failures else "it is empty"
        raise FormatError(f"no image of {source.name} could be read: {first}", cure="see 'wordsight data check'")
    manifest = replace(manifest, complete=True)
    write_shard_manifest(folder, manifest)
    return manifest


def _begin(source: Source, folder: Path, options: PackOptions) -> ShardManifest:
    facts = {"name": source.name, "fingerprint": source.fingerprint()}
    manifest = read_shard_manifest(folder)
    if manifest is None:
        if any(folder.glob("*.tar")):
            raise UsageError(f"{folder} holds shards without a manifest of ours", cure="choose another folder")
        return ShardManifest(VERSION, __version__, facts, to_dict(options))
    if manifest.source["fingerprint"] != facts["fingerprint"] or manifest.options != to_dict(options):
        raise UsageError(
            f"{folder} holds shards of {manifest.source['name']} with options {manifest.options}",
            cure="choose another folder, or delete it to write it anew",
        )
    return manifest


def _prepare(read: Reading, *, options: PackOptions) -> _Packed:
    """Decode the image (so that no broken one is written) and make it smaller if asked to."""
    failures = tuple(map(str, read.failures))
    if read.sample is None:
        return _Packed(None, read.position, failures)
    try:
        return _Packed(read.sample, read.position, failures, _encoded(read.sample, options))
    except InputError as error:
        return _Packed(None, read.position, (*failures, str(error)))


def _encoded(sample: Sample, options: PackOptions) -> bytes | Path:
    """Return the bytes of a sample's image; the path of a file that is taken as it is, so that it is not held."""
    content = require_image(sample.image, key=sample.key)
    with opened(content, name=sample.key) as image, reading(sample.key):
        if options.resize is None or min(image.size) <= options.resize:
            return content
        from PIL import Image

        share = options.resize / min(image.size)
        width, height = (max(options.resize, round(side * share)) for side in image.size)
        buffer = io.BytesIO()
        image.resize((width, height), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=options.quality)
        return buffer.getvalue()


def _groups(items: Iterator[_Packed], shard_size: int) -> Iterator[list[_Packed]]:
    """Yield runs of items with `shard_size` good ones each; the last may have fewer."""
    group: list[_Packed] = []
    good = 0
    for item in items:
        group.append(item)
        good += item.sample is not None
        if good == shard_size:
            yield group
            group, good = [], 0
    if group:
        yield group


def _write_group(folder: Path, manifest: ShardManifest, group: Sequence[_Packed]) -> ShardManifest:
    failures = [failure for item in group for failure in item.failures]
    shards, count = manifest.shards, 0
    good = [(item.sample, item.image) for item in group if item.sample is not None]
    if good:
        shard = _write_shard(folder / f"{len(shards):06d}.tar", good, failures)
        shards, count = (*shards, shard), shard.count
    manifest = replace(
        manifest,
        shards=shards,
        count=manifest.count + count,
        failures=(*manifest.failures, *failures),
        next=group[-1].position,
    )
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_shard_manifest(folder, manifest)
    return manifest


def _write_shard(path: Path, samples: Sequence[tuple[Sample, bytes | Path]], failures: list[str]) -> Shard:
    """Write one tar; a file that is gone since it was looked at is added to `failures`."""
    names: set[str] = set()
    with atomic_write(path) as handle, tarfile.open(fileobj=handle, mode="w") as tar:
        for sample, given in samples:
            try:
                image = image_bytes(given, key=sample.key)
            except InputError as error:
                failures.append(str(error))
                continue
            name = _member_name(sample.key, names)
            _add(tar, f"{name}.{_suffix(image, sample.key)}", image)
            _add(tar, f"{name}.json", json.dumps(_texts_of(sample), ensure_ascii=False).encode(errors=JSON_ESCAPES))
    return Shard(path.name, len(names), path.stat().st_size, sha256_file(path))


def _suffix(image: bytes, key: str) -> str:
    """Return the ending of a member: by its first bytes, else that of its key."""
    named = key.rpartition(".")[2].lower() if is_image_name(key) else "jpg"
    return next((end for start, end in _MAGIC.items() if image.startswith(start)), named)


def _texts_of(sample: Sample) -> dict[str, Any]:
    texts = {**sample.meta, "key": sample.key, "captions": list(sample.texts), "class": sample.label}
    return {**texts, "labels": list(sample.labels)} if sample.labels else texts


def _member_name(key: str, used: set[str]) -> str:
    """Return a member name without dots and slashes, different from those used, and add it to them."""
    stem = key.rpartition(".")[0] if is_image_name(key) else key
    plain = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in stem)[-_NAME_LENGTH:] or "_"
    name, number = plain, 1
    while name in used:
        number += 1
        name = f"{plain}-{number}"
    used.add(name)
    return name


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)  # time 0 and no owner, so that equal input gives equal bytes
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))
