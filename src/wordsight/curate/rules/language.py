"""Captions in some languages, as py3langid sees them (the extra `language`); DataComp's filters keep English.

Its authors used fastText's model, which is not here: verdicts on short captions differ.  Few words are hard to tell,
names of products above all.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.base.errors import UsageError
from wordsight.base.optional import require
from wordsight.base.suggest import suggest
from wordsight.curate.pool import PairPool
from wordsight.curate.rules.table import Ruling

NEEDS = ()
AMONG_KEPT = False


@dataclass(frozen=True, slots=True)
class LanguageOptions:
    """`keep`: codes of languages such as "en", several joined by "+"."""

    keep: str = "en"


OPTIONS = LanguageOptions


def judge(pool: PairPool, options: LanguageOptions, alive: NDArray[np.bool_]) -> Ruling:
    """Judge every pair; the figure is the probability of the languages asked for."""
    langid = require("py3langid.langid", extra="language")
    identifier = langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)
    wanted = options.keep.split("+")
    known = set(identifier.labels)
    for code in wanted:
        if code not in known:
            raise UsageError(f"no language {code!r}", cure=suggest(code, sorted(known)))
    likely = np.empty(pool.records.pairs, np.float32)
    kept = np.empty(pool.records.pairs, bool)
    for pair, text in enumerate(pool.records.texts()):
        ranked = identifier.rank(text)
        kept[pair] = ranked[0][0] in wanted
        likely[pair] = sum(probability for code, probability in ranked if code in wanted)
    return Ruling(kept, likely)
