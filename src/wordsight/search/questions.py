"""What a library is measured with where nobody names queries: texts of its own entries, then everyday phrases.

    questions = questions_of(index, 100, where)
    questions.texts, questions.own            # of which so many are texts of the library

The same library gives the same questions.  Knows the protocol of an index.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wordsight.base.value import Value
from wordsight.index.index import Index, spread_evenly
from wordsight.search.background import usual_phrases

if TYPE_CHECKING:
    from wordsight.index.where import Condition

COLUMNS = ("title", "caption", "text", "name", "class")  # whose texts are like what people type, the most like first


@dataclass(frozen=True, slots=True)
class Questions:
    """Texts to ask; the first `own` of them are of the library, the others everyday phrases."""

    texts: tuple[str, ...]
    own: int


def questions_of(index: Index, count: int, where: "Condition | None" = None) -> Questions:
    """Return `count` different texts: of entries that satisfy `where`, spread evenly, else of phrases.txt."""
    near = index.search(index.sample(count), 1, where)
    texts = dict.fromkeys(text for hits in near for one in hits if (text := text_of(one.key, one.meta)))
    phrases = usual_phrases()
    spread = (phrases[int(i)] for i in spread_evenly(len(phrases), count))
    both = dict.fromkeys([*texts, *spread])
    return Questions(tuple(both)[:count], len(texts))


def text_of(key: str, meta: Mapping[str, Value]) -> str:
    """Return the first line that says what an entry shows; "" where it has none but the name of its file."""
    named = {column.lower(): value for column, value in meta.items() if isinstance(value, str)}
    for column in COLUMNS:
        lines = (line.strip() for line in named.get(column, "").splitlines())
        if (text := next(filter(None, lines), "")) and text != key.rpartition("/")[2]:
            return text
    return ""
