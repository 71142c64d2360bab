"""`wordsight audit PLACE`: a library from the command line, with the bundled model."""

import json

import numpy as np
import pytest
from PIL import Image

from wordsight.cli.main import main


@pytest.fixture
def shop(tmp_path):
    """Two classes of twelve images; one is there twice, one is broken."""
    generator = np.random.default_rng(0)
    for name in ("cats", "dogs"):
        folder = tmp_path / "shop" / name
        folder.mkdir(parents=True)
        for number in range(12):
            pixels = generator.integers(0, 256, (6, 6, 3), dtype=np.uint8)
            Image.fromarray(pixels).resize((48, 48)).save(folder / f"{number}.png")
    (tmp_path / "shop" / "dogs" / "again.png").write_bytes((tmp_path / "shop" / "cats" / "3.png").read_bytes())
    (tmp_path / "shop" / "dogs" / "broken.png").write_bytes(b"\x89PNG nothing")
    return tmp_path / "shop"


def test_a_library_is_audited_and_left_as_it_is(shop, tmp_path, capsys):
    before = {path: path.stat().st_mtime_ns for path in shop.rglob("*")}
    assert main(["audit", str(shop), "--out", str(tmp_path / "out"), "--images", "20", "--json"]) == 0
    claims = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {path: path.stat().st_mtime_ns for path in shop.rglob("*")} == before
    counted = {one["about"]: (one["result"]["setting"].get("images"), one["result"]["count"]) for one in claims}
    assert counted["broken"] == (1, 26) and counted["copies"] == (1, 26)
    assert {one["check"] for one in claims} >= {"files", "captions", "classes"}
    facts = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert facts["kind"] == "library" and facts["name"] == "shop" and facts["setting"]["samples"] == 26
    assert facts["setting"]["model"] == "align-lite" and len(facts["fingerprint"]) == 16
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Audit of shop" in page and "dogs/broken.png" in page
    assert main(["report", str(tmp_path / "out"), "--out", str(tmp_path / "again.html")]) == 0
    assert (tmp_path / "again.html").read_text() == page


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--data", "x"], "--data with {place}, which is no model; leave it out"),
        (["--checks", "fils"], "no check 'fils'; did you mean files?"),
        (["--images", "2"], "--images 2; give 10 or more"),
        (["--out", ""], "--out names no folder; give --out DIR"),
        (["--checks", ""], "--checks '' names no check"),
        (["--out", "{place}/cats/a"], "a lies in shop, which is audited; give a folder outside of it"),
        (["--out", "{place}/../link/a"], "which is audited"),
        (["--out", "{place}/../file/a"], "file is a file, not a folder"),
    ],
)
def test_what_does_not_fit_a_library_is_one_line(arguments, says, shop, tmp_path, capsys):
    (tmp_path / "link").symlink_to(shop)
    (tmp_path / "file").touch()
    before = sorted(shop.rglob("*"))
    arguments = [one.format(place=shop) for one in arguments]
    assert main(["audit", str(shop), "--out", str(tmp_path / "out"), *arguments]) in (1, 2)
    printed = capsys.readouterr()
    assert says.format(place=shop) in printed.err and printed.out == ""
    assert "1 of" not in printed.err  # before the first check
    assert sorted(shop.rglob("*")) == before
    assert not (tmp_path / "out").exists()


def test_a_place_without_images_and_one_that_is_gone(tmp_path, capsys, monkeypatch):
    (tmp_path / "empty").mkdir()
    assert main(["audit", str(tmp_path / "empty"), "--out", str(tmp_path / "out")]) in (1, 2)
    assert "empty" in capsys.readouterr().err
    monkeypatch.chdir(tmp_path)
    assert main(["audit", "gone", "--out", "out"]) in (1, 2)
    assert "no model 'gone'" in (said := capsys.readouterr().err)
    assert "no place of that name" in said and "or name a folder, shards or a table" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("named", "says"),
    [("", "'' names nothing"), ("?label=a", "names nothing"), ("shop?groups=a", "known here: captions, image, key")],
)
def test_names_and_keys_that_lead_nowhere(named, says, shop, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["audit", named, "--out", "out"]) in (1, 2)
    assert says in capsys.readouterr().err


def test_keys_behind_the_place_say_how_it_is_read(shop, tmp_path, capsys):
    table = tmp_path / "shop.csv"
    rows = [f"{path},{path.parent.name}" for path in sorted(shop.rglob("*.png"))]
    table.write_text("\n".join(["file,kind", *rows]) + "\n")
    arguments = [
        "audit",
        f"{table}?label=kind&limit=20",
        "--out",
        str(tmp_path / "out"),
        "--checks",
        "captions,classes",
    ]
    assert main(arguments) == 0
    facts = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert facts["setting"]["samples"] == 20
    assert facts["setting"]["library"] == "shop.csv?label=kind&limit=20"
    assert "on shop.csv?label=kind&amp;limit=20" in (tmp_path / "out" / "report.html").read_text()
    assert [one["check"] for one in facts["checks"]] == ["captions", "classes"]
