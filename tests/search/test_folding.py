"""Near-duplicates folded: one hit for all that show nearly the same, and k hits all the same."""

import numpy as np
import pytest

from wordsight.base.arrays import unit
from wordsight.index.index import Neighbour
from wordsight.search import folding
from wordsight.search.folding import LEAST_SHARE, NEAR_PAIRS, SHARE, folded, likeness

COLOURS = ["red", "orange", "yellow", "green", "blue", "purple", "pink", "brown"]


def near(key, direction, **meta):
    return Neighbour(key, 0.5, unit(np.array([direction], np.float32))[0], meta)


def test_each_stands_behind_the_better_hit_it_is_nearest_to():
    hits = [near("a", [1, 0]), near("b", [0, 1]), near("c", [1, 0.001]), near("d", [0.001, 1]), near("e", [1, 0])]
    assert [(one.neighbour.key, one.alike) for one in folded(hits, 0.999)] == [("a", ("c", "e")), ("b", ("d",))]
    assert not folded([], 0.9)


def one_by_one(hits, threshold):
    """What `folded` does, compared pair by pair."""
    heads = []
    for hit in hits:
        same = [(float(hit.embedding @ head.embedding), at) for at, (head, _) in enumerate(heads)]
        nearest, at = max(same, default=(-1, 0), key=lambda pair: (pair[0], -pair[1]))
        heads[at][1].append(hit.key) if nearest >= threshold else heads.append((hit, []))
    return [(head.key, tuple(keys)) for head, keys in heads]


@pytest.mark.parametrize("k", [None, 1, 7, 1000])
def test_many_are_folded_as_pair_by_pair(monkeypatch, k):
    monkeypatch.setattr(folding, "_AT_ONCE", 16)
    hits = [near(str(i), direction) for i, direction in enumerate(np.random.default_rng(7).normal(size=(200, 3)))]
    whole = one_by_one(hits, 0.97)
    assert 10 < len(whole) < 150
    assert [(one.neighbour.key, one.alike) for one in folded(hits, 0.97)] == whole
    first = folded(hits, 0.97, k=k)
    assert [one.neighbour.key for one in first] == [key for key, _ in whole[:k]]
    assert all(len(one.alike) >= len(keys) for one, (_, keys) in zip(first, whole[:k], strict=True))


def test_images_of_other_proportions_are_not_the_same():
    hits = [near("a", [1, 0], width=100, height=50), near("b", [1, 0], width=50, height=100)]
    hits += [near("c", [1, 0], width=201, height=100), near("d", [1, 0])]
    assert [one.alike for one in folded(hits, 0.999)] == [("c", "d"), ()]


def test_the_threshold_follows_the_library():
    random = np.random.default_rng(0)
    apart = unit(random.normal(size=(300, 64)))
    crowded = unit(random.normal(size=(300, 64)) * 0.1 + 1)
    assert 0.9 < likeness(apart) < likeness(crowded) < 1
    copies = np.repeat(apart[:20], 15, axis=0)
    assert 0.9 < likeness(copies) < 1
    assert 0.99 < likeness(apart[:1]) < 1


@pytest.mark.parametrize("count", [2, 3, 17, 300])
def test_the_threshold_comes_from_quantiles(count):
    sample = unit(np.random.default_rng(count).normal(size=(count, 4)))
    usual, near = np.quantile((sample @ sample.T)[np.triu_indices(count, 1)], [0.5, NEAR_PAIRS])
    assert likeness(sample) == pytest.approx(1 - max(SHARE * (1 - near), LEAST_SHARE * (1 - usual), 1e-4), abs=1e-6)


@pytest.fixture
def album(paint, opened, tmp_path):
    """Eight colours, each in three copies that differ by a shade nobody sees."""
    folder = tmp_path / "album"
    for colour in COLOURS:
        for shade in range(3):
            paint(folder / f"{colour}{shade}.png", colour, shade=shade)
    library = opened(folder)
    library.sync()
    return library


def test_k_hits_are_left_after_folding(album):
    hits = album.search("red", k=8, fold=True)
    assert sorted(hit.key[:-5] for hit in hits) == sorted(COLOURS)
    assert {len(hit.alike) for hit in hits} == {2}
    assert len({hit.key for hit in hits} | {key for hit in hits for key in hit.alike}) == 24
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert {hit.alike for hit in album.search("red", k=8)} == {()}


def test_sorted_matches_are_folded_too(album):
    hits = album.search("red", k=3, fold=True, sort="-name", min_cosine=0.3)
    assert hits[0].key.startswith("red")
    assert [hit.key[:-5] for hit in hits] == sorted({hit.key[:-5] for hit in hits}, reverse=True)


def test_a_least_score_ends_the_asking_for_more(album, monkeypatch):
    """Where few match, the whole library is not gone through to fill up k."""
    asked = []
    with album._index.reading() as index:
        search = index.search
        monkeypatch.setattr(
            index, "search", lambda e, k, *rest, **more: (asked.append(k), search(e, k, *rest, **more))[1]
        )
        assert len(album.search("red", k=4, fold=True, min_cosine=0.9)) == 1
    assert asked == [12]
