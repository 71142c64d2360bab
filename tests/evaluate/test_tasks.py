"""Tasks from sources, measured on an encoder whose rows are known."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wordsight.base.errors import ConfigError, FormatError, InputError, UsageError
from wordsight.cli.evaluate import split_tasks
from wordsight.evaluate.encode import text_embeddings
from wordsight.evaluate.tasks import TaskSpec, build_task, read_task, run_task

COLOURS = {"red": (255, 0, 0), "lime": (0, 255, 0), "blue": (0, 0, 255), "white": (255, 255, 255)}


class ColourEncoder:
    """Pictures to their mean colour, texts to the colour they name: right except where told otherwise."""

    fingerprint = "colours"

    def __init__(self, wrong=None):
        self.wrong = wrong or {}
        self.seen = []

    def embed_images(self, items):
        return self._rows([np.asarray(Image.open(item).convert("RGB")).mean(axis=(0, 1)) for item in items])

    def embed_texts(self, texts):
        self.seen += texts
        names = [next(name for name in COLOURS if name in text) for text in texts]
        return self._rows([COLOURS[self.wrong.get(name, name)] for name in names])

    def _rows(self, colours):
        rows = np.array(colours, dtype=np.float32) - 100
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def table(tmp_path) -> Path:
    rows = []
    for name, colour in COLOURS.items():
        Image.new("RGB", (8, 8), colour).save(tmp_path / f"{name}.png")
        captions = json.dumps([f"a {name} thing", f"something {name}"])
        rows.append(
            {"image": f"{name}.png", "captions": captions, "class": name, "kind": "cold" if name == "blue" else "warm"}
        )
    with open(tmp_path / "things.csv", "w", newline="") as handle:
        writer = csv.DictWriter(handle, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return tmp_path / "things.csv"


def values(results):
    return {result.name: result.value for result in results}


def test_retrieval_of_a_perfect_encoder(table):
    task = build_task(read_task(f"retrieval:{table}?name=colours"))
    results = run_task(ColourEncoder(), task)
    assert set(values(results)) == {
        f"colours/{way}/R@{k}" for way in ("text_to_image", "image_to_text") for k in (1, 5, 10)
    }
    assert all(value == 1.0 for value in values(results).values())
    first = {result.name: result for result in results}["colours/text_to_image/R@1"]
    assert (first.count, first.setting["gallery"], first.setting["chance"]) == (8, 4, 0.25)
    back = {result.name: result for result in results}["colours/image_to_text/R@1"]
    assert (back.count, back.setting["gallery"], back.setting["chance"]) == (4, 8, 0.25)
    assert first.fingerprint == "colours"


def test_retrieval_of_an_encoder_that_confuses_two(table):
    task = build_task(read_task(f"retrieval:{table}?name=colours"))
    found = values(run_task(ColourEncoder({"red": "blue", "blue": "red"}), task))
    assert found["colours/text_to_image/R@1"] == 0.5
    assert found["colours/image_to_text/R@1"] == 0.5
    low, high = {r.name: r for r in run_task(ColourEncoder({"red": "blue"}), task)}[
        "colours/text_to_image/R@1"
    ].interval
    assert low < 0.75 < high


def test_zero_shot_by_class_and_by_column(table):
    task = build_task(read_task(f"zero-shot:{table}?name=colours&templates=none"))
    encoder = ColourEncoder({"red": "blue"})
    found = {result.name: result for result in run_task(encoder, task)}
    assert set(found) == {"colours/zero-shot/top-1", "colours/zero-shot/mean-per-class"}
    assert found["colours/zero-shot/top-1"].value == 0.5  # red's row ties with blue's, and ties are lost
    assert found["colours/zero-shot/top-1"].setting["chance"] == 0.25
    assert sorted(encoder.seen) == sorted(COLOURS)
    by_column = build_task(read_task(f"zero-shot:{table}?label=kind"))
    assert by_column.classes == ("cold", "warm")
    assert by_column.labels.tolist() == [1, 1, 0, 1]


def test_text_rows_keep_the_order():
    encoder = ColourEncoder()
    texts = ["blue", "a very long text that ends with red", "lime it is"] * 100
    assert np.array_equal(text_embeddings(encoder, texts), encoder.embed_texts(texts))


def test_a_task_file_beside_its_table(table):
    path = table.parent / "mine.toml"
    path.write_text(
        'kind = "zero-shot"\nplace = "things.csv"\nclasses = ["white", "lime", "blue", "red", "black"]\nlimit = 2\n'
    )
    task = build_task(read_task(str(path)))
    assert (task.spec.name, task.labels.tolist(), len(task.classes)) == ("mine", [3, 1], 5)


def test_a_place_below_a_root(table):
    task = build_task(TaskSpec("retrieval", "things.csv"), root=table.parent)
    assert len(task.images) == 4


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("recall:place", UsageError, "recall:place"),
        ("retrieval:x?splitt=val", ConfigError, "split"),
        ("retrieval:x?limit=many", UsageError, "limit"),
    ],
)
def test_wrong_tasks_are_refused_by_name(text, error, says):
    with pytest.raises(error, match=says):
        read_task(text)


def test_missing_words_are_refused_with_the_cure(table):
    with pytest.raises(FormatError, match="kind"):
        build_task(read_task(f"zero-shot:{table}?label=sort"))
    with pytest.raises(UsageError, match="'blue'"):
        build_task(read_task(f"zero-shot:{table}?classes=red,lime,white"))


def test_a_gallery_with_holes_is_refused(table):
    table.write_text(table.read_text() + 'lost.png,"[""a lost thing""]",lost,warm\n')
    with pytest.raises(InputError, match="lost"):
        run_task(ColourEncoder(), build_task(read_task(f"retrieval:{table}")))


def test_commas_within_a_task_stay():
    assert split_tasks("retrieval:a,zero-shot:b?classes=x,y,own.toml,retrieval:c") == [
        "retrieval:a",
        "zero-shot:b?classes=x,y",
        "own.toml",
        "retrieval:c",
    ]
