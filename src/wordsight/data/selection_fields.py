"""Columns and JSON keys of sets in which images and captions choose each other: which holds what.

Winoground has image_0, image_1, caption_0, caption_1; SugarCrepe filename, caption, negative_caption; ARO image_path,
true_caption, false_caption, or caption_options with the right one first.  Reads no file: it is handed names and rows.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wordsight.base.errors import FormatError, InputError
from wordsight.data import fields

_TRUE = ("true_caption", "caption", "positive_caption", "text")
_FALSE = ("negative_caption", "false_caption", "negative_captions", "negatives", "false_captions")
_OPTIONS = ("caption_options", "options")
_MARKS = ("answer", "correct", "correct_option")  # which option is right: its number from 0, or its text
_KINDS = ("kind", "collapsed_tag", "tag", "relation_name", "category")
_KEYS = ("key", "id", "uid")
_BOX = ("bbox_x", "bbox_y", "bbox_w", "bbox_h")  # ARO's: pixels of the image, left, top, width, height


@dataclass(frozen=True, slots=True)
class SelectionColumns:
    """Names of the columns (or JSON keys) to read; empty takes those that are known.

    `images` and `captions` may be several: the first of them belong together, and so on.  `negatives` hold false
    captions, each one text or a list.
    """

    images: tuple[str, ...] = ()
    captions: tuple[str, ...] = ()
    negatives: tuple[str, ...] = ()
    kind: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class SelectionRoles:
    """Which columns of a row hold what; `options` hold true and false captions, `mark` says which is true."""

    images: tuple[str, ...]
    captions: tuple[str, ...]
    negatives: tuple[str, ...]
    options: str = ""
    mark: str = ""
    kind: str = ""
    key: str = ""


def choose_roles(names: Sequence[str], columns: SelectionColumns, *, where: str) -> SelectionRoles:
    """Return which of the names hold what; no image or no false caption is a `FormatError`."""
    asked = (*columns.images, *columns.captions, *columns.negatives, columns.kind, columns.key)
    lost = next((name for name in asked if name and name not in names), None)
    there = fields.shortened(", ".join(names))
    if lost:
        raise FormatError(f"{where} has no column {lost}", cure=f"there are: {there}")
    images = columns.images or _numbered(names, "image") or _first(names, (*fields.KNOWN["image"], "images"))
    captions = columns.captions or _numbered(names, "caption") or _first(names, _TRUE)
    negatives = columns.negatives or _all(names, _FALSE) or _numbered(names, "negative_caption", "negative")
    marks = _first(names, _MARKS)
    options: tuple[str, ...] = ()
    if not columns.captions and not negatives and len(captions) < 2:
        options = _first(names, _OPTIONS) or (captions if marks else ())
    if not images:
        cure = f"call its column (or key) image; there are: {there}"
        raise FormatError(f"{where} has no image column", cure=cure)
    if not options and (not captions or len(captions) + len(negatives) < 2):
        cure = (
            "a row needs a true caption (caption) and false ones (negative_caption, or several: negatives), or "
            f"caption_0 and caption_1 of image_0 and image_1; there are: {there}; "
            "evaluate makes negatives of captions with form=rules"
        )
        raise FormatError(f"{where} has no captions to choose from", cure=cure)
    return SelectionRoles(
        images,
        () if options else captions,
        negatives,
        options="".join(options),
        mark="".join(marks) if options else "",
        kind=columns.kind or "".join(_first(names, _KINDS)),
        key=columns.key or "".join(_first(names, _KEYS)),
    )


def read_captions(row: Mapping[str, Any], roles: SelectionRoles, *, where: str) -> tuple[str, ...]:
    """Return the captions of a row, the true one first; fewer than two, or a false one that is the true one: an error.

    Raises `InputError`.
    """
    if roles.options:
        texts = _marked_first(fields.captions(row.get(roles.options), where=where), row.get(roles.mark), where)
    else:
        texts = tuple(_one_text(row.get(name), f"{where}: {name}") for name in roles.captions)
    texts += tuple(text for name in roles.negatives for text in fields.captions(row.get(name), where=where))
    if texts and texts[0] in texts[1:]:
        raise InputError(f"{where}: {texts[0]!r} is the true and a false caption", cure="leave the row out")
    return texts


def read_box(row: Mapping[str, Any], *, where: str) -> tuple[int, int, int, int] | None:
    """Return the part of the image that is meant as left, top, right, bottom in pixels; None for all of it."""
    values = [row.get(name) for name in _BOX]
    if any(map(fields.is_missing, values)):
        return None
    try:
        left, top, width, height = (int(float(value)) for value in values if value is not None)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{where}: the box {values} is no four numbers", cure="mend the row") from None
    if width < 1 or height < 1:
        raise InputError(f"{where}: the box {values} is empty", cure="mend the row")
    return left, top, left + width, top + height


def _one_text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{where} is no caption", cure="give a text")
    return value


def _marked_first(texts: tuple[str, ...], mark: Any, where: str) -> tuple[str, ...]:
    """Return the options with the right one first; without a mark the first is right."""
    if fields.is_missing(mark) or mark == "":
        return texts
    number = next((i for i, text in enumerate(texts) if text == mark), None)
    if number is None and re.fullmatch(r"\d{1,6}(\.0)?", str(mark)):
        number = int(float(mark))
    if number is None or number >= len(texts):
        problem = f"{where}: {fields.shortened(repr(mark))} marks none of {len(texts)} captions"
        raise InputError(problem, cure="give the number of the right one, from 0")
    return (texts[number], *texts[:number], *texts[number + 1 :])


def _first(names: Sequence[str], known: Iterable[str]) -> tuple[str, ...]:
    return next(((name,) for name in known if name in names), ())


def _all(names: Sequence[str], known: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in known if name in names)


def _numbered(names: Sequence[str], *stems: str) -> tuple[str, ...]:
    """Return the columns STEM_0, STEM_1… (or STEM0…) in the order of their numbers, if there are several."""
    for stem in stems:
        numbers = {name: int(match[1]) for name in names if (match := re.fullmatch(rf"{stem}_?(\d{{1,6}})", name))}
        if numbers and (len(numbers) > 1 or stem.startswith("negative")):
            return tuple(sorted(numbers, key=numbers.__getitem__))
    return ()
