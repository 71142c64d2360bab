"""Many queries answered from one state of an index: their texts embedded in one call, the embeddings scanned once.

    answers = answer_all(opened, [(query, limits), ...], contents)         # Hits, or the error of that query alone

Each query is asked as if it were alone (`asking`), but its searches are answered from what one search for all of them
gave: a query that needs a search that is not known yet waits until the others of its round have said what they need.
Knows the protocol of an index.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from wordsight.base.arrays import Embeddings
from wordsight.base.errors import NoEmbedding, WordsightError
from wordsight.embeddings.items import image_name
from wordsight.embeddings.model import Model
from wordsight.index.index import Index, Neighbour
from wordsight.search import background
from wordsight.search.answered import Reply
from wordsight.search.asking import Asking
from wordsight.search.contents import Contents
from wordsight.search.dates import refuse_no_dates
from wordsight.search.direction import Direction, Encode, direction_by_example, direction_of_query
from wordsight.search.hits import Hits
from wordsight.search.limits import HitLimits
from wordsight.search.notices import say_damage, say_no_probabilities
from wordsight.search.open_index import OpenIndex
from wordsight.search.query import Part, Query

if TYPE_CHECKING:
    from wordsight.index.where import Condition

EmbedTexts = Callable[[Sequence[str]], Embeddings]  # texts to unit embeddings (n, width)


def answer_all(
    opened: OpenIndex,
    asked: Sequence[tuple[Query, HitLimits]],
    contents: Callable[[], Contents],
    *,
    embed: EmbedTexts | None = None,
) -> list[Hits | WordsightError]:
    """Return for each query its hits, or the error that it would have raised alone.

    `embed`: from texts to embeddings, in place of `model.embed_texts`.  What is wrong with the library itself is
    raised.
    """
    if not opened.exists():
        raise opened.not_made()
    model = opened.model
    encode = encoded_parts([query for query, _ in asked], model, embed or model.embed_texts)
    with opened.reading() as index, index.one_look():
        usual = background.read(opened.folder, model.fingerprint)
        searches = JoinedSearches(index)
        directions: dict[int, Direction] = {}

        def direction_of(number: int, query: Query) -> Direction:
            if number not in directions:
                if query.wishes.examples:
                    one = direction_by_example(query, model, index, contents(), encode=encode)
                else:
                    one = direction_of_query(query, model, encode=encode)
                if query.where is not None:
                    refuse_no_dates(index, query.where, one.embedding[None])
                directions[number] = one
            return directions[number]

        def reply(number: int) -> Reply:
            query, limits = asked[number]
            direction = direction_of(number, query)
            return Asking(index, query, direction, limits=limits, usual=usual, search=searches.search).reply()

        replies = searches.replies(len(asked), reply)
        if usual is None and any((limits.min_match or 0) > 0 for _, limits in asked):
            say_no_probabilities(opened)
        say_damage(opened, index)
    here = contents()
    return [one.as_hits(here) if isinstance(one, Reply) else one for one in replies]


class SearchNeeded(Exception):
    """A query needs a search that is not known yet."""


class _Kind(NamedTuple):
    """Searches of one kind are done together."""

    where: "Condition | None"
    absent: bool


class _Known(NamedTuple):
    """The best `k` neighbours of an embedding under a condition, or why there are none."""

    k: int
    neighbours: list[Neighbour]
    error: WordsightError | None = None


class JoinedSearches:
    """The searches of queries that are asked together, each done once, and all of one kind in one call."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._known: dict[Hashable, _Known] = {}
        self._needed: dict[_Kind, dict[bytes, tuple[Embeddings, int]]] = {}

    def replies(self, count: int, reply: Callable[[int], Reply]) -> list[Reply | WordsightError]:
        """Return what `reply` returns or raises for each of so many queries; it searches by `search` alone."""
        done: dict[int, Reply | WordsightError] = {}
        waiting = list(range(count))
        while waiting:
            for number in waiting:
                try:
                    done[number] = reply(number)
                except SearchNeeded:
                    continue
                except WordsightError as error:
                    done[number] = error
            self._search_needed()
            waiting = [number for number in waiting if number not in done]
        return [done[number] for number in range(count)]

    def search(
        self, embeddings: Embeddings, k: int, where: "Condition | None" = None, *, absent: bool = False
    ) -> list[list[Neighbour]]:
        """Return what `Index.search` does for one query (1, width); `SearchNeeded` where that is not known yet."""
        kind, name = _Kind(where, absent), embeddings.tobytes()
        known = self._known.get((kind, name))
        if known is None or (known.k < k and len(known.neighbours) == known.k and known.error is None):
            self._needed.setdefault(kind, {})[name] = (embeddings, k)
            raise SearchNeeded
        if known.error is not None:
            raise known.error
        return [known.neighbours[:k]]

    def _search_needed(self) -> None:
        """Do the searches that are needed."""
        needed, self._needed = self._needed, {}
        for kind, of_kind in needed.items():
            embeddings = np.concatenate([embedding for embedding, _ in of_kind.values()])
            count = max(k for _, k in of_kind.values())
            try:
                all_neighbours = self._index.search(embeddings, count, kind.where, absent=kind.absent)
            except WordsightError:
                for name, (embedding, k) in of_kind.items():
                    self._known[kind, name] = self._alone(kind, embedding, k)
                continue
            for name, neighbours in zip(of_kind, all_neighbours, strict=True):
                self._known[kind, name] = _Known(count, neighbours)

    def _alone(self, kind: _Kind, embedding: Embeddings, k: int) -> _Known:
        try:
            return _Known(k, self._index.search(embedding, k, kind.where, absent=kind.absent)[0])
        except WordsightError as error:
            return _Known(k, [], error)


