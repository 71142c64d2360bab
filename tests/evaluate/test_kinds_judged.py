"""Kinds that judge what a model says: calibration, several labels, selection, CLIPScore, bias."""

import sys
from pathlib import Path

import numpy as np
import pytest

from wordsight.base.errors import ConfigError, FormatError, UsageError
from wordsight.base.nouns import Sample
from wordsight.evaluate.kinds.selection import read_set

sys.path.insert(0, str(Path(__file__).parent))

from written import Written, a_set, blobs, labelled, measured

NAMES = ("ant", "bee", "cat", "dog")


@pytest.fixture
def unsure():
    """Four classes, far from all right; a scale that is far too sure."""
    rows, labels, centres = blobs(4, 500, noise=2.0)
    encoder = Written(rows, dict(zip(NAMES, centres, strict=True)))
    encoder.scale = 60.0
    halves = [[i for i in range(2000) if i % 2 == part] for part in (0, 1)]
    val, test = (labelled(f"h{part}", [NAMES[labels[i]] for i in half], half) for part, half in enumerate(halves))
    return encoder, val, test


def test_a_fitted_temperature_calibrates_and_answers_stay(unsure):
    encoder, val, test = unsure
    results, done = measured("calibration", encoder, test, val=val)
    assert results["calibration/temperature"].value > 2
    before, after = results["calibration/ece"], results["calibration/ece-fitted"]
    assert after.value < 0.3 * before.value
    assert after.value <= after.setting["by_chance_up_to"] * 1.5
    for worse in ("brier", "nll"):
        assert results[f"calibration/{worse}-fitted"].value < results[f"calibration/{worse}"].value
    assert [d.form for d in done.details] == ["reliability", "reliability", "lines", "table"]
    bins = done.details[0].data["bins"]
    assert sum(one["count"] for one in bins) == 1000
    right = sum(one["count"] * one["accuracy"] for one in bins if one["count"])
    zero, _ = measured("zero-shot", encoder, test)
    assert right / 1000 == pytest.approx(zero["zero-shot/top-1"].value)


def test_sets_cover_what_they_promise(unsure):
    encoder, val, test = unsure
    results, _ = measured("calibration", encoder, test, val=val, alpha=0.2)
    for way in ("split-lac", "split-aps", "mondrian-lac", "mondrian-aps"):
        covered = results[f"conformal/{way}/coverage"]
        assert covered.setting["promised"] == 0.8
        assert covered.setting["allowed_low"] - 0.02 <= covered.value <= covered.setting["allowed_high"] + 0.02
        assert 0 < results[f"conformal/{way}/mean-size"].value < 4
        assert results[f"conformal/{way}/worst-class-coverage"].value <= covered.value


def test_calibration_refuses_an_alpha_that_is_no_share(unsure):
    encoder, val, test = unsure
    with pytest.raises(ConfigError, match="alpha = 1.5"):
        measured("calibration", encoder, test, val=val, alpha=1.5)


def test_several_labels_an_image():
    rows = [[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]]
    encoder = Written(rows, {"ant": [1, 0, 0], "bee": [0, 1, 0], "cat": [0, 0, 1], "yak": [1, 1, 1]})
    labels = [("ant",), ("ant", "bee"), ("bee",), ("ant",)]  # the last is an ant that looks like a cat
    samples = [Sample(str(i), labels=own) for i, own in enumerate(labels)]
    results, done = measured(
        "multi-label", encoder, a_set("s", samples, range(4)), classes=("ant", "bee", "cat", "yak")
    )
    ant = (1 / 1 + 2 / 2 + 3 / 4) / 3  # its images are first, second and, by the tie of two zeros, last
    bee = (1 + 1) / 2
    assert results["multi-label/mean-average-precision"].value == pytest.approx((ant + bee) / 4)
    assert results["multi-label/mean-average-precision-present"].value == pytest.approx((ant + bee) / 2)
    assert results["multi-label/mean-average-precision"].setting["chance"] == pytest.approx((3 + 2) / 16)
    assert [row["name"] for row in done.details[0].data["rows"]] == ["ant", "bee"]
    with pytest.raises(FormatError, match="n has no images with classes"):
        measured("multi-label", encoder, a_set("s", [Sample("0"), Sample("1")], range(2)))
    with pytest.raises(UsageError, match="class 'bee' of n is not among classes"):
        measured("multi-label", encoder, a_set("s", samples, range(4)), classes=("ant", "cat"))


