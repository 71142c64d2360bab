"""Kinds that measure with label images: segmentation and pointing, on drawn halves with known answers."""

import io
import json
import tarfile

import numpy as np
import pytest
from PIL import Image

from wordsight.base.errors import ConfigError, FormatError, InputError, UsageError
from wordsight.embeddings.model import Model
from wordsight.engines.fake import COLOURS, FakeEngine
from wordsight.evaluate.building import build_task
from wordsight.evaluate.kinds.segmentation import PixelCounts
from wordsight.evaluate.resampling import value_of
from wordsight.evaluate.running import run_task
from wordsight.evaluate.tasks import read_task
from wordsight.explain.locating import confusion, mean_iou

MODEL = Model(FakeEngine())
# the mean of two of them is none of the three
NAMES = {1: "red-merged", 2: "blue", 5: "yellow"}


def encoded(array):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def halves(first, second):
    """Return an image of two colours side by side, and its label image."""
    labels = np.full((40, 60), first, np.uint8)
    labels[:, 30:] = second
    image = np.zeros((40, 60, 3), np.uint8)
    for number, name in NAMES.items():
        image[labels == number] = COLOURS[name.partition("-")[0]]
    return image, labels


def written(folder, samples, *, classes=True):
    """Write images (with label images) into one shard; the JSON lists their classes in the order of the numbers."""
    with tarfile.open(folder / "s-0000.tar", "w") as tar:
        for key, (image, labels) in samples.items():
            listed = [NAMES[number] for number in np.unique(labels).tolist() if number in NAMES]
            members = {"jpg": encoded(image), "seg.png": encoded(labels)}
            members |= {"json": json.dumps({"classes": listed}).encode()} if classes else {}
            for ending, data in members.items():
                member = tarfile.TarInfo(f"{key}.{ending}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    return folder


def measured(text):
    return {result.name.partition("/")[2]: result for result in run_task(MODEL, build_task(read_task(text))).results}


@pytest.fixture
def drawn(tmp_path):
    return written(tmp_path, {"a": halves(1, 2), "b": halves(5, 1), "c": halves(2, 5)})


def test_proposals_tell_halves_apart_and_one_class_does_not(drawn):
    results = measured(f"segmentation:{drawn}?label=classes&method=proposals&name=t")
    assert results["segmentation/mean-iou"].value == 1
    assert results["segmentation/whole/mean-iou"].value < 0.7
    assert results["segmentation/whole/pixel-accuracy"].value == pytest.approx(0.5)
    gain = results["segmentation/gain"]
    assert gain.value == pytest.approx(1 - results["segmentation/whole/mean-iou"].value)
    assert results["segmentation/mean-iou"].setting["chance"] < 0.34
    assert results["segmentation/mean-iou"].count == 3
    own = measured(f"segmentation:{drawn}?label=classes&method=proposals&own_classes=true")
    assert own["segmentation/pixel-accuracy"].setting["chance"] == pytest.approx(0.5)


def test_pixels_of_the_background_are_wrong_and_unlabelled_ones_count_nowhere(tmp_path):
    image, labels = halves(1, 2)
    labels[:10] = 0
    written(tmp_path, {"a": (image, labels)})
    results = measured(f"segmentation:{tmp_path}?label=classes&method=proposals")
    assert results["segmentation/pixel-accuracy"].value == 1
    text = f"segmentation:{tmp_path}?label=classes&method=proposals&background=blue%20blue"
    assert 0 < measured(text)["segmentation/pixel-accuracy"].value <= 1


def test_numbers_are_those_of_the_classes_where_none_are_listed(tmp_path):
    written(tmp_path, {"a": halves(1, 2), "b": halves(2, 1)}, classes=False)
    text = f"segmentation:{tmp_path}?method=proposals&classes="
    assert measured(text + "red,blue")["segmentation/mean-iou"].value == 1
    assert measured(text + "green,red,blue&first=0")["segmentation/mean-iou"].value == 1
    assert measured(text + "blue,red")["segmentation/mean-iou"].value == 0
    with pytest.raises(
        FormatError, match=r"has a 2, and the classes are 0 \(red\) to 1 \(blue\); all numbers fit with first=1"
    ):
        measured(text + "red,blue&first=0")
    with pytest.raises(FormatError, match=r"has a 2, and .* 1 \(red\) to 1 \(red\); name all .* no class are 255"):
        measured(text + "red")
    with pytest.raises(FormatError, match="no class names for the numbers"):
        measured(f"segmentation:{tmp_path}")


def test_the_mean_iou_is_that_of_one_confusion():
    generator = np.random.default_rng(0)
    true, given = generator.integers(0, 4, (2, 5, 20, 30))
    right = np.array([[((t == c) & (g == c)).sum() for c in range(4)] for t, g in zip(true, given, strict=True)])
    counts = [np.array([[(part == c).sum() for c in range(4)] for part in parts]) for parts in (true, given)]
    mine = PixelCounts(right.astype(float), *(one.astype(float) for one in counts))
    whole = sum(confusion(g, t, 4) for t, g in zip(true, given, strict=True))
    assert value_of(mine.mean_iou, 5) == pytest.approx(mean_iou(whole), abs=1e-12)
    twice = np.array([[2, 0, 1, 1, 1]])
    rows = [0, 0, 2, 3, 4]
    resampled = sum(confusion(given[row], true[row], 4) for row in rows)
    assert mine.mean_iou(twice)[0] == pytest.approx(mean_iou(resampled), abs=1e-12)


def test_maps_are_measured_where_the_thing_is_of_a_size(tmp_path):
    samples = {}
    for number, corner in enumerate((2, 20, 40)):
        labels = np.full((64, 64), 2, np.uint8)
        labels[corner : corner + 16, 4:20] = 1
        image = np.full((64, 64, 3), COLOURS["blue"], np.uint8)
        image[labels == 1] = COLOURS["red"]
        samples[str(number)] = image, labels
    written(tmp_path, samples)
    results = measured(f"pointing:{tmp_path}?label=classes&method=occlusion&largest=0.2")
    hit, centre = results["pointing/hit"], results["pointing/centre/hit"]
    assert (hit.value, hit.count) == (1.0, 3)
    assert centre.value < 1 and results["pointing/gain"].value == pytest.approx(1 - centre.value)
    assert 0.06 < results["pointing/energy-inside"].setting["chance"] < 0.07 < hit.setting["chance"] < 0.3
    with pytest.raises(FormatError, match="no class that covers 0.3 to 0.4"):
        measured(f"pointing:{tmp_path}?label=classes&smallest=0.3&largest=0.4")


def test_what_cannot_be_measured_is_one_line(tmp_path, drawn):
    with pytest.raises(ConfigError, match="method = 'naclp'; did you mean naclip"):
        measured(f"segmentation:{drawn}?label=classes&method=naclp")
    with pytest.raises(ConfigError, match="smallest = 0.5, largest = 0.2"):
        measured(f"pointing:{drawn}?label=classes&smallest=0.5&largest=0.2")
    with pytest.raises(FormatError, match="has no label images by masks=mask.png"):
        measured(f"segmentation:{drawn}?label=classes&masks=mask.png")
    with pytest.raises(UsageError, match="use proposals or windows, which need none"):
        measured(f"segmentation:{drawn}?label=classes&method=naclip")
    other = tmp_path / "other"
    other.mkdir()
    image, labels = halves(1, 2)
    written(other, {"a": (image, labels[:-1])})
    with pytest.raises(InputError, match="the image a has 60 x 40 pixels and its label image 60 x 39; mend or remove"):
        measured(f"segmentation:{other}?label=classes")


@pytest.mark.parametrize("kind", ["segmentation", "pointing"])
def test_label_images_that_cannot_be_used_are_left_out_where_failures_are(tmp_path, kind):
    samples = {key: halves(1, 2) for key in "abcde"}
    samples["a"] = samples["a"][0], samples["a"][1][:-1]
    samples["b"] = samples["b"][0], np.zeros((40, 60, 3), np.uint8)
    written(tmp_path, samples, classes=False)
    spec = read_task(f"{kind}:{tmp_path}?classes=red,blue")
    failures = []
    task = build_task(spec, failures=failures)
    assert [sample.key for sample in task.images.samples] == ["c", "d", "e"]
    assert [error.problem for error in failures] == [
        "the image a has 60 x 40 pixels and its label image 60 x 39",
        "the label image of b is an image of mode RGB, not of labels",
    ]
    with pytest.raises(InputError, match=r"label image 60 x 39 \(and 1 more of .*; .* evaluate has --skip-failed"):
        build_task(spec)


def test_a_photo_that_its_exif_turns_is_named_as_such(tmp_path):
    image, labels = halves(1, 2)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(image).save(tmp_path / "a.jpg", exif=exif)
    Image.fromarray(labels).save(tmp_path / "a.seg.png")
    with pytest.raises(InputError, match="has 40 x 60 pixels and its label image 60 x 40, since its EXIF orientation"):
        build_task(read_task(f"segmentation:{tmp_path}?classes=red,blue"))
    Image.fromarray(np.rot90(labels, -1)).save(tmp_path / "a.seg.png")
    assert len(build_task(read_task(f"segmentation:{tmp_path}?classes=red,blue")).images) == 1


def test_json_beside_images_of_a_folder_lists_the_classes(tmp_path):
    for key, numbers in {"a": (1, 2), "b": (2, 1)}.items():
        image, labels = halves(*numbers)
        Image.fromarray(image).save(tmp_path / f"{key}.png")
        Image.fromarray(labels).save(tmp_path / f"{key}.seg.png")
        (tmp_path / f"{key}.json").write_text(json.dumps({"classes": ["red", "blue"]}))
    text = f"segmentation:{tmp_path}?label=classes&method=proposals"
    assert measured(text)["segmentation/mean-iou"].value == 1
    with pytest.raises(UsageError, match="first=0 for .* list the names of their numbers; leave first out"):
        measured(text + "&first=0")
    (tmp_path / "b.json").write_text(json.dumps({"classes": ["red", "red"]}))
    with pytest.raises(FormatError, match="b.png lists 1 different classes and its label image has 2; .* listed once"):
        measured(text)
