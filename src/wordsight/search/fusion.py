"""Exact words beside meaning: images that have the words of a query rise, by reciprocal rank fusion.

    fused(neighbours, worded, embedding)       # neighbours by both rankings, best first

Each ranking gives an image 1 / (60 + its rank) (Cormack, Clarke and Buettcher 2009); that of the words counts by the
third power of the share of the query's words that the image has, where rare words count more.  So one common word
lifts nothing, and images without captions do not sink below those that have some.  The power was measured by
benchmarks/asking.py.  Knows only neighbours.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from wordsight.base.arrays import Embeddings
from wordsight.base.value import Value
from wordsight.images.fragments import file_of
from wordsight.index.index import Neighbour
from wordsight.index.keywords import is_worded, words_of_entry
from wordsight.index.where import Column
from wordsight.search.query import Query

RANKED = 200  # of each ranking are fused
CONSTANT = 60.0
POWER = 3.0
ALL_WORDS = 0.999  # of the share: the image has all words of the query


def words_asked(query: Query) -> list[str]:
    """Return the words of a query, those of all its texts."""
    from wordsight.index.keywords import words_of

    return [word for part in query.parts if part.text for word in words_of(part.text)]


def captioned(worded: Sequence[Neighbour], words: Iterable[str]) -> list[Neighbour]:
    """Return those of the images that have any of the words in more than the name of their file."""
    asked = set(words)
    return [one for one in worded if not asked.isdisjoint(words_of_entry(_without_file_name(one)))]


def has_captions(columns: Mapping[str, Column]) -> bool:
    """Return whether images of a library with these columns may have text besides their names."""
    return any(kind.texts and name != "name" and is_worded(name) for name, kind in columns.items())


def _without_file_name(one: Neighbour) -> dict[str, Value]:
    """Return the metadata but for a name that is that of the file; one that a table gives is a caption."""
    file = file_of(one.key).rpartition("/")[2]
    return {column: value for column, value in one.meta.items() if column != "name" or value != file}


def fused(neighbours: Sequence[Neighbour], worded: Sequence[Neighbour], embedding: Embeddings) -> list[Neighbour]:
    """Return all of both rankings, best first; scores are cosines with `embedding` (width,), of both.

    The scores of `worded` are shares of the query's words.
    """
    points = {one.key: 1 / (CONSTANT + rank) for rank, one in enumerate(neighbours, 1)}
    unranked = 1 / (CONSTANT + len(neighbours) + 1)
    all_of_them = {one.key: one for one in neighbours}
    for rank, one in enumerate(worded, 1):
        points[one.key] = points.get(one.key, unranked) + one.score**POWER / (CONSTANT + rank)
        if one.key not in all_of_them:
            all_of_them[one.key] = replace(one, score=float(embedding @ one.embedding))
    return sorted(all_of_them.values(), key=lambda one: -points[one.key])
