"""Webdataset tar shards as a source: KEY.jpg with KEY.json and/or KEY.txt beside it in the same tar.

    shards = open_source("set/train-{0000..0007}.tar")
    shards.read(part, entry)         # any sample, without reading those before it

`.txt` holds captions, one a line.  `.json` holds captions, class and further columns under the names in `fields`.
`.cls` holds a class, or its number; `.npy` a flag for each class (see `class_files`).
Where a `manifest.json` of `pack` lies beside the tars, the number of samples of each is checked against it.
"""

import contextlib
import os
import threading
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from wordsight.base.errors import FormatError, InputError, UsageError
from wordsight.base.files import sha256_bytes
from wordsight.base.nouns import Sample
from wordsight.base.progress import notice
from wordsight.base.reading import open_regular
from wordsight.data import fields
from wordsight.data.by_key import ImageOrError
from wordsight.data.class_files import MULTILABEL, ClassFile
from wordsight.data.json_lines import parse_object
from wordsight.data.label_lists import read_labels
from wordsight.data.label_vector import LARGEST
from wordsight.data.listing import stamp
from wordsight.data.manifest import Shard, ShardManifest, different, read_shard_manifest
from wordsight.data.shard_count import disagreements
from wordsight.data.source import START, Columns, Position, Step, Walk
from wordsight.data.source_files import SourceFiles
from wordsight.data.tarindex import Member, TarIndex, read_index
from wordsight.images.kinds import IMAGE_SUFFIXES

_OPEN_SHARDS = 64  # indexes kept in memory; one of 10,000 samples takes about 6 MB
_FIRST = ("jpg", "jpeg", "png", "webp")  # when a sample has several images
_SUFFIXES = (*_FIRST, *sorted({suffix.lstrip(".") for suffix in IMAGE_SUFFIXES} - set(_FIRST)))


