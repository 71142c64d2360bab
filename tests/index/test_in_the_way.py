"""What lies in the place of a cache and is no file hangs nothing: it is replaced, or the index does without."""

import os
from pathlib import Path

import numpy as np
import pytest

from wordsight.index import caches, scan
from wordsight.index.exact import ExactIndex
from wordsight.index.where import parse

WIDTH, COUNT = 32, 600
WAYS = {"pipe": os.mkfifo, "link to a device": lambda path: path.symlink_to("/dev/zero"), "folder": Path.mkdir}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    for module in (caches, scan):
        monkeypatch.setattr(module, "SMALL", 500)


def unit(count):
    vectors = np.random.default_rng(0).normal(size=(count, WIDTH)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def opened(folder):
    return ExactIndex.open(folder, fingerprint="f", width=WIDTH, writable=True)


def answers(index):
    where = parse("text contains 'red'")
    worded = [(hit.key, hit.score) for hit in index.keywords(["blue", "3"], 50)]
    return worded, [hit.key for hit in index.search(unit(1), 10, where=where)[0]]


@pytest.mark.parametrize("kind", WAYS)
@pytest.mark.parametrize("name", ["words.cache", "scan.cache", "column"])
def test_what_is_no_file_is_replaced_and_a_folder_is_passed_over(tmp_path, name, kind):
    with opened(tmp_path) as index:
        texts = [{"text": f"{'red' if n % 2 else 'blue'} {n % 5}"} for n in range(COUNT)]
        index.add([f"k{n}" for n in range(COUNT)], unit(COUNT), texts)
        index.save()
        index.upkeep()
        given = answers(index)
    (path,) = tmp_path.glob(f"{name}*")
    path.unlink()
    WAYS[kind](path)
    with opened(tmp_path) as index:
        for _ in range(2):
            assert answers(index) == given
            if index.wants_upkeep():
                index.upkeep()
        assert not index.wants_upkeep()
    assert path.is_dir() if kind == "folder" else path.is_file() and not path.is_symlink()
