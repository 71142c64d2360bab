"""The comparison that a sync is made of, by tables of cases and by drawing both sides at random."""

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wordsight.index.index import FileState
from wordsight.search.plan import Plan, plan, to_read


def state(content, *, time=1, error=""):
    return FileState(size=len(content), mtime_ns=time, sha256=content, error=error)


A, B = state("a"), state("b")
A_LATER = state("a", time=2)
A_BROKEN, A_BROKEN_LATER = state("a", error="broken"), state("a", time=2, error="broken")
A_AWAY, A_BROKEN_AWAY = replace(A, absent=True), replace(A_BROKEN, absent=True)


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ({}, {}, {}),
        ({}, {"x": A}, {"added": ("x",)}),
        ({}, {"x": A, "y": A}, {"added": ("x", "y")}),
        ({"x": A}, {"x": A}, {"unchanged": ("x",)}),
        ({"x": A}, {"x": A_LATER}, {"touched": ("x",)}),
        ({"x": A}, {"x": B}, {"changed": ("x",)}),
        ({"x": A}, {}, {"removed": ("x",)}),
        # moved: a content that is gone under one key and new under another
        ({"x": A}, {"y": A}, {"moved": (("x", "y"),)}),
        ({"x": A}, {"y": A_LATER}, {"moved": (("x", "y"),)}),
        ({"x": A}, {"x": A, "y": A}, {"unchanged": ("x",), "added": ("y",)}),  # a copy
        ({"x": A}, {"y": A, "z": A}, {"moved": (("x", "y"),), "added": ("z",)}),  # moved once, then copied
        ({"x": A, "y": A}, {"z": A}, {"moved": (("x", "z"),), "removed": ("y",)}),  # two alike became one
        ({"a/1": A, "a/2": A}, {"b/2": A, "b/1": A}, {"moved": (("a/1", "b/1"), ("a/2", "b/2"))}),
        ({"x": A, "y": B}, {"x": B, "y": A}, {"changed": ("x", "y")}),  # exchanged names
        ({"x": A}, {"x": B, "y": A}, {"changed": ("x",), "added": ("y",)}),  # x is not gone
        ({"x": A, "y": B}, {"y": A}, {"changed": ("y",), "removed": ("x",)}),  # y is not new
        # broken
        ({}, {"x": A_BROKEN}, {"failed": ("x",)}),
        ({"x": A_BROKEN}, {"x": A_BROKEN}, {"unchanged": ("x",)}),
        ({"x": A_BROKEN}, {"x": A_BROKEN_LATER}, {"failed": ("x",)}),
        ({"x": B}, {"x": A_BROKEN}, {"failed": ("x",)}),
        ({"x": A_BROKEN}, {"x": B}, {"changed": ("x",)}),
        ({"x": A_BROKEN}, {"x": A}, {"changed": ("x",)}),  # readable at last: the program learned its format
        ({"x": A_BROKEN}, {}, {"forgotten": ("x",)}),
        ({"x": A_BROKEN}, {"y": A}, {"forgotten": ("x",), "added": ("y",)}),  # had no embedding to move
        ({"x": A}, {"y": A_BROKEN}, {"removed": ("x",), "failed": ("y",)}),
        # not to be opened just now
        ({}, {"x": None}, {"retried": ("x",)}),
        ({"x": A}, {"x": None}, {"retried": ("x",)}),
        ({"x": A_BROKEN}, {"x": None}, {"retried": ("x",)}),
        ({"x": A}, {"y": None}, {"removed": ("x",), "retried": ("y",)}),
        # was absent
        ({"x": A_AWAY}, {}, {"removed": ("x",)}),
        ({"x": A_BROKEN_AWAY}, {}, {"forgotten": ("x",)}),
        ({"x": A_AWAY}, {"x": A}, {"returned": ("x",)}),
        ({"x": A_AWAY}, {"x": A_LATER}, {"returned": ("x",)}),
        ({"x": A_AWAY}, {"x": B}, {"changed": ("x",)}),
        ({"x": A_AWAY}, {"x": A_BROKEN}, {"failed": ("x",)}),
        ({"x": A_BROKEN_AWAY}, {"x": A}, {"changed": ("x",)}),
        ({"x": A_AWAY}, {"x": None}, {"retried": ("x",)}),
        ({"x": A_AWAY}, {"y": A}, {"moved": (("x", "y"),)}),
    ],
)
def test_cases(before, now, expected):
    none = {field.name: () for field in fields(Plan)}
    assert plan(before, now, before.keys() - now.keys()) == Plan(**{**none, **expected})


