"""Tasks from sources, measured on an encoder whose rows are known."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wordsight.base.errors import ConfigError, FormatError, InputError, UsageError
from wordsight.cli.evaluate import split_tasks
from wordsight.evaluate.building import build_task
from wordsight.evaluate.encode import text_embeddings
from wordsight.evaluate.running import run_task
from wordsight.evaluate.tasks import TaskSpec, read_task

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
    results = run_task(ColourEncoder(), task).results
    assert set(values(results)) == {
        *(f"colours/{way}/R@{k}" for way in ("text_to_image", "image_to_text") for k in (1, 5, 10)),
        *("colours/text_to_image/ndcg@10", "colours/image_to_text/ndcg@10"),
        *("colours/image_to_text/recall-of-all@5", "colours/image_to_text/recall-of-all@10"),
    }
    assert all(value == 1.0 for value in values(results).values())
    first = {result.name: result for result in results}["colours/text_to_image/R@1"]
    assert (first.count, first.setting["gallery"], first.setting["chance"]) == (8, 4, 0.25)
    back = {result.name: result for result in results}["colours/image_to_text/R@1"]
    assert (back.count, back.setting["gallery"], back.setting["chance"]) == (4, 8, 0.25)
    assert first.fingerprint == "colours"


def test_retrieval_of_an_encoder_that_confuses_two(table):
    task = build_task(read_task(f"retrieval:{table}?name=colours"))
    found = values(run_task(ColourEncoder({"red": "blue", "blue": "red"}), task).results)
    assert found["colours/text_to_image/R@1"] == 0.5
    assert found["colours/image_to_text/R@1"] == 0.5
    low, high = {r.name: r for r in run_task(ColourEncoder({"red": "blue"}), task).results}[
        "colours/text_to_image/R@1"
    ].interval
    assert low < 0.75 < high


def test_zero_shot_by_class_and_by_column(table):
    task = build_task(read_task(f"zero-shot:{table}?name=colours&templates=none"))
    encoder = ColourEncoder({"red": "blue"})
    found = {result.name: result for result in run_task(encoder, task).results}
    assert set(found) == {"colours/zero-shot/top-1", "colours/zero-shot/mean-per-class"}
    assert found["colours/zero-shot/top-1"].value == 0.5  # red's row ties with blue's, and ties are lost
    assert found["colours/zero-shot/top-1"].setting["chance"] == 0.25
    assert sorted(encoder.seen) == sorted(COLOURS)
    by_column = build_task(read_task(f"zero-shot:{table}?label=kind"))
    assert by_column.classified.names == ("cold", "warm")
    assert by_column.classified.labels.tolist() == [1, 1, 0, 1]
    assert build_task(read_task(f"zero-shot:{table}?label=class")).classified.names == task.classified.names


def test_zero_shot_with_prompts_for_each_class(table, tmp_path):
    own = tmp_path / "own.json"
    own.write_text(json.dumps({"warm": ["red", "not white"], "cold": ["a blue {c} thing"]}))
    task = build_task(read_task(f"zero-shot:{table}?label=kind&templates={own}"))
    assert task.prompts == (("a blue cold thing",), ("red", "not white"))


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
    assert (task.spec.name, task.classified.labels.tolist(), len(task.classified.names)) == ("mine", [3, 1], 5)


def test_a_place_below_a_root(table):
    task = build_task(TaskSpec("retrieval", "things.csv"), root=table.parent)
    assert len(task.images) == 4


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("recall:place", UsageError, "recall:place"),
        ("retrieval:x?splitt=val", ConfigError, "split"),
        ("retrieval:x?limit=many", ConfigError, "limit = 'many' is text; give a whole number"),
        ("retrieval:x?limit=\u0661\u0662", ConfigError, "limit = '\u0661\u0662' is text; give a whole number"),
        ("retrieval:x?limit=1_0", ConfigError, "limit = '1_0' is text; give a whole number"),
        ("retrieval:x?limit=%203%20", ConfigError, "limit = ' 3 ' is text; give a whole number"),
        ("supervised:x?held_out=0_1.5", ConfigError, "held_out = '0_1.5' is text; give a number"),
        ("supervised:x?held_out=nan", ConfigError, "held_out = 'nan' is text; give a number"),
        ("supervised:x?held_out=1e999", ConfigError, "held_out = '1e999' is text; give a number"),
        ("few-shot:x?shots=1,\u0662", ConfigError, r"shots\[1\] = '\u0662' is text; give a whole number"),
        ("retreival:x", UsageError, r"'retreival:x' is no task; did you mean retrieval\?"),
        ("zero-shot:", UsageError, "zero-shot: names no images; give a folder, a table or shards: zero-shot:PLACE"),
        ("zero-shot:x?template=photo", ConfigError, r"unknown key template; did you mean templates\?"),
        ("zero-shot:x?limit=60&limit=40", UsageError, "limit is given twice: limit=60 and limit=40; give it once"),
        ("zero-shot:x?kind=retrieval", UsageError, "kind=retrieval behind the"),
        ("zero-shot:x?per_class=yes", ConfigError, "per_class = 'yes' is text; give true or false"),
    ],
)
def test_wrong_tasks_are_refused_by_name(text, error, says):
    with pytest.raises(error, match=says):
        read_task(text)


def test_numbers_of_plain_digits_are_read():
    few, learned = read_task("few-shot:x?shots=1,%202&limit=7"), read_task("supervised:x?held_out=.3&seed=0012")
    assert (few.options.shots, few.limit) == ((1, 2), 7)
    assert learned.options.held_out == 0.3
    assert read_task("supervised:x?held_out=2.5e-1").options.held_out == 0.25


def test_missing_words_are_refused_with_the_cure(table):
    with pytest.raises(FormatError, match="kind"):
        build_task(read_task(f"zero-shot:{table}?label=sort"))
    with pytest.raises(UsageError, match="'blue'"):
        build_task(read_task(f"zero-shot:{table}?classes=red,lime,white"))


def test_a_gallery_with_holes_is_refused(table):
    table.write_text(table.read_text() + 'lost.png,"[""a lost thing""]",lost,warm\n')
    with pytest.raises(InputError, match="lost"):
        run_task(ColourEncoder(), build_task(read_task(f"retrieval:{table}")))


def test_what_cannot_be_read_is_left_out_and_counted_where_that_is_wanted(table):
    table.write_text(table.read_text() + 'lost.png,"[""a lost thing""]",lost,warm\n')
    (table.parent / "blue.png").write_bytes((table.parent / "blue.png").read_bytes()[:40])
    failures = []
    task = build_task(read_task(f"retrieval:{table}"), failures=failures)
    assert [name for failure in failures for name in ("blue.png", "lost.png") if name in str(failure)] == [
        "lost.png",
        "blue.png",
    ]
    results = run_task(ColourEncoder(), task, missing=len(failures)).results
    assert {result.setting["missing"] for result in results} == {2}
    assert {result.count for result in results} == {3, 6}


def test_every_result_states_what_was_cut_from_the_source(table):
    (table.parent / "val.csv").write_text(table.read_text().replace(",class,", ",sort,", 1))
    table.rename(table.parent / "train.csv")
    task = build_task(read_task(f"zero-shot:{table.parent}?split=val&label=sort&limit=4"))
    results = run_task(ColourEncoder(), task).results
    for result in results:
        assert [result.setting[key] for key in ("split", "label", "limit")] == ["val", "sort", 4]
        assert result.name.startswith(f"{table.parent.name}/zero-shot/")
    plain = run_task(ColourEncoder(), build_task(read_task(f"zero-shot:{table.parent / 'train.csv'}"))).results
    assert not {"split", "label", "limit", "missing"} & set(plain[0].setting)


def test_classes_one_by_one(table, capsys):
    classes = "red,lime,blue,white,black"
    task = build_task(read_task(f"zero-shot:{table}?name=c&templates=none&per_class=true&classes={classes}"))
    assert capsys.readouterr().err == "c: no image is of the class black\n"
    build_task(read_task(f"zero-shot:{table}?name=c&classes=red,lime,blue,white,1,2,3,4,5,6,7"))
    assert capsys.readouterr().err == "c: no image is of the classes 1, 2, 3, 4, 5 and 2 more\n"

    class WithBlack(ColourEncoder):
        def embed_texts(self, texts):
            return super().embed_texts([text.replace("black", "blue") for text in texts])

    results = {r.name: r for r in run_task(WithBlack(), task).results}
    own = {name: r for name, r in results.items() if "class" in r.setting}
    assert list(own) == [f"c/zero-shot/top-1/{name}" for name in ("red", "lime", "blue", "white")]
    assert [r.value for r in own.values()] == [1, 1, 0, 1]
    assert [r.count for r in own.values()] == [1, 1, 1, 1]
    assert own["c/zero-shot/top-1/red"].setting["class"] == "red"


def test_images_without_a_caption_or_a_class_are_counted(table, capsys):
    Image.new("RGB", (8, 8)).save(table.parent / "bare.png")
    table.write_text(table.read_text() + "bare.png,,,\n")
    build_task(read_task(f"retrieval:{table}?name=c"))
    build_task(read_task(f"zero-shot:{table}?name=c"))
    assert capsys.readouterr().err.splitlines() == [
        "c: 1 of 5 images have no caption and are left out",
        "c: 1 of 5 images have no class and are left out",
    ]


def test_retrieval_among_one_image_is_said_to_be_none(table, capsys):
    build_task(read_task(f"retrieval:{table}?name=c&limit=1"))
    assert capsys.readouterr().err == "c has one image with captions only: every answer is right\n"


def test_a_folder_of_one_file_is_named_for_the_folder(table):
    folder = table.parent / "colours"
    folder.mkdir()
    (folder / "test.csv").write_text(
        table.read_text().replace("red.png", "../red.png").replace("lime.png", "../lime.png")
    )
    assert build_task(read_task(f"retrieval:{folder}?limit=1")).spec.name == "colours"
    assert build_task(read_task(f"retrieval:{folder}?split=test&limit=1")).spec.name == "colours"


def test_commas_within_a_task_stay():
    assert split_tasks("retrieval:a,zero-shot:b?classes=x,y,own.toml,retrieval:c") == [
        "retrieval:a",
        "zero-shot:b?classes=x,y",
        "own.toml",
        "retrieval:c",
    ]


def test_columns_are_named_in_the_task_and_beside_it(tmp_path, capsys):
    from PIL import Image

    from wordsight.cli.main import main

    for name in ("red", "blue"):
        Image.new("RGB", (8, 8), name).save(tmp_path / f"{name}.png")
    (tmp_path / "t.csv").write_text("pic;words;kind\nred.png;fire;1\nblue.png;sea;2\nred.png;blood;1\n")
    task = build_task(read_task(f"retrieval:{tmp_path / 't.csv'}?image=pic&captions=words"))
    assert task.texts == ("fire", "blood", "sea") and task.owners.tolist() == [0, 0, 1]
    tasks = ["--tasks", f"retrieval:{tmp_path / 't.csv'}", "--tasks", f"zero-shot:{tmp_path / 't.csv'}?label=kind"]
    named = ["--image", "pic", "--captions", "words", "--label", "nothing"]
    assert main(["evaluate", *tasks, *named, "--engine", "fake"]) == 1  # the other task is measured
    err = capsys.readouterr().err
    assert "has no column nothing" in err
    assert "the classes of t are plain numbers (1, 2), and prompts are made of them; " in err
    assert main(["evaluate", *tasks, *named[:-2], "--engine", "fake"]) == 0
    out, _ = capsys.readouterr()
    assert '"captions": "words"' in out and '"classes": 2' in out
