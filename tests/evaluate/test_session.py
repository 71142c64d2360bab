"""Many tasks on one model: what is known, what fails, and what lies in the folder afterwards."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from wordsight.base.files import sha256_bytes
from wordsight.base.nouns import Result
from wordsight.base.records import read_lines
from wordsight.embeddings import model as faces
from wordsight.engines.fake import FakeEngine
from wordsight.evaluate.clip_benchmark import csv_text, record_of
from wordsight.evaluate.recorder import Recorder
from wordsight.evaluate.session import Measurement, measure, measure_apart
from wordsight.evaluate.tasks import read_task

COLOURS = {"red": (220, 30, 30), "green": (40, 150, 50), "blue": (40, 70, 210)}


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


def test_what_is_left_out_now_is_stated_not_what_was(squares, tmp_path):
    def missing(skip_failed=True):
        order = Measurement(out=tmp_path / "out", skip_failed=skip_failed)
        (outcome,) = measure(order, tasks(f"zero-shot:{squares}"))
        return outcome.known, outcome.measured.results[0].setting.get("missing"), len(outcome.failures)

    assert missing() == (False, None, 0)
    (squares / "red" / "2.png").write_bytes(b"no image")
    assert missing() == (False, 1, 1)
    (squares / "red" / "3.png").write_bytes(b"none either")
    assert missing() == (False, 2, 2)
    (squares / "red" / "3.png").unlink()
    assert missing() == (True, 1, 1)
    (squares / "red" / "2.png").unlink()
    assert missing() == (True, None, 0)
    assert missing(skip_failed=False) == (True, None, 0)  # nothing was left out: the same measurement


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


@pytest.mark.parametrize("ours", [True, False])
def test_a_last_line_that_lacks_only_its_end_stays(squares, tmp_path, ours):
    out = tmp_path / "out"
    specs = tasks(f"zero-shot:{squares}")
    list(measure(Measurement(out=out), specs))
    whole = (out / "results.jsonl").read_text()
    if not ours:
        whole += Result("mine/zero-shot/top-1", 0.5).to_json() + "\n"
    (out / "results.jsonl").write_text(whole[:-1])
    list(measure(Measurement(out=out), specs))
    assert (out / "results.jsonl").read_text() == whole


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


DAMAGES = {
    "a digit": lambda record: record["results"][0].update(value=record["results"][0]["value"] / 2),
    "a setting": lambda record: record["results"][0]["setting"].update(chance=0.9),
    "a detail": lambda record: record["details"][0].update(title="Another"),
    "a result less": lambda record: record["results"].pop(),
    "the key": lambda record: record.update(task="0" * 16),
    "no checksum": lambda record: record.pop("sha256"),
    "the former form": lambda record: (record.pop("sha256"), record.pop("task")),
}
WRONG = [
    ("count", float("nan")),
    ("count", True),
    ("interval", [0.1, 0.2, 0.3]),
    ("interval", ["a", "b"]),
    ("name", None),
    ("value", "0.5"),
    ("setting", []),
]


def measured_before(squares, out, text=""):
    (outcome,) = measure(Measurement(out=out), tasks(f"zero-shot:{squares}{text}"))
    return outcome


@pytest.mark.parametrize("damage", [*DAMAGES, *WRONG], ids=str)
def test_a_damaged_record_of_a_task_is_not_believed(squares, tmp_path, capsys, damage):
    out = tmp_path / "out"
    first = measured_before(squares, out)
    (path,) = (out / "tasks").iterdir()
    record = json.loads(path.read_text())
    if isinstance(damage, str):
        DAMAGES[damage](record)
    else:  # whoever changed it made the checksum, too
        record["results"][0].update([damage])
        del record["sha256"]
        record = {"sha256": sha256_bytes(json.dumps(record, sort_keys=True).encode()), **record}
    path.write_text(json.dumps(record))
    capsys.readouterr()
    again = measured_before(squares, out)
    assert not again.known
    assert [result.value for result in again.measured.results] == [result.value for result in first.measured.results]
    assert capsys.readouterr().err.count("is damaged, or of an earlier version") == 1
    assert measured_before(squares, out).known


def test_a_copy_of_another_tasks_record_is_not_believed(squares, tmp_path):
    out = tmp_path / "out"
    measured_before(squares, out, "?limit=3")
    (other,) = (out / "tasks").iterdir()
    measured_before(squares, out)
    (own,) = set((out / "tasks").iterdir()) - {other}
    own.write_bytes(other.read_bytes())
    again = measured_before(squares, out)
    assert not again.known and again.measured.results[0].count == 6


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
