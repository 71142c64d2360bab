"""Notices that are worth reading once on a machine: which were printed is remembered in the cache."""

import contextlib
import platform

from wordsight.base.cache import cache_folder
from wordsight.base.errors import UsageError
from wordsight.base.files import sha256_bytes
from wordsight.base.progress import is_quiet, notice


def notice_once_here(text: str) -> None:
    """Print one line on standard error, and never again on this machine while its cache can be written and is kept."""
    if is_quiet():
        return
    with contextlib.suppress(OSError, UsageError):  # otherwise once in this process
        name = sha256_bytes(platform.node().encode(), text.encode(errors="surrogateescape"))[:16]
        printed = cache_folder() / "notices" / name
        if printed.exists():
            return
        printed.parent.mkdir(parents=True, exist_ok=True)
        printed.touch()
    notice(text, once=True)
