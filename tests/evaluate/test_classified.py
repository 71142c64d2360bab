"""Images with classes, and what is recorded of answers: mistakes, confusions, small pictures."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from wordsight.base.errors import ConfigError, FormatError, UsageError
from wordsight.base.nouns import Sample
from wordsight.evaluate.classified import (
    MOST_MISTAKES,
    MOST_PAIRS,
    Classified,
    accuracies,
    answers,
    check_share,
    classes_of,
    prompt_facts,
    prompts_for,
)
from wordsight.evaluate.measured import THUMBNAIL, hash_of
from wordsight.evaluate.metrics import per_class_interval
from wordsight.evaluate.sample_set import in_memory
from wordsight.evaluate.tasks import TaskSpec

SPEC = TaskSpec("zero-shot", "somewhere", name="set", templates="photo")
NAMES = ("cat", "dog", "owl")


def coloured(colour, size=(320, 200)):
    packed = io.BytesIO()
    Image.new("RGB", size, colour).save(packed, "PNG")
    return packed.getvalue()


def labelled(labels, *, images=None, names=NAMES):
    own = images or [coloured((i * 7 % 256, 0, 0), (16, 8)) for i in range(len(labels))]
    samples = [
        Sample(f"k{i}", image, label=names[label]) for i, (image, label) in enumerate(zip(own, labels, strict=True))
    ]
    return Classified(in_memory("set", samples), tuple(names), np.array(labels, np.int64))


def scores_for(guesses, classes=3, *, by=0.5):
    """Scores whose best is the guess; `by` how much it lies before the others."""
    scores = np.zeros((len(guesses), classes), np.float32)
    scores[np.arange(len(guesses)), guesses] = by
    return scores


def of_form(measured, form):
    return [detail.data for detail in measured.details if detail.form == form]


def test_classes_are_sorted_and_those_without_stay_out(capsys):
    samples = [Sample("a", b"1", label="owl"), Sample("b", b"2"), Sample("c", b"3", label="cat"), Sample("d", None)]
    whole = classes_of(SPEC, in_memory("set", samples))
    assert whole.names == ("cat", "owl")
    assert whole.labels.tolist() == [1, 0]
    assert whole.keys == ["a", "c"]
    assert "set: 2 of 4 images have no class and are left out" in capsys.readouterr().err


def test_classes_that_are_given_keep_their_order_and_absent_ones_are_noticed(capsys):
    samples = [Sample("a", b"1", label="owl"), Sample("b", b"2", label="cat")]
    whole = classes_of(SPEC, in_memory("set", samples), names=["owl", "emu", "cat"])
    assert whole.names == ("owl", "emu", "cat")
    assert whole.labels.tolist() == [0, 2]
    assert "no image is of the class emu" in capsys.readouterr().err
    many = [*"bcdefgh", "owl", "cat"]
    classes_of(SPEC, in_memory("set", samples), names=many)
    assert "classes b, c, d, e, f and 2 more" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("labels", "names", "error", "message"),
    [
        ([None, None], None, FormatError, "no images with a class"),
        (["cat", "cat"], None, UsageError, "one class only, 'cat'"),
        (["cat", "owl"], ("cat", "dog"), UsageError, "class 'owl' of set is not among classes"),
        (["cat", "owl"], ("cat", "owl", "cat"), UsageError, "give 'cat' once"),
        (["cat", "owl"], ("cat", "owl", ""), UsageError, "leave out a comma"),
    ],
)
def test_what_cannot_be_measured_says_why(labels, names, error, message):
    samples = [Sample(f"k{i}", b"x", label=label) for i, label in enumerate(labels)]
    with pytest.raises(error, match=message):
        classes_of(SPEC, in_memory("set", samples), names=names)


def test_images_without_classes_name_the_columns_that_there_are():
    samples = [Sample("a", b"1", meta={"kind": "x", "price": 3})]
    with pytest.raises(FormatError, match="label=, one of: kind, price"):
        classes_of(SPEC, in_memory("set", samples))


@pytest.mark.parametrize("share", [0.05, 0.2, 0.8])
def test_a_share_that_leaves_enough(share):
    check_share(share)


@pytest.mark.parametrize("share", [0, 0.04, 0.81, 1, -1, float("nan")])
def test_a_share_that_leaves_too_few(share):
    with pytest.raises(ConfigError, match="0.05 to 0.8"):
        check_share(share)


def test_parts_and_sums_keep_labels_beside_images():
    whole = labelled([2, 0, 1, 2])
    part = whole.of(np.array([3, 1]))
    assert part.keys == ["k3", "k1"]
    assert part.labels.tolist() == [2, 0]
    both = part.also(whole.of(np.array([2])))
    assert both.keys == ["k3", "k1", "k2"]
    assert both.labels.tolist() == [2, 0, 1]
    assert [*both.images.images] == [whole.images.images[i] for i in (3, 1, 2)]


def test_what_is_stated_of_prompts_tells_lists_and_classes_apart():
    prompts = prompts_for(SPEC, NAMES)
    assert prompts == tuple((f"a photo of a {name}.",) for name in NAMES)
    facts = prompt_facts(SPEC, NAMES, prompts)
    assert (facts["classes"], facts["chance"], facts["templates"]) == (3, 1 / 3, "photo")
    assert facts["classes_hash"] == hash_of(NAMES) != hash_of(NAMES[::-1])
    assert facts["templates_hash"] != prompt_facts(SPEC, NAMES, [("cat",), ("dog",), ("owl",)])["templates_hash"]


def test_accuracies_by_hand():
    measured = labelled([0, 0, 0, 1])
    results = {result.name: result for result in accuracies("n", measured, scores_for([0, 0, 1, 1]), {"x": 1}).results}
    assert results["n/top-1"].value == 3 / 4
    assert results["n/mean-per-class"].value == pytest.approx((2 / 3 + 1) / 2)
    assert set(results) == {"n/top-1", "n/mean-per-class"}
    assert results["n/top-1"].setting == {"classes": 3, "chance": 1 / 3, "x": 1}
    assert results["n/top-1"].count == 4
    right = np.array([True, True, False, True])
    assert results["n/mean-per-class"].interval == per_class_interval(right, measured.labels)
    assert results["n/mean-per-class"].interval != results["n/top-1"].interval


def test_top_5_is_among_the_first_five_of_six_and_left_out_of_five():
    six = labelled([5, 0], names="abcdef")
    scores = np.tile(np.arange(6, 0, -1, dtype=np.float32), (2, 1))  # the sixth class comes last
    results = {result.name: result.value for result in accuracies("n", six, scores, {}, top_5=True).results}
    assert results["n/top-5"] == 1 / 2
    five = accuracies("n", labelled([4, 0], names="abcde"), scores[:, :5], {}, top_5=True)
    assert "n/top-5" not in {result.name for result in five.results}


def test_hits_are_the_images_that_were_right():
    (data,) = of_form(answers("n", labelled([0, 1, 2, 0]), scores_for([0, 2, 2, 1])), "hits")
    bits = np.unpackbits(np.frombuffer(base64.b64decode(data["hits"]), np.uint8))[: data["count"]]
    assert bits.tolist() == [1, 0, 1, 0]
    assert data["key_hash"] == hash_of(["k0", "k1", "k2", "k3"])


def test_a_tie_is_no_right_answer_and_no_confusion():
    measured = answers("n", labelled([0, 1]), np.zeros((2, 3), np.float32))
    (bars,) = of_form(measured, "bars")
    assert [row["value"] for row in bars["rows"]] == [0, 0]
    ((row,),) = (data["rows"] for data in of_form(measured, "table"))
    assert row == ["dog", "cat", 1, 1]  # cat, the first of the equals, is what a tie says; cat is not taken for cat


def test_accuracy_within_each_class_that_has_images():
    (data,) = of_form(answers("n", labelled([0, 0, 2]), scores_for([0, 1, 2])), "bars")
    rows = {row["name"]: row for row in data["rows"]}
    assert {name: (row["value"], row["count"]) for name, row in rows.items()} == {"cat": (0.5, 2), "owl": (1.0, 1)}
    assert all(row["interval"][0] <= row["value"] <= row["interval"][1] for row in rows.values())


def test_confusions_come_by_how_often():
    guesses = [1, 1, 2, 0, 0]
    (data,) = of_form(answers("n", labelled([0, 0, 0, 0, 1]), scores_for(guesses)), "table")
    assert data["rows"] == [["cat", "dog", 2, 4], ["cat", "owl", 1, 4], ["dog", "cat", 1, 1]]
    names = [f"c{i:02}" for i in range(30)]
    labels = list(range(30))
    (many,) = of_form(answers("n", labelled(labels, names=names), scores_for([29, *labels[:29]], 30)), "table")
    assert len(many["rows"]) == MOST_PAIRS


def test_the_worst_mistakes_come_first_with_their_pictures():
    measured = labelled([0, 1, 2], images=[coloured("red"), coloured("lime"), coloured("blue")])
    # the first has the highest wrong score, the second the widest gap
    scores = np.array([[0.94, 0.95, 0.0], [0.9, 0.1, 0.0], [0.0, 0.0, 1.0]], np.float32)
    whole = answers("n", measured, scores)
    (data,) = of_form(whole, "pictures")
    assert [entry["title"] for entry in data["pictures"]] == ["cat, not dog", "dog, not cat"]
    assert data["pictures"][0]["lines"] == ["k1", "0.900 for cat, 0.100 for dog"]
    assert [entry["picture"] for entry in data["pictures"]] == list(whole.pictures)
    colours = []
    for packed in whole.pictures.values():
        small = Image.open(io.BytesIO(packed))
        assert small.format == "JPEG"
        assert small.size == (THUMBNAIL, 100)  # 320 x 200
        colours.append(np.asarray(small).mean(axis=(0, 1)).argmax())
    assert colours == [1, 0]  # the green one, then the red one


def test_only_the_worst_mistakes_are_kept():
    count = MOST_MISTAKES + 7
    scores = scores_for([1] * count) * np.linspace(1, 2, count, dtype=np.float32)[:, None]
    (data,) = of_form(answers("n", labelled([0] * count), scores), "pictures")
    assert [entry["lines"][0] for entry in data["pictures"]] == [f"k{i}" for i in range(count - 1, 6, -1)]


def test_a_broken_picture_among_mistakes_says_so_and_the_others_stay():
    measured = labelled([0, 1], images=[b"no picture", coloured("blue")])
    whole = answers("n", measured, scores_for([1, 0]))
    (data,) = of_form(whole, "pictures")
    broken, sound = data["pictures"]
    assert broken["picture"] == ""
    assert broken["lines"][0] == "k0"
    assert "k0" in broken["lines"][1]
    assert [sound["picture"]] == list(whole.pictures)


def test_nothing_is_drawn_of_no_mistakes():
    whole = answers("n", labelled([0, 1, 2]), scores_for([0, 1, 2]))
    assert not of_form(whole, "pictures")
    assert not of_form(whole, "table")
    assert not whole.pictures
