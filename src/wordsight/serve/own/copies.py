"""The same and nearly the same images of a library: found, moved out of the way by a plan, and put back."""

import re
import secrets
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from starlette.responses import StreamingResponse

from wordsight.base.errors import NotFound, WordsightError
from wordsight.images.fragments import is_fragment
from wordsight.search.duplicates.applying import Applied, apply, trash_of
from wordsight.search.duplicates.applying import undo as put_back
from wordsight.search.duplicates.finding import COPIES, DuplicateGroup, FoundDuplicates, GroupMember, Sought
from wordsight.search.duplicates.keeping import DEFAULT, KeepRule, KnownImage
from wordsight.search.duplicates.plan_file import write_plan
from wordsight.serve.errors import Refused
from wordsight.serve.hosting.located import LocatedImage, located
from wordsight.serve.own.changing import change
from wordsight.serve.own.events import events_of
from wordsight.serve.own.querying import CONDITION
from wordsight.serve.own.syncing import copy_of
from wordsight.serve.route import HttpCall

if TYPE_CHECKING:
    from wordsight.base.reversible import TakenBack
    from wordsight.search.library import Library
    from wordsight.serve.hosting.host import Host

PLANS = "plans"  # in the folder of the library
GROUPS, MOVED = 20_000, 100_000  # of one plan
FAILURES = 20  # that are answered
_PLAN = re.compile(r"[0-9a-z-]{1,60}\.jsonl")


class DuplicatesRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What counts as a copy, and which one stays.

    `kinds`: some of exact, near, crop, flip (these by default), burst, stack and alike.  `where`: a condition that
    images have to satisfy to be compared.  `min_similarity`: the least cosine of images that are compared (default:
    measured on the library).  `keep`: which image of a group stays, the first that tells two apart.  `prefer`: folders
    whose images stay before others.  `protect`: folders of which nothing is moved.
    """

    kinds: list[str] = msgspec.field(default_factory=lambda: list(COPIES))
    where: str = ""
    min_similarity: float | None = None
    keep: str = DEFAULT
    prefer: list[str] = []
    protect: list[str] = []


class MemberAnswer(msgspec.Struct):
    """An image of a group.

    `kind`: how it is related to the one that is kept.  `action`: what is proposed, "keep" or "move".  `why`: why it is
    kept or moved.  `size`: how many bytes the file has.  `width`: its pixels from left to right.  `height`: its pixels
    from top to bottom.  `similarity`: its cosine with the one that is kept.
    """

    key: str
    kind: str
    action: str
    why: str
    size: int
    width: int
    height: int
    date: str
    similarity: float


class GroupAnswer(msgspec.Struct):
    """Images that belong together.

    `kind`: how they are related, by the surest sign.  `members`: all images of the group, the first is the one that is
    kept.  `freed`: how many bytes the others have.
    """

    kept: str
    kind: str
    members: list[MemberAnswer]
    freed: int


class DuplicatesDone(msgspec.Struct):
    """The groups, the surest kinds first.

    `failed`: why images could not be compared.  `compared`: how many images were compared.
    """

    groups: list[GroupAnswer]
    freed: int
    compared: int
    failed: list[str]
    notices: list[str]


class GroupRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The key of the image that is kept, and the keys of those that are moved."""

    kept: str
    move: list[str]


class ApplyRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be moved into the trash folder of the library."""

    groups: list[GroupRequest]


class AppliedAnswer(msgspec.Struct):
    """What was moved.

    `plan`: the name of the plan, by which it is undone.  `moved`: the keys of what was moved.  `failed`: what was not
    moved, with why.  `freed`: how many bytes that frees.  `undo`: what to ask to put it back.  `notices`: what else
    went wrong, as where the library could not be brought up to date.
    """

    plan: str
    moved: list[str]
    failed: list[tuple[str, str]]
    freed: int
    undo: str
    notices: list[str]


class UndoRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The name of a plan that was applied."""

    plan: str


class RestoredAnswer(msgspec.Struct):
    """How many files are back, and what was left alone.  `failed`: what was left alone, with why."""

    restored: int
    failed: list[tuple[str, str]]


async def find(call: HttpCall[DuplicatesRequest]) -> StreamingResponse:
    """Find the same and nearly the same images, and tell how far it is; it ends with its asker."""
    asked, host, name = call.asked, call.host, call.path["library"]
    library = host.libraries.named(name)
    if len(asked.where) > CONDITION:
        raise Refused(422, f"a condition of {len(asked.where):,} letters", cure=f"write at most {CONDITION:,}")
    if asked.min_similarity is not None and not -1 <= asked.min_similarity <= 1:
        raise Refused(422, f"min_similarity = {asked.min_similarity}", cure="give a cosine from -1 to 1")
    rule = KeepRule.read(asked.keep, prefer=asked.prefer, protect=asked.protect)
    sought = Sought(tuple(dict.fromkeys(asked.kinds)), asked.where.strip() or None, rule, asked.min_similarity)
    job = host.jobs.start(f"duplicates of {name}", partial(_all_groups, library, sought), may_stop=True)
    return events_of(job, host, partial(_shape, host=host))


