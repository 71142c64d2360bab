"""LP++: its start, one step by hand, and that no step climbs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wordsight.base.arrays import unit
from wordsight.evaluate import lp_plus_plus
from wordsight.evaluate.linear import Labelled, cross_entropy
from wordsight.evaluate.lp_plus_plus import fit_lp_plus_plus


def problem(seed, *, count=12, classes=3, width=6):
    generator = np.random.default_rng(seed)
    names = unit(generator.normal(size=(classes, width)))
    labels = np.concatenate([np.arange(classes), generator.integers(0, classes, count)])[:count]
    return Labelled(unit(names[labels] + generator.normal(size=(count, width))), labels), names


def loss(fitted, few, names):
    weights = fitted.prototypes + fitted.multipliers[:, None] * names
    return cross_entropy(few.embeddings.astype(np.float64) @ weights.T, few.labels)[0]


def test_it_starts_at_the_sums_of_the_images_and_one_multiplier():
    few = Labelled(np.eye(3, dtype=np.float32)[[0, 0, 1, 2]], np.array([0, 0, 1, 1]))
    names = np.eye(3, dtype=np.float32)[:2]
    start = fit_lp_plus_plus(few, names, steps=0)
    np.testing.assert_allclose(start.prototypes, [[2, 0, 0], [0, 1, 1]])
    np.testing.assert_allclose(start.multipliers, 250 * (1 + 0.5) / 2)  # mean over classes of 1 and (1 + 0) / 2
    scores = start.linear(names).scores(few.embeddings)
    np.testing.assert_allclose(scores, [[189.5, 0], [189.5, 0], [0, 188.5], [0, 1]])


@pytest.mark.parametrize("steps", [1, 10])
def test_steps_follow_the_gradient_by_what_the_data_bound(steps):
    few, names = problem(1)
    images, count = few.embeddings.astype(np.float64), len(few)
    before = fit_lp_plus_plus(few, names, steps=steps - 1)
    after = fit_lp_plus_plus(few, names, steps=steps)

    def slope(prototypes, multipliers, by):
        """By central differences."""

        def value(change):
            moved = (prototypes + change, multipliers) if by == "prototypes" else (prototypes, multipliers + change)
            return loss(lp_plus_plus.LpPlusPlus(*moved), few, names)

        shape = prototypes.shape if by == "prototypes" else multipliers.shape
        slopes = np.zeros(shape)
        for index in np.ndindex(shape):
            change = np.zeros(shape)
            change[index] = 1e-5
            slopes[index] = (value(change) - value(-change)) / 2e-5
        return slopes

    rate = 4 * count / np.linalg.svd(images, compute_uv=False)[0] ** 2
    moved = before.prototypes - rate * slope(before.prototypes, before.multipliers, "prototypes")
    np.testing.assert_allclose(after.prototypes, moved, atol=1e-6)
    expected = before.multipliers
    if steps == 10:
        rate = count / (4 * ((images @ names.T) ** 2).sum(axis=0).max())
        expected = expected - rate * slope(after.prototypes, before.multipliers, "multipliers")
        assert not np.allclose(expected, before.multipliers, atol=1e-4)
    np.testing.assert_allclose(after.multipliers, expected, atol=1e-5)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 30), classes=st.integers(1, 5))
def test_no_step_climbs(seed, count, classes):
    few, names = problem(seed, count=count, classes=classes)
    losses = [loss(fit_lp_plus_plus(few, names, steps=steps), few, names) for steps in range(25)]
    assert np.isfinite(losses).all()
    assert (np.diff(losses) <= 1e-9).all()


def test_names_carry_classes_without_images_and_images_mend_wrong_names():
    generator = np.random.default_rng(0)
    names = unit(generator.normal(size=(4, 32)))
    labels = np.arange(24) % 3  # none of class 3
    few = Labelled(unit(names[labels] + 0.3 * generator.normal(size=(24, 32))), labels)
    scores = fit_lp_plus_plus(few, names).linear(names).scores(names)
    assert scores.argmax(axis=1).tolist() == [0, 1, 2, 3]
    wrong = names[[1, 0, 2, 3]]
    assert (fit_lp_plus_plus(few, wrong).linear(wrong).scores(few.embeddings).argmax(axis=1) == labels).all()
