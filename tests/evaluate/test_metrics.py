import math

import numpy as np
import pytest
from scipy import stats

from wordsight.base.errors import UsageError
from wordsight.evaluate import metrics

# Three queries, four entries, worked by hand: the right entry of query 0 is first, of query 1 third, of query 2 last.
SCORES = np.array([[0.9, 0.1, 0.2, 0.3], [0.5, 0.4, 0.3, 0.9], [0.1, 0.2, 0.0, 0.3]])
RIGHT = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], dtype=bool)


def test_hand_worked_ranks():
    assert metrics.ranks_in(SCORES, RIGHT).tolist() == [0, 2, 3]


def test_the_best_of_several_right_entries_counts():
    right = np.array([[0, 1, 0, 1]], dtype=bool)
    assert metrics.ranks_in(np.array([[0.9, 0.1, 0.5, 0.8]]), right).tolist() == [1]


def test_ties_count_against_the_model():
    same = np.ones((4, 4))
    assert metrics.ranks_in(same, np.eye(4, dtype=bool)).tolist() == [3] * 4
    assert metrics.label_ranks(same, np.arange(4)).tolist() == [3] * 4
    assert metrics.ranks_in(np.array([[0.5, 0.5, 0.1]]), np.array([[True, True, False]])).tolist() == [0]


def test_a_query_without_a_right_entry_is_refused():
    with pytest.raises(UsageError, match="query 1"):
        metrics.ranks_in(np.zeros((2, 2)), np.array([[True, False], [False, False]]))


def _brute_rank(scores, right):
    order = sorted(range(len(scores)), key=lambda j: (-scores[j], right[j]))  # wrong ones first among equals
    return next(place for place, j in enumerate(order) if right[j])


@pytest.mark.parametrize("block", [1, 7, 1024])
def test_ranks_equal_sorting_everything(block, monkeypatch):
    monkeypatch.setattr(metrics, "BLOCK", block)
    rng = np.random.default_rng(0)
    gallery = rng.integers(-2, 3, (40, 3)).astype(np.float32)  # few distinct values: many ties, exact sums
    queries = rng.integers(-2, 3, (23, 3)).astype(np.float32)
    owners = rng.integers(0, 6, 40)
    owners[:6] = np.arange(6)
    wanted = rng.integers(0, 6, 23)
    ranks = metrics.best_ranks(queries, gallery, query_owners=wanted, gallery_owners=owners)
    scores = queries @ gallery.T
    # With several right ones equal to the best, those wrong and as high stand before it: sort wrong first.
    assert ranks.tolist() == [_brute_rank(scores[i], owners == wanted[i]) for i in range(23)]


def test_ranks_of_labels_and_mean_per_class_by_hand():
    scores = np.array([[3, 2, 1], [1, 2, 3], [1, 3, 2], [0, 1, 9]])
    labels = np.array([0, 1, 1, 2])
    assert metrics.label_ranks(scores, labels).tolist() == [0, 1, 0, 0]
    hits = metrics.label_ranks(scores, labels) < 1
    assert metrics.mean_per_class(hits, labels) == pytest.approx((1 + 0.5 + 1) / 3)


def test_chance_equals_a_random_order():
    assert metrics.chance_of_recall([1, 1], 1000, 10) == pytest.approx(0.01)
    assert metrics.chance_of_recall([5], 5000, 1) == pytest.approx(0.001)
    assert metrics.chance_of_recall([2], 4, 2) == pytest.approx(1 - (2 * 1) / (4 * 3))
    assert metrics.chance_of_recall([1], 3, 10) == 1.0


def test_interval_of_a_mean_has_the_width_of_theory():
    hits = np.arange(400) < 100  # 25 %
    low, high = metrics.bootstrap_interval(hits)
    half = 1.96 * math.sqrt(0.25 * 0.75 / 400)
    assert low == pytest.approx(0.25 - half, abs=0.01)
    assert high == pytest.approx(0.25 + half, abs=0.01)
    assert metrics.bootstrap_interval(hits) == (low, high)


