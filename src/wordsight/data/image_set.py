"""What the loader draws from: `ImageSet`, images of one size with their texts, by row number.

Implemented by `cache.ImageCache` (decoded once, on disk), `stream.ShardStream` (decoded when drawn) and
`labels.LabelTexts` (either of them, with prompts made of the class names).
"""

from typing import NamedTuple, Protocol

from wordsight.base.arrays import Pixels, RowIds
from wordsight.base.errors import InputError


class Annotation(NamedTuple):
    """The annotation of an image: its captions and its class name."""

    captions: tuple[str, ...] = ()
    label: str | None = None


class Caption(NamedTuple):
    """A text, and the name under which it counts as the same as another: equal ones are not negatives of each other."""

    text: str
    same_as: str


class ImageSet(Protocol):
    """Images (S, S, 3) with texts.  `name` for messages, `size` is S."""

    name: str
    size: int

    def __len__(self) -> int:
        """Return the number of rows, those without a text included."""

    def blocks(self) -> list[RowIds]:
        """Return the rows that have a text, in blocks that are cheap to read in any order (all of a cache; a shard)."""

    def pixels(self, rows: RowIds) -> tuple[Pixels, dict[int, InputError]]:
        """Return uint8 (len(rows), S, S, 3), and for each position whose image could not be read the error."""

    def draw(self, row: int, uniform: float) -> Caption:
        """Return one of the row's texts, chosen by a number in [0, 1).  Raises `InputError` when it has none."""


class AnnotatedSet(ImageSet, Protocol):
    """An image set that also returns the captions and class name of a row."""

    def annotation(self, row: int) -> Annotation:
        """Return the captions and class name of a row."""