def test_winoground_counts_text_image_and_group():
    """Three items of two images and two captions: all right, text alone right, and a tie, which is wrong."""
    texts = {"a": [1, 0, 0], "b": [0, 1, 0], "c": [1, 0.1, 0], "d": [0.1, 1, 0], "e": [0, 0, 1], "f": [0, 0, 1]}
    images = [[1, 0, 0], [0, 1, 0], [1, 0.9, 0.0], [0.9, 1, 0.9], [0, 0, 1], [0, 0, 1]]
    encoder = Written(images, texts)
    meta = lambda item: {"item": item, "kind": "x" if item else "y"}  # noqa: E731
    pairs = [("a", "b"), ("c", "d"), ("e", "f")]
    samples = [Sample(f"{i}/{j}", texts=pairs[i], meta=meta(i)) for i in range(3) for j in range(2)]
    results, _ = measured("selection", encoder, a_set("s", samples, range(6)))
    scores = [
        np.array([[float(encoder.images[2 * i + j] @ encoder.texts[t]) for t in pairs[i]] for j in (0, 1)])
        for i in range(3)
    ]
    text = [s[0, 0] > s[0, 1] and s[1, 1] > s[1, 0] for s in scores]
    image = [s[0, 0] > s[1, 0] and s[1, 1] > s[0, 1] for s in scores]
    assert text[0] and not text[2]
    assert results["selection/text"].value == pytest.approx(np.mean(text))
    assert results["selection/image"].value == pytest.approx(np.mean(image))
    assert results["selection/group"].value == pytest.approx(
        np.mean([a and b for a, b in zip(text, image, strict=True)])
    )
    assert [results[f"selection/{way}"].setting["chance"] for way in ("text", "image")] == [0.25, 0.25]
    assert results["selection/blind-fluency"].value == 0  # no text alone can be right of both images
    assert results["selection/text/y"].count == 1


def test_one_image_among_captions():
    encoder = Written([[1, 0], [0, 1]], {"a man": [1, 0], "a dog": [0.9, 0.3], "a cat": [0, 1]})
    samples = [
        Sample("0", texts=("a man", "a dog", "a cat"), meta={"item": 0, "kind": "k"}),
        Sample("1", texts=("a dog", "a cat"), meta={"item": 1, "kind": "k"}),
    ]
    results, done = measured("selection", encoder, a_set("s", samples, range(2)))
    assert results["selection/text"].value == 0.5
    assert results["selection/text"].setting["chance"] == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert "selection/image" not in results
    (mistake,) = next(d for d in done.details if d.form == "pictures").data["pictures"]
    assert mistake["lines"][:2] == ["preferred: a cat", "true: a dog"]


def test_drawn_pairs_are_drawn_once(tmp_path, monkeypatch):
    from wordsight.evaluate.tasks import read_task

    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path))
    spec = read_task("selection:drawn?form=drawn&count=3")
    first, failures = read_set(spec, "drawn", None)
    assert (len(first), failures, first.name) == (6, [], "drawn")
    assert first.samples[0].texts != first.samples[2].texts
    stamp = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")}
    read_set(spec, "drawn", None)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")} == stamp
    (folder,) = (tmp_path / "drawn").iterdir()
    table, picture = folder / "selection.jsonl", folder / "00001-0.png"
    whole, pixels = table.read_bytes(), picture.read_bytes()
    damage = (
        lambda: table.write_bytes(whole.replace(b" of ", b" at ").replace(b" a", b" b", 1)),
        lambda: table.write_bytes(whole.splitlines(keepends=True)[0]),
        lambda: picture.write_bytes(pixels[:40]),
        lambda: picture.write_bytes((folder / "00000-0.png").read_bytes()),
        picture.unlink,
        (folder / "checksums.json").unlink,
        lambda: (folder / "checksums.json").write_text("{}"),
        lambda: (folder / "checksums.json").write_text("{"),
    )
    for harm in damage:
        harm()
        again, failures = read_set(spec, "drawn", None)
        assert (again.samples, failures) == (first.samples, [])
        assert (table.read_bytes(), picture.read_bytes()) == (whole, pixels)
    with pytest.raises(ConfigError, match="count = 0"):
        read_set(read_task("selection:drawn?form=drawn&count=0"), "drawn", None)


def test_clip_score_and_its_references():
    texts = {"it: a": [1, 0], "it: b": [0.6, 0.8], "it: c": [0, 1], "it: d": [-1, 0]}
    encoder = Written([[1, 0], [0, 1], [1, 0]], texts)
    samples = [Sample("0", texts=("a", "b")), Sample("1", texts=("b", "a", "c")), Sample("2", texts=("d",))]
    results, _ = measured("clip-score", encoder, a_set("s", samples, range(3)), prefix="it: ")
    scores = [2.5 * 1.0, 2.5 * 0.8, 0.0]
    assert results["clip-score/clip-score"].value == pytest.approx(np.mean(scores), abs=1e-6)
    nearest = [0.6, 0.8]  # of the others, the one nearest to the first caption
    pairs = [2 * s * r / (s + r) for s, r in zip(scores[:2], nearest, strict=True)]
    assert results["clip-score/ref-clip-score"].value == pytest.approx(np.mean(pairs), abs=1e-6)
    assert results["clip-score/ref-clip-score"].count == 2
    assert results["clip-score/clip-score"].setting["unit"] == "number"


