"""The inputs that failed, as every verb reports them: the first ones on standard error, all of them in a file.

    list_failures(reasons, in_cache("classify"))                         # written only when there are many
    list_failures(reasons, out / "failures.jsonl", written=True)         # the verb has written them itself

They are printed with `--quiet` too: whoever reads only an exit status of 1 needs the reason.
"""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from wordsight.base.cache import cache_folder
from wordsight.base.errors import UsageError, WordsightError
from wordsight.base.files import atomic_write
from wordsight.base.progress import print_error
from wordsight.base.terminal import escaped

MOST = 20  # lines; more hide what was printed before


def list_failures(reasons: Sequence[str], file: Path | None, *, written: bool = False) -> None:
    """Print at most `MOST` reasons, then how many there are and the file that lists all, one a line.

    The file is made here, replacing the last one, unless it is `written`; None, or one that cannot be written, leaves
    it out.
    """
    for reason in reasons[:MOST]:
        print_error(f"failed: {reason}")
    more = len(reasons) - MOST
    if more <= 0:
        return
    if written or (file is not None and _write(reasons, file)):
        print_error(f"... and {more} more; all {len(reasons)} are listed in {file}")
    else:
        print_error(f"... and {more} more")


def in_cache(verb: str) -> Path | None:
    """Return the file for the failures of a verb without a folder of its own; None where there is no cache."""
    try:
        return cache_folder() / "failures" / f"{verb}.txt"
    except UsageError:
        return None


def _write(reasons: Sequence[str], file: Path) -> bool:
    with contextlib.suppress(OSError, WordsightError):
        with atomic_write(file, "w") as handle:
            handle.writelines(f"{escaped(reason)}\n" for reason in reasons)
        return True
    return False
