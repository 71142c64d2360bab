"""`wordsight evaluate` as it is typed."""

import json
import shutil

import pytest
from PIL import Image

from wordsight.base.nouns import Result
from wordsight.cli.main import main
from wordsight.embeddings import model as faces
from wordsight.engines.fake import FakeEngine
from wordsight.evaluate.table import table


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.setattr(faces, "load", lambda name, **options: faces.Model(FakeEngine()))
    for name in ("red", "blue"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.new("RGB", (8, 8), name).save(tmp_path / "photos" / name / "one.png")
    return tmp_path / "photos"


def test_one_json_line_a_result_with_what_made_it(photos, tmp_path, capsys):
    assert (
        main(["evaluate", "any", "--tasks", f"zero-shot:{photos}?templates=none", "--out", str(tmp_path / "out")]) == 0
    )
    printed = capsys.readouterr().out.splitlines()
    results = [Result.from_fields(json.loads(line)) for line in printed]
    assert [result.name for result in results] == ["photos/zero-shot/top-1", "photos/zero-shot/mean-per-class"]
    assert {result.fingerprint for result in results} == {FakeEngine().fingerprint}
    assert all(result.environment["python"] for result in results)
    kept = (tmp_path / "out" / "results.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in kept] == [json.loads(line) for line in printed]


def test_a_wrong_task_is_refused_before_the_model_is_opened(photos, capsys):
    assert main(["evaluate", "any", "--tasks", f"retrieval:{photos}"]) == 2
    assert "no captions" in capsys.readouterr().err
    assert main(["evaluate", "any", "--model", "other", "--tasks", f"zero-shot:{photos}"]) == 2
    assert "two models" in capsys.readouterr().err


def evaluate(capsys, *words):
    status = main(["evaluate", "any", *map(str, words)])
    return status, *capsys.readouterr()


def test_a_terminal_gets_a_table(photos, capsys, monkeypatch):
    task = f"zero-shot:{photos}?templates=none&limit=2"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    status, out, _ = evaluate(capsys, "--tasks", task)
    assert status == 0
    head, first, second = out.splitlines()
    assert head.split("  ")[0] == "result"
    assert [cell.strip() for cell in first.split("   ") if cell.strip()] == [
        "photos/zero-shot/top-1",
        "100.0 %  15.8 to 100.0  50.0 %  2  limit 2, templates none",
    ]
    assert second.startswith("photos/zero-shot/mean-per-class  100.0 %")
    _, out, _ = evaluate(capsys, "--tasks", task, "--json")
    assert [json.loads(line)["name"] for line in out.splitlines()] == [
        "photos/zero-shot/top-1",
        "photos/zero-shot/mean-per-class",
    ]


def test_classes_are_measured_on_request(photos, capsys):
    (photos / "blue.txt").write_text("")
    _, out, _ = evaluate(capsys, "--tasks", f"zero-shot:{photos}", "--per-class")
    assert [json.loads(line)["name"] for line in out.splitlines()][2:] == [
        "photos/zero-shot/top-1/blue",
        "photos/zero-shot/top-1/red",
    ]
    for path in photos.glob("*/*.png"):
        path.with_suffix(".txt").write_text("a colour")
    status, out, err = evaluate(capsys, "--tasks", f"retrieval:{photos}", "--per-class")
    assert (status, out) == (2, "")
    assert "--per-class without a task that has classes; leave it out, or add zero-shot:PLACE" in err


def test_what_cannot_be_read_stops_unless_it_may_be_skipped(photos, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    (photos / "red" / "broken.png").write_bytes((photos / "red" / "one.png").read_bytes()[:30])
    status, out, err = evaluate(capsys, "--tasks", f"zero-shot:{photos}")
    assert (status, out) == (1, "")
    assert "broken.png" in err
    assert "mend or remove what cannot be read, or measure without it: evaluate has --skip-failed" in err
    status, out, err = evaluate(capsys, "--tasks", f"zero-shot:{photos}", "--skip-failed")
    results = [Result.from_fields(json.loads(line)) for line in out.splitlines()]
    assert status == 1
    assert {(result.count, result.setting["missing"]) for result in results} == {(2, 1)}
    first, second = err.splitlines()
    assert first == "photos: measured without 1 input that failed"
    assert second.startswith("failed: ")
    assert "broken.png" in second


def test_shifted_sets_are_skipped_over_in_the_same_way(photos, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    for name in ("red", "blue"):
        (tmp_path / "drawn" / name).mkdir(parents=True)
        Image.new("RGB", (9, 9), name).save(tmp_path / "drawn" / name / "one.png")
    (tmp_path / "drawn" / "red" / "broken.png").write_bytes(b"\x89PNG\r\n")
    task = f"robustness:{photos}?corruptions=none&shifts={tmp_path / 'drawn'}"
    status, out, err = evaluate(capsys, "--tasks", task)
    assert (status, out) == (1, "")
    assert "broken.png" in err
    assert "--skip-failed" in err
    status, out, err = evaluate(capsys, "--tasks", task, "--skip-failed")
    assert status == 1
    assert {json.loads(line)["name"]: json.loads(line)["count"] for line in out.splitlines()} == {
        "photos/robustness/clean/top-1": 2,
        "photos/robustness/shifted/drawn/top-1": 2,
    }
    assert "measured without 1 input that failed" in err


def test_a_kind_says_what_its_keys_are(capsys):
    status, out, _ = evaluate(capsys, "--keys", "few-shot")
    assert status == 0
    assert "Classes from a few images each" in out
    assert "  shots=1,2,4,8,16\n" in out
    assert "few-shot:PLACE?key=value&key=value" in out
    assert out.splitlines()[-1].startswith("Keys of every task: captions, classes, ")
    status, out, _ = evaluate(capsys, "--keys", "zero-shot")
    assert (status, "keys of its own" in out) == (0, False)
    status, _, err = evaluate(capsys, "--keys", "few-shots")
    assert (status, "did you mean few-shot" in err) == (2, True)


def test_a_table_gives_its_name_without_its_ending(photos, capsys, tmp_path):
    (tmp_path / "shop.csv").write_text(f"image,label\n{photos}/red/one.png,red\n{photos}/blue/one.png,blue\n")
    status, out, _ = evaluate(capsys, "--tasks", f"zero-shot:{tmp_path / 'shop.csv'}")
    assert status == 0
    assert [json.loads(line)["name"] for line in out.splitlines()] == [
        "shop/zero-shot/top-1",
        "shop/zero-shot/mean-per-class",
    ]


def test_splits_that_are_measured_together_are_named(photos, capsys, tmp_path):
    for split in ("train", "test"):
        (tmp_path / "whole").mkdir(exist_ok=True)
        shutil.copytree(photos, tmp_path / "whole" / split)
    status, out, err = evaluate(capsys, "--tasks", f"zero-shot:{tmp_path / 'whole'}")
    assert (status, json.loads(out.splitlines()[0])["count"]) == (0, 4)
    assert f"{tmp_path / 'whole'} has test and train, read together: split=NAME takes one, split=all says this" in err
    for split, count in (("test", 2), ("all", 4)):
        status, out, err = evaluate(capsys, "--tasks", f"zero-shot:{tmp_path / 'whole'}?split={split}")
        assert (status, json.loads(out.splitlines()[0])["count"], err) == (0, count, "")


def test_two_tasks_of_one_name_are_refused(photos, capsys):
    status, _, err = evaluate(capsys, "--tasks", f"zero-shot:{photos}", "--tasks", f"zero-shot:{photos}")
    assert status == 2
    assert f"two tasks are called photos: {photos} and {photos}; name one of them: zero-shot:{photos}?name=NAME" in err
    status, out, _ = evaluate(capsys, "--tasks", f"zero-shot:{photos},zero-shot:{photos}?templates=none")
    assert (status, len(out.splitlines())) == (0, 4)


def test_a_folder_for_the_results_that_cannot_be_is_refused_before_anything_is_measured(photos, capsys, tmp_path):
    (tmp_path / "taken").write_text("")
    status, out, err = evaluate(capsys, "--tasks", f"zero-shot:{photos}", "--out", tmp_path / "taken")
    assert (status, out) == (1, "")
    assert "taken is a file, not a folder" in err


def test_no_name_of_a_folder_is_refused(photos, tmp_path, capsys, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for words in (("--out", ""), ("--out=",)):
        status, out, err = evaluate(capsys, "--tasks", f"zero-shot:{photos}", *words)
        assert (status, out) == (2, "")
        assert "--out names no folder; give --out DIR, or leave it out" in err
    assert not list((tmp_path / "here").iterdir())


def test_the_table_tells_what_was_promised_and_how_many_were_ranked():
    promised = Result("n/conformal/split-lac/coverage", 0.9, (0.8, 1.0), 40, setting={"alpha": 0.1})
    ranked = Result("n/bias/max-skew", 0.3, None, 4, setting={"unit": "number", "k": 1000})
    _, first, second = table([promised, ranked])
    assert first.endswith("alpha 10.0 %")
    assert second.endswith("k 1,000")
