"""The columns that a tagging notes: which they are, and that they are nobody else's.

A column of somebody else, noted or from the location itself, is never written to: tags that people gave and those that
a model gives lie in separate columns.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from wordsight.base.errors import UsageError
from wordsight.search.about import has_values

if TYPE_CHECKING:
    from wordsight.index.index import Index
    from wordsight.search.tagging.record import LastRun
    from wordsight.text.label_sets import LabelSet

TAGS, MODERATION = "tags", "moderation"
MOST_SCORES = 200  # columns; each has a number for every image
_ODD = re.compile(r"[^\w]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029\ufffe\uffff\ud800-\udfff]")


def check_names(labels: "LabelSet") -> None:
    """Raise `UsageError` for a label that can be no line of a column and no keyword of a file."""
    for label in labels.labels:
        if _CONTROL.search(label.name):
            raise UsageError(f"the label {label.name!r} has a control character or line break", cure="take it out")


def score_columns(column: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return the column of each label's probabilities: `tag_red_shoes` of the column `tags`, else `COLUMN_red_shoes`.

    Too many raise `UsageError`; labels that would share one get numbers.
    """
    if len(names) > MOST_SCORES:
        raise UsageError(f"a column of scores for each of {len(names):,} labels", cure=f"give at most {MOST_SCORES}")
    prefix, columns = "tag" if column == TAGS else column, dict.fromkeys([column])
    for name in names:
        plain = f"{prefix}_{_ODD.sub('_', name).strip('_') or 'label'}"
        number = 1
        while (own := plain if number == 1 else f"{plain}_{number}") in columns:
            number += 1
        columns[own] = None
    return tuple(columns)[1:]


def check_columns(index: "Index", columns: Sequence[str], last: "LastRun | None") -> None:
    """Raise `UsageError` where a column is there already and was not made by the last tagging."""
    ours = {last.column, *last.scores} if last else set()
    for column in columns:
        if column in index.columns() and column not in ours and has_values(index, column):
            raise UsageError(
                f"a column {column} is there already, and tagging did not make it",
                cure="tag into another with --column NAME (column=)",
            )
