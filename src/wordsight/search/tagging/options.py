"""What a tagging is asked for besides labels.

library.tag("everyday", min_match=0.7, top=5, scores=True)
"""

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypedDict

from wordsight.base.errors import UsageError

COLUMN_LETTERS = 100
_COLUMN = re.compile(r"\w(?:[\w .:-]*\w)?")
MIN_MATCH = 0.3  # settled on train splits: docs/tagging.md


class TagOptions(TypedDict, total=False):
    """The options as `Library.tag` takes them; each may be left out."""

    min_match: float | None
    min_cosine: float | None
    top: int | None
    thresholds: Path | None
    examples: Path | None
    column: str | None
    scores: bool
    new: bool
    dry_run: bool
    write: str | None
    sidecar: str


def check_column(name: str) -> None:
    """Raise `UsageError` for a name of a column that no condition could ask for."""
    if not name.strip():
        raise UsageError("a column without a name", cure="name one, or leave it out")
    if len(name) > COLUMN_LETTERS:
        raise UsageError(f"a column with a name of {len(name):,} letters", cure=f"give at most {COLUMN_LETTERS}")
    if not _COLUMN.fullmatch(name):
        raise UsageError(f"a column {name!r}", cure="name it with letters, digits, _ - . : and blanks")


@dataclass(frozen=True, slots=True)
class TagWishes:
    """`min_match`: from which probability on an image has a label; `min_cosine`: from which cosine on, instead.

    `top`: the most labels of an image.  `thresholds`: a file with those of single labels; `examples`: a table of images
    with the labels that they show.  `column`: where labels are noted (default `tags`, of watched labels `moderation`);
    `scores`: a column of probabilities for each label, too.  `new`: only images that were not tagged before.
    `dry_run`: nothing is noted or written.  `write`: "xmp" for sidecars, `sidecar` which convention new ones follow.
    """

    min_match: float | None = None
    min_cosine: float | None = None
    top: int | None = None
    thresholds: Path | None = None
    examples: Path | None = None
    column: str | None = None
    scores: bool = False
    new: bool = False
    dry_run: bool = False
    write: str | None = None
    sidecar: str = "darktable"

    def __post_init__(self) -> None:
        if self.min_match is not None and not 0 <= self.min_match <= 1:
            raise UsageError(f"a least probability of {self.min_match}", cure="give one from 0 to 1")
        if self.min_cosine is not None and not -1 <= self.min_cosine <= 1:
            raise UsageError(f"a least cosine of {self.min_cosine}", cure="give one from -1 to 1")
        others = (self.min_match, self.thresholds, self.examples)
        if self.min_cosine is not None and any(one is not None for one in others):
            raise UsageError(
                "a least cosine together with probabilities", cure="give --min-cosine alone, or leave it out"
            )
        if self.top is not None and self.top < 1:
            raise UsageError(f"at most {self.top} tags", cure="allow at least one")
        if self.column is not None:
            check_column(self.column)
        if self.write not in (None, "xmp"):
            raise UsageError(f"tags cannot be written as {self.write}", cure="write xmp")

    @property
    def what(self) -> dict[str, str]:
        """Return what decides which image has which label, as text."""
        content = {name: value and value.read_text(errors="replace") for name, value in self._files().items()}
        others = {name: value for name, value in asdict(self).items() if name in ("min_match", "min_cosine", "top")}
        return {name: repr(value) for name, value in {**others, **content, "scores": self.scores}.items()}

    def _files(self) -> dict[str, Path | None]:
        return {"thresholds": self.thresholds, "examples": self.examples}
