"""A library brought up to date with its location, while it answers."""

from functools import partial
from typing import TYPE_CHECKING

import msgspec
from starlette.responses import StreamingResponse

from wordsight.base.progress import notice
from wordsight.index.database import NAME
from wordsight.search.report import SyncReport
from wordsight.serve.own.changing import change
from wordsight.serve.own.events import events_of
from wordsight.serve.route import HttpCall

if TYPE_CHECKING:
    from wordsight.search.library import Library
    from wordsight.serve.hosting.host import Host

FAILURES = 20  # that are answered
GONE = "the folder of the library was not there any more"


class SyncRequest(msgspec.Struct, forbid_unknown_fields=True):
    """`accept_removal`: what is missing is removed, without proof that it is gone."""

    accept_removal: bool = False


class SyncDone(msgspec.Struct):
    """How many images were added, changed and so on.

    `moved`: how many images are at another path.  `failures`: the first images that could not be read, with their
    reasons.
    """

    added: int
    changed: int
    moved: int
    removed: int
    failed: int
    absent: int
    returned: int
    failures: list[tuple[str, str]]
    notices: list[str]


async def sync(call: HttpCall[SyncRequest]) -> StreamingResponse:
    """Bring a library up to date, and tell how far it is."""
    host, name = call.host, call.path["library"]
    library, accept = host.libraries.named(name), call.asked.accept_removal
    job = await change(host, name, lambda: synced(library, accept_removal=accept))
    return events_of(job, host, partial(_shape, host=host))


def synced(library: "Library", *, accept_removal: bool = False) -> SyncReport:
    """Bring a library up to date by a copy of it, so that it answers meanwhile."""
    with copy_of(library) as copy:
        if not (copy.folder / NAME).exists():
            notice(f"{GONE}: it was made anew, without what had been noted in it")
        report = copy.sync(accept_removal=accept_removal)
    if report:
        library.look()  # what it reads of tables and shards is anew
    return report


def copy_of(library: "Library") -> "Library":
    """Return the same library, open a second time."""
    make, arguments = library.__reduce__()
    copy: Library = make(*arguments)
    return copy


def _shape(report: SyncReport, notices: list[str], *, host: "Host") -> SyncDone:
    return SyncDone(
        added=len(report.added),
        changed=len(report.changed),
        moved=len(report.moved),
        removed=len(report.removed),
        failed=len(report.failed),
        absent=len(report.absent),
        returned=len(report.returned),
        failures=[(key, host.public(reason)) for key, reason in report.failed[:FAILURES]],
        notices=notices,
    )