async def move(call: HttpCall[ApplyRequest]) -> AppliedAnswer:
    """Move images into the trash folder of the library, as a plan that can be undone."""
    groups, host, name = call.asked.groups, call.host, call.path["library"]
    library = host.libraries.named(name)
    moved = [key for group in groups for key in group.move]
    if not moved:
        raise Refused(422, "nothing to move", cure="name the keys that are to be moved")
    if len(groups) > GROUPS or len(moved) > MOVED:
        raise Refused(413, f"{len(moved):,} images in {len(groups):,} groups", cure=f"move at most {MOVED:,} at once")
    everything = [*moved, *(group.kept for group in groups if group.move)]
    if len(set(everything)) < len(everything):
        raise Refused(422, "an image that is named twice", cure="name each once, to be kept or to be moved")
    plan, done, problem = await (await change(host, name, partial(_applied, library, groups))).outcome()
    failed = [(path, host.public(why)) for path, why in done.failed]
    notices = [host.public(problem)] if problem else []
    return AppliedAnswer(plan.name, [*done.before, *done.moved], failed, done.freed, plan.name, notices)


async def undo(call: HttpCall[UndoRequest]) -> RestoredAnswer:
    """Put back what a plan moved."""
    host, name, plan = call.host, call.path["library"], call.asked.plan
    library = host.libraries.named(name)
    if _PLAN.fullmatch(plan) is None or not (library.folder / PLANS / plan).is_file():
        raise NotFound(f"no plan {plan!r}", cure="give the name that was answered when it was applied")
    back: TakenBack = await (await change(host, name, partial(_restored, library, plan))).outcome()
    failed = [(host.public(str(path)), why) for path, why in back.failed]
    return RestoredAnswer(len(back.done), failed)


def _all_groups(library: "Library", sought: Sought) -> DuplicatesDone:
    with copy_of(library) as copy:
        copies = copy.duplicates(
            kinds=sought.kinds, where=sought.where, rule=sought.rule, min_similarity=sought.min_similarity
        )
        return DuplicatesDone(list(_groups(copy, copies)), copies.freed, copies.compared, list(copies.failed), [])


def _groups(library: "Library", copies: FoundDuplicates) -> Iterator[GroupAnswer]:
    for group in copies.groups:
        keys = [member.image.key for member in group.members]
        with library.reading() as index:
            embeddings = [entry.embedding for entry in index.entries(keys)]
        cosines = [round(float(embeddings[0] @ one), 6) for one in embeddings]
        members = [_member(*pair) for pair in zip(group.members, cosines, strict=True)]
        yield GroupAnswer(keys[0], group.kind, members, group.freed)


def _member(member: GroupMember, similarity: float) -> MemberAnswer:
    image = member.image
    return MemberAnswer(
        image.key,
        member.kind,
        "move" if member.is_moved else "keep",
        member.reason,
        image.size,
        image.width,
        image.height,
        image.moment,
        similarity,
    )


def _shape(done: DuplicatesDone, notices: list[str], *, host: "Host") -> DuplicatesDone:
    done.failed = [host.public(one) for one in done.failed[:FAILURES]]
    done.notices = notices
    return done


def _applied(library: "Library", groups: Sequence[GroupRequest]) -> tuple[Path, Applied, str]:
    """Write a plan and apply it; returns it with what was done, and why the library is not up to date ("": it is).

    From the first file that is moved on there is an answer, whatever fails; before it, no plan stays behind.
    """
    planned = [_planned(library, group) for group in groups if group.move]
    folder = library.folder / PLANS
    folder.mkdir(exist_ok=True)
    plan = folder / f"{time.strftime('%Y-%m-%d-%H%M%S')}-{secrets.token_hex(3)}.jsonl"
    write_plan(plan, library.location, planned)
    done = Applied()
    with copy_of(library) as copy:
        try:
            apply(copy, plan, trash_of(copy, plan, None), done=done)
        except (WordsightError, OSError) as error:
            if not done.moved and not done.before:
                plan.unlink(missing_ok=True)
                raise
            _fail_rest(planned, done, error)
        return plan, done, _brought_up_to_date(copy, [*done.before, *done.moved])


def _fail_rest(planned: Sequence[DuplicateGroup], done: Applied, error: WordsightError | OSError) -> None:
    """Note why the files stay that were not reached."""
    why = error.problem if isinstance(error, WordsightError) else str(error.strerror or error)
    reached = {*done.moved, *done.before, *(path for path, _ in done.failed)}
    keys = [member.image.key for group in planned for member in group.members if member.is_moved]
    done.failed += [(key, why) for key in keys if key not in reached]


def _brought_up_to_date(library: "Library", moved: Sequence[str]) -> str:
    """Take what was moved out of a library; returns why not where that failed, for the files are moved all the same."""
    try:
        library.drop(moved)
        library.sync()
    except WordsightError as error:
        return f"the library is not up to date: {error}"
    return ""


def _planned(library: "Library", group: GroupRequest) -> DuplicateGroup:
    """Return a group as a plan has it; only files of the library can be moved."""
    kept = GroupMember(_known(located(library, group.kept), group.kept), "exact", False, "kept")
    moved = [GroupMember(_known(located(library, key), key), "exact", True, "chosen by hand") for key in group.move]
    return DuplicateGroup("exact", (kept, *moved))


def _known(image: LocatedImage, key: str) -> KnownImage:
    state, path = image.state, image.hit.path
    if path is None or is_fragment(key) or state is None or len(state.sha256) != 64:
        raise Refused(422, f"{key} is no file of its own", cure="leave it out: only files can be moved")
    return KnownImage(key, path, state.sha256, state.size)


def _restored(library: "Library", plan: str) -> "TakenBack":
    with copy_of(library) as copy:
        back = put_back(library.folder / PLANS / plan, copy, None)
        copy.sync()
    return back
