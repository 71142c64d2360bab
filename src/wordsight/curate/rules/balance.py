"""At most about `at_most` pairs for each entry of a list of words and phrases: the balance of CLIP and MetaCLIP.

Entries are counted over the pairs that the rules before it keep.  Without `entries` they are the frequent words and
pairs of words of the captions themselves.  See `wordsight.data.balance` for what is drawn and why.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wordsight.curate.pool import PairPool
from wordsight.curate.rules.table import Ruling
from wordsight.data.balance import balance
from wordsight.data.entries import read_entries
from wordsight.data.own_entries import own_entries

NEEDS = ()
AMONG_KEPT = True


@dataclass(frozen=True, slots=True)
class BalanceRuleOptions:
    """`entries`: a file, "" for the captions' own words of `min_count` and `min_pmi`; `seed` of the draw."""

    at_most: int = 20_000
    entries: str = ""
    seed: int = 0
    min_count: int = 5
    min_pmi: float = 3.0


OPTIONS = BalanceRuleOptions


def judge(pool: PairPool, options: BalanceRuleOptions, alive: NDArray[np.bool_]) -> Ruling:
    """Judge every pair that is alive; the figure is the probability with which it is kept."""
    texts = pool.records.texts
    entries = (
        read_entries([Path(options.entries)])
        if options.entries
        else own_entries(texts, min_count=options.min_count, min_pmi=options.min_pmi).entries
    )
    named = (
        (f"{record.key}/{number}", [text]) for record in pool.records.rows() for number, text in enumerate(record.texts)
    )
    pairs = (pair for pair, stays in zip(named, alive, strict=True) if stays)
    kept, likely = alive.copy(), np.zeros(len(alive), np.float32)
    judged = balance(pairs, entries, options.at_most, options.seed)
    for row, verdict in zip(np.flatnonzero(alive).tolist(), judged, strict=True):
        kept[row], likely[row] = verdict.kept, verdict.probability
    return Ruling(kept, likely)
