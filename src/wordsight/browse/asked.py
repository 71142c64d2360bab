"""What is asked for at one moment of browsing, and its answer.

    asked = Browsed("a dog", where="width > 500")
    asked.near("a.jpg").answer(library, 60)

Knows no terminal.
"""

from dataclasses import dataclass, replace

from wordsight.search.hits import Hit, Hits
from wordsight.search.library import Library
from wordsight.search.query import plain_query
from wordsight.search.wishes import Wishes

ORDERS = ("", "-mtime", "mtime", "name")  # by likeness first


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

    def reordered(self) -> "Browsed":
        """Return the question in the next order."""
        return replace(self, sort=ORDERS[(ORDERS.index(self.sort) + 1) % len(ORDERS)])

    def answer(self, library: Library, count: int) -> Hits:
        """Return up to `count` hits; of no question at all the first images by key."""
        wishes = Wishes(
            sort=self.sort or None,
            fold=not self.sort,
            like=(self.like,) if self.like else (),
            liked=self.liked,
            disliked=self.disliked,
        )
        if self.text.strip() or self.like or self.liked:
            hits = library.answer(plain_query(self.text, where=self.where, wishes=wishes), k=count)
            return hits if self.like else hits.cut(hits.least, None)
        return Hits(_first(library, count))

    def sentence(self) -> str:
        """Return the question for people."""
        parts = [f"like {self.like}" if self.like else self.text.strip() or "all images, by name"]
        parts += [f"where {self.where}"] if self.where else []
        parts += [f"{len(self.liked)} up"] if self.liked else []
        parts += [f"{len(self.disliked)} down"] if self.disliked else []
        parts += [f"by {self.sort}"] if self.sort else []
        return ", ".join(parts)


def _first(library: Library, count: int) -> list[Hit]:
    """Return the first images by key, as hits of themselves."""
    with library.reading() as index:
        states = index.files.states_after(None, count)
        keys = [key for key, state in states.items() if not state.error and not state.absent]
        entries = index.entries(keys)
    return [library.hit_of(entry) for entry in entries]
