"""`wordsight tag` as it is typed."""

import json

import pytest
from PIL import Image

from wordsight.cli.main import main
from wordsight.engines.fake import COLOURS


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("red", "blue", "green"):
        Image.new("RGB", (20, 10), COLOURS[name]).save(folder / f"{name}.png")
    (tmp_path / "own.txt").write_text("red\nblue\nviolet: pink | yellow\n")
    return folder


def say(capsys, *arguments):
    """Run the program and return its status, output and notices."""
    status = main(["tag", *map(str, arguments), "--engine", "fake"])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_twenty_labels_are_printed(photos, capsys):
    own = photos.parent / "many.txt"
    own.write_text("".join(f"label {number:02}: red\n" for number in range(23)))
    status, out, _ = say(capsys, photos, "--labels", own, "--min-cosine", 0.9)
    assert (status, len(out.splitlines())) == (0, 21)
    assert out.splitlines()[-1] == "and 3 more labels (--json has all, image by image)"


def test_tag_search_and_undo(photos, capsys):
    own = photos.parent / "own.txt"
    status, out, err = say(capsys, photos, "--labels", own, "--min-cosine", 0.9, "--write", "xmp")
    assert status == 0
    assert [line.split()[:2] for line in out.splitlines()] == [["blue", "1"], ["red", "1"]]
    assert "2 of 3 images have labels in the column tags; 2 changed; 2 sidecars written" in err
    assert sorted(path.name for path in photos.glob("*.xmp")) == ["blue.png.xmp", "red.png.xmp"]
    main(["search", "red", "--in", str(photos), "--where", "tags contains 'blue'", "--paths-only", "--engine", "fake"])
    assert capsys.readouterr().out.split() == [str(photos / "blue.png")]
    status, out, _ = say(capsys, photos, "--undo")
    assert (status, out) == (0, "tags: taken back on 2 images, 2 sidecars\n")
    assert not list(photos.glob("*.xmp"))
    assert say(capsys, photos, "--undo")[0] == 2


def test_json_of_a_dry_run(photos, capsys):
    own = photos.parent / "own.txt"
    status, out, _ = say(capsys, photos, "--labels", own, "--min-cosine", 0.9, "--dry-run", "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [line["key"] for line in lines] == ["blue.png", "green.png", "red.png"]
    assert [[tag["label"] for tag in line["tags"]] for line in lines] == [["blue"], [], ["red"]]
    assert set(lines[0]["tags"][0]) == {"label", "cosine"}
    assert lines[0]["path"] == str(photos / "blue.png")


def test_statuses(photos, capsys):
    own = photos.parent / "own.txt"
    assert say(capsys, photos)[0] == 2
    assert say(capsys, photos, "--labels", "evryday")[0] == 2
    assert say(capsys, photos, "--labels", own, "--sidecar", "picasa", "--min-cosine", 0)[0] == 2
    status, _, err = say(capsys, photos, "--labels", own)
    assert (status, "3 images; they need 30" in err) == (2, True)
    status, _, err = say(capsys, photos, "--labels", own, "--min-cosine", 1)
    assert (status, "0 of 3 images" in err) == (1, True)
    (photos / "red.png.xmp").write_text("no xml")
    status, _, err = say(capsys, photos, "--labels", own, "--min-cosine", 0.9, "--write", "xmp")
    assert (status, "failed: red.png: " in err) == (1, True)
    assert say(capsys, photos, "--clear")[0] == 0
    assert say(capsys, photos, "--clear")[0] == 2
