"""The file of classes that were learned from images."""

import json
from pathlib import Path

import numpy as np
import pytest

from wordsight.base.errors import FingerprintMismatch, FormatError
from wordsight.evaluate.classes_file import LearnedClasses, read_classes, write_classes
from wordsight.evaluate.linear import Linear

LINEAR = Linear(np.array([[1.5, -0.123456789], [0.0, 3e-9]], np.float32), np.array([0.5, -2.0], np.float32))
CLASSES = LearnedClasses(("cat", "Käfer"), LINEAR, "0123456789abcdef")


def test_a_file_holds_what_was_written(tmp_path):
    write_classes(tmp_path / "classes.json", CLASSES)
    read = read_classes(tmp_path / "classes.json")
    assert (read.names, read.fingerprint) == (CLASSES.names, CLASSES.fingerprint)
    np.testing.assert_allclose(read.linear.weights, LINEAR.weights, rtol=1e-6)
    embeddings = np.array([[0.6, 0.8], [0.0, 1.0]], np.float32)
    shares = read.probabilities(embeddings)
    logits = embeddings @ LINEAR.weights.T + LINEAR.bias
    np.testing.assert_allclose(shares, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), rtol=1e-5)


def test_another_model_is_refused_by_its_fingerprint():
    CLASSES.require_model("0123456789abcdef", Path("c.json"))
    with pytest.raises(FingerprintMismatch) as refused:
        CLASSES.require_model("ffff", Path("c.json"))
    assert str(refused.value) == (
        "c.json was learned with model 0123456789abcdef, the model in use is ffff; "
        "use that model (--model), or learn the classes again: wordsight train probe"
    )


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"format": "else"}, "holds no classes that this program reads"),
        ({"version": 2}, "holds no classes that this program reads"),
        ({"names": ["cat"]}, "is damaged: names, weights and bias do not fit each other"),
        ({"bias": [0.0, float("nan")]}, "is damaged: names, weights and bias do not fit each other"),
        ({"weights": "much"}, "is damaged"),
        ({"fingerprint": None}, ""),
    ],
)
def test_what_is_no_such_file_is_named(tmp_path, change, problem):
    path = tmp_path / "classes.json"
    write_classes(path, CLASSES)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    if problem:
        with pytest.raises(FormatError, match=problem):
            read_classes(path)
    else:
        assert read_classes(path).fingerprint == "None"  # no model has it
