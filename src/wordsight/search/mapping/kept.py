"""The map of a library in a file beside its index: whole or not there, and of one model and one set of labels.

    write(folder, KeptMap(...)); kept = read(folder)     # None where there is none, or a damaged one

It can be made again at any time, so a file that cannot be read is the same as none.  Of each image the key and the
first bytes of its content's SHA-256 are kept, by which what was added, changed or removed since is told.
"""

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wordsight.base.errors import FormatError, NotFound
from wordsight.index.cache_file import CacheHeader, read_cache, write_cache
from wordsight.search.mapping.clusters import ClusterNumbers
from wordsight.search.mapping.layout import Positions

NAME = "map.cache"
VERSION = 1


@dataclass(frozen=True, slots=True)
class KeptCluster:
    """A cluster as it is kept: its name, its centre, and the keys nearest to it."""

    name: str
    centre: tuple[float, float]
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeptMap:
    """N images: keys, `contents` int64 (N,), positions and clusters; `laid_out` (N,): not placed among others later.

    `made_of` images the layout was made; `by` names model, labels and seed.
    """

    by: str
    made_of: int
    keys: tuple[str, ...]
    contents: NDArray[np.int64]
    positions: Positions
    numbers: ClusterNumbers
    laid_out: NDArray[np.bool_]
    clusters: tuple[KeptCluster, ...]


def write(folder: Path, kept: KeptMap) -> None:
    """Write the map of the library in a folder; `StorageError` where it cannot be."""
    clusters = [[one.name, *one.centre, *one.examples] for one in kept.clusters]
    about = json.dumps({"by": kept.by, "made_of": kept.made_of, "clusters": clusters, "keys": kept.keys})
    write_cache(
        folder / NAME,
        CacheHeader("map", VERSION, 0, len(kept.keys), 2),
        {
            "about": np.frombuffer(about.encode(), np.uint8),
            "contents": kept.contents,
            "positions": kept.positions,
            "numbers": kept.numbers,
            "laid_out": kept.laid_out.astype(np.uint8),
        },
    )


def read(folder: Path) -> KeptMap | None:
    """Return the map of the library in a folder; None where there is none that can be read."""
    with contextlib.suppress(FormatError, NotFound):
        header, parts = read_cache(folder / NAME)
        if (header.kind, header.version) != ("map", VERSION):
            return None
        about = json.loads(parts["about"].tobytes())
        clusters = tuple(KeptCluster(name, (x, y), tuple(keys)) for name, x, y, *keys in about["clusters"])
        contents, positions, numbers, laid_out = (
            np.array(parts[name]) for name in ("contents", "positions", "numbers", "laid_out")
        )
        keys = tuple(about["keys"])
        return KeptMap(about["by"], about["made_of"], keys, contents, positions, numbers, laid_out > 0, clusters)
    return None
