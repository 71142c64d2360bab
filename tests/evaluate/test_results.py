"""Every field of every result, on encoders whose embeddings are written down: values at the borders of each k."""

import csv
import io
import json
import math
import sys

import numpy as np
import pytest
from PIL import Image

from wordsight.base.errors import ConfigError, FormatError, UsageError
from wordsight.base.nouns import Sample
from wordsight.evaluate import encode
from wordsight.evaluate.building import build_of, build_task
from wordsight.evaluate.encode import image_embeddings, text_embeddings
from wordsight.evaluate.running import run_task
from wordsight.evaluate.tasks import TASKS, TaskSpec, read_task


def measured(encoder, task):
    return run_task(encoder, task).results


class Written:
    """Embeddings that are written down: an image is its own embedding (as bytes), a text is looked up."""

    fingerprint = "0123456789abcdef"

    def __init__(self, texts):
        self.texts = texts

    def embed_images(self, items):
        return np.stack([np.frombuffer(item, np.float32) for item in items])

    def embed_texts(self, texts):
        return np.array([self.texts[text] for text in texts], np.float32)


def image(row):
    return np.asarray(row, np.float32).tobytes()


def behind(own, wrong, width):
    """An embedding that is nearest to the axes `wrong` and then to `own`."""
    row = np.zeros(width)
    row[wrong], row[own] = 1.0, 0.5
    return row


RANKS = [0, 0, 1, 4, 5, 9, 10, 11, 0, 2, 5, 10]  # of each caption's image among the twelve


@pytest.fixture
def twelve():
    """Twelve images, the axes; each has one caption, behind as many wrong images as its rank says."""
    axes = np.eye(12)
    texts = {
        f"caption {own}": behind(own, [other for other in range(12) if other != own][:rank], 12)
        for own, rank in enumerate(RANKS)
    }
    samples = [Sample(str(i), image(axes[i]), (f"caption {i}",)) for i in range(12)]
    return Written(texts), build_of(TaskSpec("retrieval", "x", name="twelve"), samples)


def by_name(results):
    return {result.name: result for result in results}


def test_a_rank_of_k_is_no_hit_at_k(twelve):
    results = by_name(measured(*twelve))
    for k, hits in ((1, 3), (5, 6), (10, 9)):
        result = results[f"twelve/text_to_image/R@{k}"]
        assert result.value == pytest.approx(hits / 12)
        assert result.setting == {"gallery": 12, "chance": pytest.approx(k / 12)}
        assert result.count == 12
        assert result.fingerprint == "0123456789abcdef"
        low, high = result.interval
        half = 1.96 * math.sqrt(result.value * (1 - result.value) / 12)
        assert (low, high) == (pytest.approx(result.value - half, abs=0.1), pytest.approx(result.value + half, abs=0.1))


def test_the_way_back_counts_texts_before_the_best_own_one(twelve):
    encoder, task = twelve
    scores = np.eye(12) @ np.array([encoder.texts[text] for text in task.texts]).T
    wrong_before = [sum(scores[i, j] >= scores[i, i] for j in range(12) if j != i) for i in range(12)]
    results = by_name(measured(encoder, task))
    for k in (1, 5, 10):
        assert results[f"twelve/image_to_text/R@{k}"].value == pytest.approx(np.mean([n < k for n in wrong_before]))


def test_intervals_of_captions_draw_whole_images():
    """Five captions each, all right or all wrong: they hold no more than one answer an image."""
    axes = np.eye(60)
    texts = {f"{i} {c}": axes[i] if i < 30 else axes[i] + 2 * axes[0] for i in range(60) for c in range(5)}
    samples = [Sample(str(i), image(axes[i]), tuple(f"{i} {c}" for c in range(5))) for i in range(60)]
    result = measured(Written(texts), build_of(TaskSpec("retrieval", "x", name="n"), samples))[0]
    assert (result.value, result.count) == (0.5, 300)
    assert result.interval[1] - result.interval[0] == pytest.approx(2 * 1.96 * math.sqrt(0.25 / 60), rel=0.15)


def test_chance_knows_how_many_captions_each_image_has():
    axes = np.eye(2)
    samples = [Sample("a", image(axes[0]), ("a",)), Sample("b", image(axes[1]), ("b", "c", "d"))]
    encoder = Written({"a": axes[0], "b": axes[1], "c": axes[1], "d": axes[1]})
    results = by_name(measured(encoder, build_of(TaskSpec("retrieval", "x", name="n"), samples)))
    back = results["n/image_to_text/R@1"]
    assert back.setting == {"gallery": 4, "chance": pytest.approx((1 / 4 + 3 / 4) / 2)}
    assert (back.value, back.count) == (1.0, 2)


def test_images_without_captions_and_captions_without_image_are_left_out():
    samples = [
        Sample("a", b"a", ("one", "two")),
        Sample("b", b"b"),
        Sample("c", None, ("lost",)),
        Sample("d", b"d", ("x",)),
    ]
    task = build_of(TaskSpec("retrieval", "x", name="n"), samples)
    assert (list(task.images.images), task.texts, task.owners.tolist()) == (
        [b"a", b"d"],
        ("one", "two", "x"),
        [0, 0, 1],
    )


