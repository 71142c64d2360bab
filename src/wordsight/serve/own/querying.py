"""What a library is asked: the fields that searching, narrowing, explaining and exporting have in common.

    query = await query_of(call.asked, call, library)       # None where nothing is asked for

The fields mean what `Library.search` takes by these names, but that no text is ever a path.
"""

import hashlib
from typing import TYPE_CHECKING, Literal

import msgspec

from wordsight.base.errors import NotFound
from wordsight.search.query import Part, Query, query_of_parts
from wordsight.search.wishes import Wishes
from wordsight.serve.answering import encoded
from wordsight.serve.errors import Refused
from wordsight.serve.hosting.host import Host
from wordsight.serve.own.embedding import check_counts, image_file

if TYPE_CHECKING:
    from wordsight.search.library import Library

PARTS, EXAMPLES, CONDITION = 32, 256, 16_384  # parts of a mixture, images named, letters of a condition: at most
Keywords = Literal["auto", "on", "off"]


class QueryPart(msgspec.Struct, forbid_unknown_fields=True):
    """A part of a mixture: one of words, an image and a key.

    `text`: words that say what is to be seen.  `image`: an image as a file in base64.  `key`: the key of an image of
    the library.
    """

    text: str = ""
    image: str = ""
    key: str = ""
    weight: float = 1.0


class QueryRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What is asked for.  Nothing at all means all images, by key or in the order of `sort`.

    `query`: words; or `parts`: a mixture of words and images.  `without`: words to stay away from.  `where`: a
    condition on metadata columns.  `min_match`: the least probability, 0 to 1; `min_cosine`: the least score.  `sort`:
    a column by which the matches come, falling behind a minus.  `fold`: near-duplicates of a better hit stand in its
    `alike`.  `keywords`: whether images with the exact words rise.  `like`: images that are the query themselves;
    `liked`, `disliked`: those that it moves towards and away from.
    """

    query: str = ""
    parts: list[QueryPart] = []
    without: list[str] = []
    where: str = ""
    min_match: float | None = None
    min_cosine: float | None = None
    sort: str = ""
    fold: bool = False
    keywords: Keywords = "auto"
    like: list[str] = []
    liked: list[str] = []
    disliked: list[str] = []

    @property
    def is_question(self) -> bool:
        """Whether anything is asked for, so that images are more or less like it."""
        return bool(self.query.strip() or self.parts or self.like or self.liked)


def mark_of(asked: QueryRequest) -> str:
    """Return a short text that is the same for the same query."""
    fields = {name: getattr(asked, name) for name in QueryRequest.__struct_fields__}
    return hashlib.sha256(encoded(fields)).hexdigest()


def check_query(asked: QueryRequest, host: Host) -> None:
    """Refuse what no query may be: too long, of too many parts, or of words and parts at once."""
    check_counts(host, texts=[asked.query, *asked.without, *(part.text for part in asked.parts)])
    if asked.query.strip() and asked.parts:
        raise Refused(422, "both query and parts", cure="give the words as a part")
    if len(asked.parts) > PARTS:
        raise Refused(422, f"{len(asked.parts)} parts", cure=f"give at most {PARTS}")
    if len(asked.without) > PARTS:
        raise Refused(422, f"without {len(asked.without)} texts", cure=f"give at most {PARTS}")
    if len(asked.where) > CONDITION:
        raise Refused(422, f"a condition of {len(asked.where):,} letters", cure=f"write at most {CONDITION:,}")
    for name in ("like", "liked", "disliked"):
        if len(getattr(asked, name)) > EXAMPLES:
            raise Refused(422, f"{len(getattr(asked, name))} images in {name}", cure=f"name at most {EXAMPLES}")
    for part in asked.parts:
        if sum(bool(one) for one in (part.text.strip(), part.image, part.key)) != 1:
            raise Refused(422, "a part that is not one of text, image and key", cure="give each part one of them")


async def query_of(asked: QueryRequest, host: Host, library: "Library") -> Query | None:
    """Return the query as it is understood, None where nothing is asked for.

    Images that it brings are embedded in the model's queue; keys that it names have to be in the library.
    """
    check_query(asked, host)
    named = [*asked.like, *asked.liked, *asked.disliked, *(part.key for part in asked.parts if part.key)]
    if named:
        await host.libraries.run(require_keys, library, named)
    if not asked.is_question:
        return None
    brought = [await image_file(part.image, host) for part in asked.parts if part.image]
    hosted = await host.models.named()
    embeddings = iter(await hosted.embed_images(brought) if brought else ())
    images = iter(brought)
    parts = [Part(1.0, text=asked.query)] if asked.query.strip() else []
    for part in asked.parts:
        if part.image:
            parts.append(Part(part.weight, image=next(images), embedding=next(embeddings)))
        elif part.key:
            parts.append(await host.libraries.run(_part_of, library, part))
        else:
            parts.append(Part(part.weight, text=part.text))
    wishes = Wishes(
        sort=asked.sort.strip() or None,
        fold=asked.fold,
        keywords=asked.keywords,
        like=tuple(asked.like),
        liked=tuple(asked.liked),
        disliked=tuple(asked.disliked),
    )
    return query_of_parts(parts, where=asked.where, without=asked.without, wishes=wishes)


def require_keys(library: "Library", keys: list[str]) -> None:
    """Raise `NotFound` for a key that is not in the library: it is never taken for a path."""
    for key in dict.fromkeys(keys):
        with library.reading() as index:
            try:
                index.entries([key])
            except NotFound:
                raise NotFound(f"no image {key!r} in the library", cure="give the key of a hit") from None


def _part_of(library: "Library", part: QueryPart) -> Part:
    from pathlib import Path

    with library.reading() as index:
        return Part(part.weight, image=Path(part.key), embedding=index.entries([part.key])[0].embedding)
