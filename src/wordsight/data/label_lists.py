"""Several labels of one image, as columns and JSON keys list them.

    read_labels({"labels": "cat|dog"}, {"labels": "labels"}, where="t.csv: line 2")     # Labels(None, ("cat", "dog"))
    read_labels({"label": "cat"}, {"label": "label"}, where="t.csv: line 2")            # Labels("cat", ())

A list is a list of names or numbers, the same as JSON in a text, or a text with `|` or `;` between the names; a group
such as `{"bbox": ..., "category": [...]}` counts by the names in it.  Which column may list labels is the business of
`fields.choose`.  A vector with a number for every class is not read.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from wordsight.base.progress import notice
from wordsight.data import fields
from wordsight.data.text_lines import is_text

NAMED_BY = ("category", "categories", "label", "labels")  # the field of a group of objects that has their names
_BETWEEN = ("|", ";")  # what stands between the names in a text; of two that are there the first counts
_FLAGS = frozenset({"0", "1", "False", "True"})  # what vectors are made of


class Labels(NamedTuple):
    """The class of an image, and the names of a list, each once."""

    label: str | None = None
    labels: tuple[str, ...] = ()


def read_labels(values: Mapping[str, Any], chosen: Mapping[str, str], *, where: str) -> Labels:
    """Return what the columns chosen for `label` and `labels` state; a number counts as a name.

    Where they are the same column its value is a list when it has the form of one, else a class.  The column of a
    class is split only where it holds a list or JSON; what is neither names nor a list is left out.
    """
    value, column = values.get(chosen.get("label", "")), chosen.get("labels", "")
    if column and column == chosen.get("label"):
        names = _names(value, where, between=True)
        return Labels(fields.name(value)) if names is None else Labels(None, names)
    in_class = _names(value, where, between=False)
    label = fields.name(value) if in_class is None else None
    listing = values.get(column)
    names = _names(listing, where, between=True)
    if names is None:
        alone = fields.name(listing)
        names = (alone.strip(),) if alone and alone.strip() else ()
    return Labels(label, tuple(dict.fromkeys((*(in_class or ()), *names))))


def _names(value: Any, where: str, *, between: bool) -> tuple[str, ...] | None:
    """Return the names that a value lists, None where it is no list; `between`: a text may be split at `|` or `;`."""
    if isinstance(value, dict):
        value = next((value[name] for name in NAMED_BY if isinstance(value.get(name), list | tuple)), [])
    if isinstance(value, str):
        listed = _from_json(value)
        value = _split(value) if listed is None and between else listed
    if not isinstance(value, list | tuple):
        return None
    names = [_name_of(item) for item in value]
    whole = [name for name in names if name]
    if _is_vector(whole):
        notice(f"{where}: labels are a vector of 0 and 1, which is not read: list the names of the classes", once=True)
        return ()
    return tuple(dict.fromkeys(whole))


def _name_of(item: Any) -> str | None:
    """Return the name that an item of a list is or has; None for what is missing or has none."""
    if isinstance(item, dict):
        item = next((item[name] for name in NAMED_BY if isinstance(item.get(name), str | int)), None)
    name = fields.name(item)
    return name.strip() if name is not None and is_text(name) else None


def _is_vector(names: list[str]) -> bool:
    """Say whether a list holds a flag for every class: a list of numbers would name each once."""
    return len(names) > len(set(names)) and _FLAGS.issuperset(names)


def _from_json(text: str) -> list[Any] | None:
    if not text.lstrip().startswith("["):
        return None
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return listed if isinstance(listed, list) else None


def _split(text: str) -> list[str] | None:
    """Return the names of a text that has several; an end such as "cat;" makes a list of one."""
    mark = next((mark for mark in _BETWEEN if mark in text), None)
    return None if mark is None else text.split(mark)
