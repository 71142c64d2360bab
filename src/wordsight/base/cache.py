"""Where Wordsight keeps what it can make again: $WORDSIGHT_CACHE, else `wordsight` in the user's cache.

Below it: `models` (converted ones), `fetched` (notes of what came from the hub), `pictures` (decoded ones), `features`
(what trainings read of towers that do not learn), `embeddings` (of images and texts, by their content), `curate` (what
is known of the pairs of a source), `thumbnails` (small images that a server has given out).
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from wordsight.base.errors import StorageError, UsageError

VARIABLE = "WORDSIGHT_CACHE"


def cache_folder() -> Path:
    """Return the cache folder, which may not exist yet.

    $WORDSIGHT_CACHE may begin with `~`, and is relative to the current folder where it is not absolute.  Unset or
    empty it means `wordsight` in $XDG_CACHE_HOME, or in ~/.cache.
    """
    named = os.environ.get(VARIABLE)
    shared = os.environ.get("XDG_CACHE_HOME")
    try:
        if named:
            return Path(named).expanduser()
        return (Path(shared) if shared else Path.home() / ".cache") / "wordsight"
    except RuntimeError:  # no HOME, or nobody of that name
        problem = f"no home folder for the cache {named or '~/.cache'}"
        raise UsageError(problem, cure=f"set {VARIABLE} to a folder you may write to") from None


@contextlib.contextmanager
def cache_errors(what: str) -> Iterator[None]:
    """Let a `StorageError` met while the cache of `what` is written say that the cache may lie elsewhere."""
    try:
        yield
    except StorageError as error:
        if str(cache_folder()) not in error.problem:  # of another disk
            raise
        cure = f"free room there, or set {VARIABLE} to a folder that you may write to"
        raise StorageError(f"{error.problem} (the cache of {what})", cure=cure) from error