@pytest.mark.parametrize("sizes", [(12, 10, 4, 1), (12, 9, 1, 1)])
def test_groups_of_few_images_are_left_out_of_gaps(sizes, capsys):
    """The two large groups are half right; those of one or four images are all right or all wrong."""
    groups = [name for name, size in zip("abcd", sizes, strict=True) for _ in range(size)]
    labels = ["cat" if i % 2 or group in "cd" else "dog" for i, group in enumerate(groups)]
    encoder = Written([[1, 0]] * len(groups), {"cat": [1, 0], "dog": [0, 1], "thief": [2, 0.1]})
    test = labelled("t", labels, range(len(groups)), side=groups)
    results, _ = measured("bias", encoder, test, groups="side", watched=["thief"], k=4)
    assert {f"bias/accuracy/{group}" for group in "abcd"} < set(results)
    said = capsys.readouterr().err
    if sizes[1] >= 10:
        gap = results["bias/accuracy-gap"]
        assert (gap.value, gap.count) == (0.0, 22)
        assert said.count("n: groups with fewer than 10 images are left out of gaps: c (4), d (1)\n") == 1
        assert "bias/watched-gap" in results
    else:
        assert not [name for name in results if name.endswith("-gap")]
        assert said.count("n: groups with fewer than 10 images are too few for any gap: b (9), c (1), d (1)\n") == 1


def test_bias_by_group():
    """Cats of group old are dogs to the model; everything else is right."""
    labels = ["cat"] * 10 + ["dog"] * 10
    groups = ["old", "young"] * 10
    rows = [
        [0, 1] if (label, group) == ("cat", "old") else [1, 0] if label == "cat" else [0, 1]
        for label, group in zip(labels, groups, strict=True)
    ]
    encoder = Written(
        rows, {"cat": [1, 0], "dog": [0, 1], "thief": [0.2, 1], "child": [0.3, 1], "good": [1, 0], "bad": [0, 1]}
    )
    test = labelled("t", labels, range(20), age=groups)
    asked = {"groups": "age", "watched": ["thief"], "added": ["child"], "a": ["good"], "b": ["bad"], "k": 4}
    results, done = measured("bias", encoder, test, **asked)
    assert results["bias/accuracy/old"].value == 0.5 and results["bias/accuracy/young"].value == 1.0
    assert results["bias/accuracy-gap"].value == 0.5
    # the first four for "cat" are all young: ln(1 / .5); for "dog" ten old and five young are equal: 2/3 and 1/3
    assert results["bias/max-skew"].value == pytest.approx((np.log(2) + np.log(4 / 3)) / 2)
    assert results["bias/watched/old"].value == 0.0
    assert results["bias/watched-added-gap"].value == 0.0
    assert results["bias/association/old-and-young"].value < 0  # the old lie nearer to bad
    assert any("recognised" in row for d in done.details if d.form == "table" for row in d.data["rows"])
    with pytest.raises(FormatError, match=r"groups = 'ages'; did you mean age\?"):
        measured("bias", encoder, test, groups="ages")
    with pytest.raises(FormatError, match="bias:x names no groups; give groups=COLUMN; columns: age"):
        measured("bias", encoder, test)
    with pytest.raises(ConfigError, match="a without b"):
        measured("bias", encoder, test, groups="age", a=["good"])
    alone = labelled("t", labels, range(20), age=["old"] * 20)
    with pytest.raises(FormatError, match="n has one group only, 'old'"):
        measured("bias", encoder, alone, groups="age")


@pytest.mark.parametrize(("kind", "says"), [("calibration", "learned from"), ("prompts", "chosen by")])
def test_what_is_fitted_to_the_measured_images_is_noticed(unsure, capsys, tmp_path, kind, says):
    encoder, val, test = unsure
    (tmp_path / "pool.txt").write_text("{}\n")
    own = {"pool": str(tmp_path / "pool.txt")} if kind == "prompts" else {}
    measured(kind, encoder, test, val=val, **own)
    assert "measured images" not in capsys.readouterr().err
    measured(kind, encoder, test, val=test, **own)
    assert f"1,000 of 1,000 measured images of n are also {says}" in capsys.readouterr().err


def test_rules_without_captions_do_not_advise_rules():
    encoder = Written([[1, 0]], {"x": [1, 0]})
    for texts, says in (((), "give a caption column, captions=COLUMN"), (("x",), "no rule makes a negative")):
        with pytest.raises(FormatError, match=says) as met:
            measured("selection", encoder, a_set("t", [Sample("a", texts=texts)], [0]), form="rules")
        assert "form=rules" not in str(met.value)
