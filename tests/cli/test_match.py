"""What `search` prints of probabilities, and whom it spares unlikely images."""

import json

import pytest
from PIL import Image

from wordsight.cli.main import main
from wordsight.engines.fake import COLOURS
from wordsight.search import match


@pytest.fixture
def many(tmp_path, monkeypatch):
    """Thirty-six pictures in a library that is large enough for the cut, at a probability that some of them have."""
    folder = tmp_path / "many"
    folder.mkdir()
    for i in range(36):
        red, green, blue = COLOURS[("blue", "green", "pink")[i % 3]]
        Image.new("RGB", (20, 10), (red, green, abs(blue - i))).save(folder / f"{i:02d}.png")
    monkeypatch.setattr(match, "CUT_LEAST", 36)
    monkeypatch.setattr(match, "NARROW", 9.0)  # so few colours are alike, and blue is what all have in common
    monkeypatch.setattr(match, "BROAD_ABOVE", 1e9)
    return folder


def search(capsys, folder, *options):
    """Return the status, the lines and the notices of a search for blue."""
    status = main(["search", "blue", "--in", str(folder), "-k", "36", *options, "--engine", "fake"])
    captured = capsys.readouterr()
    return status, captured.out.splitlines(), captured.err


def test_people_see_likely_images_and_programs_all(many, capsys, monkeypatch):
    matches = [json.loads(line)["match"] for line in search(capsys, many, "--json")[1]]
    assert len(matches) == 36
    assert matches == sorted(matches, reverse=True)
    assert matches[0] > matches[-1]
    monkeypatch.setattr(match, "CUT", (matches[0] + matches[-1]) / 2)
    likely = sum(one >= match.CUT for one in matches)
    status, lines, _ = search(capsys, many, "--no-fold")
    assert (status, len(lines)) == (0, likely)
    assert lines[0].startswith(f"{matches[0]:4.0%}  ")
    for asked in (["--min-match", "0"], ["--min-cosine", "-1"], ["--json"], ["--paths-only"]):
        assert len(search(capsys, many, "--no-fold", *asked)[1]) == 36
    assert len(search(capsys, many, "--null")[1][0].split("\0")) == 37
    assert len(search(capsys, many, "--no-fold", "--min-match", f"{100 * match.CUT}%")[1]) == likely


def test_nothing_matches_is_an_answer(many, capsys, monkeypatch):
    monkeypatch.setattr(match, "CUT", 1.0)
    search(capsys, many, "--no-fold")
    status, lines, notices = search(capsys, many, "--no-fold")
    nearest = json.loads(search(capsys, many, "--json")[1][0])["match"]
    assert (status, lines) == (1, [])
    assert notices == f"nothing in {many} matches: the nearest has a probability of {nearest:.1%} (--min-match 0)\n"


def test_a_small_library_cannot_be_cut_by_probability(many, capsys):
    for image in sorted(many.glob("*.png"))[10:]:
        image.unlink()
    status, lines, notices = search(capsys, many, "--no-fold", "--min-match", "50%")
    assert (status, len(lines)) == (0, 10)
    assert "has no probabilities to cut by: they come with 30 images, at the next sync" in notices
    assert "%" not in lines[0]
