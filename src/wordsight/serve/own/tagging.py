"""Labels noted on images of a library, by the model or by people, taken away again, and taken back."""

from functools import partial
from typing import TYPE_CHECKING

import msgspec
from starlette.responses import StreamingResponse

from wordsight.base.errors import NotFound
from wordsight.base.suggest import suggest
from wordsight.search.tagging.by_hand import HandTagged, tag_by_hand, undo_by_hand
from wordsight.search.tagging.job import TagReport
from wordsight.search.tagging.options import TagOptions
from wordsight.search.tagging.undoing import Undone
from wordsight.serve.errors import Refused
from wordsight.serve.own.changing import change
from wordsight.serve.own.embedding import check_counts
from wordsight.serve.own.events import events_of
from wordsight.serve.own.querying import QueryRequest, mark_of, query_of
from wordsight.serve.own.searching import Pager, SearchRequest
from wordsight.serve.own.syncing import copy_of
from wordsight.serve.route import HttpCall
from wordsight.text.label_sets import Label, LabelSet, label_set, label_set_names

if TYPE_CHECKING:
    from wordsight.search.library import Library
    from wordsight.serve.hosting.host import Host

OWN = "own labels"  # the name of a set that a request brings
LEFT = 20  # of what was not taken back, that are named


class NamedSet(msgspec.Struct):
    """A set of labels that is shipped.  `name`: the name of the set.  `labels`: its labels, in their order."""

    name: str
    labels: list[str]


class LabelsAnswer(msgspec.Struct):
    """The sets of labels that are shipped."""

    sets: list[NamedSet]


class TagRequest(msgspec.Struct, forbid_unknown_fields=True):
    """How a library is tagged.

    `labels`: the name of a shipped set, or labels.  `column`: where they are noted (default: `tags`, of watched labels
    `moderation`).  `min_match`: from which probability on an image has a label.  `min_cosine`: from which cosine on an
    image has a label, instead of `min_match`.  `top`: the most labels of an image.  `scores`: whether each label gets a
    column of probabilities, too.  `new`: whether only images are tagged that were not tagged before.  `dry_run`:
    whether nothing is noted.
    """

    labels: str | list[str]
    column: str | None = None
    min_match: float | None = None
    min_cosine: float | None = None
    top: int | None = None
    scores: bool = False
    new: bool = False
    dry_run: bool = False


class LabelCount(msgspec.Struct):
    """How many images got a label, and about what share of them is right.

    `images`: how many images got the label.  `expected`: the mean of the label's probabilities on them.
    """

    images: int
    expected: float


class TagDone(msgspec.Struct):
    """What a tagging did; `untold`: labels that say what all images show, for which nothing can be told."""

    column: str
    considered: int
    tagged: int
    changed: int
    counts: dict[str, LabelCount]
    untold: list[str]
    notices: list[str]


class ClearRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The column that tagging made."""

    column: str = "tags"


class UndoneAnswer(msgspec.Struct):
    """How many images have their former columns again, and what was left alone, with why."""

    column: str
    changed: int
    left: list[str]


class HandTagRequest(QueryRequest, forbid_unknown_fields=True):
    """Tags that are given to images by people and taken away, and which images.

    `add`: tags that the images get.  `remove`: tags that they lose.  `keys`: the images; null is all true matches of
    the query, those above the line, and without a query all images under its condition.
    """

    add: list[str] = msgspec.field(default_factory=list)
    remove: list[str] = msgspec.field(default_factory=list)
    keys: list[str] | None = None


class HandTagDone(msgspec.Struct):
    """What people's tagging did.

    `images`: how many images were named.  `changed`: how many of them have other tags now.  `run`: what `tags/undo`
    takes to take it back; "" where nothing changed.
    """

    images: int
    changed: int
    run: str


class HandUndoRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Which tagging by people is taken back: the last.  `run`: refused unless the last one has this name."""

    run: str = ""


async def labels(call: HttpCall[None]) -> LabelsAnswer:
    """Return the sets of labels that are shipped."""

    def named() -> LabelsAnswer:
        return LabelsAnswer(
            [NamedSet(name, [one.name for one in label_set(name).labels]) for name in label_set_names()]
        )

    return await call.host.libraries.run(named)