def encoded_parts(queries: Sequence[Query], model: Model, embed: EmbedTexts) -> Encode:
    """Return a function from a part of these queries to its embedding (width,), or what raises the part's own error.

    All texts go through `embed` in one call, each of them once, and all images through the image tower together.
    """
    parts = [part for query in queries for part in (*query.parts, *query.without) if part.embedding is None]
    texts = list(dict.fromkeys(part.text for part in parts if part.image is None))
    of_texts = dict(zip(texts, _encoded_texts(texts, embed), strict=True))
    images = {id(part): part for part in parts if part.image is not None}
    of_images = dict(zip(images, _encoded_images(list(images.values()), model), strict=True))

    def encode(part: Part) -> Embeddings:
        if part.embedding is not None:
            return part.embedding
        encoded = of_texts[part.text] if part.image is None else of_images[id(part)]
        if isinstance(encoded, WordsightError):
            raise encoded
        return encoded

    return encode


def _encoded_texts(texts: list[str], embed: EmbedTexts) -> list[Embeddings | WordsightError]:
    if not texts:
        return []
    try:
        return list(embed(texts))
    except NoEmbedding as error:  # of one of them
        if len(texts) == 1:
            return [error]
        return [one for text in texts for one in _encoded_texts([text], embed)]


def _encoded_images(parts: list[Part], model: Model) -> list[Embeddings | WordsightError]:
    encoded: list[Embeddings | WordsightError] = []
    if not parts:
        return encoded
    names = {id(part): image_name(part.image, "picture 1") for part in parts}
    try:
        for one in model.encode_images(
            parts,
            lambda part: model.load_pixels(part.image, name=names[id(part)]),
            name=lambda part: names[id(part)],
        ):
            assert one.error is not None or one.embedding is not None
            encoded.append(one.embedding if one.error is None else one.error)  # type: ignore[arg-type]
    except WordsightError as error:  # of one of them that is no image at all
        if len(parts) == 1:
            return [error]
        return [one for part in parts for one in _encoded_images([part], model)]
    return encoded