def classes_task(ranks, labels, count):
    """Images that stand behind as many wrong classes as `ranks` says; class c is axis c and its own prompt."""
    names = [chr(ord("a") + c) for c in range(count)]
    samples = [
        Sample(
            str(i),
            image(behind(label, [other for other in range(count) if other != label][:rank], count)),
            label=names[label],
        )
        for i, (rank, label) in enumerate(zip(ranks, labels, strict=True))
    ]
    spec = TaskSpec("zero-shot", "x", name="shapes", templates="none", classes=tuple(names))
    return Written(dict(zip(names, np.eye(count), strict=True))), build_of(spec, samples)


def test_zero_shot_with_six_classes_has_a_top_5():
    results = measured(*classes_task([0, 0, 1, 4, 5, 5, 3, 5], [0, 0, 0, 1, 1, 2, 2, 5], 6))
    assert [result.name for result in results] == [
        f"shapes/zero-shot/{m}" for m in ("top-1", "top-5", "mean-per-class")
    ]
    top1, top5, per_class = results
    assert (top1.value, top5.value) == (2 / 8, 5 / 8)
    assert per_class.value == pytest.approx((2 / 3 + 0 + 0 + 0) / 4)
    for result, chance in ((top1, 1 / 6), (top5, 5 / 6), (per_class, 1 / 6)):
        assert len(result.setting.pop("classes_hash")) == len(result.setting.pop("templates_hash")) == 12
        assert result.setting == {"classes": 6, "chance": pytest.approx(chance), "templates": "none"}
        assert (result.count, result.fingerprint) == (8, "0123456789abcdef")
        assert 0 <= result.interval[0] <= result.value <= result.interval[1] <= 1
    assert top5.interval[0] > top1.interval[0] and top5.interval[1] > top1.interval[1]


def test_zero_shot_with_five_classes_has_none():
    results = measured(*classes_task([0, 4], [0, 1], 5))
    assert [result.name.split("/")[-1] for result in results] == ["top-1", "mean-per-class"]


def test_the_interval_of_the_mean_per_class_keeps_every_class():
    """One class all right, one all wrong, of very different sizes: drawn within themselves nothing varies."""
    top1, per_class = measured(*classes_task([0] * 20 + [1] * 5, [0] * 20 + [1] * 5, 2))
    assert (per_class.value, per_class.interval) == (0.5, (0.5, 0.5))
    assert top1.value == pytest.approx(20 / 25)
    assert top1.interval[0] < top1.value < top1.interval[1]


def test_a_label_may_be_any_value_that_is_not_empty(tmp_path):
    lines = []
    for number, kind in enumerate([1, 2.5, "", None, "XXXX", 0]):
        Image.new("RGB", (4, 4)).save(tmp_path / f"{number}.png")
        lines.append(json.dumps({"image": f"{number}.png", "kind": kind}))
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    task = build_task(TaskSpec("zero-shot", str(tmp_path / "t.jsonl"), label="kind"))
    assert task.classified.names == ("0", "1", "2.5", "XXXX")
    assert task.classified.labels.tolist() == [1, 2, 3, 0]
    assert task.classified.labels.dtype == np.int64


@pytest.fixture
def table(tmp_path):
    """Three images with class and captions in `val.csv`, and one in `train.csv` beside it."""
    for split, names in (("val", ["red", "blue", "lime"]), ("train", ["white"])):
        with open(tmp_path / f"{split}.csv", "w", newline="") as handle:
            writer = csv.DictWriter(handle, ["image", "captions", "class", "kind", "tone"])
            writer.writeheader()
            for name in names:
                Image.new("RGB", (4, 4), name).save(tmp_path / f"{name}.png")
                captions = json.dumps([f"a {name} thing"]) if split == "val" else ""
                writer.writerow({"image": f"{name}.png", "captions": captions, "class": name, "kind": "k", "tone": 1})
    return tmp_path


def test_the_split_of_a_task_is_opened(table):
    assert len(build_task(read_task(f"retrieval:{table}?split=val")).images) == 3
    assert build_task(read_task(f"zero-shot:{table}?split=all")).classified.names == ("blue", "lime", "red", "white")


def test_a_limit_takes_the_first(table):
    spec = read_task(f"zero-shot:{table}?split=val&limit=2&classes=lime, red,blue")
    assert (spec.limit, spec.classes) == (2, ("lime", "red", "blue"))
    assert build_task(spec).classified.labels.tolist() == [1, 2]
    assert len(build_task(read_task(f"retrieval:{table}?split=val&limit=1")).images) == 1


def test_a_result_is_headed_by_the_place_or_by_a_name(table):
    assert build_task(read_task(f"retrieval:{table}?split=val")).spec.name == table.name
    assert build_task(read_task(f"retrieval:{table}?split=val&name=mine")).spec.name == "mine"


