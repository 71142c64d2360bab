"""Which images of a library count as matches of a query, when all of them are wanted and not the first few.

    matching = all_matching(nearest, cut, k=10)
    matching.neighbours, matching.is_cut

With a cut (a least score, or a least probability) the matches are those above it, however many.  Without one they are
the best max(10 k, 500).  Knows neighbours only.
"""

from collections.abc import Callable
from typing import NamedTuple

from wordsight.index.index import Neighbour

Lookup = Callable[[int], list[Neighbour]]  # how many -> so many, or all there are, best first
Cut = Callable[[list[Neighbour]], list[Neighbour]]  # neighbours, best first -> those that match, in this order

TIMES = 10  # times k are matches where nothing tells which are
LEAST = 500  # and at least so many
_WIDER = 8  # times as many are asked for, while all of them match


class Matching(NamedTuple):
    """The matches, best first; `is_cut`: whether they are all above a cut, not just the nearest."""

    neighbours: list[Neighbour]
    is_cut: bool


def all_matching(nearest: Lookup, cut: Cut | None, *, k: int) -> Matching:
    """Return the matches among what `nearest` gives."""
    count = max(TIMES * k, LEAST)
    while True:
        near = nearest(count)
        if cut is None:
            return Matching(near, is_cut=False)
        matches = cut(near)
        if len(near) < count or len(matches) < len(near):
            return Matching(matches, is_cut=True)
        count *= _WIDER
