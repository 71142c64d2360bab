import numpy as np
import pytest

from wordsight.base.errors import UsageError
from wordsight.evaluate import confidence as module
from wordsight.evaluate.confidence import (
    calibration_error,
    check_probabilities,
    equal_mass_bins,
    equal_width_bins,
    log_losses,
    squared_errors,
    top_answers,
)

P = np.array([[0.7, 0.2, 0.1], [0.5, 0.5, 0.0], [0.1, 0.3, 0.6], [0.0, 0.0, 1.0]])
LABELS = np.array([0, 1, 0, 2])


def _calibrated(count, seed=0):
    """Confidences that are true by construction."""
    generator = np.random.default_rng(seed)
    sure = generator.uniform(0.2, 1, count)
    return sure, generator.random(count) < sure


def test_answers_by_hand():
    """Image 1 has two largest probabilities: that is no answer."""
    sure, hits = top_answers(P, LABELS)
    assert sure.tolist() == [0.7, 0.5, 0.6, 1.0]
    assert hits.tolist() == [True, False, False, True]
    assert module.margin(P) == pytest.approx([0.5, 0.0, 0.3, 1.0])
    entropies = [-sum(p * np.log(p) for p in row if p > 0) for row in P]
    assert module.negative_entropy(P) == pytest.approx([-entropy for entropy in entropies])
    assert module.negative_entropy(P)[3] == 0
    assert module.margin(np.ones((2, 1))).tolist() == [1.0, 1.0]


def test_proper_scores_by_hand():
    squares = [0.3**2 + 0.2**2 + 0.1**2, 0.5, 0.9**2 + 0.3**2 + 0.6**2, 0.0]
    assert squared_errors(P, LABELS) == pytest.approx(squares, abs=1e-15)
    assert module.brier_score(P, LABELS) == pytest.approx(np.mean(squares))
    assert log_losses(P, LABELS) == pytest.approx(-np.log([0.7, 0.5, 0.1, 1.0]))
    assert module.negative_log_likelihood(P, LABELS) == pytest.approx(-np.log(0.7 * 0.5 * 0.1) / 4)
    assert log_losses(P, np.array([0, 2, 0, 2]))[1] == np.inf
    assert squared_errors(np.array([[1.0, 0.0]]), np.array([1])).tolist() == [2.0]


def test_two_classes_have_twice_the_binary_brier_score():
    one = np.random.default_rng(0).random(50)
    labels = np.random.default_rng(1).integers(0, 2, 50)
    both = np.stack([1 - one, one], axis=1)
    assert module.brier_score(both, labels) == pytest.approx(2 * np.mean((one - labels) ** 2))


def test_bins_have_their_upper_end():
    """Five bins; 0.2 and 0.4 are at ends, 0 in the first, 1 in the last; the third is empty."""
    sure = np.array([0.0, 0.2, 0.21, 0.4, 0.7, 1.0])
    bins = equal_width_bins(sure, np.array([0, 1, 1, 0, 1, 1], dtype=bool), bins=5)
    assert bins.count.tolist() == [2, 2, 0, 1, 1]
    assert bins.confidence == pytest.approx([0.1, 0.305, np.nan, 0.7, 1.0], nan_ok=True)
    assert bins.accuracy == pytest.approx([0.5, 0.5, np.nan, 1.0, 1.0], nan_ok=True)
    assert (bins.low[1], bins.high[1]) == (0.2, 0.4)
    assert calibration_error(bins) == pytest.approx((2 * 0.4 + 2 * 0.195 + 0.3) / 6)


def test_calibration_error_is_that_of_a_loop():
    generator = np.random.default_rng(3)
    sure, hits = generator.random(500), generator.random(500) < 0.6
    total = 0.0
    for m in range(15):
        inside = [i for i in range(500) if m / 15 < sure[i] <= (m + 1) / 15]
        total += len(inside) / 500 * abs(hits[inside].mean() - sure[inside].mean())
    assert calibration_error(equal_width_bins(sure, hits)) == pytest.approx(total, abs=1e-12)


def test_bins_of_equal_mass_by_hand():
    sure = np.array([0.9, 0.1, 0.3, 0.5])
    bins = equal_mass_bins(sure, np.array([True, False, True, False]), bins=2)
    assert bins.count.tolist() == [2, 2]
    assert bins.confidence == pytest.approx([0.2, 0.7])
    assert bins.accuracy == pytest.approx([0.5, 0.5])
    assert (bins.low.tolist(), bins.high.tolist()) == ([0.1, 0.5], [0.3, 0.9])
    assert calibration_error(bins) == pytest.approx(0.25)


