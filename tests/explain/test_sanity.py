import numpy as np
import pytest

from wordsight.base.errors import UsageError
from wordsight.explain.sanity import randomised, rank_correlation, ssim, text_swap


def noise(seed, shape=(12, 14)):
    return np.random.default_rng(seed).normal(size=shape)


def test_rank_correlation_by_hand():
    """Ranks 1 2 3 4 and 2 1 4 3: 1 - 6 * (1 + 1 + 1 + 1) / (4 * 15)."""
    first, second = np.array([[1.0, 2.0], [3.0, 40.0]]), np.array([[2.0, 1.0], [9.0, 3.0]])
    assert rank_correlation(first, second) == pytest.approx(0.6)
    assert rank_correlation(first, np.exp(first / 10)) == pytest.approx(1)
    assert rank_correlation(first, -first) == pytest.approx(-1)


def test_rank_correlation_is_scipys_with_ties_too():
    from scipy.stats import spearmanr

    for seed in range(5):
        first, second = np.round(noise(seed)), np.round(noise(seed + 50) + noise(seed) / 2, 1)
        expected = spearmanr(first.ravel(), second.ravel()).statistic
        assert rank_correlation(first, second) == pytest.approx(expected, abs=1e-12)


def test_a_flat_map_is_like_another_flat_map_only():
    flat = np.ones((12, 14))
    assert rank_correlation(flat, 2 * flat) == 1
    assert rank_correlation(flat, noise(0)) == 0


def test_ssim_by_a_loop_over_windows():
    first, second = noise(0), noise(0) + noise(1)
    x, y = ((one - one.min()) / np.ptp(one) for one in (first, second))
    values = []
    for top in range(12 - 6):
        for left in range(14 - 6):
            a, b = (one[top : top + 7, left : left + 7].ravel() for one in (x, y))
            (va, both), (_, vb) = np.cov(a, b)
            light = (2 * a.mean() * b.mean() + 1e-4) / (a.mean() ** 2 + b.mean() ** 2 + 1e-4)
            values.append(light * (2 * both + 9e-4) / (va + vb + 9e-4))
    assert ssim(first, second) == pytest.approx(np.mean(values), abs=1e-12)


def test_ssim_of_the_same_and_of_an_unlike_map():
    assert ssim(noise(0), 3 * noise(0) - 7) == pytest.approx(1)  # both are stretched to 0..1
    assert abs(ssim(noise(0), noise(1))) < 0.3
    assert ssim(noise(0), -noise(0)) < -0.3
    assert ssim(np.ones((7, 7)), np.zeros((7, 7))) == pytest.approx(1)  # two flat maps


def test_two_texts_must_have_two_maps():
    same = text_swap(noise(0), noise(0) + 0.01 * noise(1))
    assert not same.passes
    assert same.correlation > 0.99
    other = text_swap(noise(0), noise(1))
    assert other.passes
    assert other.ssim is None
    assert text_swap(noise(0), -noise(0)).passes  # what speaks for one speaks against the other
    assert not text_swap(noise(0), noise(1), limit=-0.9).passes
    assert text_swap(noise(0), noise(0), limit=1).passes
    assert str(same) == f"text swap: rank correlation +{same.correlation:.2f}: fails"


def test_weights_of_no_meaning_must_give_another_map():
    learned = noise(0)
    assert randomised(learned, noise(1)).passes
    assert not randomised(learned, learned).passes
    assert not randomised(learned, -learned).passes  # without its sign
    assert randomised(learned, learned, limit=1, ssim_limit=1).passes


def test_outlines_alone_are_enough_to_fail():
    """A bump on a slope the other way: ranks differ, SSIM does not, or the limits would not be two."""
    rng = np.random.default_rng(0)
    learned = np.zeros((14, 14))
    learned[4:9, 4:9] = 10
    random = learned.copy()
    learned += rng.normal(scale=1e-6, size=learned.shape)
    random += rng.normal(scale=1e-6, size=learned.shape)
    check = randomised(learned, random)
    assert abs(check.correlation) < 0.5
    assert check.ssim > 0.9
    assert not check.passes
    assert "SSIM 1.00: fails" in str(check)


def test_small_maps_have_no_ssim():
    check = randomised(noise(0, (6, 8)), noise(1, (6, 8)))
    assert check.ssim is None
    with pytest.raises(UsageError, match=r"SSIM of maps of \(6, 8\); enlarge them to 7 or more on each side"):
        ssim(noise(0, (6, 8)), noise(1, (6, 8)))


@pytest.mark.parametrize("function", [text_swap, randomised, rank_correlation, ssim])
def test_maps_that_cannot_be_compared(function):
    with pytest.raises(UsageError, match=r"maps of the shapes \(12, 14\) and \(14, 12\); give two maps"):
        function(noise(0), noise(0).T)
    with pytest.raises(UsageError, match="values that are not finite"):
        function(noise(0), noise(0) * np.nan)
    with pytest.raises(UsageError, match=r"maps of the shapes \(1, 12, 14\)"):
        function(noise(0)[None], noise(0)[None])
