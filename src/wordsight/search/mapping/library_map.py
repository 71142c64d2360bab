"""The map of a library: where each image lies in two dimensions, and the named clusters it falls into.

    made = library_map(library)
    made.positions                          # float32 (n, 2) within [-1, 1], like images near one another
    made.clusters[0].name, made.clusters[0].examples      # "dog, snow", ("a.jpg", ...)
    made.nearest(0.2, -0.4)                 # the number of the image there: made.keys[number]

Kept beside the index and used again while the library stays as it is.  Images that were added are placed among their
neighbours and no other moves; the map is made anew when more than a tenth changed.  A map of some of the images only
(`where`) is not kept.  Knows the protocol of an index and the model.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wordsight.base.errors import StorageError
from wordsight.base.progress import notice
from wordsight.index.index import Index, pages_of, spread_evenly
from wordsight.search.duplicates.held import HeldImages, hold
from wordsight.search.mapping import kept
from wordsight.search.mapping.clusters import ClusterNumbers, cluster_count, hills
from wordsight.search.mapping.kept import KeptCluster, KeptMap
from wordsight.search.mapping.layout import Positions, layout, principal
from wordsight.search.mapping.naming import AUTO, Namer
from wordsight.search.mapping.neighbours import nearest
from wordsight.search.mapping.placing import NEIGHBOURS, beside

if TYPE_CHECKING:
    from wordsight.search.library import Library
    from wordsight.text.label_sets import LabelSet

MapProgress = Callable[[str, float], None]  # what is being done, and which share of all is done, 0 to 1

GRAPH = 10  # neighbours of an image that it is drawn to
LAID_OUT = 200_000  # images that are laid out; of more an even sample, and the others are placed among them
CHANGED = 0.1  # of the images: a map of a library that changed more is made anew
EXAMPLES = 6  # keys of a cluster
_GROUP = 4096  # states read at once
_STAGES = {"reading": 0.0, "neighbours": 0.2, "layout": 0.4, "naming": 0.9}  # where each begins


@dataclass(frozen=True, slots=True)
class MapCluster:
    """A cluster: its name in words, its middle on the map, how many images it has, and the keys nearest its centre."""

    name: str
    centre: tuple[float, float]
    size: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LibraryMap:
    """N images: `keys`, `positions` float32 (N, 2) in [-1, 1], `numbers` int32 (N,), which are places in `clusters`."""

    keys: tuple[str, ...]
    positions: Positions
    numbers: ClusterNumbers
    clusters: tuple[MapCluster, ...]

    def __len__(self) -> int:
        return len(self.keys)

    def nearest(self, x: float, y: float, count: int = 1) -> list[int]:
        """Return the numbers of up to `count` images nearest to a position, the nearest first."""
        distances = ((self.positions - np.array([x, y], np.float32)) ** 2).sum(axis=1)
        return [int(number) for number in np.argsort(distances, kind="stable")[:count]]


def library_map(
    library: "Library",
    where: str | None = None,
    *,
    labels: "str | Path | LabelSet" = AUTO,
    seed: int = 0,
    progress: MapProgress | None = None,
) -> LibraryMap:
    """Return the map of a library, or of its images that satisfy `where`; a library that is not there is made first.

    `labels`: the label set that clusters are named by: a name, a text file, a `LabelSet`, or "auto" for the shipped one
    that fits best.  The same library and `seed` give the same map.  `progress` is called with what is being done and
    the share that is done; what it raises stops the making, and nothing is kept.
    """
    if not library.exists():
        library.sync()
    namer = Namer(library.model, labels)
    by = f"{library.model.fingerprint} {namer.digest} {seed}"
    maker = _Maker(library, by, namer, seed=seed, progress=progress or _unwatched)
    if where is not None:
        return maker.made(where)[1]
    known = kept.read(library.folder)
    if known is not None and known.by == by:
        with library.reading() as index, index.one_look():
            contents = _contents(index)
        if contents == dict(zip(known.keys, known.contents.tolist(), strict=True)):
            return _as_map(known)
        renewed = maker.renewed(known, contents)
        if renewed is not None:
            return _keep(library.folder, renewed)
    return _keep(library.folder, maker.made(None)[0])


def _unwatched(stage: str, share: float) -> None:
    """Show nobody how far it is."""


def _keep(folder: Path, made: KeptMap) -> LibraryMap:
    try:
        kept.write(folder, made)
    except StorageError as error:
        notice(f"the map is not kept: {error}")
    return _as_map(made)


def _as_map(known: KeptMap) -> LibraryMap:
    sizes = np.bincount(known.numbers, minlength=len(known.clusters)).tolist()
    there = set(known.keys)
    clusters = tuple(
        MapCluster(one.name, one.centre, size, tuple(key for key in one.examples if key in there))
        for one, size in zip(known.clusters, sizes, strict=True)
    )
    return LibraryMap(known.keys, known.positions, known.numbers, clusters)


def _contents(index: Index) -> dict[str, int]:
    """Return the images that are there, by key, with the first bytes of their contents' hashes as a number."""
    return {
        key: int.from_bytes(state.digest[:8], "little", signed=True)
        for states in pages_of(index.files, _GROUP)
        for key, state in states.items()
        if not (state.absent or state.error)
    }


