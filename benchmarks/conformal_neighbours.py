"""Prediction sets beside those of torchcp 1.2.1 and MAPIE 1.6 on the same random probabilities.

    pip install torch torchvision transformers tqdm mapie==1.6       # in an environment of their own
    pip install --no-deps torchcp==1.2.1
    PYTHONPATH=src python benchmarks/conformal_neighbours.py

Prints for each score and alpha the threshold of each package, the set entries that differ, coverage and size.  The
thresholds of torchcp are ours to all 9 digits and its sets the same, those of classes too; so are MAPIE's by LAC.  Its
APS subtracts a random part in calibration and adds the next class in prediction, another score: 638 to 782 entries of
20,000 differ.  `tests/evaluate/test_conformal.py` holds torchcp's thresholds.
Probabilities are rounded to 2^-20, so that sums of them are the same in float32 and float64.
"""

import sys
import types

import numpy as np

from wordsight.evaluate import conformal
from wordsight.evaluate.temperature import softmax

# Stand-ins for what no score needs: a package that must be compiled, and a part that wants torch_geometric.
sys.modules["torchsort"] = types.SimpleNamespace(soft_rank=None, soft_sort=None)
sys.modules["torchcp.graph"] = types.ModuleType("torchcp.graph")

import torch
from mapie.classification import SplitConformalClassifier
from sklearn.base import BaseEstimator, ClassifierMixin
from torchcp.classification.predictor import ClassConditionalPredictor, SplitPredictor
from torchcp.classification.score import APS, LAC, RAPS

CALIBRATION, TEST, CLASSES = 500, 2000, 10
SCORES = {
    "lac": (conformal.lac_scores, LAC(score_type="identity"), "lac"),
    "aps": (conformal.aps_scores, APS(score_type="identity", randomized=False), "aps"),
    "raps": (conformal.raps_scores, RAPS(score_type="identity", randomized=False, penalty=0.01, kreg=5), None),
}


class Given(ClassifierMixin, BaseEstimator):
    """A classifier whose inputs are its probabilities."""

    def __init__(self) -> None:
        self.classes_ = np.arange(CLASSES)

    def fit(self, x: np.ndarray, y: np.ndarray) -> "Given":
        """Learn nothing."""
        return self

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """Return the probabilities (N, C) that are the inputs."""
        return x

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the likeliest class of each row, (N,)."""
        return x.argmax(axis=1)

    def __sklearn_is_fitted__(self) -> bool:
        return True


def draw(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities (N, C) and labels (N,) that are drawn from them; the calibration part comes first."""
    generator = np.random.default_rng(seed)
    probabilities = softmax(2 * generator.normal(size=(CALIBRATION + TEST, CLASSES)))
    labels = np.array([generator.choice(CLASSES, p=row) for row in probabilities])
    probabilities = np.round(probabilities * 2**20) / 2**20
    probabilities[np.arange(len(labels)), probabilities.argmax(axis=1)] += 1 - probabilities.sum(axis=1)
    return probabilities, labels


def by_torchcp(score: object, probabilities: np.ndarray, labels: np.ndarray, alpha: float) -> tuple[float, np.ndarray]:
    """Return the threshold and the sets (N, C) of torchcp."""
    predictor = SplitPredictor(score)
    given = torch.from_numpy(probabilities)
    predictor.calculate_threshold(given[:CALIBRATION], torch.from_numpy(labels[:CALIBRATION]), alpha)
    return float(predictor.q_hat), predictor.predict_with_logits(given[CALIBRATION:]).numpy().astype(bool)


def by_mapie(score: str, probabilities: np.ndarray, labels: np.ndarray, alpha: float) -> tuple[float, np.ndarray]:
    """Return the threshold and the sets (N, C) of MAPIE."""
    classifier = SplitConformalClassifier(Given(), confidence_level=1 - alpha, conformity_score=score, random_state=0)
    classifier.conformalize(probabilities[:CALIBRATION], labels[:CALIBRATION])
    sets = classifier.predict_set(probabilities[CALIBRATION:])[1][:, :, 0]
    return float(np.ravel(classifier._mapie_classifier.conformity_score_function_.quantiles_)[0]), sets


def show(name: str, result: tuple[float, np.ndarray], labels: np.ndarray, ours: np.ndarray) -> None:
    """Print one row."""
    limit, sets = result
    measured = conformal.measure_sets(sets, labels)
    print(
        f"{name:28} threshold {limit:.9f}  differing {int((sets != ours).sum()):5}  coverage {measured.coverage:.4f}  "
        f"size {measured.mean_size:.4f}  empty {measured.empty:.4f}"
    )


def main() -> None:
    """Compare three scores at three alphas, then the thresholds of classes."""
    probabilities, labels = draw(0)
    truth = labels[CALIBRATION:]
    for alpha in (0.05, 0.1, 0.3):
        for name, (function, theirs, mapie) in SCORES.items():
            scores = function(probabilities)
            limit = conformal.quantile(conformal.of_labels(scores[:CALIBRATION], labels[:CALIBRATION]), alpha=alpha)
            ours = conformal.prediction_sets(scores[CALIBRATION:], limit)
            show(f"{name} {alpha} wordsight", (limit, ours), truth, ours)
            show(f"{name} {alpha} torchcp", by_torchcp(theirs, probabilities, labels, alpha), truth, ours)
            if mapie:
                show(f"{name} {alpha} mapie", by_mapie(mapie, probabilities, labels, alpha), truth, ours)
    own = conformal.of_labels(conformal.lac_scores(probabilities)[:CALIBRATION], labels[:CALIBRATION])
    limits = conformal.class_quantiles(own, labels[:CALIBRATION], classes=CLASSES, alpha=0.1)
    predictor = ClassConditionalPredictor(LAC(score_type="identity"))
    predictor.calculate_threshold(*(torch.from_numpy(part[:CALIBRATION]) for part in (probabilities, labels)), 0.1)
    print("class thresholds, largest difference", np.abs(predictor.q_hat.numpy() - limits).max(), limits[:3])


if __name__ == "__main__":
    main()
