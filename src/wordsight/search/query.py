"""From what a user asks to one embedding.

    "red shoes"                          text
    "shoe.jpg"                           an image: a path that is there; what names a file is never words
    ["2:red shoes", "0.5:shoe.jpg"]      a mixture: each part's embedding times its weight, summed, of length 1 again
    ["red shoes", (0.5, image)]          from Python: whatever `Model.embed_images` takes, with a weight if wanted

A number and a colon before a part are its weight; text that begins so is written with the weight 1 ("1:9:30 train").
"""

import contextlib
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wordsight.base.arrays import Embeddings, unit
from wordsight.base.errors import InputError, NotFound, UsageError
from wordsight.embeddings.items import is_image, listed
from wordsight.embeddings.model import Model
from wordsight.images.failures import name_of
from wordsight.images.files import is_image_name
from wordsight.images.fragments import check_form, existing
from wordsight.search.wishes import Wishes

if TYPE_CHECKING:
    from wordsight.index.where import Condition

NOTHING_ELSE = Wishes()
MOST_WEIGHT = 1e6  # beyond it the other parts no longer count in float32
_WEIGHTED = re.compile(r"(\d+\.?\d*|\.\d+):(?=.)(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a query, with its weight: text, or an image (its path, or whatever `Model.embed_images` takes).

    `embedding` (width,) is that of the part where it is known already.
    """

    weight: float
    text: str = ""
    image: Any = None
    embedding: Embeddings | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Query:
    """What a library is asked: parts, parts to stay away from, a condition on metadata, and further wishes."""

    parts: tuple[Part, ...]
    without: tuple[Part, ...] = ()
    where: "Condition | None" = None
    wishes: Wishes = NOTHING_ELSE


def read_query(
    query: Any,
    *,
    where: str | None = None,
    without: Any = (),
    location: Path | None = None,
    wishes: Wishes = NOTHING_ELSE,
) -> Query:
    """Return a query as it is understood; images are looked for in the current folder and then in `location`.

    `query` and `without` are a part or many: text, an image, or a pair of a weight and one of these.  Raises
    `UsageError` for an empty part, a weight of zero or a web address, `NotFound` for what looks like the path of
    an image and is none, `WhereError` for a condition that cannot be understood.
    """
    condition = _condition(where)
    unwanted = [_read_part(part, location) for part in _parts(() if without is None else without)]
    parts = _parts(query)
    _check(parts, wishes)
    return Query(tuple(_read_part(part, location) for part in parts), tuple(unwanted), condition, wishes)


def plain_query(text: str, *, where: str = "", without: Sequence[str] = (), wishes: Wishes = NOTHING_ELSE) -> Query:
    """Return a query of words alone: whatever file is called so, and whatever number it begins with.

    "" is no text, no condition and nothing to stay away from.  Raises as `read_query` does.
    """
    parts = tuple(Part(1.0, text=one) for one in [text] if one.strip())
    return query_of_parts(parts, where=where, without=without, wishes=wishes)


def query_of_parts(
    parts: Sequence[Part], *, where: str = "", without: Sequence[str] = (), wishes: Wishes = NOTHING_ELSE
) -> Query:
    """Return a mixture of parts as a query; the rest as for `plain_query`."""
    _check(parts, wishes)
    for part in parts:
        check_weight(part.weight)
    unwanted = tuple(Part(1.0, text=one) for one in without if one.strip())
    return Query(tuple(parts), unwanted, _condition(where.strip() or None), wishes)


def check_weight(weight: float) -> None:
    """Raise `UsageError` for a weight that no part can have."""
    if not 0 < weight <= MOST_WEIGHT:
        raise UsageError(f"the weight {weight:g} of a part", cure=f"give a number above 0, at most {MOST_WEIGHT:,.0f}")


def _condition(where: str | None) -> "Condition | None":
    if where is None:
        return None
    if not isinstance(where, str):
        raise UsageError(f"where = {where!r}", cure='write a condition as text, for example "price < 50"')
    from wordsight.index.where import parse

    return parse(where)


def _check(parts: Sequence[Any], wishes: Wishes) -> None:
    if not parts and not (wishes.like or wishes.liked):
        raise UsageError("an empty query", cure="give a text or the path of an image")
    if parts and wishes.like:
        raise UsageError("a query beside like", cure="use liked: it moves a query towards images")


def join_words(arguments: Iterable[str]) -> list[str]:
    """Join words that follow each other on a command line into one phrase; images and weights begin a new part.

    `red running shoes` is one phrase, `2:red shoes 1:shoe.jpg` two parts ("2:red shoes", "1:shoe.jpg").
    """
    parts: list[str] = []
    open_phrase = False
    for argument in arguments:
        match = _WEIGHTED.fullmatch(argument)
        named = _names_file(match[2] if match else argument)
        if open_phrase and not match and not named:
            parts[-1] += f" {argument}"
        else:
            parts.append(argument)
        open_phrase = not named
    return parts


def is_weighted(part: str) -> bool:
    """Say whether a part begins with its weight."""
    return _WEIGHTED.fullmatch(part) is not None


def embed_parts(parts: Sequence[Part], model: Model) -> Embeddings:
    """Return the embedding (width,) of a mixture; only the tower that is needed is opened."""
    return mixed(parts, [embed_part(part, model) for part in parts])


def mixed(parts: Sequence[Part], embeddings: Sequence[Embeddings]) -> Embeddings:
    """Return the embedding (width,) of a mixture from those of its parts, each (width,)."""
    largest = max(part.weight for part in parts)
    total = np.sum([part.weight / largest * one for part, one in zip(parts, embeddings, strict=True)], axis=0)
    if not np.linalg.norm(total) > 1e-6:
        raise UsageError("the parts of the query cancel each other", cure="change their weights")
    embedding: Embeddings = unit(total[None])[0]
    return embedding


def embed_part(part: Part, model: Model) -> Embeddings:
    """Return the embedding (width,) of one part, without its weight."""
    if part.embedding is not None:
        return part.embedding
    embeddings = model.embed_texts([part.text]) if part.image is None else model.embed_images([part.image])
    embedding: Embeddings = embeddings[0]
    return embedding


def _parts(query: Any) -> list[Any]:
    """Return the parts of a query, which may be one itself."""
    alone = is_image(query) or _is_pair(query)  # a str is a path that may be one
    return [query] if alone else list(listed(query, "query"))


def _is_pair(part: Any) -> bool:
    return isinstance(part, tuple) and len(part) == 2 and isinstance(part[0], int | float)


def _read_part(part: Any, location: Path | None) -> Part:
    weight, part = part if _is_pair(part) else (1.0, part)
    whole = not isinstance(part, str) or _file_of(part, location) is not None
    match = None if whole else _WEIGHTED.fullmatch(part)
    weight, part = (weight * float(match[1]), match[2]) if match else (float(weight), part)
    check_weight(weight)
    if isinstance(part, str):
        return _read_text(weight, part, location)
    if not is_image(part):
        raise UsageError(f"a query cannot be made of {type(part).__name__}", cure="give text or an image")
    if isinstance(part, PathLike) and _file_of(str(part), None) is None:
        raise NotFound(f"no image {part}", cure="check the path")
    return Part(weight, image=part)


def _read_text(weight: float, text: str, location: Path | None) -> Part:
    if not text.strip():
        raise UsageError("an empty query", cure="give a text or the path of an image")
    if re.match(r"https?://", text):
        raise UsageError(f"{text} is a web address", cure="save the image to a file and give its path")
    path = _file_of(text, location)
    if path is not None:
        return Part(weight, image=path if is_image_name(path) or existing(path) else _checked_file(path))
    if is_image_name(text) and "\0" not in text:
        problem = f"no image {name_of(text)}"
        raise NotFound(problem, cure="check the path; write words without the ending of an image's name")
    return Part(weight, text=text)


def _file_of(text: str, location: Path | None) -> Path | None:
    """Return what a text names in the current folder or `location`: a file, or what lies in the place of one."""
    for folder in (Path(), location or Path()):
        with contextlib.suppress(OSError, ValueError, RuntimeError):  # no name of a file; a home that nobody has
            path = folder / Path(text).expanduser()
            check_form(path)
            if (os.path.lexists(path) and not path.is_dir()) or existing(path):
                return path
    return None


def _names_file(text: str) -> bool:
    """Say whether an argument is the path of an image, or of a file as it is seldom a word of a phrase."""
    return (
        is_image_name(text)
        or existing(text) is not None
        or (("." in text or "/" in text) and _file_of(text, None) is not None)
    )


def _checked_file(path: Path) -> Path:
    """Return a file that is not called like an image if it is one: what names a file is never words."""
    from wordsight.images.decode import sides

    try:
        sides(path)
    except InputError as error:
        raise UsageError(error.problem, cure=f"{error.cure}; for the words, write them with others") from None
    return path
