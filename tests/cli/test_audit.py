"""`wordsight audit`: a line for each claim, the folder with page and card, and what is refused."""

import json

import pytest
from PIL import Image

from wordsight.base.optional import resolve
from wordsight.cli import audit as verb
from wordsight.cli.main import main
from wordsight.embeddings import model as faces
from wordsight.engines.fake import FakeEngine


@pytest.fixture
def out(tmp_path, monkeypatch):
    monkeypatch.setattr(faces, "load", lambda name, **options: faces.Model(FakeEngine()))
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "out"


def audit(*arguments):
    return main(["audit", *map(str, arguments)])


def test_claims_are_lines_and_the_page_is_made_again_by_report(out, capsys):
    assert audit("bundled", "--out", out, "--images", 10, "--checks", "gibberish,groups") == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[-1] == str(out / "report.html")
    assert lines[-2].startswith("- not checked: For whom: no labelled set")
    assert {line.split(": ")[0] for line in lines[:-2]} <= {"✗ problem", "? unclear", "✓ fine"}
    assert len(lines) == 8
    assert all("n 10" in line for line in lines[:-2])
    assert "1 of 2: For whom" in printed.err
    page = (out / "report.html").read_text()
    assert main(["report", str(out)]) == 0
    assert (out / "report.html").read_text() == page
    assert main(["report", str(out), "--out", str(out / "again.html")]) == 0
    assert (out / "again.html").read_text() == page


def test_json_has_a_claim_a_line(out, capsys):
    assert audit("bundled", "--out", out, "--images", 10, "--checks", "gibberish", "--json") == 0
    claims = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [claim["check"] for claim in claims] == ["gibberish"] * 6
    assert all(claim["result"]["count"] == 10 for claim in claims)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--checks", "giberish"], "no check 'giberish'; did you mean gibberish?"),
        (["--images", "9"], "--images 9; give 10 or more"),
        (["--seed", "-1"], "--seed -1; give 0 or more"),
        (["--model", "other"], "two models: bundled and other"),
        (["--data", "nowhere"], "nowhere"),
        (["--data", ""], "'' names no images; give a folder"),
        (["--data", "x?per_class=true"], "unknown key per_class"),
        (["--captions", ""], "--captions names nothing"),
        (["--data", "nowhere?grops=a"], "did you mean groups"),
        (["--data", "ONE"], "one class only"),
        (["--data", "ONE?groups=side"], "no columns"),
    ],
)
def test_wrong_calls_are_one_line(out, capsys, arguments, message):
    (out.parent / "one" / "a").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(out.parent / "one" / "a" / "x.png")
    arguments = [part.replace("ONE", str(out.parent / "one")) for part in arguments]
    assert audit("bundled", "--out", out, *arguments) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert len(printed.err.splitlines()) == 1
    assert printed.out == ""
    assert not out.exists()


def test_a_broken_image_of_a_set_is_named_before_anything_is_measured(out, capsys):
    for name in ("red", "blue"):
        (out.parent / "set" / name).mkdir(parents=True)
        Image.new("RGB", (8, 8), name).save(out.parent / "set" / name / "x.png")
    (out.parent / "set" / "red" / "broken.png").write_bytes(b"no image")
    assert audit("bundled", "--out", out, "--data", out.parent / "set") == 1
    assert "broken.png" in capsys.readouterr().err
    assert not out.exists()


def test_a_folder_without_a_model_is_a_library(out, monkeypatch):
    asked = []
    monkeypatch.setattr(verb, "AUDITS", {"model": "model", "library": "library"})
    monkeypatch.setattr(verb, "resolve", lambda target: _resolve(target, asked))
    (out.parent / "photos").mkdir()
    for name in ("bundled", "no-such-name", str(out.parent / "photos")):
        with pytest.raises(StopIteration):
            audit(name, "--out", out)
    assert asked == ["model", "model", "library"]


def _resolve(target, asked):
    if ":" in target:
        return resolve(target)
    asked.append(target)
    raise StopIteration
