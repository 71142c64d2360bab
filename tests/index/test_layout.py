"""Layouts are read as they were written, whatever lies between their ids and is marked; sums of plain values are fixed."""

import sqlite3
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wordsight.base.errors import FormatError
from wordsight.index.database import _SCHEMA
from wordsight.index.layout import FileLayout, read_layout
from wordsight.index.values import checksum_of


def database():
    connection = sqlite3.connect(":memory:")
    for statement in _SCHEMA:
        connection.execute(statement)
    return connection


def layout_of(steps, random):
    """A layout whose ids are so far apart, with marks."""
    layout, ids = FileLayout(), np.cumsum(np.array(steps, np.int64))
    for start in range(0, len(ids), 300):
        part = ids[start : start + 300]
        layout.append(part, random.standard_normal((len(part), 4)).astype(np.float16), "f")
    if len(ids):
        layout.mark(np.flatnonzero(random.random(len(ids)) < 0.1), dead=True)
        layout.mark(np.flatnonzero(random.random(len(ids)) < 0.1), absent=True)
    return layout


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1500), st.integers(0, 1000), st.booleans(), st.integers(0, 2**32 - 1))
def test_what_is_read_is_what_was_written(count, first, gaps, seed):
    random = np.random.default_rng(seed)
    steps = random.choice([1, 1, 1, 7], count) if gaps else np.ones(count, int)
    layout = layout_of([first, *steps[1:]] if count else [], random)
    connection = database()
    layout.write(connection)
    read = read_layout(connection)
    assert (read.count, read.blocks) == (layout.count, layout.blocks)
    for name in ("ids", "dead", "absent", "damaged"):
        assert getattr(read, name).tolist() == getattr(layout, name).tolist(), name
    read.append(np.array([10**6]), np.zeros((1, 4), np.float16), "f")
    assert read.ids[-1] == 10**6 and not read.dead[-1]


def test_a_block_that_is_lost_or_altered_is_named():
    connection = database()
    layout_of(np.ones(1000, int), np.random.default_rng(0)).write(connection)
    connection.execute("delete from block where start = 256")
    with pytest.raises(FormatError, match="the record of the embeddings before 512 is lost"):
        read_layout(connection)
    connection.execute("update block set crc32 = crc32 + 1 where start = 512")
    with pytest.raises(FormatError, match="the record of the embeddings from 512 on is damaged"):
        read_layout(connection)


def test_sums_of_values_are_those_of_what_the_database_gives_back():
    assert checksum_of(1, "a", b"x", None) == zlib.crc32(b"[1, 'a', b'x', None]")
    assert checksum_of(True, -0.0, np.float64(2.5)) == checksum_of(1, 0.0, 2.5) == zlib.crc32(b"[1, 0.0, 2.5]")
    assert checksum_of() == zlib.crc32(b"[]")