async def tag(call: HttpCall[TagRequest]) -> StreamingResponse:
    """Note on every image of a library which labels it shows, and tell how far it is."""
    asked, host, name = call.asked, call.host, call.path["library"]
    library, chosen = host.libraries.named(name), _labels(asked.labels, host)
    options: TagOptions = {
        "column": asked.column,
        "min_match": asked.min_match,
        "min_cosine": asked.min_cosine,
        "top": asked.top,
        "scores": asked.scores,
        "new": asked.new,
        "dry_run": asked.dry_run,
    }
    return events_of(await change(host, name, partial(_tagged, library, chosen, options)), host, _shape)


async def clear(call: HttpCall[ClearRequest]) -> TagDone:
    """Take away what tagging noted in a column."""
    name, column = call.path["library"], call.asked.column
    library = call.host.libraries.named(name)

    def work() -> TagReport:
        with copy_of(library) as copy:
            return copy.clear_tags(column)

    return _shape(await (await change(call.host, name, work)).outcome(), [])


async def undo(call: HttpCall[None]) -> UndoneAnswer:
    """Take the last tagging of a library back."""
    name = call.path["library"]
    library = call.host.libraries.named(name)

    def work() -> Undone:
        with copy_of(library) as copy:
            return copy.undo_tags()

    undone: Undone = await (await change(call.host, name, work)).outcome()
    left = [call.host.public(one) for one in undone.left[:LEFT]]
    return UndoneAnswer(undone.column, undone.changed, left)


async def tag_images(call: HttpCall[HandTagRequest]) -> HandTagDone:
    """Give images tags by hand, and take others away."""
    asked, host, name = call.asked, call.host, call.path["library"]
    check_counts(host, texts=[*asked.add, *asked.remove])
    library = host.libraries.named(name)
    keys = await _matching(asked, host, name) if asked.keys is None else asked.keys

    def work() -> HandTagged:
        with copy_of(library) as copy:
            return tag_by_hand(copy, keys, add=asked.add, remove=asked.remove)

    done: HandTagged = await (await change(host, name, work)).outcome()
    return HandTagDone(done.images, done.changed, done.run)


async def undo_images(call: HttpCall[HandUndoRequest]) -> UndoneAnswer:
    """Take the last tagging by hand back."""
    host, name, run = call.host, call.path["library"], call.asked.run
    library = host.libraries.named(name)

    def work() -> Undone:
        with copy_of(library) as copy:
            return undo_by_hand(copy, run)

    undone: Undone = await (await change(host, name, work)).outcome()
    return UndoneAnswer(undone.column, undone.changed, [host.public(one) for one in undone.left[:LEFT]])


async def _matching(asked: HandTagRequest, host: "Host", name: str) -> list[str]:
    """Return the keys of all matches of a query, those above the line, near-duplicates too."""
    fields = {one: getattr(asked, one) for one in QueryRequest.__struct_fields__} | {"sort": "", "fold": False}
    search, library = SearchRequest(**fields, rest=True), host.libraries.named(name)
    query = await query_of(search, host, library)
    pager = Pager(library, (name, mark_of(search), search.k, search.rest), search, query, host.rankings)
    ranking, _ = await pager.ranking()
    if query is None:
        return list(ranking.keys)
    line = ranking.least if search.min_match is None else search.min_match
    if line is None or not ranking.is_calibrated or ranking.matching is None:
        raise Refused(422, "no line divides the matches of this query from others", cure="name the images in keys")
    return list(ranking.keys[: ranking.matching])


def _labels(given: str | list[str], host: "Host") -> LabelSet:
    if isinstance(given, str):
        known = label_set_names()
        if given not in known:
            raise NotFound(f"no label set {given!r}", cure=f"{suggest(given, known)}, or give a list of labels")
        return label_set(given)
    check_counts(host, texts=given)
    names = [one.strip() for one in given]
    if not names or not all(names):
        raise Refused(422, "no label, or an empty one", cure="give a list of labels")
    if len(set(names)) < len(names):
        raise Refused(422, "a label that is given twice", cure="give each once")
    return LabelSet(OWN, tuple(Label(one, (one,)) for one in names))


def _tagged(library: "Library", chosen: LabelSet, options: TagOptions) -> TagReport:
    with copy_of(library) as copy:
        return copy.tag(chosen, **options)


def _shape(report: TagReport, notices: list[str]) -> TagDone:
    counts = {name: LabelCount(one.images, round(one.expected, 6)) for name, one in report.counts.items()}
    changed = report.considered, report.tagged, report.changed
    return TagDone(report.column, *changed, counts, list(report.untold), notices)
