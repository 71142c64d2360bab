"""In how many captions a name occurs: whole words, singular or plural, several words in order.

    mentions(["Two dogs run .", "a hot dog"], ["dog", "hot dog", "do"])    # {"dog": 2, "hot dog": 1, "do": 0}

Knows English plurals by the lists in `words/` and by endings, and no synonyms.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from wordsight.text.caption_phrases import nouns

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_HISSING = ("sses", "xes", "zzes", "ches", "shes")  # the plural of what ends in a hissing sound has "es"
_NO_PLURAL = ("ss", "us", "is")


def mentions(captions: Iterable[str], names: Sequence[str]) -> Mapping[str, int]:
    """Return for each name the number of captions in which it occurs."""
    keys = {name: tuple(singular(word) for word in _words(name)) for name in names}
    lengths = sorted({len(key) for key in keys.values() if key})
    wanted = set(keys.values())
    counts = dict.fromkeys(wanted, 0)
    for caption in captions:
        words = [singular(word) for word in _words(caption)]
        runs = {tuple(words[start : start + size]) for size in lengths for start in range(len(words) - size + 1)}
        for key in runs & wanted:
            counts[key] += 1
    return {name: counts[key] if key else 0 for name, key in keys.items()}


def singular(word: str) -> str:
    """Return a word in small letters without the ending of a plural; other words that end so lose it, too."""
    lower = word.lower()
    if lower in nouns():
        return nouns()[lower].singular
    if lower.endswith("ies") and len(lower) > 4:
        return f"{lower[:-3]}y"
    if lower.endswith(_HISSING) and len(lower) > 4:
        return lower[:-2]
    if lower.endswith("s") and len(lower) > 3 and not lower.endswith(_NO_PLURAL):
        return lower[:-1]
    return lower


def _words(text: str) -> list[str]:
    return [match.group() for match in _WORD.finditer(text)]
