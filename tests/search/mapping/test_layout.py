"""The parts of a map on arrays: neighbours, forces, layout, clusters, where added images go."""

import numpy as np
import pytest

from wordsight.base.arrays import unit
from wordsight.search.mapping import neighbours
from wordsight.search.mapping.clusters import cluster_count, hills
from wordsight.search.mapping.layout import layout, principal, within
from wordsight.search.mapping.mesh import Mesh
from wordsight.search.mapping.neighbours import NearestRows, nearest
from wordsight.search.mapping.placing import beside


def blobs(groups=6, each=40, *, width=24, spread=0.5, seed=0):
    """Return embeddings float16 (groups * each, width) around some directions, and which group each is of."""
    draw = np.random.default_rng(seed)
    centres = unit(draw.normal(size=(groups, width)))
    of = np.repeat(np.arange(groups), each)
    return unit(centres[of] + spread * draw.normal(size=(len(of), width)) / width**0.5).astype(np.float16), of


def exact(rows, k):
    wide = np.asarray(rows, np.float32)
    cosines = wide @ wide.T
    np.fill_diagonal(cosines, -2)
    order = np.argsort(-cosines, axis=1)[:, :k]
    return order, np.take_along_axis(cosines, order, axis=1)


def test_neighbours_of_few_are_those_of_all_comparisons():
    rows, _ = blobs()
    near = nearest(rows, 7)
    numbers, cosines = exact(rows, 7)
    np.testing.assert_allclose(near.cosines, cosines, atol=1e-6)
    assert (near.numbers == numbers).mean() > 0.98  # equal cosines may change places


def test_neighbours_by_cells_are_nearly_all(monkeypatch):
    rows, _ = blobs(groups=12, each=250, width=32)
    numbers, _ = exact(rows, 10)
    monkeypatch.setattr(neighbours, "ALL", 100)
    near = nearest(rows, 10)
    kept = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(near.numbers.tolist(), numbers.tolist(), strict=True)])
    assert kept > 0.85
    assert not (near.numbers == np.arange(len(rows))[:, None]).any()


def test_neighbours_of_some_among_others():
    rows, _ = blobs(groups=2, each=20)
    asked = np.zeros(40, bool)
    asked[[3, 25]] = True
    near = nearest(rows, 4, asked=asked, among=~asked)
    assert not asked[near.numbers[asked]].any()
    assert (near.cosines[~asked] == -2).all()
    few = nearest(rows[:3], 5)
    assert sorted(few.numbers[0].tolist()) == [0, 0, 0, 1, 2]  # a row stands for itself where there is no other
    assert few.numbers[0][0] != 0


def test_what_pushes_is_the_sum_over_all_pairs():
    draw = np.random.default_rng(1)
    x, y = (12 * draw.normal(size=(2, 300))).astype(np.float32)
    push = Mesh().forces(x, y)
    dx, dy = x[:, None] - x, y[:, None] - y
    q = 1 / (1 + dx * dx + dy * dy)
    assert push.mass == pytest.approx(q.sum() - 300, rel=0.05)
    for pushed, real in ((push.x, (q * q * dx).sum(axis=1)), (push.y, (q * q * dy).sum(axis=1))):
        assert np.corrcoef(pushed, real)[0, 1] > 0.98
        assert np.abs(pushed - real).mean() < 0.2 * np.abs(real).mean()


def test_groups_lie_apart_and_the_same_every_time():
    rows, of = blobs()
    positions = layout(nearest(rows, 8).numbers, principal(rows), seed=3)
    assert positions.dtype == np.float32
    assert np.abs(positions).max() == pytest.approx(1)
    distances = ((positions[:, None] - positions) ** 2).sum(axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (of[distances.argmin(axis=1)] == of).mean() > 0.98
    np.testing.assert_array_equal(positions, layout(nearest(rows, 8).numbers, principal(rows), seed=3))


def test_a_layout_keeps_more_neighbours_than_principal_components():
    rows, _ = blobs(groups=30, each=20, spread=1.0)
    wide, _ = exact(rows, 30)

    def kept(positions):
        distances = ((positions[:, None] - positions) ** 2).sum(axis=2)
        np.fill_diagonal(distances, np.inf)
        near = np.argsort(distances, axis=1)[:, :10]
        return np.mean([len(set(a) & set(b)) / 10 for a, b in zip(near.tolist(), wide.tolist(), strict=True)])

    start = principal(rows)
    assert kept(layout(nearest(rows, 10).numbers, start)) > 2 * kept(start)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5])
def test_few_images(count):
    rows = blobs(groups=1, each=max(count, 1))[0][:count]
    positions = layout(nearest(rows, max(1, (count - 1) // 3)).numbers, principal(rows))
    assert positions.shape == (count, 2)
    assert np.isfinite(positions).all()
    assert len(np.unique(positions, axis=0)) == count
    assert hills(positions, cluster_count(count)).tolist() == [0] * count


def test_equal_images_are_spread():
    rows = np.repeat(blobs(groups=1, each=1)[0], 100, axis=0)
    positions = layout(nearest(rows, 10).numbers, principal(rows))
    assert np.isfinite(positions).all()
    assert len(np.unique(positions, axis=0)) == 100


def test_positions_fill_the_square_in_their_proportions():
    fitted = within(np.array([[0, 0], [10, 5], [20, 0]], np.float32))
    np.testing.assert_allclose(fitted, [[-1, -0.25], [0, 0.25], [1, -0.25]])


def test_hills_are_the_dense_parts_whatever_their_shape():
    draw = np.random.default_rng(0)
    angle = draw.uniform(0, np.pi, 600)
    arc = np.stack([0.7 * np.cos(angle), 0.7 * np.sin(angle)], axis=1)
    spot = np.array([0.0, 0.0]) + 0.05 * draw.normal(size=(200, 2))
    away = np.array([-0.6, -0.8]) + 0.05 * draw.normal(size=(100, 2))
    positions = within((np.concatenate([arc, spot, away]) + 0.02 * draw.normal(size=(900, 2))).astype(np.float32))
    numbers = hills(positions, 3)
    of = np.repeat([0, 1, 2], [600, 200, 100])
    assert numbers.max() == 2
    assert (numbers == of).mean() > 0.97  # numbered by size


def test_no_more_clusters_than_asked_for_and_none_of_a_few_images():
    rows, _ = blobs(groups=20, each=50)
    positions = layout(nearest(rows, 10).numbers, principal(rows))
    for most in (2, 5, 40):
        sizes = np.bincount(hills(positions, most))
        assert len(sizes) <= most
        assert sizes.min() >= 8
        assert (np.diff(sizes) <= 0).all()
    assert [cluster_count(n) for n in (0, 1, 20, 64, 1000, 10_000, 1_000_000)] == [1, 1, 2, 8, 9, 27, 60]


def test_added_images_go_to_one_cluster_not_between_two():
    positions = np.array([[-1, 0], [-0.9, 0], [-0.8, 0], [1, 0], [0.9, 0]], np.float32)
    numbers = np.array([0, 0, 0, 1, 1], np.int32)
    near = NearestRows(np.array([[0, 1, 2, 3, 4]], np.int32), np.array([[0.9, 0.9, 0.9, 0.9, 0.9]], np.float32))
    placed = beside(near, positions, numbers)
    assert placed.numbers.tolist() == [0]
    np.testing.assert_allclose(placed.positions, [[-0.9, 0]], atol=0.02)
    sharp = near._replace(cosines=np.array([[0.5, 0.5, 0.5, 0.9, 0.9]], np.float32))
    assert beside(sharp, positions, numbers).numbers.tolist() == [1]
