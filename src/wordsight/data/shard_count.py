"""How many shards a folder has by its `nshards.txt`, held against those that are there.

set/test/nshards.txt     "3": the shards are 0.tar, 1.tar and 2.tar, as CLIP_benchmark writes them
"""

from collections.abc import Collection, Iterator
from pathlib import Path

from wordsight.base.errors import InputError
from wordsight.base.reading import MEGABYTE, read_text
from wordsight.data.fields import shortened, without_marks

FILE = "nshards.txt"
_MOST = 1_000_000  # shards; a larger number is a mistake
_LISTED = 5  # names in a message


def disagreements(folder: Path, names: Collection[str]) -> Iterator[InputError]:
    """Yield an error for the shards that are missing, and one for those beyond the number; `names` are all there."""
    path = folder / FILE
    if not path.is_file():
        return
    try:
        text = without_marks(read_text(path, limit=MEGABYTE)).strip()
    except (OSError, UnicodeDecodeError):
        text = "something that is not read"
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(_MOST)) and 0 < int(text) <= _MOST):
        yield InputError(f"{path} says {shortened(text)!r}", cure="write how many shards there are, for example 3")
        return
    wanted = [f"{number}.tar" for number in range(int(text))]
    there = set(names)
    missing = [name for name in wanted if name not in there]
    if missing:
        yield InputError(f"{folder} lacks {_list(missing)}", cure=f"fetch them: {path} counts {text} shards")
    beyond = sorted(there.difference(wanted))
    if beyond:
        yield InputError(
            f"{folder} holds {_list(beyond)}", cure=f"mend {path}, which counts {text} shards from 0.tar on"
        )


def _list(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"{', '.join(names[:_LISTED])}{more}"
