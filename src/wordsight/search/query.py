"""From what a user asks to one embedding.

    "red shoes"                          text
    "shoe.jpg"                           an image: a path that is there
    ["2:red shoes", "0.5:shoe.jpg"]      a mixture: each part's embedding times its weight, summed, of length 1 again

A number and a colon before a part are its weight; text that begins so is written with the weight 1 ("1:9:30 train").
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wordsight.base.arrays import Embeddings, unit
from wordsight.base.errors import NotFound, UsageError
from wordsight.embeddings.model import Model
from wordsight.images.files import is_image_name

if TYPE_CHECKING:
    from wordsight.index.where import Condition

_WEIGHTED = re.compile(r"(\d+\.?\d*|\.\d+):(?=.)(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a query: text, or the path of an image, with its weight."""

    weight: float
    text: str = ""
    image: Path | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """What a library is asked: parts, parts to stay away from, and a condition on metadata."""

    parts: tuple[Part, ...]
    without: tuple[Part, ...] = ()
    where: "Condition | None" = None


def read_query(
    query: str | Sequence[str],
    *,
    where: str | None = None,
    without: Sequence[str] = (),
    location: Path | None = None,
) -> Query:
    """Return a query as it is understood; images are looked for in the current folder and then in `location`.

    Raises `UsageError` for an empty part, a weight of zero or a web address, `NotFound` for what looks like the path of
    an image and is none, `WhereError` for a condition that cannot be understood.
    """
    condition = None
    if where is not None:
        from wordsight.index.where import parse

        condition = parse(where)
    unwanted = [_read_part(text, location) for text in without]
    texts = [query] if isinstance(query, str) else list(query)
    if not texts:
        raise UsageError("an empty query", cure="give a text or the path of an image")
    return Query(tuple(_read_part(text, location) for text in texts), tuple(unwanted), condition)


def join_words(arguments: Sequence[str]) -> list[str]:
    """Join words that follow each other on a command line into one phrase; images and weights begin a new part.

    `red running shoes` is one phrase, `2:red shoes 1:shoe.jpg` two parts ("2:red shoes", "1:shoe.jpg").
    """
    parts: list[str] = []
    open_phrase = False
    for argument in arguments:
        match = _WEIGHTED.fullmatch(argument)
        is_image = _is_image(match[2] if match else argument)
        if open_phrase and not match and not is_image:
            parts[-1] += f" {argument}"
        else:
            parts.append(argument)
        open_phrase = not is_image
    return parts


def embed_parts(parts: Sequence[Part], model: Model) -> Embeddings:
    """Return the embedding (width,) of a mixture; only the tower that is needed is opened."""
    total = np.sum([part.weight * embed_part(part, model) for part in parts], axis=0)
    if not np.linalg.norm(total) > 1e-6:
        raise UsageError("the parts of the query cancel each other", cure="change their weights")
    embedding: Embeddings = unit(total[None])[0]
    return embedding


def embed_part(part: Part, model: Model) -> Embeddings:
    """Return the embedding (width,) of one part, without its weight."""
    embeddings = model.embed_texts([part.text]) if part.image is None else model.embed_images([part.image])
    embedding: Embeddings = embeddings[0]
    return embedding


def _read_part(text: str, location: Path | None) -> Part:
    match = _WEIGHTED.fullmatch(text)
    weight, text = (float(match[1]), match[2]) if match else (1.0, text)
    if not text.strip():
        raise UsageError("an empty query", cure="give a text or the path of an image")
    if weight == 0 or weight == float("inf"):
        raise UsageError(f"the weight {weight} of {text!r}", cure="give a positive number, or leave the part out")
    if re.match(r"https?://", text):
        raise UsageError(f"{text} is a web address", cure="save the picture to a file and give its path")
    for folder in (Path(), location or Path()):
        path = folder / Path(text).expanduser()
        if _is_image(text) and path.is_file():
            return Part(weight, image=path)
    if _is_image(text):
        raise NotFound(f"no picture {text}", cure="check the path; write words without the ending of a picture's name")
    return Part(weight, text=text)


def _is_image(text: str) -> bool:
    return is_image_name(text) and "\0" not in text
