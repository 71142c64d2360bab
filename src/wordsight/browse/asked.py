"""What is asked for at one moment of browsing, and its answer.

    asked = Browsed("a dog", where="width > 500")
    asked.near("a.jpg").answer(library, 60)

Knows no terminal.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from wordsight.search.hits import Hits
from wordsight.search.library import Library
from wordsight.search.query import plain_query
from wordsight.search.unasked import ORDERS, unasked
from wordsight.search.wishes import Wishes


@dataclass(frozen=True, slots=True)
class Browsed:
    """`like` is the key of an image that is the query itself; `liked` and `disliked` move a query of words."""

    text: str = ""
    where: str = ""
    sort: str = ""
    like: str = ""
    liked: tuple[str, ...] = ()
    disliked: tuple[str, ...] = ()

    def near(self, key: str) -> "Browsed":
        """Return the question for images like this one, under the same condition."""
        return Browsed(where=self.where, sort=self.sort, like=key)

    def thumbed(self, key: str, *, up: bool) -> "Browsed":
        """Return the question with a thumb on an image; a second thumb the same way takes it back."""
        liked = tuple(one for one in self.liked if one != key)
        disliked = tuple(one for one in self.disliked if one != key)
        if up and key not in self.liked:
            liked += (key,)
        if not up and key not in self.disliked:
            disliked += (key,)
        return replace(self, liked=liked, disliked=disliked)

    @property
    def is_question(self) -> bool:
        """Whether anything is asked for, so that images are more or less like it."""
        return bool(self.text.strip() or self.like or self.liked)

    def reordered(self, columns: Collection[str]) -> "Browsed":
        """Return the question in the next order that a library with these columns has; likeness is the first."""
        orders = ["", *(order for order in ORDERS if order.lstrip("-") in columns)]
        at = orders.index(self.sort) if self.sort in orders else 0
        return replace(self, sort=orders[(at + 1) % len(orders)])

    def answer(self, library: Library, count: int) -> Hits:
        """Return up to `count` hits; of no question at all the first images by key, or in the order asked for."""
        if not self.is_question:
            return Hits(unasked(library, count, where=self.where, sort=self.sort))
        wishes = Wishes(
            sort=self.sort or None,
            fold=not self.sort,
            like=(self.like,) if self.like else (),
            liked=self.liked,
            disliked=self.disliked,
        )
        hits = library.answer(plain_query(self.text, where=self.where, wishes=wishes), k=count)
        return hits if self.like else hits.cut(hits.least, None)

    def sentence(self) -> str:
        """Return the question for people."""
        parts = [f"like {self.like}" if self.like else self.text.strip() or "all images"]
        parts += [f"where {self.where}"] if self.where else []
        parts += [f"{len(self.liked)} up"] if self.liked else []
        parts += [f"{len(self.disliked)} down"] if self.disliked else []
        parts += [ORDERS[self.sort]] if self.sort else []
        return ", ".join(parts)
