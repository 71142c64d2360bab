"""The probe by AdamW beside CLIP_benchmark's own, run on the processor: accuracies and the weight decay are the same."""

import math

import numpy as np
import pytest
from clip_benchmark_side import on_processor, probe

from wordsight.base.arrays import unit
from wordsight.evaluate.adamw_probe import AdamwProtocol, fit_adamw, measure_adamw
from wordsight.evaluate.linear import Labelled

CASES = {  # classes, width, noise, shots, whether held-out rows choose, seed
    "all rows, a decay to choose": (7, 24, 5.0, None, True, 0),
    "all rows, a decay to choose, few classes": (3, 16, 4.0, None, True, 2),
    "few rows, a decay to choose": (6, 32, 4.0, 4, True, 1),
    "all rows, no decay": (8, 64, 3.0, None, False, 0),
    "few rows, no decay": (5, 16, 2.0, 3, False, 3),
}


def drawn(generator, centres, count, noise):
    labels = generator.integers(0, len(centres), count)
    labels[: len(centres) * 5] = np.arange(len(centres) * 5) % len(centres)
    order = generator.permutation(count)
    embeddings = unit(centres[labels] + noise * generator.normal(size=(count, centres.shape[1])))
    return Labelled(embeddings[order], labels[order])


@pytest.mark.parametrize("case", CASES)
def test_the_probe_reports_what_clip_benchmark_reports(case, tmp_path, monkeypatch):
    on_processor(monkeypatch)
    classes, width, noise, shots, choosing, seed = CASES[case]
    generator = np.random.default_rng(list(CASES).index(case))
    centres = generator.normal(size=(classes, width))
    parts = {"train": drawn(generator, centres, 150, noise), "test": drawn(generator, centres, 400, noise)}
    if choosing:
        parts["val"] = drawn(generator, centres, 60, noise)
    theirs = probe(tmp_path, parts, shots=shots or -1, seed=seed)
    ours = fit_adamw(parts["train"], held_out=parts.get("val"), shots=shots, protocol=AdamwProtocol(seed=seed))
    scores = measure_adamw(ours.linear, parts["test"])
    assert ours.weight_decay == theirs["weight_decay"]
    assert scores.acc1 == theirs["lp_acc1"]
    assert scores.acc5 == theirs["lp_acc5"] or (math.isnan(scores.acc5) and math.isnan(theirs["lp_acc5"]))
    assert scores.mean_per_class_recall == pytest.approx(theirs["lp_mean_per_class_recall"], abs=1e-12)
    assert 1.3 / classes < scores.acc1 < 0.99  # neither chance nor child's play