class ShardSource:
    """The samples of one or several tars, in the order of the files.  A part is a tar."""

    def __init__(self, files: SourceFiles, columns: Columns) -> None:
        self.name = files.name
        self.paths = files.paths
        self._prefixes = files.prefixes()
        self._whole = files.whole
        self._columns = columns
        self._manifests: dict[Path, ShardManifest | None] = {
            folder: read_shard_manifest(folder) for folder in {path.parent for path in self.paths}
        }
        self._classes = {folder: ClassFile(folder) for folder in self._manifests}
        self._read_index = lru_cache(maxsize=_OPEN_SHARDS)(_keyed_index)
        self._lock = threading.Lock()  # threads that meet a new shard together read its headers once

    def _index(self, part: int) -> tuple[list[str], TarIndex]:
        with self._lock:
            return self._read_index(self.paths[part])

    def samples(self, start: Position = START) -> Walk:
        """Walk over the samples from `start` on, shard after shard."""
        return Walk(self._steps(start), start)

    def _steps(self, start: Position) -> Iterator[Step]:
        if start == START:
            yield from ((problem, start) for problem in self._missing())
        for part in range(start.part, len(self.paths)):
            first = start.entry if part == start.part else 0
            try:
                keys, index = self._index(part)
            except InputError as error:
                yield error, Position(part + 1, 0)
                continue
            if first == 0:
                yield from ((problem, Position(part, 0)) for problem in self._problems(part, index))
            for entry in range(first, len(keys)):
                yield self._try(part, entry), Position(part, entry + 1)

    def _missing(self) -> Iterator[InputError]:
        here = {path.name for path in self.paths}
        for folder, manifest in self._manifests.items():
            if manifest and not manifest.complete:
                notice(f"{folder} holds the shards of an unfinished 'data pack'", once=True)
            for shard in manifest.shards if manifest and self._whole else ():
                if shard.name not in here:
                    yield InputError(f"no shard {folder / shard.name}", cure="make it again: the manifest lists it")
            if self._whole:
                yield from disagreements(folder, [path.name for path in self.paths if path.parent == folder])

    def _problems(self, part: int, index: TarIndex) -> Iterator[InputError]:
        path = self.paths[part]
        if index.doubt:
            notice(f"{path}: {index.doubt}; what is before is used", once=True)
        for problem in index.problems:
            yield InputError(f"{path}: {problem}", cure="make the shard again; what is whole is used")
        stated = self._stated(part)
        if stated is not None and stated.count != len(index.samples):
            yield InputError(
                f"{path} holds {len(index.samples)} samples, its manifest says {stated.count}", cure="make it again"
            )

    def may_have_had_more(self, part: int) -> bool:
        """Say whether a tar that nothing is wrong with may have been copied in part; it has to be readable."""
        return bool(self._index(part)[1].doubt)

    def _stated(self, part: int) -> Shard | None:
        """Return what the manifest says of a tar."""
        manifest = self._manifests[self.paths[part].parent]
        return manifest.shard(self.paths[part].name) if manifest else None

    def _count_if_whole(self, part: int) -> int | None:
        """Return how many samples the manifest says that a tar has, None where it says none or the tar is another."""
        stated, path = self._stated(part), self.paths[part]
        return stated.count if stated and path.is_file() and path.stat().st_size == stated.bytes else None

    def problems(self) -> list[InputError]:
        """Return what is wrong with tars as a whole, found as `sizes` finds them: broken samples are not looked for."""
        problems = list(self._missing())
        for part in range(len(self.paths)):
            if self._count_if_whole(part) is None:
                try:
                    problems += self._problems(part, self._index(part)[1])
                except InputError as error:
                    problems.append(error)
        return problems

    def _try(self, part: int, entry: int) -> Sample | InputError:
        try:
            return self.read(part, entry)
        except InputError as error:
            return error

    def read(self, part: int, entry: int) -> Sample:
        """Return one sample; raises `InputError` when its image is missing or its text cannot be read."""
        path = self.paths[part]
        keys, index = self._index(part)
        if entry >= len(keys):
            raise InputError(f"{path} has no sample {entry + 1}: it holds {len(keys)}", cure="make the shard again")
        return self._sample(path, keys[entry], index.samples[keys[entry]])

    def _sample(self, path: Path, name: str, members: Mapping[str, Member]) -> Sample:
        """Return the sample that has this name in a tar."""
        where = f"{path}: {name}"
        image = _image_of(members, where)
        with _opened(path) as handle:
            values = _json(_bytes(handle.fileno(), members.get("json")), where)
            chosen = _chosen(values, self._columns, where)
            texts = fields.captions(values.get(chosen.get("captions", "")), where=where)
            texts += fields.lines(_text(_bytes(handle.fileno(), members.get("txt")), f"{where}.txt"))
            stated = _text(_bytes(handle.fileno(), members.get("cls")), f"{where}.cls")
            label, labels = read_labels(values, chosen, where=where)
            return Sample(
                key=self._key(path, name, values.get(chosen.get("key", ""))),
                image=_bytes(handle.fileno(), image),
                texts=tuple(dict.fromkeys(texts)),
                label=self._classes[path.parent].label(stated, where) if label is None else label,
                meta=fields.meta(values, chosen),
                labels=labels if labels or "labels" in chosen else self._flagged(handle, path, members, where),
                mask=_bytes(handle.fileno(), members.get(self._columns.masks or "")) or None,
            )

    def _flagged(self, handle: BinaryIO, path: Path, members: Mapping[str, Member], where: str) -> tuple[str, ...]:
        """Return the classes that the vector of a sample flags; a set of several labels has one for each image."""
        classes, vector = self._classes[path.parent], members.get("npy")
        if "cls" in members or not classes.wants_vectors():
            return ()
        if vector is None:
            if classes.kind == MULTILABEL:
                raise InputError(f"{where} has no labels (.npy)", cure=f"{classes.type_path} says that all have them")
            return ()
        if vector.size > LARGEST:
            raise InputError(f"{where}.npy has {vector.size} bytes", cure=f"{LARGEST} is the most that is read")
        return classes.labels(_bytes(handle.fileno(), vector), where)

    def _key(self, path: Path, name: str, stated: Any) -> str:
        key = stated if isinstance(stated, str) else fields.name(stated)
        return self._prefixes[path] + name if key is None else key

    def images_by_key(self, keys: Collection[str]) -> Iterator[tuple[str, ImageOrError]]:
        """Yield key and image of those that are there: found by name in the tars, else by the key in their JSON."""
        left = set(keys)
        for named in (self._named, self._all):
            for path, name, members in named(left):
                key, image = self._image(path, name, members, left)
                if key in left:
                    left.remove(key)
                    yield key, image

    def _named(self, keys: Collection[str]) -> Iterator[tuple[Path, str, Mapping[str, Member]]]:
        """Yield what is called in a tar as one of these keys says, tar by tar."""
        for part, path in enumerate(self.paths):
            with contextlib.suppress(InputError):  # whoever asks is told that there is no such image
                samples, prefix = self._index(part)[1].samples if keys else {}, self._prefixes[path]
                names = [key.removeprefix(prefix) for key in keys if key.startswith(prefix)]
                yield from ((path, name, samples[name]) for name in names if name in samples)

    def _all(self, keys: Collection[str]) -> Iterator[tuple[Path, str, Mapping[str, Member]]]:
        """Yield all samples that have JSON until no key is left."""
        for part, path in enumerate(self.paths):
            with contextlib.suppress(InputError):
                for name, members in self._index(part)[1].samples.items() if keys else ():
                    if keys and "json" in members:
                        yield path, name, members

    def _image(
        self, path: Path, name: str, members: Mapping[str, Member], keys: Collection[str]
    ) -> tuple[str, ImageOrError]:
        """Return key and image of a sample; the image is read where the key is one of `keys`."""
        key, where = self._prefixes[path] + name, f"{path}: {name}"
        try:
            with _opened(path) as handle:
                values = _json(_bytes(handle.fileno(), members.get("json")), where)
                key = self._key(path, name, values.get(_chosen(values, self._columns, where).get("key", "")))
                return key, _bytes(handle.fileno(), _image_of(members, where)) if key in keys else b""
        except InputError as error:
            return key, error

    def parts(self) -> int:
        """Return the number of tars."""
        return len(self.paths)

    def sizes(self) -> list[int]:
        """Return the number of samples of each tar: from the manifest, else by reading its headers; 0 if unreadable.

        A tar that has not the bytes that its manifest says is read, too.
        """
        return [self._size(part) for part in range(len(self.paths))]

    def _size(self, part: int) -> int:
        stated = self._count_if_whole(part)
        if stated is not None:
            return stated
        try:
            return len(self._index(part)[0])
        except InputError:
            return 0  # walking over the source reports it

    def count(self) -> int:
        """Return the number of samples."""
        return sum(self.sizes())

    def verify(self) -> list[InputError]:
        """Compare the shards with the sizes and hashes of their manifest; return one error for each that differs."""
        problems = []
        for folder, manifest in self._manifests.items():
            if manifest is None:
                raise UsageError(
                    f"{folder} has no manifest", cure="only shards of 'wordsight data pack' can be verified"
                )
            mine = [shard for shard in manifest.shards if folder / shard.name in self.paths]
            problems.extend(different(folder, mine))
        return problems

    def fingerprint(self) -> str:
        """Return a hash of the names, sizes and times of the tars, and of the columns asked for."""
        beside = (path for classes in self._classes.values() for path in (classes.path, classes.type_path))
        named = {path for path in beside if path}
        facts = [stamp(path, path.parent) for path in (*self.paths, *sorted(named)) if path.exists()]
        return sha256_bytes("\n".join(["shards", repr(self._columns), *facts]).encode(errors="surrogateescape"))[:16]