def test_clusters_are_drawn_whole():
    hits = np.repeat(np.arange(80) < 20, 5)  # five equal answers a picture hold no more than one
    clusters = np.repeat(np.arange(80), 5)
    low, high = metrics.bootstrap_interval(hits, clusters=clusters)
    naive_low, naive_high = metrics.bootstrap_interval(hits)
    assert (high - low) / (naive_high - naive_low) == pytest.approx(math.sqrt(5), rel=0.15)


def test_strata_are_resampled_within_themselves():
    values = np.array([1.0] * 50 + [0.0] * 5)
    strata = np.array([0] * 50 + [1] * 5)
    assert metrics.bootstrap_interval(values, strata=strata) == (0.5, 0.5)


def test_no_values_have_no_interval():
    with pytest.raises(UsageError, match="no values"):
        metrics.bootstrap_interval(np.zeros(0))


@pytest.mark.parametrize("kind", [np.bool_, np.int32, np.float32])
def test_intervals_of_hits_and_of_numbers_are_the_same(kind):
    values = np.arange(30) % 3 == 0
    plain = metrics.bootstrap_interval(values.astype(np.float64))
    assert metrics.bootstrap_interval(values.astype(kind)) == plain
    clusters = np.repeat(np.arange(10), 3)
    assert metrics.bootstrap_interval(values.astype(kind), clusters=clusters) == metrics.bootstrap_interval(
        values.astype(np.float64), clusters=clusters
    )


def test_intervals_are_those_of_scipy():
    values = np.random.default_rng(3).random(200)
    low, high = metrics.bootstrap_interval(values)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert (low, high) == (pytest.approx(theirs.low, abs=0.004), pytest.approx(theirs.high, abs=0.004))


def test_clusters_of_unlike_size_weigh_by_their_answers():
    """The mean of a draw is hits over answers, not a mean of clusters' means: all draws lie between these."""
    values, clusters = np.array([1, 0, 0, 0]), np.array([7, 3, 3, 3])
    low, high = metrics.bootstrap_interval(values, clusters=clusters)
    assert (low, high) == (0.0, 1.0)
    shares = {1.0, 0.0, 0.25}  # the big one twice, the small one twice, one of each
    seeds = [metrics.bootstrap_interval(values, clusters=clusters, seed=seed) for seed in range(5)]
    assert {end for ends in seeds for end in ends} <= shares


def test_another_seed_draws_other_samples():
    values = np.random.default_rng(0).random(50)
    assert metrics.bootstrap_interval(values, seed=1) != metrics.bootstrap_interval(values, seed=2)
    assert metrics.bootstrap_interval(values) == metrics.bootstrap_interval(values, seed=0)


def test_chance_weighs_each_query_alike():
    assert metrics.chance_of_recall([1, 1, 1, 3], 4, 1) == pytest.approx((3 * 0.25 + 0.75) / 4)
    assert metrics.chance_of_recall(np.array([2, 4]), 4, 3) == pytest.approx(1.0)


def test_ranks_are_whole_numbers():
    ranks = metrics.best_ranks(
        np.eye(3, dtype=np.float32),
        np.eye(3, dtype=np.float32),
        query_owners=np.arange(3),
        gallery_owners=np.arange(3),
    )
    assert ranks.dtype == np.int64
    assert metrics.label_ranks(np.array([[0.2, 0.9, 0.5]]), np.array([2])).tolist() == [1]


def test_queries_are_compared_block_by_block(monkeypatch):
    """No block ever holds more than BLOCK queries: that is what bounds the memory."""
    monkeypatch.setattr(metrics, "BLOCK", 4)
    sizes = []
    real = metrics.ranks_in
    monkeypatch.setattr(metrics, "ranks_in", lambda scores, right: sizes.append(len(scores)) or real(scores, right))
    metrics.best_ranks(np.eye(10), np.eye(10), query_owners=np.arange(10), gallery_owners=np.arange(10))
    assert sizes == [4, 4, 2]


def test_a_lost_query_is_named_with_the_cure():
    with pytest.raises(UsageError) as caught:
        metrics.ranks_in(np.zeros((1, 2)), np.array([[False, False]]))
    assert str(caught.value) == "query 0 has nothing right in the gallery; leave such queries out"
    with pytest.raises(UsageError) as caught:
        metrics.bootstrap_interval(np.zeros(0))
    assert str(caught.value) == "an interval of no values; give at least one"


