import itertools

import numpy as np
import pytest

from wordsight.base.errors import UsageError
from wordsight.evaluate import association as module
from wordsight.evaluate.association import association, association_scores


def _cosine(u, v):
    return float(np.dot(u, v) / (np.linalg.norm(u) * np.linalg.norm(v)))


def _scores(targets, a, b):
    return [np.mean([_cosine(w, u) for u in a]) - np.mean([_cosine(w, v) for v in b]) for w in targets]


def _exact(x, y, a, b):
    """Every partition, one by one, by the difference of means."""
    scores = np.array(_scores([*x, *y], a, b))
    numbers = range(len(scores))

    def gap(chosen):
        rest = [i for i in numbers if i not in chosen]
        return scores[list(chosen)].mean() - scores[rest].mean()

    observed = gap(tuple(range(len(x))))
    gaps = [gap(chosen) for chosen in itertools.combinations(numbers, len(x))]
    return np.mean([value >= observed - 1e-12 for value in gaps])


def test_by_hand():
    """Targets along the attributes have s = 1 and -1: effect 2 / sd(1, 1, -1, -1) = 2 / sqrt(4/3), p 1 in 6."""
    x, y = np.array([[2.0, 0], [3, 0]]), np.array([[0, 1.0], [0, 5]])
    a, b = np.array([[1.0, 0]]), np.array([[0, 7.0]])
    assert association_scores(np.concatenate([x, y]), a, b).tolist() == [1, 1, -1, -1]
    result = association(x, y, a, b)
    assert result.effect == pytest.approx(3**0.5)
    assert (result.p_value, result.exact) == (pytest.approx(1 / 6), True)
    assert association(y, x, a, b).effect == pytest.approx(-result.effect)
    assert association(y, x, a, b).p_value == 1.0


@pytest.mark.parametrize(("nx", "ny"), [(3, 3), (2, 5), (4, 1)])
def test_the_exact_p_value_is_that_of_an_enumeration(nx, ny):
    generator = np.random.default_rng(nx)
    x, y = generator.normal(size=(nx, 6)) + 0.5, generator.normal(size=(ny, 6))
    a, b = generator.normal(size=(4, 6)) + 0.5, generator.normal(size=(3, 6))
    result = association(x, y, a, b)
    scores = _scores([*x, *y], a, b)
    effect = (np.mean(scores[:nx]) - np.mean(scores[nx:])) / np.std(scores, ddof=1)
    assert result.effect == pytest.approx(effect, abs=1e-12)
    assert result.exact
    assert result.p_value == pytest.approx(_exact(x, y, a, b), abs=1e-12)


def test_equal_targets_count_as_at_least_as_large():
    x = np.array([[1.0, 0], [0, 1]])
    assert association(x, x, x[:1], x[1:]).p_value == pytest.approx(5 / 6)  # of six, one has both of the lower


def test_drawn_partitions_agree_with_all(monkeypatch):
    """100,000 draws: the standard error is at most 0.0016, the bound 5 of them."""
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(6, 8)) + 0.3, generator.normal(size=(5, 8))
    a, b = generator.normal(size=(4, 8)) + 0.3, generator.normal(size=(4, 8))
    exact = association(x, y, a, b)
    monkeypatch.setattr(module, "EXACT", 100)
    drawn = association(x, y, a, b)
    assert (exact.exact, drawn.exact) == (True, False)
    assert drawn.effect == exact.effect
    assert drawn.p_value == pytest.approx(exact.p_value, abs=0.008)
    assert association(x, y, a, b) == drawn


def test_a_drawn_p_value_is_never_zero():
    x, y = np.tile([1.0, 0], (20, 1)), np.tile([0, 1.0], (20, 1))
    result = association(x, y, x[:1], y[:1])
    assert (result.p_value, result.exact) == (1 / module.SAMPLED, False)


def test_targets_that_lie_alike_have_no_effect():
    same = np.ones((3, 4))
    result = association(same, same, np.eye(4)[:2], np.eye(4)[2:])
    assert np.isnan(result.effect)
    assert result.p_value == 1.0


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ((0, 2, 1, 1), "0 and 2 targets; give one of each at least"),
        ((2, 0, 1, 1), "2 and 0 targets"),
        ((1, 1, 0, 3), "0 and 3 attributes; give one of each at least"),
    ],
)
def test_empty_sets_are_refused(counts, message):
    with pytest.raises(UsageError, match=message):
        association(*(np.ones((count, 3)) for count in counts))


@pytest.mark.parametrize("wrong", [0.0, np.nan, np.inf])
def test_embeddings_without_a_direction_are_refused(wrong):
    x = np.array([[1.0, 1], [wrong, wrong]])
    with pytest.raises(UsageError, match=r"embedding 1 has the length (0\.0|nan|inf); leave it out"):
        association(x, x, x[:1], x[:1])
