"""What people's own tags of a few images say about a rating: a shift of each label's logit that makes it right there.

    examples = read_examples(Path("mine.csv"), names)           # columns `image` and `tags`
    rating = rating.shifted(*learned(rating, embeddings, examples.has))

The table has a row for each image, and all labels that it shows: a label that is not stated counts as not shown.  The
images should be ones as they come, not the best hits, for how often a label occurs among them is learned too.

Each shift is the likeliest one under a normal prior around 0: ten examples move it, one hardly does.  Only the shift is
learned; a label whose order of images is wrong stays wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings
from wordsight.base.errors import FormatError, UsageError
from wordsight.base.suggest import suggest
from wordsight.search.match import sigmoid

if TYPE_CHECKING:
    from wordsight.search.tagging.rating import LabelMatches

IMAGES, TAGS = ("image", "key", "path", "file"), ("tags", "labels", "label", "tag")
SPREAD = 2.0  # of the prior, in logits: a shift of 2 takes 0.12 to 0.5
LEAST = 3  # examples with a label, and as many without, before one that is everywhere is told by them
CURE = "give it a column image and a column tags, several tags with | between"


@dataclass(frozen=True, slots=True)
class TaggedExamples:
    """Images by key or path, and which labels each shows, bool (images, labels)."""

    images: tuple[str, ...]
    has: NDArray[np.bool_]


def read_examples(path: Path, names: Sequence[str]) -> TaggedExamples:
    """Return the examples of a table; `FormatError` for one without its two columns, `UsageError` for other labels."""
    from wordsight.data.text_table import TextTable

    if not path.is_file():
        raise UsageError(f"no table of examples at {path}", cure="check the path")
    table = TextTable(path, (*IMAGES, *TAGS))
    image, tags = (next((one for one in some if one in table.names), None) for some in (IMAGES, TAGS))
    if image is None or tags is None:
        raise FormatError(f"{path} has the columns {', '.join(table.names) or 'of no table'}", cure=CURE)
    known = {name: number for number, name in enumerate(names)}
    images: dict[str, NDArray[np.bool_]] = {}
    for number, row in table.rows():
        if not isinstance(row, dict):
            raise row if isinstance(row, Exception) else FormatError(f"{path}, line {number}: no row", cure=CURE)
        shown = images.setdefault(row[image].strip(), np.zeros(len(names), np.bool_))
        for tag in filter(None, (one.strip() for one in row[tags].replace("\n", "|").split("|"))):
            if tag not in known:
                raise UsageError(f"{path}, line {number}: no label {tag!r}", cure=suggest(tag, names))
            shown[known[tag]] = True
    if not images:
        raise FormatError(f"{path} has no rows", cure=CURE)
    return TaggedExamples(tuple(images), np.array(list(images.values())))


def learned(
    rating: "LabelMatches", embeddings: Embeddings, has: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the shift of each label (labels,), and which labels the examples tell enough of, (labels,).

    Newton's method on the concave logarithm of the posterior; its curvature is at least that of the prior.
    """
    logits, shown = rating.logits(embeddings).astype(np.float64), has.astype(np.float64)
    shifts = np.zeros(logits.shape[1])
    for _ in range(30):
        likely = sigmoid(logits + shifts)
        slope = (shown - likely).sum(axis=0) - shifts / SPREAD**2
        curve = (likely * (1 - likely)).sum(axis=0) + 1 / SPREAD**2
        shifts += np.clip(slope / curve, -1, 1)
    stated = (has.sum(axis=0) >= LEAST) & ((~has).sum(axis=0) >= LEAST)
    return shifts.astype(np.float32), stated
