"""Tagging a library: every image rated, its labels noted as a column, written beside its file where that is wishes.

    report = tag(library, "everyday", TagWishes(min_match=0.6))
    report.counts["beach"]                   # Count(images=12, expected=0.81)
    for image in report.images(): ...        # key, file, tags with their probabilities

What is decided is written into a journal first, then noted all at once, then sidecars are written one by one: a run
that is killed leaves the columns of before or those of the run, and is finished by the next.  Of the library no more
is in memory than a block.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wordsight.base.errors import NotFound
from wordsight.base.files import sha256_bytes
from wordsight.base.progress import bar, notice
from wordsight.images.fragments import is_fragment
from wordsight.search.tagging.columns import check_names
from wordsight.search.tagging.options import TagWishes
from wordsight.search.tagging.planning import Clearing, Deciding, check_same, make_plan
from wordsight.search.tagging.record import DECIDED, RUN, LastRun, TagStore, read_lines, write_lines
from wordsight.search.tagging.walking import WalkedImages, blocks
from wordsight.text.label_sets import LabelSet, label_set

if TYPE_CHECKING:
    from wordsight.index.index import Index
    from wordsight.search.library import Library


class Count(NamedTuple):
    """How many images got a label, and the mean of its probabilities (or cosines) on them: what share is right."""

    images: int
    expected: float


@dataclass(frozen=True, slots=True)
class TaggedImage:
    """An image that was rated: its file (None inside another file), and its labels, likeliest first.

    `others` are its tags in other columns that are written beside files too.
    """

    key: str
    file: Path | None
    tags: Mapping[str, float]
    others: tuple[str, ...] = ()


@dataclass(slots=True)
class TagReport:
    """What a run did.  `considered` images were rated, `tagged` of them have a label, `changed` have other columns now.

    `untold`: labels that say what all images show, for which nothing can be told.  `written` sidecars, `failures` why
    others were not.  `is_cosine`: values are cosines, no probabilities.
    """

    column: str
    journal: Path
    is_cosine: bool = False
    considered: int = 0
    tagged: int = 0
    changed: int = 0
    written: int = 0
    counts: dict[str, Count] = field(default_factory=dict)
    untold: tuple[str, ...] = ()
    failures: list[str] = field(default_factory=list)

    def images(self) -> Iterator[TaggedImage]:
        """Yield the images that were rated, in the order of their keys, out of the journal."""
        for key, file, tags, _, _, others in read_lines(self.journal / DECIDED):
            yield TaggedImage(key, None if file is None else Path(file), tags, tuple(others))


def tag(library: "Library", labels: LabelSet | str | Path, wishes: TagWishes) -> TagReport:
    """Tag the images of a library; see `Library.tag`."""
    chosen = labels if isinstance(labels, LabelSet) else label_set(labels)
    check_names(chosen)
    if not library.exists():
        library.sync()
    store, how = TagStore(library.folder), _how(chosen, wishes)
    with library.reading() as index, index.one_look():
        plan = make_plan(library, index, labels=chosen, wishes=wishes, store=store)
        last = store.last(plan.column)
        if wishes.new:
            check_same(last, how, library.model.fingerprint)
        known = store.seen(plan.column) if wishes.new and last else np.zeros(0, np.uint64)
        report = TagReport(plan.column, store.new_journal(), plan.rating.is_cosine)
        report.untold = tuple(np.array(plan.labels, object)[plan.rating.everywhere].tolist())
        walk = _Walk(library, plan, known, report)
        write_lines(report.journal / DECIDED, walk.lines(index))
    if wishes.dry_run:
        return report
    written = bool(wishes.write) or (last is not None and last.written)
    run = LastRun(plan.column, plan.scores, plan.labels, how, library.model.fingerprint, written)
    _apply(library, report, store, (last, run))
    _beside_files(report, wishes, last)
    store.keep(run, plan.column, np.concatenate([known, np.array(walk.contents, np.uint64)]))
    return report


def clear(library: "Library", column: str, wishes: TagWishes) -> TagReport:
    """Take away all that tagging noted in a column; see `Library.clear_tags`."""
    store = TagStore(library.folder)
    last = store.last(column)
    if last is None:
        raise NotFound(f"{library.location} has no column {column} that tagging made", cure="nothing is to be cleared")
    with library.reading() as index, index.one_look():
        report = TagReport(column, store.new_journal())
        plan = Clearing((column, *last.scores), store.beside(column))
        write_lines(report.journal / DECIDED, _Walk(library, plan, np.zeros(0, np.uint64), report).lines(index))
    if not wishes.dry_run:
        _apply(library, report, store, (last, last))
        _beside_files(report, wishes, last)
        store.keep(None, column)
    return report


def _apply(library: "Library", report: TagReport, store: TagStore, runs: tuple[LastRun | None, LastRun]) -> None:
    """Note what was decided; `runs` are the one before and this one.  From here on it can be taken back.

    The record comes first: a run that is killed behind it has a column that is known to be its own.
    """
    before = None if runs[0] is None else asdict(runs[0])
    write_lines(report.journal / RUN, iter([{"column": report.column, "before": before}]))
    store.keep(runs[1], report.column)
    changed = ((key, after) for key, _, _, after, was, _ in read_lines(report.journal / DECIDED) if after != was)
    report.changed = library.note(changed)


def _beside_files(report: TagReport, wishes: TagWishes, last: LastRun | None) -> None:
    """Write sidecars, or say that those of the last run stay as they are."""
    if wishes.write:
        from wordsight.search.tagging.sidecars import BesideFile, write_sidecars

        each = (BesideFile(one.key, one.file, (*one.tags, *one.others)) for one in report.images())
        report.failures, report.written = write_sidecars(each, report.journal, wishes.sidecar)
    elif last is not None and last.written:
        notice("the sidecars of the last run stay as they are: --write xmp renews them")


class _Walk:
    """The walk over an index; counts what is decided, and remembers the contents that it has seen."""

    def __init__(self, library: "Library", plan: Deciding, known: NDArray[np.uint64], report: TagReport) -> None:
        self.contents: list[int] = []
        self._path, self._plan, self._report = library.contents.path, plan, report
        self._known = known
        self._sums: dict[str, float] = {}

    def lines(self, index: "Index") -> Iterator[Any]:
        """Yield for each image its key, file, labels, the columns that it gets, those that it had, and other tags."""
        counts = self._report.counts
        with bar(len(index), unit="image", desc="tagging") as progress:
            for block in blocks(index, self._plan.block):
                fresh = self._fresh(block)
                decisions = self._plan.decide(fresh) if fresh.keys else iter(())
                for key, meta, one in zip(fresh.keys, fresh.meta, decisions, strict=True):
                    self._count(one.tags)
                    file = None if is_fragment(key) else self._path(key, meta)
                    yield key, None if file is None else str(file), one.tags, one.after, one.before, one.others
                progress.update(len(block.keys))
        for name, total in self._sums.items():
            counts[name] = Count(counts[name].images, total / counts[name].images)

    def _fresh(self, block: WalkedImages) -> WalkedImages:
        """Return the images of a block whose contents are not known."""
        known = np.isin(np.array(block.contents, np.uint64), self._known)
        rows = np.flatnonzero(~known)
        self.contents += [block.contents[i] for i in rows.tolist()]
        return block.of(rows)

    def _count(self, tags: Mapping[str, float]) -> None:
        report = self._report
        report.considered += 1
        report.tagged += bool(tags)
        for name, value in tags.items():
            report.counts[name] = Count(report.counts.get(name, Count(0, 0.0)).images + 1, 0.0)
            self._sums[name] = self._sums.get(name, 0.0) + value


def _how(labels: LabelSet, wishes: TagWishes) -> str:
    """Return a hash of what decides which image has which label."""
    described = [[label.name, label.phrases, label.section] for label in labels.labels]
    return sha256_bytes(json.dumps([described, wishes.what]).encode())
