"""Learning a vocabulary from captions: byte pairs, most frequent first.

    merges = learn_merges(captions, 8192)
    write_merges(folder / "merges.txt", merges)

Cleans and splits as the tokenizer does.  Deterministic: the order of the captions does not matter, and of pairs
equally frequent the one that sorts first wins.  Does not know models.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from itertools import pairwise

from wordsight.base.errors import UsageError
from wordsight.text.bytepairs import END_OF_WORD, FIRST_MERGE, ID_OF_BYTE, SIGN_OF_ID, join_pairs
from wordsight.text.clean import SPECIAL_TOKENS, pre_tokens
from wordsight.text.vocabulary import Merge

_SMALLEST = FIRST_MERGE + 2


def learn_merges(captions: Iterable[str], size: int) -> list[Merge]:
    """Return the merges that make a vocabulary of `size` entries: 512 bytes, the merges, start and end.

    Fewer when the captions hold no further pair that occurs twice; the size of the result is then
    `vocabulary.size_of(merges)`.
    """
    if size <= _SMALLEST:
        raise UsageError(f"a vocabulary of {size} entries has no merges", cure=f"give more than {_SMALLEST}")
    counts = Counter(pre_token for caption in captions for pre_token in pre_tokens(caption))
    for special in SPECIAL_TOKENS:
        counts.pop(special, None)
    pairs = _Pairs([(_signs(pre_token), counts[pre_token]) for pre_token in sorted(counts)])
    merges: list[Merge] = []
    while len(merges) < size - _SMALLEST and (pair := pairs.most_frequent()) is not None:
        pairs.merge(pair)
        merges.append(pair)
    return merges


def _signs(pre_token: str) -> list[str]:
    signs = [SIGN_OF_ID[ID_OF_BYTE[byte]] for byte in pre_token.encode("utf-8")]
    signs[-1] += END_OF_WORD
    return signs


class _Pairs:
    """The pre-tokens with their counts, how often each pair occurs in them, and in which pre-tokens."""

    def __init__(self, counted: list[tuple[list[str], int]]) -> None:
        self.counted = counted
        self.totals: dict[Merge, int] = defaultdict(int)
        self.homes: dict[Merge, set[int]] = defaultdict(set)
        for number, (signs, count) in enumerate(counted):
            for pair in pairwise(signs):
                self.totals[pair] += count
                self.homes[pair].add(number)
        self.heap = [(-total, pair) for pair, total in self.totals.items()]
        heapify(self.heap)

    def most_frequent(self) -> Merge | None:
        """Take out the most frequent pair; None when no pair occurs twice.  Outdated entries are skipped."""
        while self.heap:
            total, pair = heappop(self.heap)
            if self.totals.get(pair, 0) == -total:
                return pair if -total >= 2 else None
        return None

    def merge(self, pair: Merge) -> None:
        """Join the pair in every pre-token that holds it and bring the counts up to date."""
        joined = "".join(pair)
        changed: set[Merge] = set()
        for number in self.homes.pop(pair):
            signs, count = self.counted[number]
            for old in pairwise(signs):
                self.totals[old] -= count
                changed.add(old)
            signs[:] = join_pairs(signs, pair, joined)
            for new in pairwise(signs):
                self.totals[new] += count
                self.homes[new].add(number)
                changed.add(new)
        for other in changed:
            if self.totals[other] > 0:
                heappush(self.heap, (-self.totals[other], other))
            else:
                del self.totals[other]
                self.homes.pop(other, None)
