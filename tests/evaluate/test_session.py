"""Many tasks on one model: what is known, what fails, and what lies in the folder afterwards."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from wordsight.base.nouns import Result
from wordsight.base.records import read_lines
from wordsight.embeddings import model as faces
from wordsight.engines.fake import FakeEngine
from wordsight.evaluate.clip_benchmark import csv_text, record_of
from wordsight.evaluate.measured import Measured
from wordsight.evaluate.recorder import Recorder
from wordsight.evaluate.session import Measurement, measure, measure_apart
from wordsight.evaluate.tasks import read_task

COLOURS = {"red": (220, 30, 30), "green": (40, 150, 50), "blue": (40, 70, 210)}


@pytest.fixture
def squares(tmp_path, monkeypatch):
    monkeypatch.setattr(faces, "load", lambda name, **options: faces.Model(FakeEngine()))
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    for name, colour in COLOURS.items():
        (tmp_path / "squares" / name).mkdir(parents=True)
        for number in range(2):
            path = tmp_path / "squares" / name / f"{number}.png"
            Image.new("RGB", (32 + number, 32), colour).save(path)
            path.with_suffix(".txt").write_text(f"a {name} square, number {number}\n")
    return tmp_path / "squares"


def lines(folder: Path, name="results.jsonl"):
    return list(read_lines(folder / name))


def tasks(*texts):
    return [read_task(text) for text in texts]


def test_what_was_measured_is_not_measured_again(squares, tmp_path):
    order = Measurement(out=tmp_path / "out")
    specs = tasks(f"zero-shot:{squares}", f"retrieval:{squares}")
    first = list(measure(order, specs))
    assert [outcome.known for outcome in first] == [False, False]
    kept = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    second = list(measure(order, specs))
    assert [outcome.known for outcome in second] == [True, True]
    assert [one.measured.results for one in second] == [one.measured.results for one in first]
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == kept


@pytest.mark.parametrize(
    "change", ["image", "class", "caption", "more", "templates", "name", "limit", "precision", "again", "damaged"]
)
def test_what_changed_is_measured_anew(squares, tmp_path, monkeypatch, change):
    out = tmp_path / "out"
    order, kind = Measurement(out=out), "retrieval" if change == "caption" else "zero-shot"
    list(measure(order, tasks(f"{kind}:{squares}")))
    text = f"{kind}:{squares}"
    if change == "image":
        Image.new("RGB", (32, 32), (0, 0, 0)).save(squares / "red" / "0.png")
    elif change == "class":
        (squares / "red").rename(squares / "crimson")
    elif change == "caption":
        (squares / "red" / "0.txt").write_text("something else\n")
    elif change == "more":
        Image.new("RGB", (32, 32), (0, 0, 0)).save(squares / "red" / "2.png")
    elif change == "precision":
        monkeypatch.setattr(FakeEngine, "precision", "int8", raising=False)
    elif change == "again":
        order = replace(order, again=True)
    elif change == "damaged":
        next((out / "tasks").iterdir()).write_text("{")
    else:
        text += {"templates": "?templates=none", "name": "?name=other", "limit": "?limit=3"}[change]
    (outcome,) = measure(order, tasks(text))
    assert not outcome.known


def test_one_that_fails_stops_no_other(squares, tmp_path):
    (tmp_path / "bare").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "bare" / "x.png")
    specs = tasks(
        f"zero-shot:{tmp_path / 'bare'}", f"retrieval:{tmp_path / 'nowhere'}", f"zero-shot:{squares}?classes=red"
    )
    outcomes = list(measure(Measurement(out=tmp_path / "out"), [*specs, *tasks(f"zero-shot:{squares}")]))
    assert [outcome.measured is None for outcome in outcomes] == [True, True, True, False]
    said = [str(outcome.error) for outcome in outcomes[:3]]
    assert "bare has no images with a class" in said[0]
    assert "nowhere" in said[1]
    assert "squares has one class only, 'red'" in said[2]


@pytest.mark.parametrize("whole_ones", [0, 1, 2, 5])
def test_a_line_cut_short_is_removed_and_what_was_not_appended_is(squares, tmp_path, whole_ones):
    out = tmp_path / "out"
    specs = tasks(f"zero-shot:{squares}", f"retrieval:{squares}")
    list(measure(Measurement(out=out), specs))
    whole = (out / "results.jsonl").read_bytes()
    kept = whole.splitlines(keepends=True)
    cut = b"".join(kept[:whole_ones]) + kept[whole_ones][:40]
    (out / "results.jsonl").write_bytes(cut)  # killed while it wrote
    list(measure(Measurement(out=out), specs))
    assert (out / "results.jsonl").read_bytes() == whole


def test_lines_of_others_stay(squares, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "results.jsonl").write_text(Result("mine/zero-shot/top-1", 0.5).to_json() + "\n")
    list(measure(Measurement(out=out), tasks(f"zero-shot:{squares}")))
    assert lines(out)[0]["name"] == "mine/zero-shot/top-1"
    assert len(lines(out)) == 3


def test_several_processes_give_the_same(squares, tmp_path):
    specs = tasks(f"zero-shot:{squares}", f"retrieval:{squares}", f"zero-shot:{squares / 'red'}?name=r")
    orders = [Measurement(engine="fake", out=tmp_path / "apart")]
    outcomes = list(measure_apart(orders, specs, processes=2))
    assert [outcome.spec.kind for outcome in outcomes] == ["zero-shot", "retrieval", "zero-shot"]
    assert "one class only" in str(outcomes[2].error) or "no images with a class" in str(outcomes[2].error)
    together = list(measure(replace(orders[0], out=tmp_path / "together"), specs))
    for one, other in zip(outcomes[:2], together[:2], strict=True):
        assert [(r.name, r.value, r.interval) for r in one.measured.results] == [
            (r.name, r.value, r.interval) for r in other.measured.results
        ]
    assert {line["name"] for line in lines(tmp_path / "apart")} == {
        line["name"] for line in lines(tmp_path / "together")
    }


def test_as_clip_benchmark_writes_it(squares, tmp_path):
    list(measure(Measurement(out=tmp_path / "out"), tasks(f"zero-shot:{squares}", f"retrieval:{squares}")))
    records = [json.loads(path.read_text()) for path in (tmp_path / "out" / "clip_benchmark").glob("*.json")]
    assert {record["task"] for record in records} == {"zeroshot_classification", "zeroshot_retrieval"}
    retrieval = next(record for record in records if record["task"] == "zeroshot_retrieval")
    values = {line["name"]: line["value"] for line in lines(tmp_path / "out")}
    assert retrieval["dataset"] == "squares"
    assert retrieval["metrics"]["image_retrieval_recall@5"] == values["squares/text_to_image/R@5"]
    assert retrieval["metrics"]["text_retrieval_recall@1"] == values["squares/image_to_text/R@1"]
    with open(tmp_path / "out" / "clip_benchmark.csv") as handle:
        rows = list(csv.DictReader(handle))
    by_task = {row["task"]: row for row in rows}
    assert float(by_task["zeroshot_classification"]["acc1"]) == values["squares/zero-shot/top-1"]
    assert by_task["zeroshot_retrieval"]["acc1"] == ""
    assert by_task["zeroshot_retrieval"]["language"] == "en"


def test_what_clip_benchmark_does_not_know_is_left_out():
    assert record_of([Result("x/knn/top-1", 0.5)]) is None
    record = record_of([Result("a/b/zero-shot/top-1", 0.5, setting={"model": "ViT-B-32/openai"})])
    assert (record["dataset"], record["model"], record["pretrained"]) == ("a/b", "ViT-B-32", "openai")
    assert csv_text([record]).splitlines()[1].startswith("0.5,,,a/b,ViT-B-32,openai,zeroshot_classification,")


def test_a_full_disk_leaves_whole_lines(tmp_path, monkeypatch):
    import os

    recorder = Recorder(tmp_path)
    recorder.keep("a" * 16, Measured([Result("x/knn/top-1", 0.5, setting={"task": "a" * 16})]))
    real = os.write

    def cut(descriptor, data):
        if len(data) > 20:
            return real(descriptor, data[:20])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", cut)
    with pytest.raises(Exception, match="disk is full|No space|full"):
        recorder.keep("b" * 16, Measured([Result("y/knn/top-1", 0.5, setting={"task": "b" * 16})]))
    monkeypatch.setattr(os, "write", real)
    assert [line["name"] for line in lines(tmp_path)] == ["x/knn/top-1"]
    assert recorder.known("b" * 16).results[0].name == "y/knn/top-1"
    assert [line["name"] for line in lines(tmp_path)] == ["x/knn/top-1", "y/knn/top-1"]


def test_pixels_reach_the_model_and_results_of_exact_ones_say_so(squares, tmp_path, monkeypatch):
    monkeypatch.setattr(faces, "load", lambda name, *, pixels, **options: faces.Model(FakeEngine(), pixels=pixels))
    settings = {}
    for pixels in ("fast", "exact"):
        (outcome,) = measure(Measurement(out=tmp_path / "out", pixels=pixels), tasks(f"zero-shot:{squares}"))
        assert not outcome.known  # one kind of pixels does not answer for the other
        settings[pixels] = {result.setting.get("pixels") for result in outcome.measured.results}
    assert settings == {"fast": {None}, "exact": {"exact"}}


def test_results_say_what_computed_them_and_what_was_asked_for(squares, tmp_path):
    specs = tasks(f"zero-shot:{squares}")
    (plain,) = measure(Measurement(out=tmp_path / "out"), specs)
    (asked,) = measure(Measurement(out=tmp_path / "out", precision="fp32", engine="fake", again=True), specs)
    for outcome in (plain, asked):
        assert outcome.measured.results[0].environment["engine"] == "fake"
        assert outcome.measured.results[0].environment["precision"] == "fp32"
    assert "precision" not in plain.measured.results[0].setting
    assert asked.measured.results[0].setting["precision"] == "fp32"
    assert record_of(asked.measured.results)["pretrained"].endswith(" fake fp32")


def test_what_lies_in_the_folder_and_is_none_of_ours_stops_nothing(squares, tmp_path, capsys):
    out = tmp_path / "out"
    (out / "clip_benchmark").mkdir(parents=True)
    for name, text in (("a", "[1]"), ("b", "{bad"), ("c", '{"metrics": 3}')):
        (out / "clip_benchmark" / f"{name}.json").write_text(text)
    (outcome,) = measure(Measurement(out=out), tasks(f"zero-shot:{squares}"))
    assert outcome.error is None
    assert capsys.readouterr().err.count("is no record of CLIP_benchmark's") == 3
    (key,) = (out / "tasks").iterdir()
    for text in (
        '{"results":[[]],"details":[]}',
        '{"results":["x"],"details":[]}',
        '{"results":[],"details":[]}',
        "null",
    ):
        key.write_text(text)
        (outcome,) = measure(Measurement(out=out), tasks(f"zero-shot:{squares}"))
        assert not outcome.known and outcome.measured.results


def test_clip_benchmarks_files_come_back_without_measuring(squares, tmp_path):
    out = tmp_path / "out"
    list(measure(Measurement(out=out), tasks(f"zero-shot:{squares}")))
    table = (out / "clip_benchmark.csv").read_text()
    for path in [*(out / "clip_benchmark").iterdir(), out / "clip_benchmark.csv"]:
        path.unlink()
    (outcome,) = measure(Measurement(out=out), tasks(f"zero-shot:{squares}"))
    assert outcome.known
    assert (out / "clip_benchmark.csv").read_text() == table


def test_what_another_process_recorded_meanwhile_is_not_recorded_twice(squares, tmp_path):
    (outcome,) = measure(Measurement(), tasks(f"zero-shot:{squares}"))
    first, second = Recorder(tmp_path / "out"), Recorder(tmp_path / "out")
    kept = first.keep("k" * 16, outcome.measured)
    later = replace(outcome.measured, results=[replace(r, environment={"time": "later"}) for r in kept.results])
    assert second.keep("k" * 16, later).results == list(kept.results)
    assert len(lines(tmp_path / "out")) == 2
    second.keep("k" * 16, later, again=True)
    assert len(lines(tmp_path / "out")) == 4


def test_models_of_one_name_are_told_apart_by_what_was_typed(squares, tmp_path):
    for folder in ("one", "two", "run/model"):
        (tmp_path / folder).mkdir(parents=True)
    names = [
        outcome.measured.results[0].setting["model"]
        for model in (str(tmp_path / "one"), str(tmp_path / "two"), str(tmp_path / "run" / "model"), "named", None)
        for outcome in measure(Measurement(model, out=tmp_path / "out"), tasks(f"zero-shot:{squares}"))
    ]
    assert names == ["one", "two", "run", "named", "fake"]


@pytest.mark.parametrize("what", ["templates", "shifts"])
def test_files_and_sets_that_a_task_names_are_part_of_it(squares, tmp_path, what):
    (tmp_path / "mine.txt").write_text("a {}\n")
    text = f"zero-shot:{squares}?templates={tmp_path / 'mine.txt'}"
    if what == "shifts":
        for name in ("red", "blue"):
            (tmp_path / "other" / name).mkdir(parents=True)
            Image.new("RGB", (9, 9), name).save(tmp_path / "other" / name / "0.png")
        text = f"robustness:{squares}?corruptions=none&shifts={tmp_path / 'other'}"
    order = Measurement(out=tmp_path / "out")

    def known():
        (outcome,) = measure(order, tasks(text))
        assert outcome.error is None
        return outcome.known

    assert [known(), known()] == [False, True]
    if what == "shifts":  # of another name: results stand under it
        renamed = (tmp_path / "other").rename(tmp_path / "others")
        text = text.replace(str(tmp_path / "other"), str(renamed))
        assert [known(), known()] == [False, True]
        assert {f"squares/robustness/shifted/{name}/top-1" for name in ("other", "others")} <= {
            line["name"] for line in lines(tmp_path / "out")
        }
        renamed.rename(tmp_path / "other")
        text = text.replace(str(renamed), str(tmp_path / "other"))
        assert known()
    if what == "templates":
        (tmp_path / "elsewhere").mkdir()
        moved = (tmp_path / "mine.txt").rename(tmp_path / "elsewhere" / "mine.txt")
        text = f"zero-shot:{squares}?templates={moved}"
        assert known()  # of the same content
        (tmp_path / "elsewhere" / "mine.txt").write_text("another {}\n")
    else:
        Image.new("RGB", (9, 9), "blue").save(tmp_path / "other" / "red" / "1.png")
    assert not known()
