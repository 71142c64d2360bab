"""What leaving doubtful images out brings, and the numbers of confidences as statistics of resamples."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wordsight.base.errors import UsageError
from wordsight.evaluate import confidence as module
from wordsight.evaluate.confidence import accuracies_at, equal_mass_bins, equal_width_bins, risk_area, risk_coverage
from wordsight.evaluate.resampling import statistic_interval, value_of


def _risks(hits):
    return [1 - np.mean(hits[: k + 1]) for k in range(len(hits))]


def test_risks_by_hand():
    """From the surest: right, wrong, right, right."""
    sure = np.array([0.2, 0.9, 0.7, 0.5])
    hits = np.array([True, True, False, True])
    coverages, risks = risk_coverage(sure, hits)
    assert coverages.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert risks == pytest.approx([0, 1 / 2, 1 / 3, 1 / 4])
    assert risk_area(sure, hits) == pytest.approx((1 / 2 + 1 / 3 + 1 / 4) / 4)
    assert risk_area(hits, hits) == pytest.approx(1 / 16)  # the wrong one last
    assert accuracies_at(sure, hits, [0.25, 0.3, 0.5, 1]) == pytest.approx([1, 0.5, 0.5, 0.75])


def test_equal_confidences_are_the_mean_over_their_orders():
    sure = np.array([0.9, 0.5, 0.5, 0.5, 0.1])
    hits = np.array([False, True, False, True, True])
    orders = [_risks([hits[0], *middle, hits[4]]) for middle in itertools.permutations(hits[1:4])]
    expected = np.mean(orders, axis=0)
    assert risk_coverage(sure, hits)[1] == pytest.approx(expected)
    assert risk_area(sure, hits) == pytest.approx(expected.mean())


def test_a_constant_confidence_has_the_plain_error_rate_everywhere():
    hits = np.arange(10) < 7
    assert risk_coverage(np.full(10, 0.5), hits)[1] == pytest.approx([0.3] * 10)
    assert risk_area(np.full(10, 0.5), hits) == pytest.approx(0.3)


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=20))
def test_no_order_has_less_risk_than_that_of_the_hits(rows):
    sure, hits = np.array([row[0] for row in rows], dtype=float), np.array([row[1] for row in rows])
    least, most = risk_area(hits, hits), risk_area(~hits, hits)
    assert least - 1e-12 <= risk_area(sure, hits) <= most + 1e-12
    assert risk_coverage(sure, hits)[1].mean() == pytest.approx(risk_area(sure, hits), abs=1e-12)


@pytest.mark.parametrize(("coverage", "kept"), [(0.07, 7), (0.071, 8), (1, 100), (1e-6, 1), (0.29, 29)])
def test_a_coverage_is_rounded_up_but_not_by_rounding_errors(coverage, kept):
    sure, hits = np.linspace(1, 0, 100), np.arange(100) % 3 == 0
    assert accuracies_at(sure, hits, [coverage]) == pytest.approx([hits[:kept].mean()])


@pytest.mark.parametrize("coverage", [0, -0.5, 1.01, float("nan")])
def test_other_coverages_are_refused(coverage):
    with pytest.raises(UsageError, match=f"a coverage of {coverage}; give shares of the images"):
        accuracies_at(np.ones(2), np.ones(2, bool), [coverage])


STATISTICS = {
    "ece": (
        lambda sure, hits: module.calibration_error_of(sure, hits, bins=5),
        lambda sure, hits: module.calibration_error(equal_width_bins(sure, hits, bins=5)),
    ),
    "adaptive": (
        lambda sure, hits: module.adaptive_error_of(sure, hits, bins=5),
        lambda sure, hits: module.calibration_error(equal_mass_bins(sure, hits, bins=5)),
    ),
    "area": (module.risk_area_of, lambda sure, hits: risk_coverage(sure, hits)[1].mean()),
    "accuracy": (
        lambda sure, hits: module.accuracy_at_of(sure, hits, 0.4),
        lambda sure, hits: accuracies_at(sure, hits, [0.4])[0],
    ),
}


@pytest.mark.parametrize("name", STATISTICS)
@settings(deadline=None, max_examples=50)
@given(st.integers(1, 25), st.sampled_from([3, 1000]), st.integers(0, 10**6))
def test_a_statistic_by_counts_is_the_number_of_the_resampled_rows(name, size, levels, seed):
    statistic_of, plain = STATISTICS[name]
    generator = np.random.default_rng(seed)
    sure, hits = generator.integers(0, levels + 1, size) / levels, generator.random(size) < 0.5
    counts = np.stack([np.bincount(generator.integers(size, size=size), minlength=size) for _ in range(4)])
    expected = [plain(sure[rows], hits[rows]) for rows in (np.repeat(np.arange(size), row) for row in counts)]
    assert statistic_of(sure, hits)(counts) == pytest.approx(expected, abs=1e-12)
    assert value_of(statistic_of(sure, hits), size) == pytest.approx(plain(sure, hits), abs=1e-12)


def test_percentile_intervals_of_a_calibration_error_lie_above_it():
    """The trap that the docs name: of 300 calibrated images the value is below its own interval."""
    generator = np.random.default_rng(0)
    sure = generator.uniform(0.2, 1, 300)
    hits = generator.random(300) < sure
    statistic = module.calibration_error_of(sure, hits)
    low, high = statistic_interval(statistic, 300)
    assert (low + high) / 2 > value_of(statistic, 300) + 0.01
    area = module.risk_area_of(sure, hits)
    low, high = statistic_interval(area, 300)
    assert low < value_of(area, 300) < high