def sample(**meta):
    return Sample("k", b"x", label="only", meta=meta)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda d: read_task("nothing"), UsageError, "'nothing' is no task; give a .toml file, or KIND:PLACE with one of " + ", ".join(TASKS)),
        (lambda d: read_task("retrieval:x?limit="), ConfigError, "limit is empty; give a value, or leave it out"),
        (lambda d: read_task("retrieval:x?limit=1.5"), ConfigError, "limit = \'1.5\' is text; give a whole number"),
        (lambda d: read_task("retrieval:x?limit=²"), ConfigError, "limit = \'²\' is text; give a whole number"),
        (lambda d: build_task(TaskSpec("retrieval", "x", limit=0)), UsageError, "limit = 0; give 1 or more, or leave it out"),
        (
            lambda d: build_task(read_task(f"retrieval:{d}/train.csv")),
            FormatError,
            "train has no captions; use it for zero-shot, or name its caption column",
        ),
        (
            lambda d: build_task(TaskSpec("zero-shot", str(d / "val.csv"), label="clss")),
            FormatError,
            "TABLE/val.csv has no column clss; did you mean class?",
        ),
        (
            lambda d: build_of(TaskSpec("zero-shot", "x", name="n"), [Sample("k", b"x", meta={"a": 1})]),
            FormatError,
            "n has no images with a class; name its column with label=, one of: a",
        ),
        (
            lambda d: build_of(TaskSpec("zero-shot", "x", name="n", label="b"), [Sample("k", b"x", meta={"a": 1})]),
            FormatError,
            "n has no images with a class: column b is empty; name its column with label=, one of: a",
        ),
        (
            lambda d: build_of(TaskSpec("zero-shot", "x", name="n"), [Sample("k", b"x")]),
            FormatError,
            "n has no images with a class; put the images into a folder for each class, or give a table with a class "
            "column",
        ),
        (
            lambda d: build_of(TaskSpec("zero-shot", "x", name="n"), [sample()]),
            UsageError,
            "n has one class only, 'only': every answer is right; give images of a second class, or the others that it could be: classes=A,B",
        ),
        (
            lambda d: build_of(TaskSpec("zero-shot", "x", classes=("only", "", "b")), [sample()]),
            UsageError,
            "classes=only,,b; leave out a comma",
        ),
        (
            lambda d: build_of(TaskSpec("zero-shot", "x", classes=("only", "b", "b")), [sample()]),
            UsageError,
            "classes=only,b,b; give 'b' once",
        ),
        (
            lambda d: build_of(TaskSpec("zero-shot", "x", name="n", classes=("a", "b")), [sample()]),
            UsageError,
            "class 'only' of n is not among classes; add it to classes",
        ),
    ],
)  # fmt: skip
def test_a_refusal_names_the_value_and_the_cure(table, make, error, message):
    with pytest.raises(error) as caught:
        make(table)
    assert str(caught.value).replace(str(table), "TABLE") == message


def test_a_table_without_rows_is_refused(tmp_path):
    (tmp_path / "empty.csv").write_text("image,captions\n")
    with pytest.raises(FormatError) as caught:
        build_task(read_task(f"retrieval:{tmp_path / 'empty.csv'}"))
    assert str(caught.value) == "empty.csv has no images; check the path and the split"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_bar_counts_the_images_under_the_task_s_name_and_goes_away(monkeypatch, twelve):
    monkeypatch.setattr(encode, "BLOCK", 5)
    monkeypatch.setattr(sys, "stderr", Terminal())
    encoder, task = twelve
    rows = image_embeddings(encoder, task.images.images, name="animals")
    shown = sys.stderr.getvalue()
    assert np.array_equal(rows, np.eye(12))
    assert "animals:   0%" in shown and "0/12" in shown and "img/s" in shown
    assert shown.endswith("\r")  # cleared: the next line of the log begins where the bar stood
    assert "\n" not in shown
    run_task(encoder, task)
    assert "twelve:" in sys.stderr.getvalue()


def test_the_bar_moves_by_what_was_embedded(monkeypatch, twelve):
    moved = []

    class Bar:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def update(self, number):
            moved.append(number)

    monkeypatch.setattr(encode, "BLOCK", 5)
    monkeypatch.setattr(encode, "bar", lambda *_, **__: Bar())
    image_embeddings(twelve[0], twelve[1].images.images, name="n")
    assert moved == [5, 5, 2]


def test_texts_of_one_length_go_together_and_come_back_in_order(monkeypatch):
    monkeypatch.setattr(encode, "BLOCK", 2)
    seen = []

    class Lengths(Written):
        def embed_texts(self, texts):
            seen.append([len(text) for text in texts])
            return np.array([[len(text), 0] for text in texts], np.float32)

    texts = ["ccc", "a", "dddd", "bb", "a"]
    rows = text_embeddings(Lengths({}), texts)
    assert seen == [[1, 1], [2, 3], [4]]
    assert rows[:, 0].tolist() == [3, 1, 4, 2, 1]
    assert rows.dtype == np.float32


def test_a_task_file_with_a_wrong_key_names_it(tmp_path):
    (tmp_path / "t.toml").write_text('kind = "retrieval"\nplaces = "x"\n')
    with pytest.raises(ConfigError, match="unknown key places; did you mean place"):
        read_task(str(tmp_path / "t.toml"))
