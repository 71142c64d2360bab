"""The groups of the same and nearly the same images of a library.

    found = find(library, Sought(kinds=("exact", "near")))
    for group in found.groups: group.kept.image, group.others, group.bytes_freed

Equal files are found by their SHA-256.  Of the rest, the nearest neighbours by embedding are candidates, how near is
measured on the library itself, and the pixels decide (`confirming`).  Bursts and stacks belong together and are never
proposed for removal, and what only looks alike is reported when asked for.  Knows the library.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import numpy as np
from numpy.typing import NDArray

from wordsight.base.errors import InputError, UsageError
from wordsight.base.suggest import suggest
from wordsight.images.fragments import is_fragment
from wordsight.index.index import Index, pages_of
from wordsight.search.duplicates.confirming import Relation, SmallImages, confirm
from wordsight.search.duplicates.grouping import edges_of, stars
from wordsight.search.duplicates.held import CHANGED, GROUP, TAKEN, HeldImages, entries_of, hold, temporary
from wordsight.search.duplicates.keeping import DETAILS, KeepRule, KnownImage, folder_of
from wordsight.search.duplicates.nearby import NearPairs, SomeRows, floor_of, near_pairs
from wordsight.search.duplicates.stacks import bursts, stacks
from wordsight.search.folding import SAMPLE, likeness

if TYPE_CHECKING:
    from wordsight.search.hits import Hit
    from wordsight.search.library import Library

KINDS = ("exact", "near", "crop", "flip", "burst", "stack", "alike")
COPIES = KINDS[:4]
FLOOR = 0.35  # candidates are within so much of the usual distance of two images,
CROPS = 0.25  # and crops within so much
NEIGHBOURS = 8  # of an image, that are candidates

ImageNumbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Sought:
    """What is asked for: kinds of `KINDS`, a condition, the rule, and the least cosine of candidates, if not ours."""

    kinds: tuple[str, ...] = COPIES
    where: str | None = None
    rule: KeepRule = field(default_factory=KeepRule)
    min_similarity: float | None = None

    def __post_init__(self) -> None:
        for kind in self.kinds:
            if kind not in KINDS:
                raise UsageError(f"--kinds {kind}", cure=suggest(kind, list(KINDS)))
        if not self.kinds:
            raise UsageError("no kind of duplicates", cure=f"name some of {', '.join(KINDS)}")


class SoughtOptions(TypedDict, total=False):
    """What `Sought` takes, by name."""

    kinds: tuple[str, ...]
    where: str | None
    rule: KeepRule
    min_similarity: float | None


@dataclass(frozen=True, slots=True)
class GroupMember:
    """An image of a group: how it is related to the one that is kept, and whether it should be moved, and why."""

    image: KnownImage
    kind: str
    is_moved: bool
    reason: str


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """Images that belong together; the first of `members` is the one to keep."""

    kind: str
    members: tuple[GroupMember, ...]

    @property
    def freed(self) -> int:
        """Return the bytes of what should be moved."""
        return sum(member.image.size for member in self.members if member.is_moved)


@dataclass(frozen=True, slots=True)
class FoundDuplicates:
    """The groups, the surest kinds first; `failed`: why images could not be compared; `compared`: how many were."""

    groups: tuple[DuplicateGroup, ...]
    failed: tuple[str, ...]
    compared: int

    @property
    def freed(self) -> int:
        """Return the bytes of all that should be moved."""
        return sum(group.freed for group in self.groups)


def find(library: "Library", sought: Sought) -> FoundDuplicates:
    """Return the groups of a library that is in step; the images that are compared are read."""
    from wordsight.index.where import parse

    where = None if sought.where is None else parse(sought.where)
    with library.reading() as index, index.one_look():
        held = hold(index, where)
        _check_folders(index, held, sought.rule)
        sample = index.sample(SAMPLE)
        search = _Search(library, index, held, sought)
        return search.run(likeness(sample), _floors(sample, sought))


def _check_folders(index: Index, held: HeldImages, rule: KeepRule) -> None:
    """Raise `UsageError` for a preferred or protected folder in which the library has no image."""
    for option, folders in ("--prefer", rule.prefer), ("--protect", rule.protect):
        for folder in folders:
            if any(not folder_of(key, (folder,)) for key in held.keys):
                continue
            if all(folder_of(key, (folder,)) for states in pages_of(index.files, GROUP) for key in states):
                cure = "name a folder as it stands in the paths of its images, from PLACE on"
                raise UsageError(f"{option} {folder}: no image of the library lies there", cure=cure)


def _floors(sample: NDArray[np.float32], sought: Sought) -> tuple[float, float]:
    """Return the cosines from which images are candidates, and candidates for crops."""
    if sought.min_similarity is not None:
        return sought.min_similarity, sought.min_similarity
    return floor_of(sample, FLOOR), floor_of(sample, CROPS)


class _Search:
    """One search for duplicates, over what is held of the images."""

    def __init__(self, library: "Library", index: Index, held: HeldImages, sought: Sought) -> None:
        self._library = library
        self._index = index
        self._held = held
        self._sought = sought
        self._failed: list[str] = []
        self._known: dict[int, KnownImage] = {}

    def run(self, alike: float, floors: tuple[float, float]) -> FoundDuplicates:
        """Return all groups."""
        kinds = self._sought.kinds
        own, same = self._equal()
        piles = stacks(self._held.keys)
        together = {number: at for at, pile in enumerate(piles) for number in pile}
        edges: list[tuple[int, int, Relation]] = [(a, b, Relation.EXACT) for a, b in same] if "exact" in kinds else []
        if {"near", "crop", "flip", "alike"} & set(kinds):
            for one, other, relation in self._near(own, alike, floors):
                if relation.name.lower() in kinds and together.get(one, -1) != together.get(other, -2):
                    edges.append((one, other, relation))
        groups = self._copies([edge for edge in edges if edge[2] != Relation.ALIKE], same, together)
        used = {member for members in groups for member in members[1]} | {members[0] for members in groups}
        made = [self._group(kept, members, together) for kept, members in groups]
        if "burst" in kinds:
            contents = set(own.tolist())  # equal files are no burst
            runs = [[one for one in run if one in contents] for run in bursts(self._held, alike=floors[1])]
            made += self._kept_together("burst", runs, used)
        if "stack" in kinds:
            made += self._kept_together("stack", piles, used)
        resembling = [edge for edge in edges if edge[2] == Relation.ALIKE and not used & set(edge[:2])]
        made += [self._group(kept, members, together) for kept, members in self._stars(resembling)]
        made.sort(key=lambda group: (KINDS.index(group.kind), group.members[0].image.key))
        return FoundDuplicates(tuple(made), tuple(self._failed), len(self._held))

    def _equal(self) -> tuple[ImageNumbers, list[tuple[int, int]]]:
        """Return one row of each content, and the pairs of a first row with another of the same content."""
        digests = np.ascontiguousarray(self._held.digests).view("V32").reshape(-1)
        _, first, content = np.unique(digests, return_index=True, return_inverse=True)
        others = np.flatnonzero(first[content.reshape(-1)] != np.arange(len(digests)))
        others = others[self._held.digests[others].any(axis=1)]  # of some images no content is known
        same = [(int(first[content.reshape(-1)[number]]), int(number)) for number in others]
        return np.setdiff1d(np.arange(len(digests)), others), same

    def _near(
        self, own: ImageNumbers, alike: float, floors: tuple[float, float]
    ) -> Iterator[tuple[int, int, Relation]]:
        """Yield the pairs of different contents that are copies, or alike."""
        pairs = self._candidates(own, floors[0])
        involved, positions = np.unique(np.concatenate([pairs.some, pairs.others]), return_inverse=True)
        smalls = self._small(involved)
        here = NearPairs(positions[: len(pairs.some)], positions[len(pairs.some) :], pairs.cosines)
        relations = confirm(here, smalls, crops_from=floors[1])
        relations[(relations == 0) & (pairs.cosines >= alike)] = Relation.ALIKE
        for at in np.flatnonzero(relations):
            yield int(pairs.some[at]), int(pairs.others[at]), Relation(int(relations[at]))

    def _candidates(self, own: ImageNumbers, floor: float) -> NearPairs:
        """Return the pairs of near neighbours, each once."""
        from wordsight.base.progress import bar

        blocks: list[NearPairs] = []
        with bar(unit=" blocks", desc="neighbours") as progress:
            for block in near_pairs(SomeRows(self._held.rows, own), floor=floor, most=NEIGHBOURS):
                progress.update(1)
                if len(block.some):
                    blocks.append(block)
        if not blocks:
            none = np.empty(0, np.int64)
            return NearPairs(none, none, np.empty(0, np.float32))
        numbers = np.concatenate([block.some * len(own) + block.others for block in blocks])
        numbers, first = np.unique(numbers, return_index=True)
        cosines = np.concatenate([block.cosines for block in blocks])[first]
        return NearPairs(own[numbers // len(own)], own[numbers % len(own)], cosines)

    def _small(self, numbers: ImageNumbers) -> SmallImages:
        """Return small versions of these images, in a temporary file; those that cannot be read are noted."""
        from wordsight.base.progress import bar
        from wordsight.search.duplicates.comparing import SIDE
        from wordsight.search.duplicates.shrinking import SHRUNK, shrunk
        from wordsight.search.thumbnails import thumbnails

        images = temporary((max(len(numbers), 1), SIDE, SIDE, 3), np.uint8)
        proportions, areas = np.zeros(len(numbers), np.float32), np.zeros(len(numbers))
        with bar(len(numbers), unit=" images", desc="looking at pixels") as progress:
            for start in range(0, len(numbers), GROUP):
                hits = [
                    self._library.hit_of(one)
                    for one in entries_of(self._index, self._held, numbers[start : start + GROUP])
                ]
                for at, (hit, small) in enumerate(zip(hits, thumbnails(hits, shrunk, side=SHRUNK), strict=True), start):
                    progress.update(1)
                    if isinstance(small, InputError):
                        self._failed.append(small.problem)
                        continue
                    images[at], proportions[at] = small
                    width, height = (float(hit.meta.get(side) or 0) for side in ("width", "height"))
                    areas[at] = width * height
                    if areas[at]:
                        proportions[at] = width / height
        return SmallImages(images, proportions, areas)

    def _images(self, numbers: Iterable[int]) -> None:
        """Get to know these images."""
        missing = np.array([number for number in numbers if number not in self._known], np.int64)
        for start in range(0, len(missing), GROUP):
            group = missing[start : start + GROUP]
            for number, entry in zip(group.tolist(), entries_of(self._index, self._held, group), strict=True):
                hit = self._library.hit_of(entry)
                self._known[number] = _known_image(hit, bytes(self._held.digests[number]).hex())

    def _stars(self, edges: Sequence[tuple[int, int, Relation]]) -> list[tuple[int, dict[int, Relation]]]:
        by_number = edges_of(edges)
        self._images(by_number)
        return stars(by_number, sorted(by_number, key=lambda number: self._sought.rule.rank(self._known[number])))

    def _copies(
        self, edges: Sequence[tuple[int, int, Relation]], same: Sequence[tuple[int, int]], together: dict[int, int]
    ) -> list[tuple[int, dict[int, Relation]]]:
        """Return the groups of copies; what is related to an image is to all files of the same content."""
        by_first: dict[int, list[int]] = {}
        for first, other in same if "exact" in self._sought.kinds else ():
            by_first.setdefault(first, [first]).append(other)
        whole: list[tuple[int, int, Relation]] = []
        for one, other, relation in edges:
            if relation != Relation.EXACT:
                pairs = ((a, b) for a in by_first.get(one, [one]) for b in by_first.get(other, [other]))
                whole += [(a, b, relation) for a, b in pairs]
        for equal in by_first.values():
            self._images(equal)
            best = min(equal, key=lambda number: self._sought.rule.rank(self._known[number]))
            whole += [(best, other, Relation.EXACT) for other in equal if other != best]
        return self._stars(whole)

    def _group(self, kept: int, members: dict[int, Relation], together: dict[int, int]) -> DuplicateGroup:
        """Return a group with what is to be done with each image."""
        rule, best = self._sought.rule, self._known[kept]
        kind = max(members.values()).name.lower()
        first = GroupMember(best, kind, False, rule.reason(best, self._known[next(iter(members))]))
        return DuplicateGroup(kind, (first, *(self._member(kept, *one, together) for one in members.items())))

    def _member(self, kept: int, number: int, relation: Relation, together: dict[int, int]) -> GroupMember:
        rule, best, image = self._sought.rule, self._known[kept], self._known[number]
        why = ""
        if relation not in (Relation.EXACT, Relation.NEAR):
            why = {Relation.CROP: "cropped", Relation.FLIP: "mirrored"}.get(relation, "looks alike")
        elif image.file is None:
            why = "inside another file"
        elif best.file is None:
            why = "what is kept is inside another file"
        elif rule.is_protected(image):
            why = "protected"
        elif relation != Relation.EXACT and number in together:
            why = "belongs to a stack"
        elif best.file.exists() and image.file.exists() and best.file.samefile(image.file):
            why = "another name of the same file"
        elif image.file.is_symlink():
            why = "a link"
        return GroupMember(image, relation.name.lower(), not why, why or rule.reason(best, image))

    def _kept_together(self, kind: str, groups: Sequence[Sequence[int]], used: set[int]) -> list[DuplicateGroup]:
        """Return groups of images that are all kept, without those that are in a group already."""
        made = []
        for group in groups:
            numbers = [number for number in group if number not in used]
            if len(numbers) > 1:
                used.update(numbers)
                self._images(numbers)
                made.append(
                    DuplicateGroup(
                        kind, tuple(GroupMember(self._known[one], kind, False, f"a {kind}") for one in numbers)
                    )
                )
        return made


def _known_image(hit: "Hit", sha256: str) -> KnownImage:
    """Return what is known of an image."""
    meta = hit.meta
    width, height, size = (int(meta.get(name) or 0) for name in ("width", "height", "size"))
    moment = str(meta.get(TAKEN) or meta.get(CHANGED) or "")
    details = tuple(name for name in DETAILS if meta.get(name) not in (None, ""))
    file = None if is_fragment(hit.key) else hit.path  # an image inside a file is no file that can be moved
    return KnownImage(hit.key, file, sha256, size or _size(file), width, height, moment, details)


def _size(file: Path | None) -> int:
    try:
        return 0 if file is None else file.stat().st_size
    except OSError:
        return 0