@pytest.mark.parametrize(
    ("before", "now", "gone", "expected"),
    [
        ({"x": A}, {}, "", {"absent": ("x",)}),
        ({"x": A_BROKEN}, {}, "", {"absent": ("x",)}),
        ({"x": A_AWAY}, {}, "", {"unchanged": ("x",)}),
        ({"x": A, "y": B}, {}, "y", {"absent": ("x",), "removed": ("y",)}),
        ({"x": A}, {"y": A}, "", {"moved": (("x", "y"),)}),
        ({"a": A, "x": A}, {"y": A}, "x", {"moved": (("x", "y"),), "absent": ("a",)}),  # what is gone goes first
    ],
)
def test_what_is_missing_and_not_gone_is_absent(before, now, gone, expected):
    none = {field.name: () for field in fields(Plan)}
    assert plan(before, now, gone) == Plan(**{**none, **expected})


STATES = st.builds(
    state, st.sampled_from("abc"), time=st.integers(1, 2), error=st.sampled_from(["", "", "broken", "worse"])
)
KNOWN = st.builds(lambda one, absent: replace(one, absent=absent), STATES, st.booleans())
KEYS = st.sampled_from(["1", "2", "3", "4", "5"])


def contents(states):
    """Return what a library holds for these states: key -> content."""
    return {key: one.sha256 for key, one in states.items() if not one.error}


@given(st.dictionaries(KEYS, KNOWN), st.dictionaries(KEYS, STATES | st.none()), st.sets(KEYS))
def test_doing_what_the_plan_says_to_what_was_gives_what_is(before, now, gone):
    gone -= now.keys()
    done = plan(before, now, gone)
    entries, known = contents(before), dict(before)
    for old, new in done.moved:
        entries[new] = entries.pop(old)
    for key in done.removed:
        del entries[key]
    for key in done.failed:
        entries.pop(key, None)
    for key in done.added:
        assert key not in before
        entries[key] = now[key].sha256
    for key in done.changed:
        assert key in before
        entries[key] = now[key].sha256
    for key in (*done.gone, *done.forgotten):
        del known[key]
    known |= {key: now[key] for key in now if key not in done.retried}
    known |= {key: replace(before[key], absent=True) for key in done.absent}
    went = {*gone, *(old for old, _ in done.moved)}
    kept = {key: replace(one, absent=True) for key, one in before.items() if key not in now and key not in went}
    wanted = {**kept, **{key: one or before[key] for key, one in now.items() if one or key in before}}
    assert known == wanted
    assert entries == contents(wanted)


@given(st.dictionaries(KEYS, KNOWN), st.dictionaries(KEYS, STATES | st.none()), st.sets(KEYS))
def test_every_key_has_one_fate(before, now, gone):
    done = plan(before, now, gone)
    single = [getattr(done, field.name) for field in fields(Plan) if field.name != "moved"]
    keys = [*(key for some in single for key in some), *(key for pair in done.moved for key in pair)]
    assert sorted(keys) == sorted(before.keys() | now.keys())


@given(st.dictionaries(KEYS, STATES))
def test_nothing_happens_to_what_has_not_changed(states):
    done = plan(states, states)
    assert set(done.unchanged) == set(states)


def test_what_has_to_be_read():
    before = {"same": A, "touched": A, "grown": A, "broken": A_BROKEN, "gone": A}
    now = {"touched": (1, 2), "same": (1, 1), "new": (1, 1), "grown": (2, 1), "broken": (1, 1)}
    assert to_read(before, now) == ["grown", "new", "touched"]
    assert to_read({}, {}) == []