def name_in_shard(source: object, walk: Walk, sample: Sample) -> str:
    """Return the key of the sample that a walk gave last as messages name it: of a shard, behind the shard's path."""
    return f"{source.paths[walk.position.part]}: {sample.key}" if isinstance(source, ShardSource) else sample.key


def _keyed_index(path: Path) -> tuple[list[str], TarIndex]:
    index = read_index(path)
    return list(index.samples), index


def _image_of(members: Mapping[str, Member], where: str) -> Member:
    image = next((members[suffix] for suffix in _SUFFIXES if suffix in members), None)
    if image is None:
        raise InputError(f"{where} has no picture", cure=f"it has {', '.join(members) or 'nothing'}")
    return image


def _opened(path: Path) -> BinaryIO:
    try:
        return open_regular(path)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}", cure="check the disk and the permissions"
        ) from None


def _bytes(descriptor: int, member: Member | None) -> bytes:
    return os.pread(descriptor, member.size, member.offset) if member else b""


def _json(raw: bytes, where: str) -> dict[str, Any]:
    if not raw:
        return {}
    try:
        return parse_object(raw.decode("utf-8-sig"), f"{where}.json")
    except UnicodeDecodeError:
        raise InputError(f"{where}.json is not UTF-8", cure="make the shard again") from None
    except InputError as error:
        raise InputError(error.problem, cure="make the shard again") from None


def _chosen(values: Mapping[str, Any], columns: Columns, where: str) -> dict[str, str]:
    try:
        return fields.choose(list(values), columns, where=where, need_image=False, complete=False)
    except FormatError as error:
        raise InputError(error.problem, cure=error.cure) from None


def _text(raw: bytes, where: str) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{where} is not UTF-8", cure="make the shard again with UTF-8 captions") from None