class _Maker:
    """Makes the map of one library, or renews it."""

    def __init__(self, library: "Library", by: str, namer: Namer, *, seed: int, progress: MapProgress) -> None:
        self._library = library
        self._by = by
        self._namer = namer
        self._seed = seed
        self._progress = progress

    def made(self, where: str | None) -> tuple[KeptMap, LibraryMap]:
        """Return a new map of all images, or of those that satisfy a condition."""
        held = self._hold(where)
        count = len(held)
        chosen = np.zeros(count, np.bool_)
        chosen[spread_evenly(count, LAID_OUT)] = True
        positions = np.zeros((count, 2), np.float32)
        positions[chosen] = self._laid_out(held, chosen)
        numbers = np.zeros(count, np.int32)
        numbers[chosen] = hills(positions[chosen], cluster_count(count))
        made = KeptMap(
            self._by, count, tuple(held.keys), _hashes(held), positions, numbers, np.ones(count, np.bool_), ()
        )
        made = self._placed(made, held, ~chosen)
        made = replace(made, clusters=self._named(made, held))
        self._progress("done", 1.0)
        return made, _as_map(made)

    def renewed(self, known: KeptMap, contents: dict[str, int]) -> KeptMap | None:
        """Return a map that is there with what was added and removed since; None where too much was."""
        row = {key: number for number, key in enumerate(known.keys) if contents.get(key) == known.contents[number]}
        stayed = int(known.laid_out[list(row.values())].sum())
        if max(known.made_of - stayed, len(contents) - stayed) > CHANGED * known.made_of:
            return None
        held = self._hold(None)
        before = np.array([row.get(key, -1) for key in held.keys], np.int64)
        added = before < 0
        positions, numbers = np.zeros((len(held), 2), np.float32), np.zeros(len(held), np.int32)
        positions[~added], numbers[~added] = known.positions[before[~added]], known.numbers[before[~added]]
        laid_out = np.zeros(len(held), np.bool_)
        laid_out[~added] = known.laid_out[before[~added]]
        now = replace(
            known,
            keys=tuple(held.keys),
            contents=_hashes(held),
            positions=positions,
            numbers=numbers,
            laid_out=laid_out,
        )
        now = self._placed(now, held, added)
        self._progress("done", 1.0)
        return now

    def _hold(self, where: str | None) -> HeldImages:
        from wordsight.index.where import parse

        self._at("reading", 0.0)
        with self._library.reading() as index, index.one_look():
            return hold(index, None if where is None else parse(where))

    def _laid_out(self, held: HeldImages, chosen: NDArray[np.bool_]) -> Positions:
        """Return the positions of the chosen images."""
        count = int(chosen.sum())
        rows = held.rows if count == len(held) else held.rows[chosen]
        k = max(1, min(GRAPH, (count - 1) // 3))
        near = nearest(rows, k, progress=lambda done: self._at("neighbours", done / (4 * count)))
        return layout(near.numbers, principal(rows), seed=self._seed, progress=lambda share: self._at("layout", share))

    def _placed(self, made: KeptMap, held: HeldImages, added: NDArray[np.bool_]) -> KeptMap:
        """Return a map with some of its images placed among the others."""
        if not added.any():
            return made
        near = nearest(held.rows, NEIGHBOURS, asked=added, among=~added)
        mine = type(near)(near.numbers[added], near.cosines[added])
        beside_others = beside(mine, made.positions, made.numbers, seed=self._seed)
        made.positions[added], made.numbers[added] = beside_others
        return made

    def _named(self, made: KeptMap, held: HeldImages) -> tuple[KeptCluster, ...]:
        """Return the clusters with their names, middles and examples."""
        self._at("naming", 0.0)
        if not len(held):
            return ()
        members = [np.flatnonzero(made.numbers == number) for number in range(int(made.numbers.max()) + 1)]
        means = np.stack([_mean(held.rows, rows) for rows in members])
        names = self._namer.names(means, held.rows)
        return tuple(
            KeptCluster(name, _middle(made.positions[rows]), _examples(held, rows, mean))
            for name, rows, mean in zip(names, members, means, strict=True)
        )

    def _at(self, stage: str, share: float) -> None:
        begins = list(_STAGES.values())
        number = list(_STAGES).index(stage)
        end = [*begins, 1.0][number + 1]
        self._progress(stage, begins[number] + min(share, 1.0) * (end - begins[number]))


def _hashes(held: HeldImages) -> NDArray[np.int64]:
    return np.ascontiguousarray(held.digests[:, :8]).view("<i8").reshape(-1).astype(np.int64)


def _mean(rows: NDArray[np.float16], chosen: NDArray[np.int64]) -> NDArray[np.float32]:
    total = np.zeros(rows.shape[1], np.float64)
    for start in range(0, len(chosen), _GROUP):
        total += np.asarray(rows[chosen[start : start + _GROUP]], np.float32).sum(axis=0)
    return (total / len(chosen)).astype(np.float32)


def _middle(positions: Positions) -> tuple[float, float]:
    """Return the point of a cluster that is nearest to its median, so that it lies inside whatever its shape."""
    at = int(((positions - np.median(positions, axis=0)) ** 2).sum(axis=1).argmin())
    return round(float(positions[at, 0]), 5), round(float(positions[at, 1]), 5)


def _examples(held: HeldImages, rows: NDArray[np.int64], mean: NDArray[np.float32]) -> tuple[str, ...]:
    """Return the keys of the images of a cluster that are nearest to its mean image."""
    cosines = np.concatenate(
        [
            np.asarray(held.rows[rows[start : start + _GROUP]], np.float32) @ mean
            for start in range(0, len(rows), _GROUP)
        ]
    )
    return tuple(held.keys[rows[at]] for at in np.argsort(-cosines, kind="stable")[:EXAMPLES])