def test_images_of_one_confidence_share_their_hits_among_bins():
    sure = np.full(6, 0.5)
    hits = np.array([True, True, True, False, False, False])
    for order in (np.arange(6), np.arange(6)[::-1]):
        bins = equal_mass_bins(sure, hits[order], bins=3)
        assert bins.accuracy == pytest.approx([0.5] * 3)
        assert calibration_error(bins) == pytest.approx(0.0, abs=1e-12)


def test_fewer_images_than_bins_are_a_bin_each():
    bins = equal_mass_bins(np.array([0.2, 0.8]), np.array([False, True]))
    assert bins.count.tolist() == [1, 1]
    assert calibration_error(bins) == pytest.approx(0.2)


@pytest.mark.parametrize("seed", range(4))
def test_a_calibrated_sample_is_within_the_noise(seed):
    """A true confidence is above the 97.5 % quantile 1 time in 40: these four seeds are not; 2,000 images: under 0.04."""
    sure, hits = _calibrated(2000, seed)
    mean, most = module.calibration_noise(sure)
    error = calibration_error(equal_width_bins(sure, hits))
    assert error <= most < 0.04
    assert 0 < mean < most
    assert calibration_error(equal_mass_bins(sure, hits)) < 0.04


def test_noise_is_of_the_size_that_calibrated_samples_have():
    """300 calibrated samples of the same confidences: about 1 in 40 is above the quantile; 20 or more are 1 in 10^4."""
    sure, _ = _calibrated(200)
    generator = np.random.default_rng(9)
    errors = [calibration_error(equal_width_bins(sure, generator.random(200) < sure)) for _ in range(300)]
    mean, most = module.calibration_noise(sure)
    assert np.mean(errors) == pytest.approx(mean, rel=0.05)
    assert (np.array(errors) > most).sum() < 20


def test_overconfidence_is_above_the_noise():
    sure, hits = _calibrated(2000)
    too_sure = 0.5 + sure / 2
    assert calibration_error(equal_width_bins(too_sure, hits)) == pytest.approx(np.mean(0.5 - sure / 2), abs=0.02)
    assert calibration_error(equal_width_bins(too_sure, hits)) > 3 * module.calibration_noise(too_sure)[1]


@pytest.mark.parametrize(
    ("probabilities", "labels", "message"),
    [
        (np.ones(3), np.zeros(3, int), r"shape \(3,\); give \(images, classes\)"),
        (np.ones((0, 3)), np.zeros(0, int), r"shape \(0, 3\)"),
        (P, np.zeros(3, int), r"\(3,\) labels for 4 images; give one label for each image"),
        (P, np.zeros(4), "labels of the type float64; give class numbers"),
        (P, np.array([0, 1, 3, 0]), "label 3 of image 2; give class numbers 0 to 2"),
        (P, np.array([0, -1, 2, 0]), "label -1 of image 1"),
        (P * [[1], [1], [2], [1]], LABELS, "row 2 holds no probabilities: its sum is 2; give the softmax"),
        (np.array([[1.5, -0.5]]), np.array([0]), "row 0 holds no probabilities"),
        (np.array([[np.nan, 1.0]]), np.array([0]), "row 0 holds no probabilities: its sum is nan"),
    ],
)
def test_what_are_no_probabilities_is_refused(probabilities, labels, message):
    for function in (check_probabilities, top_answers, squared_errors, log_losses):
        with pytest.raises(UsageError, match=message):
            function(probabilities, labels)


@pytest.mark.parametrize(
    ("sure", "hits", "bins", "message"),
    [
        ([0.5], [True, False], 15, r"shape \(1,\) and hits of \(2,\); give one of both"),
        ([], [], 15, "one image at least"),
        ([0.5, np.nan], [True, False], 15, "confidence of image 1 is NaN; leave it out"),
        ([0.5, 3.25], [True, False], 15, "confidence of image 1 is 3.25; calibration is of probabilities"),
        ([0.5, -0.1], [True, False], 15, "confidence of image 1 is -0.1"),
        ([0.5], [True], 0, "0 bins; give 1 or more"),
    ],
)
def test_what_has_no_calibration_is_refused(sure, hits, bins, message):
    for function in (equal_width_bins, equal_mass_bins, module.calibration_error_of, module.adaptive_error_of):
        with pytest.raises(UsageError, match=message):
            function(np.array(sure), np.array(hits, dtype=bool), bins=bins)
