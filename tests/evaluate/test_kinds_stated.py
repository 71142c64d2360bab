"""What the results of every kind state: chance where there is one, an interval of what is a share, how many of what."""

import functools
import math
import re
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wordsight.base.nouns import Sample
from wordsight.evaluate.building import TaskSets, build_from
from wordsight.evaluate.running import run_task
from wordsight.evaluate.sample_set import SampleSet
from wordsight.evaluate.tasks import TASKS, TaskSpec, with_options
from wordsight.images.decode import decode

sys.path.insert(0, str(Path(__file__).parent))

from small_model import NAMES, recognised_images, small_model

TEST, TRAIN, VAL, CHANGED = 40, 60, 24, 12  # images; so many of the test set are changed
PAIRS = 15  # of texture
OPTIONS = {
    "robustness": {"corruptions": ["fog"], "strengths": [1, 3], "images": CHANGED},
    "typographic": {"sizes": [0.25], "fonts": ["plain"], "images": CHANGED},
    "texture": {"way": "amplitudes", "images": PAIRS},
    "adversarial": {"epsilon": [2], "steps": 2, "images": CHANGED},
    "few-shot": {"shots": [1], "draws": 1},
    "selection": {"form": "rules"},
    "bias": {"groups": "side"},
    "segmentation": {"method": "windows", "images": CHANGED},
    "pointing": {"method": "occlusion", "images": CHANGED, "largest": 1.0},
}
COUNTS = {  # what results count, by the ends of their names; all others count the images of the test set
    r"(robustness|typographic|adversarial|segmentation|pointing)/.*": CHANGED,
    r"texture/(shape|texture)": PAIRS,
    r"text_to_image/.*": 2 * TEST,  # captions
    r"selection/(text|blind-.*)": 2 * TEST,  # captions, each with one that a rule made
    r"calibration/temperature": VAL,  # the images by which it is fitted
    r"bias/.*(skew|ndkl).*": len(NAMES),  # rankings
}
PARTS = {  # results of parts of the images, and which of them make up how many
    r"selection/text/.+": 2 * TEST,
    r"bias/accuracy/.+": TEST,
}
OF_A_CLASS = r"conformal/.*/worst-class-coverage"  # of whatever class is the worst: no interval and no fixed count
NO_INTERVAL = (OF_A_CLASS, r"calibration/temperature", r"bias/.*(skew|ndkl).*")
NO_CHANCE = (  # shares that no guessing has a simple value of
    r".*/ndcg@10",
    r".*/recall-of-all@\d+",
    r"calibration/(adaptive-)?(ece|aurc)(-fitted)?",
    r"calibration/accuracy-at-80(-fitted)?",
    r"conformal/.*coverage",
)
CHANCE = {  # of those that are not one class of four
    r"multi-label/mean-average-precision-present": 1 / 3,  # of the classes that occur
    r"selection/.*": 1 / 2,  # one of two captions
    r"texture/shape-bias": 1 / 2,
    r".*_to_.*/R@\d+": None,  # tests/evaluate/test_metrics.py
    r"pointing/energy-inside": 1 / 2,  # the part of the image that the thing covers
    r"segmentation/.*mean-iou|pointing/.*(hit|iou)": None,  # tests/evaluate/test_kinds_masked.py
}


def fits(name, patterns):
    return next((pattern for pattern in patterns if re.fullmatch(pattern, name)), None)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The results of a kind by the ends of their names; each kind is measured once."""
    model = small_model(tmp_path_factory.mktemp("models") / "small")
    return functools.cache(lambda kind: {one.name.removeprefix("n/"): one for one in results_of(kind, model)})


def half_of(image, number):
    """Return a label image of which the upper half has a number."""
    height, width = decode(image).shape[:2]
    labels = np.zeros((height, width), np.uint8)
    labels[: height // 2] = number
    packed = BytesIO()
    Image.fromarray(labels).save(packed, "PNG")
    return packed.getvalue()


def results_of(kind, model):
    whole = recognised_images(model, TEST + TRAIN + VAL)
    samples = [
        Sample(one.key, label=one.label, labels=(one.label,), texts=(f"a {one.label}", f"the {one.label} {i}"),
               meta={"side": "left" if i % 3 else "right"}, mask=half_of(whole.images[i], 1 + NAMES.index(one.label)))
        for i, one in enumerate(whole.samples)
    ]  # fmt: skip
    whole = SampleSet("s", samples, whole.images)
    parts = [whole.of(range(a, b)) for a, b in ((0, TEST), (TEST, TEST + TRAIN), (TEST + TRAIN, len(whole)))]
    spec = TaskSpec(kind, "x", name="n", templates="none", classes=NAMES, options=OPTIONS.get(kind))
    return run_task(model, build_from(with_options(spec), TaskSets(*parts))).results


@pytest.mark.parametrize("kind", TASKS)
def test_chance_interval_and_count(kind, results):
    assert results(kind)
    parts = dict.fromkeys(PARTS, 0)
    for name, result in results(kind).items():
        setting = result.setting
        assert (result.interval is None) == bool(fits(name, NO_INTERVAL)), name
        if result.interval is not None:
            assert all(map(math.isfinite, result.interval)) and result.interval[0] <= result.interval[1], name
        if "unit" not in setting:
            assert ("chance" in setting) != bool(fits(name, NO_CHANCE)), name
        else:
            assert "chance" not in setting, name
        if "chance" in setting and "unit" not in setting:
            expected = CHANCE.get(fits(name, CHANCE), 1 / len(NAMES))
            assert expected is None or setting["chance"] == pytest.approx(expected), name
        if part := fits(name, PARTS):
            parts[part] += result.count
        elif name == "texture/shape-bias":
            assert result.count == setting["decided"] <= setting["of"] == PAIRS
        elif not fits(name, (OF_A_CLASS,)):
            assert result.count == COUNTS.get(fits(name, COUNTS), TEST), name
    assert all(count in (0, PARTS[pattern]) for pattern, count in parts.items())


def test_every_exception_is_one(results):
    names = {name for kind in TASKS for name in results(kind)}
    for pattern in (*NO_INTERVAL, *NO_CHANCE, *CHANCE, *COUNTS, *PARTS):
        assert any(re.fullmatch(pattern, name) for name in names), pattern
