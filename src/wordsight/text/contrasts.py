"""Hard negatives of an English caption by rule: texts that differ from it in one thing and are false.

    contrasts("A man in a red shirt walks two dogs .", seed=0)
    # [Contrast("replace-colour", "A man in a green shirt walks two dogs ."), ...]

At most one of each kind; a kind whose rule is not sure gives none.  The same caption and seed give the same.  Kinds,
as SugarCrepe (Hsieh et al. 2023) and ARO (Yuksekgonul et al. 2023) call them: two words of the caption swapped, one
replaced, one added, all shuffled.  `WEAK_KINDS` may be true by chance.  Knows no picture; how often the negatives are
really false was counted by hand, see docs/text.md.
"""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from wordsight.base.errors import UsageError
from wordsight.base.suggest import suggest
from wordsight.text import contrast_rules, word_order
from wordsight.text.caption_phrases import Parsed, parse

ContrastRule = Callable[[Parsed, np.random.Generator], str | None]
CONTRAST_RULES: Mapping[str, ContrastRule] = {
    "swap-nouns": contrast_rules.swap_nouns,
    "swap-attributes": contrast_rules.swap_attributes,
    "replace-colour": contrast_rules.replace_colour,
    "replace-number": contrast_rules.replace_number,
    "replace-size": contrast_rules.replace_size,
    "replace-relation": contrast_rules.replace_relation,
    "replace-gender": contrast_rules.replace_gender,
    "replace-noun": contrast_rules.replace_noun,
    "add-attribute": contrast_rules.add_attribute,
    "shuffle-nouns-adjectives": word_order.shuffle_nouns_and_adjectives,
    "shuffle-others": word_order.shuffle_other_words,
    "shuffle-within-trigrams": word_order.shuffle_within_trigrams,
    "shuffle-trigrams": word_order.shuffle_trigrams,
}
KINDS = tuple(CONTRAST_RULES)
WEAK_KINDS = frozenset({"add-attribute"})


@dataclass(frozen=True, slots=True)
class Contrast:
    """A false caption, and the kind of rule that made it."""

    kind: str
    text: str

    @property
    def is_weak(self) -> bool:
        """Whether the text may be true by chance."""
        return self.kind in WEAK_KINDS


def contrasts(caption: str, *, seed: int, kinds: tuple[str, ...] = KINDS) -> list[Contrast]:
    """Return the hard negatives of a caption, at most one of each of `kinds`, in their order.

    A pure function of caption, seed and kind: asking for fewer kinds changes none of the others.  An unknown kind
    raises `UsageError`.
    """
    for kind in kinds:
        if kind not in CONTRAST_RULES:
            raise UsageError(f"no contrasts of kind {kind!r}", cure=suggest(kind, list(KINDS)))
    parsed = parse(caption)
    made = ((kind, CONTRAST_RULES[kind](parsed, _generator(caption, kind, seed))) for kind in kinds)
    return [Contrast(kind, text) for kind, text in made if text is not None and text.lower() != caption.lower()]


def _generator(caption: str, kind: str, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(caption.encode(errors="surrogatepass")), zlib.crc32(kind.encode())])
