"""The linear classifier on embeddings: what L-BFGS reaches, and the sweep over the regularisation."""

import numpy as np
import pytest
from scipy import optimize

from wordsight.base.arrays import unit
from wordsight.evaluate.lbfgs import minimise
from wordsight.evaluate.linear import Labelled, Linear, choose_strength, cross_entropy, fit_few, fit_linear

CLASSES, WIDTH = 4, 12


def clusters(count, *, noise, seed=0):
    """`count` embeddings around a centre for each class."""
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(CLASSES, WIDTH))
    labels = np.arange(count) % CLASSES
    return Labelled(unit(centres[labels] + noise * generator.normal(size=(count, WIDTH))), labels)


def test_lbfgs_finds_the_minimum_of_a_narrow_valley():
    def rosenbrock(x):
        return optimize.rosen(x), optimize.rosen_der(x)

    np.testing.assert_allclose(minimise(rosenbrock, np.zeros(6)), np.ones(6), atol=1e-4)


def test_lbfgs_stops_after_its_steps_and_where_nothing_is_to_be_gained():
    calls = []

    def bowl(x):
        calls.append(x)
        return float(x @ x), 2 * x

    start = np.full(3, 5.0)
    assert minimise(bowl, start, steps=0).tolist() == start.tolist()
    calls.clear()
    assert minimise(bowl, np.zeros(3)).tolist() == [0, 0, 0]
    assert len(calls) == 1


@pytest.mark.parametrize("strength", [0.01, 1.0, 100.0])
def test_the_fit_is_the_optimum_that_scipy_finds(strength):
    rows = clusters(80, noise=1.5)

    def loss(flat):
        weights, bias = flat[:-CLASSES].reshape(CLASSES, WIDTH), flat[-CLASSES:]
        value, slopes = cross_entropy(rows.embeddings @ weights.T + bias, rows.labels)
        gradient = np.concatenate([(slopes.T @ rows.embeddings + strength / 80 * weights).ravel(), slopes.sum(axis=0)])
        return value + strength / 160 * (weights**2).sum(), gradient

    best = optimize.minimize(loss, np.zeros(CLASSES * (WIDTH + 1)), jac=True, method="L-BFGS-B", options={"gtol": 1e-8})
    fitted = fit_linear(rows, classes=CLASSES, strength=strength)
    reached, _ = loss(np.concatenate([fitted.weights.ravel(), fitted.bias]).astype(np.float64))
    assert reached == pytest.approx(best.fun, abs=1e-4)
    elsewhere = Linear(np.ones((CLASSES, WIDTH), np.float32), np.ones(CLASSES, np.float32))
    again = fit_linear(rows, classes=CLASSES, strength=strength, start=elsewhere)
    np.testing.assert_allclose(again.weights, fitted.weights, atol=0.05)


def test_the_gradient_of_the_cross_entropy_is_its_slope():
    logits, labels = np.random.default_rng(1).normal(size=(3, CLASSES)), np.array([0, 2, 1])
    _, gradient = cross_entropy(logits, labels)
    for index in np.ndindex(logits.shape):
        step = np.zeros_like(logits)
        step[index] = 1e-6
        slope = (cross_entropy(logits + step, labels)[0] - cross_entropy(logits - step, labels)[0]) / 2e-6
        assert gradient[index] == pytest.approx(slope, abs=1e-8)


def test_the_sweep_regularises_what_is_noisy_and_takes_the_strongest_of_equals():
    easy, other = clusters(40, noise=0.05), clusters(40, noise=0.05, seed=1)
    assert choose_strength(easy, other, classes=CLASSES) == 1e6  # the direction alone is right already
    noisy, held_out = clusters(40, noise=2.0), clusters(400, noise=2.0, seed=1)
    chosen = choose_strength(noisy, held_out, classes=CLASSES)
    weak = fit_linear(noisy, classes=CLASSES, strength=1e-6).accuracy(held_out)
    assert fit_linear(noisy, classes=CLASSES, strength=chosen).accuracy(held_out) > weak
    assert (np.log10(chosen) * 8) % 1 == pytest.approx(0, abs=1e-6)


def test_the_first_rows_of_each_class_stay_in_order():
    rows = Labelled(np.arange(7, dtype=np.float32)[:, None], np.array([5, 2, 5, 5, 2, 9, 2]))
    assert rows.first_of_each(2).embeddings[:, 0].tolist() == [0, 1, 2, 4, 5]
    assert rows.first_of_each(0).labels.tolist() == []
    assert rows.of(np.arange(0)).first_of_each(3).labels.tolist() == []


def test_few_rows_choose_their_strength_by_as_many_others_and_learn_from_themselves_alone():
    few, held_out = clusters(12, noise=1.0), clusters(200, noise=1.0, seed=1)  # 3 of each class
    linear, strength = fit_few(few, held_out, classes=CLASSES)
    assert strength == choose_strength(few, held_out.of(np.arange(12)), classes=CLASSES)
    np.testing.assert_array_equal(linear.weights, fit_linear(few, classes=CLASSES, strength=strength).weights)
