"""An index that nobody ships: what somebody would write who brings a store of his own, one class and one row."""

import contextlib
import json
import shutil
from dataclasses import astuple

import numpy as np
import pytest

from wordsight.base.errors import NotFound
from wordsight.base.files import atomic_write
from wordsight.index.index import (
    FileState,
    Footprint,
    IndexEntry,
    Neighbour,
    RankedKeys,
    check_added,
    check_model,
    check_search,
    spread_evenly,
)
from wordsight.index.keywords import ranked, words_of_entry
from wordsight.index.open import INDEXES
from wordsight.index.values import order_of
from wordsight.index.where import Column, check, matches


class JsonIndex:
    """Everything in one JSON file, read again for every question."""

    def __init__(self, path):
        self.path = path
        self.draft = None
        self.looked_at = None
        self.files = self

    @classmethod
    def open(cls, folder, *, fingerprint, width, writable=False, draft=False):
        index = cls(folder / ("made-up-draft.json" if draft else "made-up.json"))
        if index.path.is_file():
            check_model(index.facts(), folder, fingerprint=fingerprint, width=width)
        elif writable:
            index.draft = {"facts": {"fingerprint": fingerprint, "width": str(width)}, "entries": {}, "files": {}}
            index.draft["columns"] = {}
            index.save()
        else:
            raise NotFound(f"no library in {folder}", cure="make it")
        return index

    @staticmethod
    def adopt(folder, *, damaged=False):
        (folder / "made-up-draft.json").replace(folder / "made-up.json")

    @staticmethod
    def facts_in(folder):
        if not (folder / "made-up.json").is_file():
            raise NotFound(f"no library in {folder}", cure="make it")
        return json.loads((folder / "made-up.json").read_text())["facts"]

    @staticmethod
    def delete(folder, *, draft=False):
        (folder / "made-up-draft.json").unlink(missing_ok=True)
        if not draft:
            (folder / "made-up.json").unlink(missing_ok=True)

    @property
    def state(self):
        return self.looked_at or self.draft or json.loads(self.path.read_text())

    def changing(self):
        self.draft = self.state
        return self.draft

    def __len__(self):
        return len(self.state["entries"])

    def add(self, keys, embeddings, meta):
        state = self.changing()
        check_added(keys, embeddings, meta, width=int(state["facts"]["width"]))
        for key, embedding, values in zip(keys, embeddings, meta, strict=True):
            kept = {n: int(v) if isinstance(v, bool) else v for n, v in values.items() if v is not None}
            state["entries"].pop(key, None)
            state["entries"][key] = [embedding.tolist(), kept]
            for name, value in kept.items():
                numbers, texts = state["columns"].get(name, [False, False])
                is_text = isinstance(value, str)
                state["columns"][name] = [numbers or not is_text, texts or is_text]

    def remove(self, keys):
        for key in {entry.key for entry in self.entries(keys)}:
            del self.changing()["entries"][key]

    def search(self, embeddings, k, where=None, *, absent=False, exact=False):
        state = self.state
        check_search(embeddings, k, width=int(state["facts"]["width"]))
        if where is not None:
            check(where, self.columns())
        entries = [_entry(key, *values) for key, values in self.present(absent).items()]
        entries = [entry for entry in entries if where is None or matches(where, entry.meta)]
        return [
            sorted(
                (Neighbour(e.key, float(query @ e.embedding), e.embedding, e.meta) for e in entries),
                key=lambda neighbour: -neighbour.score,
            )[:k]
            for query in embeddings
        ]

    def present(self, absent=False):
        hidden = set() if absent else {path for path, state in self.files.states().items() if state.absent}
        return {key: values for key, values in self.state["entries"].items() if key not in hidden}

    def ranked(self, embedding, k, where=None, *, absent=False):
        near = self.search(embedding[None], len(self) or 1, where, absent=absent)[0]
        return RankedKeys([one.key for one in near[:k]], np.array([one.score for one in near[:k]]), len(near))

    def values(self, columns, where=None):
        entries = [_entry(key, *values) for key, values in self.present().items()]
        if where is not None:
            check(where, self.columns())
        kept = [entry for entry in entries if where is None or matches(where, entry.meta)]
        return [(one.key, [one.meta.get(name) for name in columns]) for one in kept]

    def last_save(self):
        return json.dumps(self.path.stat().st_mtime_ns)

    def keywords(self, words, k, where=None, *, absent=False):
        if where is not None:
            check(where, self.columns())
        entries = [_entry(key, *values) for key, values in self.present(absent=True).items()]
        there = self.present(absent)
        best = ranked({i: words_of_entry(one.meta) for i, one in enumerate(entries)}, words)
        kept = [(entries[i], score) for i, score in best if entries[i].key in there]
        kept = [(one, score) for one, score in kept if where is None or matches(where, one.meta)]
        return [Neighbour(one.key, score, one.embedding, one.meta) for one, score in kept[:k]]

    @contextlib.contextmanager
    def one_look(self):
        before, self.looked_at = self.looked_at, self.state
        try:
            yield
        finally:
            self.looked_at = before

    def sample(self, count):
        embeddings = [embedding for embedding, _ in self.present().values()]
        chosen = spread_evenly(len(embeddings), count)
        return np.array([embeddings[i] for i in chosen], np.float32).reshape(-1, int(self.facts()["width"]))

    def verify(self):
        return []

    def mend(self, damage):
        pass

    def noticed(self):
        return []

    def footprint(self):
        return Footprint(database=self.path.stat().st_size)

    def wants_upkeep(self):
        return False

    def upkeep(self):
        pass

    def entries(self, keys):
        known = self.state["entries"]
        for key in keys:
            if key not in known:
                raise NotFound(f"no entry {key!r}")
        return [_entry(key, *known[key]) for key in keys]

    def columns(self):
        return {name: Column(name, *kinds) for name, kinds in self.state["columns"].items()}

    def facts(self):
        return self.state["facts"]

    def note(self, facts):
        self.changing()["facts"] |= facts

    def save(self):
        if self.draft is not None:
            with atomic_write(self.path, "w") as handle:
                json.dump(self.draft, handle)
        self.draft = None

    def close(self):
        self.draft = None

    def stamps(self):
        return {path: (state.size, state.mtime_ns) for path, state in self.states().items() if not state.absent}

    def states(self):
        return {path: FileState(*state) for path, state in self.state["files"].items()}

    def states_after(self, path, count):
        known = self.states()
        after = sorted((one for one in known if path is None or order_of(one) > order_of(path)), key=order_of)
        return {one: known[one] for one in after[:count]}

    def of(self, paths):
        return {path: state for path, state in self.states().items() if path in set(paths)}

    def record(self, states):
        self.changing()["files"] |= {p: list(astuple(state)) for p, state in states.items()}

    def forget(self, paths):
        for path in paths:
            self.changing()["files"].pop(path, None)


def _entry(key, embedding, meta):
    return IndexEntry(key, np.array(embedding, np.float32), meta)


@pytest.fixture(params=[*INDEXES, "made-up"])
def kind(request, monkeypatch):
    """Every row of the table, and one more."""
    monkeypatch.setitem(INDEXES, "made-up", lambda: JsonIndex)
    return request.param


@pytest.fixture
def folder(tmp_path, kind):
    """Where a library lies."""
    path = tmp_path / "library"
    path.mkdir()
    yield path
    INDEXES[kind]().delete(path)
    shutil.rmtree(path)


@pytest.fixture
def opened(kind, folder):
    """Open the index as its writer unless told otherwise; all are closed at the end."""
    with contextlib.ExitStack() as stack:

        def opening(**options):
            options = {"fingerprint": "f", "width": 8, "writable": True, **options}
            return stack.enter_context(contextlib.closing(INDEXES[kind]().open(folder, **options)))

        yield opening
