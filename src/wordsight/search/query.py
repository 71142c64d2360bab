"""From what a user asks to one unit row.

    "red shoes"                          words
    "shoe.jpg"                           a picture: a path that is there
    ["2:red shoes", "0.5:shoe.jpg"]      a mixture: each part's unit row times its weight, summed, of length 1 again

A number and a colon before a part are its weight; words that begin so are written with the weight 1 ("1:9:30 train").
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wordsight.base.arrays import Embeddings, unit
from wordsight.base.errors import NotFound, UsageError
from wordsight.embeddings.model import Model
from wordsight.images.files import is_image_name

_WEIGHTED = re.compile(r"(\d+\.?\d*|\.\d+):(?=.)(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a query: words, or the path of a picture, with its weight."""

    weight: float
    words: str = ""
    picture: Path | None = None


def read_query(query: str | Sequence[str], *, place: Path | None = None) -> list[Part]:
    """Return the parts of a query; pictures are looked for in the current folder and then in `place`.

    Raises `UsageError` for an empty part, a weight of zero or a web address, `NotFound` for what looks like the path of
    a picture and is none.
    """
    texts = [query] if isinstance(query, str) else list(query)
    if not texts:
        raise UsageError("an empty query", cure="give words or the path of a picture")
    return [_read_part(text, place) for text in texts]


def join_words(arguments: Sequence[str]) -> list[str]:
    """Join words that follow each other on a command line into one phrase; pictures and weights begin a new part.

    `red running shoes` is one phrase, `2:red shoes 1:shoe.jpg` two parts ("2:red shoes", "1:shoe.jpg").
    """
    parts: list[str] = []
    open_phrase = False
    for argument in arguments:
        match = _WEIGHTED.fullmatch(argument)
        picture = _is_picture(match[2] if match else argument)
        if open_phrase and not match and not picture:
            parts[-1] += f" {argument}"
        else:
            parts.append(argument)
        open_phrase = not picture
    return parts


def query_row(parts: Sequence[Part], model: Model) -> Embeddings:
    """Return the unit row (width,) of a query; only the tower that is needed is opened."""
    rows = [part.weight * part_row(part, model) for part in parts]
    total = np.sum(rows, axis=0)
    if not np.linalg.norm(total) > 1e-6:
        raise UsageError("the parts of the query cancel each other", cure="change their weights")
    embedding: Embeddings = unit(total[None])[0]
    return embedding


def part_row(part: Part, model: Model) -> Embeddings:
    """Return the unit row (width,) of one part, without its weight."""
    rows = model.embed_texts([part.words]) if part.picture is None else model.embed_images([part.picture])
    row: Embeddings = rows[0]
    return row


def _read_part(text: str, place: Path | None) -> Part:
    match = _WEIGHTED.fullmatch(text)
    weight, text = (float(match[1]), match[2]) if match else (1.0, text)
    if not text.strip():
        raise UsageError("an empty query", cure="give words or the path of a picture")
    if weight == 0 or weight == float("inf"):
        raise UsageError(f"the weight {weight} of {text!r}", cure="give a positive number, or leave the part out")
    if re.match(r"https?://", text):
        raise UsageError(f"{text} is a web address", cure="save the picture to a file and give its path")
    for folder in (Path(), place or Path()):
        path = folder / Path(text).expanduser()
        if _is_picture(text) and path.is_file():
            return Part(weight, picture=path)
    if _is_picture(text):
        raise NotFound(f"no picture {text}", cure="check the path; write words without the ending of a picture's name")
    return Part(weight, words=text)


def _is_picture(text: str) -> bool:
    return is_image_name(text) and "\0" not in text
