"""What could follow the first letters of a query: texts that people may look for, and conditions on columns.

    suggestions = gathered(library)
    suggestions.after("a red d")          # ["a red dog", ...]

Texts are values that several images share, words of captions, and everyday labels; what is in the library comes first.
"""

import bisect
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from wordsight.index.keywords import is_worded, words_of
from wordsight.search.facets import quoted_column
from wordsight.text.label_sets import label_set

if TYPE_CHECKING:
    from wordsight.search.library import Library

LONGEST = 60  # letters of a value that is suggested
VALUES = 500  # different values of a column: of more, each is of few images
WORDS = 20_000  # the most frequent ones
LABELS = "everyday"
_LOCAL = {"path", "name", "folder"}  # columns that say where an image lies


class SuggestedValue(NamedTuple):
    """A value of a column, the condition for it, and how many `images` have it."""

    text: str
    where: str
    images: int


@dataclass(frozen=True)
class Suggestions:
    """`texts` as lower-case letters -> (how often, the text); `words` how often each occurs; `values` of columns."""

    texts: dict[str, tuple[int, str]]
    words: Counter[str]
    values: list[SuggestedValue]

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        texts = sum(2 * len(text) + 200 for text in self.texts)
        words = sum(len(word) + 100 for word in self.words)
        values = sum(len(one.text) + len(one.where) + 250 for one in self.values)
        return texts + words + values + 8 * (len(self.texts) + len(self.words))  # in order once more

    @cached_property
    def _ordered(self) -> tuple[list[str], list[str]]:
        return sorted(self.texts), sorted(self.words)

    def after(self, prefix: str, count: int) -> list[str]:
        """Return texts that begin so, the likeliest first, and then the prefix with its last word made whole.

        Of equally frequent ones the shortest come first: they lack the fewest letters.
        """
        start = prefix.casefold().lstrip()
        texts, words = self._ordered
        if not start.strip():
            return []
        whole = sorted(
            (self.texts[one] for one in _beginning(texts, start)), key=lambda one: (-one[0], len(one[1]), one[1])
        )
        last = start.rpartition(" ")[2]
        kept = prefix[: len(prefix) - len(last)] if last else prefix
        longer = [one for one in _beginning(words, last) if last and one != last]
        completed = [kept + one for one in sorted(longer, key=lambda one: (-self.words[one], len(one), one))[:count]]
        made = [text for _, text in whole[:count]] + completed
        return list({one.casefold(): one for one in made if one.casefold() != start}.values())[:count]

    def conditions_after(self, prefix: str, count: int) -> list[SuggestedValue]:
        """Return the values of columns that begin with the prefix, the most frequent first."""
        start = prefix.casefold().strip()
        return [one for one in self.values if start and one.text.casefold().startswith(start)][:count]


def _beginning(ordered: list[str], start: str) -> list[str]:
    """Return those of an ordered list that begin so."""
    first = bisect.bisect_left(ordered, start)
    last = bisect.bisect_left(ordered, start + "\U0010ffff")
    return ordered[first:last]


def gathered(library: "Library") -> Suggestions:
    """Return what can be suggested of a library; its metadata is read, all of it."""
    words: Counter[str] = Counter()
    with library.reading() as index, index.one_look():
        columns = [name for name in index.columns() if name not in _LOCAL and is_worded(name)]
        values = {name: Counter[str]() for name in columns}
        for _, row in index.values(columns):
            for counter, value in zip(values.values(), row, strict=True):
                for line in value.splitlines() if isinstance(value, str) else ():
                    if len(line) <= LONGEST and (len(counter) <= VALUES or line in counter):
                        counter[line.strip()] += 1
                    words.update(words_of(line))
    texts: dict[str, tuple[int, str]] = {one.name.casefold(): (0, one.name) for one in label_set(LABELS).labels}
    conditions = []
    for column, counter in values.items():
        if len(counter) > VALUES:
            continue
        name = quoted_column(column)
        for text, count in counter.items():
            if text and count > 1:
                texts[text.casefold()] = (count + texts.get(text.casefold(), (0, ""))[0], text)
                quoted = text.replace("'", "''")
                conditions.append(SuggestedValue(text, f"{name} = '{quoted}'", count))
    for label in list(texts):
        words.update(words_of(label))
    conditions.sort(key=lambda one: (-one.images, one.text))
    return Suggestions(texts, Counter(dict(words.most_common(WORDS))), conditions)
