import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wordsight.base.errors import UsageError
from wordsight.evaluate import metrics, resampling

SCORES = st.lists(st.integers(0, 5), min_size=1, max_size=12)  # few values: many ties


def test_a_resample_is_counts_of_the_size_of_the_set():
    blocks = list(resampling.resamples(300))
    assert len(blocks) > 1  # of several blocks
    counts = np.concatenate(blocks)
    assert counts.shape == (metrics.DRAWS, 300)
    assert (counts.sum(axis=1) == 300).all()
    assert counts.mean() == 1
    assert (counts == 0).mean() == pytest.approx((1 - 1 / 300) ** 300, abs=0.005)  # sd of the mean: 0.0004


def test_the_interval_of_a_mean_is_that_of_the_plain_bootstrap():
    values = np.random.default_rng(0).random(700)
    low, high = resampling.statistic_interval(lambda counts: counts @ values / len(values), 700, seed=4)
    assert (low, high) == pytest.approx(metrics.bootstrap_interval(values, seed=4), abs=1e-12)


def test_blocks_change_nothing(monkeypatch):
    values = np.random.default_rng(0).random(50)
    whole = resampling.statistic_interval(lambda counts: counts @ values, 50)
    monkeypatch.setattr(resampling, "AT_ONCE", 120)
    assert resampling.statistic_interval(lambda counts: counts @ values, 50) == pytest.approx(whole, abs=1e-12)


def test_a_statistic_by_rows_is_called_with_the_rows_of_each_resample():
    statistic = resampling.by_rows(lambda rows: float(np.median(rows)))
    assert statistic(np.array([[1, 1, 1], [0, 3, 0], [0, 1, 2]])).tolist() == [1.0, 1.0, 2.0]
    assert resampling.value_of(statistic, 5) == 2.0


def test_resamples_without_a_value_are_left_out():
    first = resampling.by_rows(lambda rows: 7.0 if 0 in rows else float("nan"))
    assert resampling.statistic_interval(first, 10) == (7.0, 7.0)
    none = resampling.by_rows(lambda rows: float("nan"))
    assert np.isnan(resampling.statistic_interval(none, 10)).all()


def test_no_images_are_refused():
    with pytest.raises(UsageError, match="an interval of no images; give at least one"):
        resampling.statistic_interval(lambda counts: counts[:, 0], 0)


@given(SCORES)
def test_runs_are_the_equal_keys_from_high_to_low(keys):
    array = np.array(keys)
    order, starts = resampling.runs_of(array)
    runs = np.split(array[order], starts[1:])
    assert [run[0] for run in runs] == sorted(set(keys), reverse=True)
    assert all((run == run[0]).all() for run in runs)
    sums = resampling.run_sums(np.ones((1, len(keys)), dtype=np.int64), starts)
    assert sums[0].tolist() == [len(run) for run in runs]


@settings(deadline=None)
@given(SCORES, st.integers(0, 1000))
def test_sums_up_to_a_position_are_means_over_all_orders_of_what_is_equal(keys, seed):
    """The t-th of m equal images is each of them with the same probability, so that t of them have t times the mean."""
    generator = np.random.default_rng(seed)
    values = generator.integers(0, 2, len(keys))
    array = np.array(keys)
    order, starts = resampling.runs_of(array)
    sizes = resampling.run_sums(np.ones((1, len(keys)), dtype=np.int64), starts)
    sums = resampling.run_sums(values[None, order], starts)
    positions = np.arange(0.0, len(keys) + 1)
    result = resampling.sums_up_to(sizes, sums, positions)[0]
    expected = [0.0]
    for t in range(1, len(keys) + 1):
        last = np.sort(array)[::-1][t - 1]
        before, equal = array > last, array == last
        expected.append(values[before].sum() + (t - before.sum()) * values[equal].mean())
    assert result == pytest.approx(expected, abs=1e-12)


def test_reciprocal_sums_are_harmonic_numbers():
    assert resampling.reciprocal_sums(4) == pytest.approx([0, 1, 1.5, 11 / 6, 25 / 12])
    assert resampling.reciprocal_sums(0).tolist() == [0.0]
