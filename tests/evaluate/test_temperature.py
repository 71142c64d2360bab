import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from wordsight.base.errors import UsageError
from wordsight.evaluate import temperature as module
from wordsight.evaluate.confidence import negative_log_likelihood
from wordsight.evaluate.temperature import fit_temperature, softmax


def _drawn(count, classes, temperature, seed=0):
    generator = np.random.default_rng(seed)
    logits = 5 * generator.normal(size=(count, classes))
    chosen = logits / temperature + generator.gumbel(size=logits.shape)  # their largest is drawn by the softmax
    return logits, chosen.argmax(axis=1)


def _loss(logits, labels, temperature):
    return negative_log_likelihood(softmax(logits / temperature), labels)


def test_softmax_by_hand():
    assert softmax(np.array([[0.0, np.log(3)]])) == pytest.approx(np.array([[0.25, 0.75]]))
    assert softmax(np.array([[1e4, 0.0]], dtype=np.float32)).tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize("true", [0.5, 1.0, 3.0, 10.0])
def test_a_known_temperature_is_recovered(true):
    """5,000 images: the standard error is at most 3 % (that of T = 10, whose logits vary by 0.5 of a unit)."""
    logits, labels = _drawn(5000, 8, true)
    assert fit_temperature(logits, labels) == pytest.approx(true, rel=0.09)


@pytest.mark.parametrize(("classes", "seed"), [(2, 0), (10, 1), (100, 2)])
def test_it_is_the_minimum_that_scipy_finds(classes, seed):
    logits, labels = _drawn(300, classes, 2.5, seed)
    theirs = minimize_scalar(
        lambda b: _loss(logits, labels, 1 / b), bounds=(0.01, 10), method="bounded", options={"xatol": 1e-9}
    )
    assert fit_temperature(logits, labels) == pytest.approx(1 / theirs.x, rel=1e-6)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 12), st.integers(2, 5), st.integers(0, 10**6), st.sampled_from([1e-3, 1.0, 1e4]))
def test_the_slope_is_zero_or_it_is_at_a_bound(count, classes, seed, scale):
    """Any labels, any scale: a minimum of the convex loss, or an end of the range on the side it falls to."""
    generator = np.random.default_rng(seed)
    logits = scale * generator.normal(size=(count, classes))
    labels = generator.integers(0, classes, count)
    best = fit_temperature(logits, labels)
    spread = np.sqrt(np.mean((logits - logits.mean(axis=1, keepdims=True)) ** 2))
    ratio = spread / best
    probabilities = softmax(logits / best)
    slope = float(((probabilities * logits).sum(axis=1) - logits[np.arange(count), labels]).mean()) / spread
    if ratio == pytest.approx(1 / module.REACH):
        assert slope >= 0
    elif ratio == pytest.approx(module.REACH):
        assert slope <= 1e-12
    else:
        assert slope == pytest.approx(0, abs=1e-8)


def test_scaled_logits_have_the_scaled_temperature():
    logits, labels = _drawn(200, 5, 2.0)
    assert fit_temperature(100 * logits, labels) == pytest.approx(100 * fit_temperature(logits, labels), rel=1e-9)
    assert fit_temperature(logits + 1e3, labels) == pytest.approx(fit_temperature(logits, labels), rel=1e-6)


def test_blocks_change_nothing(monkeypatch):
    logits, labels = _drawn(200, 5, 2.0)
    whole = fit_temperature(logits, labels)
    monkeypatch.setattr(module, "AT_ONCE", 35)
    assert fit_temperature(logits, labels) == pytest.approx(whole, rel=1e-9)


def test_all_right_is_the_least_and_all_wrong_the_largest():
    logits = np.array([[3.0, 0, 0], [0, 3, 0], [0, 0, 3]])
    spread = np.sqrt(2.0)  # (2, -1, -1): mean square 2
    assert fit_temperature(logits, np.arange(3)) == pytest.approx(spread / 100)
    assert fit_temperature(logits, np.array([1, 2, 0])) == pytest.approx(spread * 100)


@pytest.mark.parametrize("logits", [np.zeros((4, 3)), np.full((4, 3), 7.3), np.ones((4, 1)), np.arange(4.0)[:, None]])
def test_equal_logits_say_nothing(logits):
    assert fit_temperature(logits.astype(np.float32), np.zeros(4, int)) == 1.0


def test_float32_and_float16_are_as_good():
    logits, labels = _drawn(500, 10, 2.0)
    wide = fit_temperature(logits, labels)
    assert fit_temperature(logits.astype(np.float32), labels) == pytest.approx(wide, rel=1e-5)
    assert fit_temperature(logits.astype(np.float16), labels) == pytest.approx(wide, rel=1e-2)


def test_newton_steps_are_few(monkeypatch):
    """Two looks at the bounds, then steps that square the error: halving the range to 1e-10 would take 40."""
    calls = []
    real = module._slope
    monkeypatch.setattr(module, "_slope", lambda *given: calls.append(given) or real(*given))
    fit_temperature(*_drawn(1000, 10, 3.0))
    assert 3 <= len(calls) <= 12


def test_an_exact_minimum_ends_the_search():
    """Two classes, 3 of 4 right at a margin of ln 3: T is 1, where the search may begin exactly."""
    logits = np.array([[np.log(3), 0.0]] * 4)
    assert fit_temperature(logits, np.array([0, 0, 0, 1])) == pytest.approx(1.0, rel=1e-9)


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (np.zeros(3), np.zeros(3, int), r"shape \(3,\); give \(images, classes\)"),
        (np.zeros((0, 2)), np.zeros(0, int), "one image at least"),
        (np.array([[0.0, np.nan]]), np.array([0]), "NaN or infinite; leave such images out"),
        (np.array([[0.0, -np.inf]]), np.array([0]), "NaN or infinite"),
        (np.eye(2), np.array([0, 2]), "label 2 of image 1; give class numbers 0 to 1"),
    ],
)
def test_what_has_no_temperature_is_refused(logits, labels, message):
    with pytest.raises(UsageError, match=message):
        fit_temperature(logits, labels)