def test_nan_is_never_right():
    scores = np.array([[np.nan, 0.5], [0.5, np.nan], [np.nan, np.nan], [0.5, 0.4]])
    assert metrics.label_ranks(scores, np.zeros(4, np.int64)).tolist() == [1, 1, 1, 0]


def test_first_right_and_its_gains_are_those_of_a_plain_sort():
    generator = np.random.default_rng(0)
    queries, gallery = generator.normal(size=(30, 4)), np.round(generator.normal(size=(40, 4)), 0)
    owners, of_gallery = generator.integers(0, 8, 30), np.arange(40) % 8
    queries = np.round(queries, 0)  # many ties
    first = metrics.first_right(queries, gallery, query_owners=owners, gallery_owners=of_gallery, k=10)
    for row, query in enumerate(queries):
        right = of_gallery == owners[row]
        order = sorted(range(40), key=lambda i: (-float(query @ gallery[i]), right[i]))
        assert first[row].tolist() == right[order[:10]].tolist()
    ndcg = metrics.discounted_gains(np.array([[True, False, True], [False, True, False]]), np.array([2, 5]))
    best = 1 + 1 / math.log2(3)
    assert ndcg == pytest.approx([(1 + 0.5) / best, (1 / math.log2(3)) / (best + 0.5)])
    few = metrics.first_right(queries, gallery[:3], query_owners=owners, gallery_owners=of_gallery[:3], k=10)
    assert few.shape == (30, 3)


@pytest.mark.parametrize("count", [1, 2, 12, 500])
def test_a_share_of_none_or_all_has_an_exact_end(count):
    low, high = metrics.share_interval(np.zeros(count, bool))
    assert low == 0 and (1 - high) ** count == pytest.approx(0.025)  # none of n has this chance at the end
    low, high = metrics.share_interval(np.ones(count))
    assert high == 1 and low**count == pytest.approx(0.025)
    twice = np.repeat(np.arange(count), 2)  # two answers of one image are one
    assert metrics.share_interval(np.ones(2 * count, bool), clusters=twice) == (low, 1.0)


def test_any_other_share_is_drawn():
    for values in (np.arange(12) < 5, np.full(12, 0.5)):
        assert metrics.share_interval(values) == metrics.bootstrap_interval(values)
    with pytest.raises(UsageError):
        metrics.share_interval(np.zeros(0))


def test_the_mean_per_class_of_many_rare_classes_holds_the_truth():
    """39 classes, most of one image: of 400 drawn sets about 380 intervals hold the mean that they are drawn from."""
    generator = np.random.default_rng(0)
    truth = generator.uniform(0.2, 0.9, 39)
    labels = np.repeat(np.arange(39), [1] * 25 + [4] * 8 + [40] * 6)
    held = drawn = 0
    for _ in range(400):
        hits = generator.random(len(labels)) < truth[labels]
        low, high = metrics.per_class_interval(hits, labels)
        held += low <= truth.mean() <= high
        low, high = metrics.bootstrap_interval(hits, strata=labels)
        drawn += low <= truth.mean() <= high
    assert held >= 370
    assert drawn < 200  # what it stands in place of


def test_the_mean_per_class_by_hand_and_of_larger_classes():
    labels = np.array([0, 0, 1])
    low, high = metrics.per_class_interval(np.array([True, False, True]), labels)
    half = 1.959964 * math.sqrt(0.5 * 0.5 / 2 + 0.6 * 0.4 / 1) / 2  # p: 3 of 6, 3 of 5
    assert (low, high) == (pytest.approx(0.75 - half), 1.0)
    labels = np.repeat([0, 1], 5)
    some = np.arange(10) % 3 == 0
    assert metrics.per_class_interval(some, labels) == metrics.bootstrap_interval(some, strata=labels)
    low, high = metrics.per_class_interval(np.ones(10, bool), labels)
    assert 0.5 < low < 0.9 and high == 1
