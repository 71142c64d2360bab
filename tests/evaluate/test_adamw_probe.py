"""The probe by AdamW: its fit beside PyTorch's, the search over the weight decay, and what is measured."""

import math

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from wordsight.base.arrays import unit
from wordsight.base.errors import UsageError
from wordsight.evaluate import adamw_probe
from wordsight.evaluate.adamw_probe import DECAYS, AdamwProtocol, choose_decay, fit_adamw, measure_adamw
from wordsight.evaluate.linear import Labelled, Linear

CLASSES, WIDTH = 5, 16


def drawn(count, *, seed, noise=1.5):
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(50).normal(size=(CLASSES, WIDTH))
    labels = generator.permutation(np.arange(count) % CLASSES)
    return Labelled(unit(centres[labels] + noise * generator.normal(size=(count, WIDTH))), labels)


def by_torch(rows, decay, *, seed, epochs, batch, rate):
    """The same in PyTorch's own words."""
    torch.manual_seed(seed)
    layer = torch.nn.Linear(WIDTH, CLASSES)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=rate, weight_decay=decay)
    loader = DataLoader(
        TensorDataset(torch.from_numpy(rows.embeddings), torch.from_numpy(rows.labels)), batch_size=batch, shuffle=True
    )
    step, steps = 0, epochs * len(loader)
    for _ in range(epochs):
        for features, labels in loader:
            for group in optimizer.param_groups:
                group["lr"] = rate * (1 + math.cos(math.pi * step / steps)) / 2
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(layer(features), labels).backward()
            optimizer.step()
            step += 1
    return layer.weight.detach().numpy(), layer.bias.detach().numpy()


@pytest.mark.parametrize("seed", [0, 3])
def test_weights_are_those_of_torch(seed):
    rows = drawn(150, seed=1)
    fitted = fit_adamw(rows, protocol=AdamwProtocol(rate=0.05, epochs=4, batch=32, seed=seed))
    torch.manual_seed(seed)
    shuffled = rows.of(torch.randperm(150).numpy())
    weights, bias = by_torch(shuffled, 0.0, seed=seed, epochs=4, batch=32, rate=0.05)
    np.testing.assert_allclose(fitted.linear.weights, weights, atol=2e-5)
    np.testing.assert_allclose(fitted.linear.bias, bias, atol=2e-5)
    assert fitted.weight_decay == 0


def test_decays_that_are_tried_together_do_not_know_of_each_other(monkeypatch):
    rows, protocol = drawn(100, seed=2), AdamwProtocol(epochs=5)
    decays = [1e-3, 1.0, 100.0, 10.0]  # 100 leads away without end
    together = adamw_probe._fits(rows, decays, CLASSES, protocol)
    for decay, fit in zip(decays, together, strict=True):
        weights, _ = by_torch(rows, decay, seed=0, epochs=5, batch=64, rate=0.1)
        np.testing.assert_allclose(fit.weights, weights, rtol=1e-3, atol=2e-4)
    monkeypatch.setattr(adamw_probe, "TOGETHER", 1)
    alone = adamw_probe._fits(rows, decays, CLASSES, protocol)
    np.testing.assert_allclose(alone[1].weights, together[1].weights, atol=1e-4)


def test_the_decay_is_searched_for_at_half_the_distance_each_time(monkeypatch):
    best, tried = 41, []

    def fits(rows, decays, classes, protocol):
        tried.append([DECAYS.index(decay) for decay in decays])
        return [Linear(np.full((1, 1), number), np.zeros(1)) for number in tried[-1]]

    monkeypatch.setattr(adamw_probe, "_fits", fits)
    monkeypatch.setattr(Linear, "scores", lambda self, rows: self.weights)
    monkeypatch.setattr(adamw_probe, "_hits", lambda scores, labels, k: np.array(100 - abs(scores[0, 0] - best)))
    chosen = choose_decay(drawn(5, seed=0), drawn(5, seed=1), classes=CLASSES, protocol=AdamwProtocol())
    assert tried == [
        [0, 16, 32, 48, 64, 80, 96],
        [40, 56],
        [36, 44],
        [38, 42],
        [39, 41],
    ]  # 40 and 42 are equally good: the first
    assert chosen == DECAYS[41] == np.logspace(-6, 2, 97)[41]


def test_among_equals_the_smallest_decay_is_taken_and_a_useless_search_ends_at_the_first(monkeypatch):
    easy, other = drawn(60, seed=0, noise=0.01), drawn(30, seed=1, noise=0.01)
    assert fit_adamw(easy, held_out=other).weight_decay == DECAYS[0]
    monkeypatch.setattr(adamw_probe, "_hits", lambda scores, labels, k: np.zeros(1))
    assert fit_adamw(easy, held_out=other).weight_decay == DECAYS[0]


def test_held_out_rows_are_learned_from_only_without_shots():
    rows, held_out = drawn(60, seed=3), drawn(40, seed=4)
    short = AdamwProtocol(epochs=2)
    whole, few = (
        fit_adamw(rows, held_out=held_out, protocol=short),
        fit_adamw(rows, held_out=held_out, shots=5, protocol=short),
    )
    order = adamw_probe.TorchStream(0).permutation(60)
    everything = rows.of(order).also(held_out)
    np.testing.assert_array_equal(
        whole.linear.weights, adamw_probe._fits(everything, [whole.weight_decay], CLASSES, short)[0].weights
    )
    drawn_few = rows.of(order).first_of_each(5)
    assert np.bincount(drawn_few.labels).tolist() == [5] * CLASSES
    np.testing.assert_array_equal(
        few.linear.weights, adamw_probe._fits(drawn_few, [few.weight_decay], CLASSES, short)[0].weights
    )


def test_too_few_rows_of_a_class_are_refused():
    rows = Labelled(np.eye(4, dtype=np.float32), np.array([0, 0, 0, 2]))
    with pytest.raises(UsageError, match=r"2 rows of each class are asked for, and class 2 has 1"):
        fit_adamw(rows, shots=2)
    with pytest.raises(UsageError, match="0 rows"):
        fit_adamw(rows, shots=0)


def test_measures_are_fractions_and_ties_and_nan_are_wrong():
    linear = Linear(np.eye(7, dtype=np.float32), np.zeros(7, np.float32))
    embeddings = np.zeros((5, 7), np.float32)
    embeddings[0] = [7, 6, 5, 4, 3, 2, 1]  # class 0: first
    embeddings[1] = [7, 6, 5, 4, 3, 2, 1]  # class 4: fifth
    embeddings[2] = [7, 6, 5, 4, 3, 2, 1]  # class 5: sixth
    embeddings[3, 4] = np.nan  # class 4
    embeddings[4] = [0, 3, 3, 0, 0, 0, 0]  # class 1, tied with 2
    scores = measure_adamw(linear, Labelled(embeddings, np.array([0, 4, 5, 4, 1])))
    assert scores.acc1 == pytest.approx(1 / 5)
    assert scores.acc5 == pytest.approx(3 / 5)
    assert scores.mean_per_class_recall == pytest.approx(1 / 4)
    assert math.isnan(measure_adamw(linear, Labelled(embeddings[:2], np.array([0, 4]))).acc5)


def test_a_test_row_of_a_class_that_was_never_learned_is_wrong():
    linear = Linear(np.eye(2, dtype=np.float32), np.zeros(2, np.float32))
    scores = measure_adamw(linear, Labelled(np.eye(2, dtype=np.float32), np.array([0, 6])))
    assert (scores.acc1, scores.acc5) == (0.5, 0.5)
