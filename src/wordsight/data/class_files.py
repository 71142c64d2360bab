"""Class numbers of shards and the file that names them: `.cls` and `classnames.txt`, as CLIP_benchmark has them.

    set/classnames.txt       one name a line, the first is number 0
    set/test/0.tar           a.webp, a.cls ("3")

The file lies beside the shards or in the folder above.  A number without a name stays what it is, with a notice.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from wordsight.base.errors import FormatError, InputError
from wordsight.base.progress import notice
from wordsight.base.reading import read_text
from wordsight.data.fields import without_marks

NAMES = "classnames.txt"
_DIGITS = 20  # of a class number that are read


class ClassFile:
    """The names of the classes of the shards in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.path = next((path for path in (folder / NAMES, folder.parent / NAMES) if path.is_file()), None)

    @cached_property
    def names(self) -> Sequence[str]:
        """Return the names in the order of their numbers; none where there is no file."""
        if self.path is None:
            return ()
        try:
            return [line.strip() for line in without_marks(read_text(self.path)).rstrip().split("\n")]
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8"
            raise FormatError(f"{self.path} cannot be read: {reason}", cure="write one class name a line") from None

    def label(self, text: str, where: str) -> str | None:
        """Return the class that a `.cls` member states: a number by its name, or a name."""
        text = without_marks(text).strip()
        if not text.isdecimal():
            return text or None
        if self.path is None:
            notice(f"classes in {self._folder} are plain numbers: put their names into {NAMES}, one a line", once=True)
            return text
        number = int(text) if len(text) <= _DIGITS else len(self.names)
        if number >= len(self.names) or not self.names[number]:
            shown = text if len(text) <= _DIGITS else f"{text[:_DIGITS]}..."
            raise InputError(f"{where}.cls has class {shown}", cure=f"{self.path} names {len(self.names)} classes")
        return self.names[number]
