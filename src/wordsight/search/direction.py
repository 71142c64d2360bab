"""The direction that an index is asked along, and the terms that it is the sum of.

    direction = direction_of_query(query, model)
    direction.embedding                                             # (width,)
    sum(term.factor * term.embedding for term in direction.terms)   # the same

A score is linear in the direction, so each term's share of it is exact: `term.factor * term.embedding @ image`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from wordsight.base.arrays import Embeddings
from wordsight.embeddings.model import Model
from wordsight.images.failures import name_of
from wordsight.index.index import Index
from wordsight.search.contents import Contents
from wordsight.search.query import Part, Query, embed_part, mixed
from wordsight.search.without import Unwanted

Encode = Callable[[Part], Embeddings]  # a part of a query to its embedding (width,), without its weight


class Addend(NamedTuple):
    """One summand of a direction: `factor` times `embedding` (width,), which has length 1."""

    name: str
    factor: float
    embedding: Embeddings


@dataclass(frozen=True, slots=True)
class Direction:
    """What an index is asked along: `embedding` (width,), what to stay away from, and keys that are no answer.

    `members` are the images of a query by example, by name.  `terms` add up to `embedding`; there are none where
    several examples made it, which are compared with the library and not added up.
    """

    embedding: Embeddings = field(compare=False)
    unwanted: tuple[Unwanted, ...] = ()
    excluded: frozenset[str] = frozenset()
    members: Mapping[str, Embeddings] = field(default_factory=dict)
    terms: tuple[Addend, ...] = ()


def direction_of_query(query: Query, model: Model, *, encode: Encode | None = None) -> Direction:
    """Return the direction of a query without examples; its parts are encoded by `encode`, if any, or the model."""
    encode = encode or partial(embed_part, model=model)
    unwanted = tuple(Unwanted(part.weight, encode(part), named(part)) for part in query.without)
    embeddings = [encode(part) for part in query.parts]
    terms = [Addend(named(part), part.weight, one) for part, one in zip(query.parts, embeddings, strict=True)]
    return Direction(mixed(query.parts, embeddings), unwanted, terms=_of_length_one(terms))


def direction_by_example(
    query: Query, model: Model, index: Index, contents: Contents, *, encode: Encode | None = None
) -> Direction:
    """Return the direction of a query that names images of the library; only others are encoded.

    Parts are encoded as by `direction_of_query`.  Raises `NotFound` for an image that is nowhere.
    """
    from wordsight.search.alike import BACKGROUND, DISLIKED, LIKED, direction_of, moved
    from wordsight.search.examples import Example, Examples

    encode = encode or partial(embed_part, model=model)
    examples = Examples(index, contents, model)
    like, liked, disliked = (
        [examples.find(name) for name in names]
        for names in (query.wishes.like, query.wishes.liked, query.wishes.disliked)
    )

    def stacked(named: Sequence[Example]) -> Embeddings:
        return np.array([one.embedding for one in named], np.float32).reshape(len(named), model.spec.width)

    def thumbs(named: Sequence[Example], weight: float) -> list[Addend]:
        return [Addend(one.name, weight / len(named), one.embedding) for one in named]

    if like:
        base = direction_of(stacked(like), index.sample(BACKGROUND) if len(like) > 1 else stacked([]))
        terms = thumbs(like, 1.0) if len(like) == 1 else []
    elif query.parts:
        asked = direction_of_query(Query(query.parts), model, encode=encode)
        base, terms = asked.embedding, list(asked.terms)
    else:
        base, terms = np.zeros(model.spec.width, np.float32), []
    unwanted = tuple(Unwanted(part.weight, encode(part), named(part)) for part in query.without)
    if liked:
        base = moved(base, stacked(liked), stacked(disliked))
        terms += [*thumbs(liked, LIKED), *thumbs(disliked, -DISLIKED)] if terms or not like else []
    else:
        unwanted += tuple(Unwanted(1 / len(disliked), one.embedding, one.name) for one in disliked)
    excluded = frozenset(one.key for one in (*like, *disliked) if one.key is not None)
    return Direction(base, unwanted, excluded, {one.name: one.embedding for one in like}, _of_length_one(terms))


def named(part: Part) -> str:
    """Return how a part of a query is called: its text, the name of its image's file, or what it is."""
    if isinstance(part.image, Path):
        return part.image.name
    return part.text if part.image is None else name_of(part.image)


def _of_length_one(terms: Sequence[Addend]) -> tuple[Addend, ...]:
    """Return terms whose sum has length 1."""
    if not terms:
        return ()
    length = float(np.linalg.norm(np.sum([term.factor * term.embedding for term in terms], axis=0)))
    return tuple(term._replace(factor=term.factor / length) for term in terms)
