"""Columns that people and programs note on the images of a library, beside those that the location tells.

    note(index, [("a.jpg", {"tags": "dog"}), ("b.jpg", {"tags": None})])      # None takes a value away
    kept(entry.meta, noted_columns(index.facts()))                            # what a renewed entry keeps

A fact of the index names them.  They belong to the content: a moved image has them under its new key, a copy has them
too, and an image whose content has changed has them no more.  Knows the protocol of an index.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from wordsight.base.errors import UsageError
from wordsight.base.value import Value
from wordsight.index.index import Index, IndexEntry, pages_of

NOTED = "noted"  # the fact that keeps the names of the noted columns, as a JSON list
GROUP = 1024  # entries handed to the index at once


def noted_columns(facts: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the noted columns of an index with these facts."""
    return tuple(json.loads(facts.get(NOTED) or "[]"))


def kept(meta: Mapping[str, Value], columns: Sequence[str]) -> dict[str, Value]:
    """Return what metadata holds of the noted columns."""
    return {column: meta[column] for column in columns if column in meta}


def note(index: Index, noted: Iterable[tuple[str, Mapping[str, Value]]]) -> int:
    """Set columns of entries and return how many entries changed; `save` makes it permanent.

    A column that the location itself gives raises `UsageError`, a key that is not there `NotFound`.
    """
    columns = list(noted_columns(index.facts()))
    others = index.columns().keys() - set(columns)
    changed = 0
    for group in _groups(noted):
        fresh = dict.fromkeys(name for one in group.values() for name in one if name not in columns)
        for name in fresh:
            if name in others:
                raise UsageError(
                    f"a column {name} is there already, and it is not a noted one", cure="note under another name"
                )
        columns += fresh
        noted_on = [_noted_on(entry, group[entry.key]) for entry in index.entries(list(group))]
        new = [entry for entry in noted_on if entry is not None]
        _put(index, new)
        changed += len(new)
    index.note({NOTED: json.dumps(columns)})
    return changed


def carry_notes(old: Index, fresh: Index) -> None:
    """Give the entries of an index that was made anew what was noted on the same contents in the old one."""
    columns = noted_columns(old.facts())
    if not columns:
        return
    fresh.note({NOTED: json.dumps(columns)})
    there = fresh.files.states()
    for states in pages_of(old.files, GROUP):
        same = [
            key
            for key, state in states.items()
            if not state.error and key in there and not there[key].error and there[key].sha256 == state.sha256
        ]
        before = [kept(entry.meta, columns) for entry in old.entries(same)]
        new = [
            replace(entry, meta={**entry.meta, **notes})
            for entry, notes in zip(fresh.entries(same), before, strict=True)
            if notes
        ]
        _put(fresh, new)


def _groups(noted: Iterable[tuple[str, Mapping[str, Value]]]) -> Iterator[dict[str, dict[str, Value]]]:
    pairs = iter(noted)
    while some := list(islice(pairs, GROUP)):
        group: dict[str, dict[str, Value]] = {}
        for key, values in some:
            group.setdefault(key, {}).update(values)
        yield group


def _noted_on(entry: IndexEntry, values: Mapping[str, Value]) -> IndexEntry | None:
    """Return the entry with these values, None where it has them already."""
    meta = {name: value for name, value in {**entry.meta, **values}.items() if value is not None}
    return None if meta == entry.meta else replace(entry, meta=meta)


def _put(index: Index, entries: Sequence[IndexEntry]) -> None:
    if entries:
        embeddings = np.array([entry.embedding for entry in entries])
        index.add([entry.key for entry in entries], embeddings, [entry.meta for entry in entries])
