"""Accuracy, recall within classes, average precision and retrieval beside CLIP_benchmark's own functions, over the same embeddings."""

import math

import numpy as np
import pytest
import torch
from clip_benchmark.metrics import zeroshot_classification, zeroshot_retrieval
from clip_benchmark_side import Batches, GivenModel, on_processor

from wordsight.base.arrays import unit
from wordsight.embeddings.classes import class_embeddings
from wordsight.evaluate.metrics import best_ranks, label_ranks, mean_per_class
from wordsight.evaluate.precision import average_precisions, mean_average_precision


@pytest.mark.parametrize(("classes", "prompts"), [(12, 1), (9, 4), (4, 3)])
def test_zero_shot_classification(classes, prompts, monkeypatch):
    on_processor(monkeypatch)
    generator = np.random.default_rng(classes)
    texts = generator.normal(size=(classes * prompts, 24)).astype(np.float32)
    names = [f"class {number}" for number in range(classes)]
    templates = [f"{number}: {{c}}" for number in range(prompts)]
    lines = [template.format(c=name) for name in names for template in templates]
    numbers = {line: number for number, line in enumerate(lines)}
    labels = np.minimum(generator.integers(0, classes, 150), generator.integers(0, classes, 150))  # uneven
    images = texts[labels * prompts] + 2 * generator.normal(size=(150, 24)).astype(np.float32)
    theirs = zeroshot_classification.evaluate(
        GivenModel(texts),
        Batches(images, torch.from_numpy(labels), classes=names),
        lambda some: torch.tensor([numbers[line] for line in some]),
        names,
        templates,
        "cpu",
        amp=False,
    )
    filled = [lines[start : start + prompts] for start in range(0, len(lines), prompts)]
    names_of = class_embeddings(lambda some: unit(texts[[numbers[line] for line in some]]), filled)
    ranks = label_ranks(unit(images) @ names_of.T, labels)
    assert (ranks == 0).mean() == pytest.approx(theirs["acc1"], abs=1e-12)
    assert mean_per_class(ranks == 0, labels) == pytest.approx(theirs["mean_per_class_recall"], abs=1e-12)
    if classes >= 5:
        assert (ranks < 5).mean() == pytest.approx(theirs["acc5"], abs=1e-12)
    else:
        assert math.isnan(theirs["acc5"])
    assert 0.2 < (ranks == 0).mean() < 0.95


def test_retrieval_both_ways():
    generator = np.random.default_rng(5)
    owners = np.repeat(np.arange(40), generator.integers(1, 6, 40))
    images = generator.normal(size=(40, 24)).astype(np.float32)
    texts = images[owners] + 2 * generator.normal(size=(len(owners), 24)).astype(np.float32)
    captions = [list(np.flatnonzero(owners == image)) for image in range(40)]
    depths = (1, 5, 10)
    theirs = zeroshot_retrieval.evaluate(
        GivenModel(texts), Batches(images, captions), torch.tensor, "cpu", amp=False, recall_k_list=list(depths)
    )
    numbers = np.arange(40)
    to_image = best_ranks(unit(texts), unit(images), query_owners=owners, gallery_owners=numbers)
    to_text = best_ranks(unit(images), unit(texts), query_owners=numbers, gallery_owners=owners)
    for k in depths:
        assert (to_image < k).mean() == pytest.approx(theirs[f"image_retrieval_recall@{k}"], abs=1e-6)  # float32
        assert (to_text < k).mean() == pytest.approx(theirs[f"text_retrieval_recall@{k}"], abs=1e-6)
    assert 0.2 < (to_image < 1).mean() < 0.9


def test_average_precision_of_each_class():
    """Scores without ties; the last class has no positive image and counts 0 in both means."""
    generator = np.random.default_rng(2)
    scores = generator.permutation(300 * 7).reshape(300, 7).astype(np.float32)
    targets = generator.random((300, 7)) < [0.5, 0.3, 0.1, 0.02, 0.9, 1.0, 0.0]
    theirs = zeroshot_classification.average_precision_per_class(torch.from_numpy(scores), torch.from_numpy(targets))
    ours = average_precisions(scores, targets)
    assert ours == pytest.approx(theirs.numpy(), abs=1e-6)  # they sum in float32
    assert ours[-1] == 0
    assert 0.01 < ours[3] < ours[0] < ours[5] == 1
    assert mean_average_precision(scores, targets) == pytest.approx(float(theirs.mean()), abs=1e-6)
