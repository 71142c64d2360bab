"""`wordsight audit`: a line for each claim, the folder with page and card, and what is refused."""

import json

import pytest

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
    assert audit("bundled", "--out", out, "--images", 6, "--checks", "gibberish,groups") == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[-1] == str(out / "report.html")
    assert lines[-2].startswith("- not checked: For whom: no labelled set")
    assert {line.split(": ")[0] for line in lines[:-2]} <= {"✗ problem", "? unclear", "✓ fine"}
    assert len(lines) == 8
    assert all("n 6" in line for line in lines[:-2])
    assert "1 of 2: For whom" in printed.err
    page = (out / "report.html").read_text()
    assert main(["report", str(out)]) == 0
    assert (out / "report.html").read_text() == page
    assert main(["report", str(out), "--out", str(out / "again.html")]) == 0
    assert (out / "again.html").read_text() == page


def test_json_has_a_claim_a_line(out, capsys):
    assert audit("bundled", "--out", out, "--images", 6, "--checks", "gibberish", "--json") == 0
    claims = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [claim["check"] for claim in claims] == ["gibberish"] * 6
    assert all(claim["result"]["count"] == 6 for claim in claims)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--checks", "giberish"], "no check 'giberish'; did you mean gibberish?"),
        (["--images", "1"], "--images 1; give 2 or more"),
        (["--seed", "-1"], "--seed -1; give 0 or more"),
        (["--model", "other"], "two models: bundled and other"),
        (["--data", "nowhere"], "nowhere"),
        (["--data", "nowhere?grops=a"], "did you mean groups"),
    ],
)
def test_wrong_calls_are_one_line(out, capsys, arguments, message):
    assert audit("bundled", "--out", out, *arguments) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert len(printed.err.splitlines()) == 1
    assert printed.out == ""
    assert not out.exists()
