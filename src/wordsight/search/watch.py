"""Keeping a library in step until it is enough: a cheap look every few seconds, a sync when what it sees has settled.

    for report in watch(library, wait): ...         # `wait(seconds)` waits, and says False when it is enough

Whatever passes is waited for: files that are still being written, another process that writes the library, a location
that is gone for a while, a disk that fails.  Does not know signals or a clock of its own.
"""

import time
from collections.abc import Callable, Iterator

from wordsight.base.errors import InputError, NotFound, StorageError
from wordsight.base.progress import notice
from wordsight.search.contents import Listing
from wordsight.search.library import Library
from wordsight.search.report import SyncReport

EVERY = 2.0  # seconds between looks
SPARED = 20  # times as long as a look takes it waits at least: of 100,000 files one look takes about a second
PATIENCE = 15  # looks of which each sees something else, after which what has settled is taken all the same


def watch(library: Library, wait: Callable[[float], bool]) -> Iterator[SyncReport]:
    """Yield the report of every sync that changed something, the first at once, until `wait` says False.

    A sync begins when two looks in a row see the same, which the library has not been brought in step with.
    """
    seen: Listing | None = None  # at the last look
    done: Listing | None = None  # when the library was last brought in step
    looks, pause, trouble = PATIENCE, 0.0, ""
    while wait(pause):
        began = time.monotonic()
        try:
            listing = library.look()
            pause = max(EVERY, SPARED * (time.monotonic() - began))
            settled, seen = listing == seen, listing
            looks += 1
            if listing != done and (settled or looks > PATIENCE):
                report = library.sync()
                done, looks = listing, 0
                library.close()  # so that a disk can be taken away
                if report:
                    yield report
            if listing == done:
                trouble = ""
        except (NotFound, StorageError, InputError) as error:
            if str(error) != trouble:
                notice(f"{library.location}: waiting, {error}")
            trouble, pause = str(error), max(EVERY, pause)
