"""The kind "adversarial": attacked images of a small model that lies in a folder."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wordsight.base.errors import ConfigError, UsageError
from wordsight.embeddings.kept import KeptModel
from wordsight.embeddings.model import Model
from wordsight.engines.attack import GradientCheck
from wordsight.engines.fake import FakeEngine
from wordsight.evaluate.kinds import adversarial

sys.path.insert(0, str(Path(__file__).parent))

from small_model import NAMES, recognised_images, small_model
from written import measured

COUNT = 40  # more than are attacked together


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return small_model(tmp_path_factory.mktemp("models") / "small")


@pytest.fixture(scope="module")
def examples(model):
    return recognised_images(model, COUNT)


def attacked(encoder, test, **keys):
    results, done = measured("adversarial", encoder, test, classes=NAMES, **{"steps": 4, **keys})
    return {int(name.split("-")[1].split("/")[0]): result for name, result in results.items()}, done


def test_accuracy_falls_from_that_of_zero_shot(model, examples, tmp_path):
    with KeptModel(model, tmp_path) as kept:
        by_epsilon, done = attacked(kept, examples, epsilon=[32, 2, 8, 2])
    zero = measured("zero-shot", model, examples, classes=NAMES)[0]["zero-shot/top-1"]
    clean = by_epsilon[0]
    assert (clean.value, clean.interval, clean.count) == (zero.value, zero.interval, COUNT)
    assert clean.value == 0.75
    assert list(by_epsilon) == [0, 2, 8, 32]
    values = [result.value for result in by_epsilon.values()]
    assert values == sorted(values, reverse=True)
    assert values[0] > values[2] and values[-1] == 0
    stated = by_epsilon[8].setting
    assert [stated[key] for key in ("epsilon", "steps", "restarts", "way")] == [8, 4, 1, "apgd"]
    assert [detail.form for detail in done.details] == ["hits"] * 4 + ["lines", "table"]
    assert done.details[4].data["series"][0]["points"] == [[e, r.value] for e, r in by_epsilon.items()]


def test_a_model_that_keeps_nothing_is_attacked_alike(model, examples, tmp_path):
    few = examples.of(range(6))
    with KeptModel(model, tmp_path) as kept:
        assert attacked(kept, few, epsilon=[2])[0] == attacked(model, few, epsilon=[2])[0]


def test_an_attack_of_nothing_changes_nothing(model, examples):
    by_epsilon, _ = attacked(model, examples, epsilon=[0], images=10)
    assert [(epsilon, result.count) for epsilon, result in by_epsilon.items()] == [(0, 10)]


def test_what_is_wrong_as_it_is_stays_wrong(model, examples, monkeypatch):
    """An attack whose examples help the model takes nothing and gives nothing."""
    whites = np.full((16, 16, 3), 255, np.uint8)
    (answer,) = (model.embed_images([whites]) @ model.embed_texts(NAMES).T).argmax(axis=1)
    monkeypatch.setattr(adversarial, "attacked", lambda towers, spec, pixels, classes, **keys: pixels * 0 + 255)
    samples = [replace(sample, label=NAMES[answer]) for sample in examples.samples]
    by_epsilon, _ = attacked(model, replace(examples, samples=samples), epsilon=[4])
    assert 0 < by_epsilon[4].value == by_epsilon[0].value < 1


def test_masked_gradients_are_looked_for_on_images_that_are_right(model, examples, monkeypatch):
    asked = []

    def check(towers, preprocess, pixels, classes, *, labels):
        right = (model.embed_images(list(pixels)) @ classes.T).argmax(axis=1) == labels
        asked.append((len(pixels), bool(right.all())))
        return GradientCheck(1.0, {8: 0.5}, {})

    monkeypatch.setattr(adversarial, "check_gradients", check)
    monkeypatch.setattr(adversarial, "attacked", lambda towers, spec, pixels, classes, **keys: pixels)
    _, done = attacked(model, examples, epsilon=[4])
    assert done.details[-1].data["rows"] == [["at epsilon 8 the accuracy is 50.0 %, not about 0"]]
    attacked(model, examples, epsilon=[1, 4], steps=10)
    attacked(model, examples, epsilon=[1, 4], steps=100)
    assert asked == [(1, True), (2, True), (adversarial.CHECKED, True)]
    none = examples.of(range(3, COUNT, 4))
    _, done = attacked(model, none, epsilon=[4])
    assert done.details[-1].data["rows"] == [["not looked for: no image is right as it is"]]
    assert len(asked) == 3


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"epsilon": [4, -1]}, "epsilon = -1; give whole levels"),
        ({"epsilon": [256]}, "epsilon = 256"),
        ({"epsilon": []}, r"epsilon = \(\), images = 100; give 1 or more"),
        ({"epsilon": [1.5]}, "epsilon"),
        ({"images": 0}, "images = 0"),
        ({"steps": 0}, "steps = 0; give 1 or more"),
        ({"restarts": 0}, "restarts = 0"),
        ({"way": "fgsm"}, "way = 'fgsm'"),
    ],
)
def test_options_that_cannot_be_are_named(model, examples, asked, says):
    with pytest.raises((ConfigError, UsageError), match=says):
        attacked(model, examples, **asked)


def test_models_without_a_folder_or_one_size_are_refused(model, examples, monkeypatch):
    with pytest.raises(UsageError, match="adversarial needs a model whose weights lie in a folder"):
        attacked(Model(FakeEngine()), examples)
    with KeptModel(Model(FakeEngine())) as kept, pytest.raises(UsageError, match="weights lie in a folder"):
        attacked(kept, examples)
    spec = replace(model.spec, preprocess=replace(model.spec.preprocess, resize="patches", patch=8, max_patches=4))
    monkeypatch.setattr(model.engine, "spec", spec)
    with pytest.raises(UsageError, match="images of one size, and small keeps the shape of each"):
        attacked(model, examples)
