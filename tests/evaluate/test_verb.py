"""`wordsight evaluate` as it is typed."""

import json

import pytest
from PIL import Image

from wordsight.base.nouns import Result
from wordsight.cli.main import main
from wordsight.embeddings import model as faces
from wordsight.engines.fake import FakeEngine


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
