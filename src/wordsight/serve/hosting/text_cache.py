"""Embeddings of the texts that were asked last, within so many bytes: what is asked again is not computed again.

    cache = TextCache(64 << 20)
    cache.keep("a dog", embedding)
    cache.of("a dog")                  # (width,), or None

Of one model.  Used by one thread, that of the event loop.
"""

from collections import OrderedDict

from wordsight.base.arrays import Embeddings

BESIDE = 250  # bytes that a text and an array take besides their letters and numbers


class TextCache:
    """`hits` and `misses` count what was asked; `size` is what it holds, in bytes."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.size = 0
        self.hits = 0
        self.misses = 0
        self._kept: OrderedDict[str, Embeddings] = OrderedDict()

    def __len__(self) -> int:
        """Return how many texts are known."""
        return len(self._kept)

    def of(self, text: str) -> Embeddings | None:
        """Return the embedding (width,) of a text that is known; it is then the last that goes."""
        known = self._kept.get(text)
        if known is None:
            self.misses += 1
            return None
        self.hits += 1
        self._kept.move_to_end(text)
        return known

    def keep(self, text: str, embedding: Embeddings) -> None:
        """Keep the embedding (width,) of a text; those that were not asked for longest go."""
        if text in self._kept:
            return
        self._kept[text] = embedding.copy()  # not the whole batch that it may be a part of
        self.size += _size(text, embedding)
        while self.size > self.most and self._kept:
            self.size -= _size(*self._kept.popitem(last=False))

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()
        self.size = 0


def _size(text: str, embedding: Embeddings) -> int:
    return BESIDE + len(text.encode("utf-8", "surrogatepass")) + embedding.nbytes
