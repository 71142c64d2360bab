"""`wordsight data`: what it prints and how it ends."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wordsight.cli.main import main


@pytest.fixture
def photos(tmp_path):
    place = tmp_path / "photos"
    place.mkdir()
    for number in range(4):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 50, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        (place / f"{number}.png").write_bytes(buffer.getvalue())
        (place / f"{number}.txt").write_text(f"picture of noise {number}")
    return place


def test_pack_check_and_stats_tell_the_same_count(photos, tmp_path, capsys):
    out = str(tmp_path / "out")
    assert main(["data", "pack", str(photos), "--out", out, "--shard-size", "3", "--resize", "20"]) == 0
    assert capsys.readouterr().out.startswith("4 samples in 2 shards")
    assert main(["data", "check", out, "--json", "--verify"]) == 0
    assert json.loads(capsys.readouterr().out)["pictures"] == 4
    assert main(["data", "stats", out, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["pictures"], figures["heights"]["greatest"], figures["captions"]) == (4, 20, 4)
    assert main(["data", "stats", str(photos)]) == 0
    assert "4 in 1 part" in capsys.readouterr().out


@pytest.mark.parametrize("action", [["pack", "--out", "OUT"], ["check"], ["stats"]])
def test_a_broken_picture_is_listed_and_the_status_is_1(photos, tmp_path, capsys, action):
    (photos / "9.png").write_bytes(b"no picture")
    arguments = [str(tmp_path / "out") if word == "OUT" else word for word in action]
    assert main(["data", arguments[0], str(photos), *arguments[1:]]) == 1
    said = capsys.readouterr()
    assert "9.png" in said.out + said.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["stats", "nowhere"], "nothing at nowhere"),
        (["check", "PHOTOS", "--verify"], "is not a set of shards"),
        (["check", "PHOTOS", "--kind", "table"], "holds no table"),
        (["pack", "PHOTOS", "--out", "x", "--shard-size", "0"], "at least 1"),
        (["pack", "PHOTOS"], "--out"),
        (
            ["polish", "PHOTOS"],
            "pack|check|stats|balance|score|curate polish; use pack, check, stats, balance, score, curate",
        ),
    ],
)
def test_wrong_calls_end_with_2_and_one_reason(photos, capsys, arguments, words):
    assert main(["data", *(str(photos) if word == "PHOTOS" else word for word in arguments)]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("action", "file"),
    [
        (["pack", "--out", "OUT"], "OUT/manifest.json"),
        (["check"], "CACHE/failures/data-check.txt"),
        (["stats"], "CACHE/failures/data-stats.txt"),
    ],
)
def test_a_long_list_of_failures_is_cut_and_a_file_has_all(photos, tmp_path, capsys, monkeypatch, action, file):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    for number in range(25):
        (photos / f"bad{number:02}.png").write_bytes(b"no picture")
    arguments = [str(tmp_path / "out") if word == "OUT" else word for word in action]
    assert main(["data", arguments[0], str(photos), *arguments[1:]]) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith(("failed:", "..."))]
    path = file.replace("OUT", str(tmp_path / "out")).replace("CACHE", str(tmp_path / "cache"))
    assert (len(lines), lines[-1]) == (21, f"... and 5 more; all 25 are listed in {path}")
    content = Path(path).read_text()
    assert all(f"bad{number:02}.png" in content for number in range(25))
