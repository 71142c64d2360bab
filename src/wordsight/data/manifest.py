"""`manifest.json` beside written shards: what each holds, so that loss and damage are noticed when reading.

    {"version": 1, "wordsight": "0.2.0", "source": {...}, "options": {...}, "complete": true, "count": 2000,
     "shards": [{"name": "000000.tar", "count": 1000, "bytes": 12345, "sha256": "..."}], "failures": ["..."],
     "next": {"part": 0, "entry": 2000}}

`next` is the position in the source behind the last finished shard: where an interrupted `pack` goes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wordsight.base.config import from_dict, to_dict
from wordsight.base.errors import FormatError, InputError
from wordsight.base.files import read_json, write_json
from wordsight.base.reading import sha256_file
from wordsight.data.source import START, Position

NAME = "manifest.json"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Shard:
    """One finished tar."""

    name: str
    count: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ShardManifest:
    """What was written, from what, and how far."""

    version: int
    wordsight: str
    source: dict[str, str]
    options: dict[str, Any]
    complete: bool = False
    count: int = 0
    shards: tuple[Shard, ...] = ()
    failures: tuple[str, ...] = ()
    next: Position = field(default_factory=lambda: START)

    def shard(self, name: str) -> Shard | None:
        """Return what was written of a shard, or None for one that is not listed."""
        return next((shard for shard in self.shards if shard.name == name), None)


def read_shard_manifest(folder: Path) -> ShardManifest | None:
    """Read the manifest of a folder; None if there is none or it is another program's."""
    path = folder / NAME
    if not path.exists():
        return None
    values = read_json(path)
    if not isinstance(values, dict) or "wordsight" not in values:
        return None
    if values.get("version") != VERSION:
        raise FormatError(f"{path} has version {values.get('version')}", cure=f"this program reads version {VERSION}")
    return from_dict(ShardManifest, values)


def write_shard_manifest(folder: Path, manifest: ShardManifest) -> None:
    """Write the manifest, atomically."""
    write_json(folder / NAME, to_dict(manifest))


def different(folder: Path, shards: Sequence[Shard]) -> list[InputError]:
    """Compare shards on disk with what was written; return one error for each that differs."""
    problems = []
    for shard in shards:
        path = folder / shard.name
        if path.exists() and (path.stat().st_size != shard.bytes or sha256_file(path) != shard.sha256):
            problems.append(InputError(f"{path} is not what was written: its hash differs", cure="make it again"))
    return problems
