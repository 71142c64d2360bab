"""The verbs as they are typed: search, index, classify, embed, models."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wordsight.cli.main import main
from wordsight.engines.fake import COLOURS
from wordsight.towers.spec import ModelSpec
from wordsight.towers.timm.spec import TimmSpec
from wordsight.weights.checkpoint import Checkpoint
from wordsight.weights.folder import save_checkpoint

FAKE = ["--engine", "fake"]


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    for name in ("red", "sub/blue", "sub/green"):
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 10), COLOURS[path.stem]).save(path)
    return folder


def say(capsys, *arguments):
    """Run the program and return its status, output and notices."""
    status = main([*map(str, arguments), *(() if arguments[0] == "models" else FAKE)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_search_indexes_first_and_stays_in_step(photos, capsys, monkeypatch):
    monkeypatch.chdir(photos)
    status, out, err = say(capsys, "search", "blue")
    assert status == 0
    assert out.splitlines()[0].endswith("  sub/blue.png")
    assert "3 added" in err
    status, out, err = say(capsys, "search", "a", "blue", "thing", "-k", 1)
    assert (len(out.splitlines()), err) == (1, "")
    (photos / "sub").rename(photos / "other")
    status, out, err = say(capsys, "search", "blue", "--no-sync", "-k", 1)
    assert out.endswith("  sub/blue.png\n")
    status, out, err = say(capsys, "search", "blue", "-k", 1)
    assert out.endswith("  other/blue.png\n")
    assert "2 moved" in err


def test_texts_of_images_without_captions_are_none_and_a_failure(photos, tmp_path, capsys):
    status, out, err = say(capsys, "embed", photos, "--what", "text", "--out", tmp_path / "out")
    assert (status, out) == (1, "3 read: 0 pictures, 0 texts\n")
    assert err.splitlines()[-1] == (
        f"wordsight: {photos} has no texts to embed; give captions, or leave out --what text"
    )
    assert say(capsys, "embed", photos, "--what", "both", "--out", tmp_path / "both")[0] == 0


def test_forms_of_output(photos, capsys):
    status, out, _ = say(capsys, "search", "red", "--in", photos, "--json", "-k", 2)
    first, second = map(json.loads, out.splitlines())
    assert status == 0
    assert first["key"] == "red.png"
    assert first["path"] == str(photos / "red.png")
    assert first["score"] > second["score"]
    assert first["meta"]["width"] == 20
    _, out, err = say(capsys, "search", "red", "--in", photos, "--paths-only", "-k", 1)
    assert (out, err) == (f"{photos / 'red.png'}\n", "")
    _, out, _ = say(capsys, "search", "red", "--in", photos, "-0", "-k", 1)
    assert out == f"{photos / 'red.png'}\0"


@pytest.fixture
def more(tmp_path):
    """A second folder, with a red picture that is redder than the first folder's."""
    folder = tmp_path / "more"
    folder.mkdir()
    for name in ("red", "pink"):
        Image.new("RGB", (20, 10), COLOURS[name]).save(folder / f"{name}-2.png")
    return folder


def test_several_places_are_answered_together(photos, more, capsys, monkeypatch):
    arguments = ("search", "red", "--in", photos, "--in", more)
    status, out, _ = say(capsys, *arguments, "--json", "-k", 3)
    records = [json.loads(line) for line in out.splitlines()]
    assert (status, len(records)) == (0, 3)
    assert {(record["key"], record["place"]) for record in records[:2]} == {
        ("red.png", str(photos)),
        ("red-2.png", str(more)),
    }
    assert [record["score"] for record in records] == sorted((record["score"] for record in records), reverse=True)
    assert say(capsys, *arguments, "--in", f"{photos}/../photos", "--paths-only", "-k", 9)[1].count("red.png") == 1
    assert say(capsys, "search", "red", "--in", photos, "--in", photos / "sub", "--paths-only")[1].count("blue") == 1
    monkeypatch.chdir(photos.parent)
    assert say(capsys, "search", "pink-2.png", "--in", photos, "--in", more, "-k", 1)[1].endswith("more/pink-2.png\n")


def test_a_place_that_fails_does_not_keep_others_from_answering(photos, more, capsys, tmp_path):
    status, out, err = say(capsys, "search", "red", "--in", tmp_path / "gone", "--in", more, "-k", 1)
    assert (status, out.endswith("red-2.png\n")) == (1, True)
    assert f"failed: {tmp_path / 'gone'}: nothing at {tmp_path / 'gone'}; check the path" in err.splitlines()
    status, out, err = say(capsys, "search", "red", "--in", tmp_path / "gone", "--in", tmp_path / "lost")
    assert (status, out, err.count("failed: ")) == (2, "", 2)
    status, out, err = say(capsys, "search", "red", "--in", photos, "--in", more, "--min-cosine", "1")
    assert (status, err.splitlines()[-1]) == (1, f"nothing in {photos} or {more} matches")
    status, _, err = say(capsys, "search", "red", "--in", photos, "--in", more, "--library", "x")
    assert (status, err) == (2, "wordsight: --library x for 2 places; leave it out, or give one --in\n")


def test_search_with_everything(photos, capsys):
    arguments = ("search", "2:red", photos / "sub" / "green.png", "--in", photos)
    _, out, _ = say(capsys, *arguments, "--without", "0.5:green", "--where", "width = 20 and not folder is null")
    assert out.splitlines()[0].endswith("red.png")
    status, out, err = say(capsys, *arguments, "--where", "height > 100")
    assert (status, out) == (1, "")
    assert "nothing in" in err
    assert say(capsys, "search", "red", "--in", photos, "--min-cosine", "0.999")[0] == 1


@pytest.mark.parametrize("least", ["-1", "-0.5", "-.5", "-1e-1", "-0"])
def test_the_least_score_may_be_negative(photos, capsys, least):
    status, out, _ = say(capsys, "search", "red", "--in", photos, "--min-match", least, "--paths-only", "-k", 1)
    assert (status, out) == (0, f"{photos / 'red.png'}\n")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["search"], "empty query"),
        (["search", ""], "empty query"),
        (["search", "none.jpg"], "no image none.jpg"),
        (["search", "red", "--where", "width <"], "character 8"),
        (["search", "red", "--where", "prize < 1"], "no column prize"),
        (["search", "red", "--min-match", "7"], "7 is not a probability; give one from 0 to 1, for example 0.4 or 40%"),
        (["search", "red", "--min-match", "-1.5"], "-1.5 is not a probability"),
        (["search", "red", "--min-match", "nan"], "nan is not a probability"),
        (["search", "red", "--min-match", "140%"], "140% is not a probability"),
        (["search", "red", "--min-match", "much"], "much is not a probability"),
        (["search", "red", "--min-cosine", "7"], "--min-cosine 7"),
        (["search", "red", "--min-cosine", "nan"], "--min-cosine nan"),
        (["search", "red", "--in", ".", "shoes"], "unexpected argument shoes; write every QUERY before the options"),
        (["search", "red", "-k", "0"], "-k 0"),
        (["search", "red", "-k", "-1"], "-k -1"),
        (["search", "red", "--in", "nowhere"], "nothing at nowhere"),
        (["search", "red", "--in", "empty"], "no images in empty"),
        (["index", "nowhere"], "nothing at nowhere"),
        (["classify", "nowhere", "--classes", "a,b"], "no images at nowhere"),
        (["classify", "red.png", "--classes", "a,,b"], "empty class"),
        (["classify", "red.png", "--classes", "a,b,a"], "a is given twice"),
        (["classify", "red.png", "--classes", "red.png"], "red.png is a file; write --classes-file red.png"),
        (["classify", "red.png", "--classes", "a", "--top", "0"], "--top 0"),
        (["classify", "red.png", "--classes-file", "none.txt"], "none.txt"),
        (["classify", "red.png", "--classes", "a", "--templates", "fotos"], "photo"),
        (["embed", "nowhere", "--out", "out"], "nothing at nowhere"),
        (["embed", ".", "--out", "sub"], "holds other files"),
        (["models", "fetch", "x"], "no public model"),
    ],
)
def test_wrong_calls_are_one_line_with_the_cure(photos, capsys, monkeypatch, arguments, word):
    monkeypatch.chdir(photos)
    (photos / "empty").mkdir()
    status, out, err = say(capsys, *arguments)
    assert (status, out) == (2, "")
    last = err.splitlines()[-1]
    assert last.startswith("wordsight: ")
    assert word in last
    assert ";" in last


def test_index_tells_and_fails_once(photos, capsys, tmp_path):
    (photos / "bad.jpg").write_bytes(b"x")
    status, out, err = say(capsys, "index", photos, "--library", tmp_path / "library")
    assert status == 1
    assert "3 added, 1 failed" in out
    assert "bad.jpg" in err
    status, out, err = say(capsys, "index", photos, "--library", tmp_path / "library")
    assert (status, err) == (0, "")
    assert "nothing new" in out
    status, out, _ = say(capsys, "index", photos, "--library", tmp_path / "library", "--failed")
    assert status == 1
    assert "bad.jpg" in out
    status, out, _ = say(capsys, "index", photos, "--library", tmp_path / "library", "--rebuild")
    assert "3 added, 1 failed" in out


def test_a_library_that_cannot_be_written_still_answers(photos, capsys):
    from wordsight.index.lock import writing

    say(capsys, "index", photos)
    Image.new("RGB", (9, 9), COLOURS["pink"]).save(photos / "pink.png")
    with writing(photos / ".wordsight"):
        status, out, err = say(capsys, "search", "red", "--in", photos, "-k", 1)
        assert say(capsys, "index", photos)[0] == 1
    assert (status, out.endswith("red.png\n")) == (0, True)
    assert "answering from the library as it is" in err


def test_another_models_library_is_refused(photos, capsys, monkeypatch):
    say(capsys, "index", photos)
    monkeypatch.setitem(COLOURS, "red", (1, 2, 3))  # changes the fingerprint
    status, _, err = say(capsys, "search", "red", "--in", photos)
    assert status == 2
    assert "--rebuild" in err
    assert say(capsys, "index", photos, "--rebuild")[0] == 0


def test_classify_files_folders_and_globs(photos, capsys, tmp_path):
    status, out, _ = say(capsys, "classify", photos / "red.png", photos / "sub", "--classes", "red,green,blue")
    assert status == 0
    assert [line.split()[:2] for line in out.splitlines()] == [
        [str(photos / "red.png"), "red"],
        [str(photos / "sub" / "blue.png"), "blue"],
        [str(photos / "sub" / "green.png"), "green"],
    ]
    classes = tmp_path / "classes.txt"
    classes.write_text("red\nblue, navy\n\n")
    arguments = (
        "classify",
        f"{photos}/**/*.png",
        "--classes-file",
        classes,
        "--json",
        "--top",
        9,
        "--templates",
        "none",
    )
    status, out, _ = say(capsys, *arguments)
    records = [json.loads(line) for line in out.splitlines()]
    assert len(records) == 3
    assert all(sum(record["probabilities"].values()) == pytest.approx(1, abs=1e-5) for record in records)
    assert list(records[1]["probabilities"]) == ["blue, navy", "red"]


def test_classify_as_json_gives_all_classes_unless_cut(photos, capsys, tmp_path):
    classes = tmp_path / "classes.txt"
    classes.write_bytes("\ufeffred\r\n# remark\r\nblue\r\ngreen\r\n".encode())
    arguments = ("classify", photos / "red.png", "--classes-file", classes)
    for more, number in (((), 3), (("--top", 2), 2)):
        record = json.loads(say(capsys, *arguments, "--json", *more)[1])
        assert len(record["probabilities"]) == number
        assert set(record["probabilities"]) <= {"red", "blue", "green"}
        assert next(iter(record["probabilities"])) == "red"
    assert len(say(capsys, *arguments)[1].split()) == 3  # path, class, probability
    classes.write_text("# nothing\n")
    status, _, err = say(capsys, *arguments)
    assert (status, err) == (2, f"wordsight: {classes} holds no class; write one class a line\n")


def test_classify_lists_what_fails_and_goes_on(photos, capsys):
    (photos / "bad.jpg").write_bytes(b"x")
    status, out, err = say(capsys, "classify", photos, "--classes", "red,blue")
    assert status == 1
    assert len(out.splitlines()) == 3
    assert "bad.jpg" in err


def test_embed_writes_goes_on_and_reports(photos, capsys, tmp_path):
    (photos / "bad.jpg").write_bytes(b"x")
    status, out, err = say(capsys, "embed", photos, "--out", tmp_path / "out", "--what", "both", "--part-size", 2)
    assert status == 1
    assert out.startswith("4 read: 3 pictures, 0 texts, 1 failed")
    assert "bad.jpg" in err
    status, _, err = say(capsys, "embed", photos, "--out", tmp_path / "out", "--what", "both", "--part-size", 2)
    assert "2 of 2 parts were there already" in err


@pytest.mark.parametrize(
    ("arguments", "file"),
    [
        (["index", "PHOTOS"], "PHOTOS/.wordsight/failures.txt"),
        (["search", "red", "--in", "PHOTOS"], "PHOTOS/.wordsight/failures.txt"),
        (["classify", "PHOTOS", "--classes", "red,blue"], "CACHE/failures/classify.txt"),
        (["embed", "PHOTOS", "--out", "OUT"], "OUT/failures.jsonl"),
    ],
)
def test_a_long_list_of_failures_is_cut_and_a_file_has_all(photos, capsys, tmp_path, monkeypatch, arguments, file):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    places = {"PHOTOS": str(photos), "OUT": str(tmp_path / "out"), "CACHE": str(tmp_path / "cache")}
    for number in range(25):
        (photos / f"bad{number:02}.jpg").write_bytes(b"x")
    _, _, err = say(capsys, *(places.get(word, word) for word in arguments), "--quiet")
    lines = err.splitlines()
    name, _, rest = file.partition("/")
    path = f"{places[name]}/{rest}"
    assert (len(lines), lines[-1]) == (21, f"... and 5 more; all 25 are listed in {path}")
    assert all(line.startswith("failed: ") and "bad" in line for line in lines[:20])
    content = Path(path).read_text()
    assert all(f"bad{number:02}.jpg" in content for number in range(25))


def test_odd_names_are_escaped_on_a_terminal_and_raw_where_they_are_piped(photos, capsys, monkeypatch):
    odd = photos / "red\x1b[2J\u202e.png"
    (photos / "red.png").rename(odd)
    say(capsys, "index", photos)
    bare = ("search", "red", "--in", photos, "-k", 1)
    verbs = (bare, (*bare, "--paths-only"), ("classify", photos, "--classes", "red,blue"))
    for arguments in verbs:
        assert str(odd) in say(capsys, *arguments)[1]
        with monkeypatch.context() as patch:
            patch.setattr("sys.stdout.isatty", lambda: True)
            out = say(capsys, *arguments)[1]
        assert r"red\x1b[2J\u202e.png" in out
        assert "\x1b" not in out
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout.isatty", lambda: True)
        assert say(capsys, *bare, "-0")[1] == f"{odd}\0"
        assert json.loads(say(capsys, *bare, "--json")[1])["path"] == str(odd)


def test_models_lists_and_shows(capsys, tmp_path):
    status, out, _ = say(capsys, "models")
    assert status == 0
    assert "ViT-B-32" in out
    assert say(capsys, "models", "show", tmp_path)[0] == 2


def test_a_tower_of_another_package_is_shown_without_what_describes_our_own(capsys, tmp_path):
    image = TimmSpec(trunk="convnext_base", options={"projection": "linear"})
    checkpoint = Checkpoint(ModelSpec("x", image=image), {"logit_scale": np.float32(2).reshape(())})
    save_checkpoint(checkpoint, tmp_path / "model")
    status, out, _ = say(capsys, "models", "show", tmp_path / "model")
    assert status == 0
    shown = {line.split()[0] for line in out.splitlines() if line.startswith("image.")}
    assert shown == {"image.kind", "image.size", "image.projection", "image.trunk", "image.options"}
    assert "text.layers" in out


SLOWLY = """
import sys, time
from wordsight.cli.main import main
from wordsight.engines.fake import FakeEngine
from wordsight.search import sync
sync.SAVE_SECONDS, sync.GROUP = 0.0, 4
embed = FakeEngine.embed_images
def slowly(self, pixels):
    time.sleep(0.2)
    return embed(self, pixels)
FakeEngine.embed_images = slowly
sys.exit(main(sys.argv[1:]))
"""


def test_ctrl_c_ends_with_130_and_leaves_a_usable_library(tmp_path, capsys):
    folder = tmp_path / "many"
    folder.mkdir()
    for i in range(200):
        Image.new("RGB", (10 + i, 10), (255, 0, 0)).save(folder / f"{i}.png")
    command = [sys.executable, "-c", SLOWLY, "index", folder, *FAKE]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    rows = folder / ".wordsight" / "embeddings-0.f16"
    while not (rows.exists() and rows.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, out) == (130, "")
    assert err == "wordsight: stopped; what was finished before is kept\n"
    status, out, _ = say(capsys, "search", "red", "--in", folder, "--no-sync", "-k", 1000)
    assert 0 <= status <= 1
    assert len(out.splitlines()) < 200
    assert say(capsys, "index", folder)[1].startswith("200 pictures")


def test_search_imports_neither_pictures_nor_tables_nor_torch(photos, capsys):
    say(capsys, "index", photos)
    code = (
        "import sys; from wordsight.cli.main import main; "
        f"status = main(['search', 'red', '--in', {str(photos)!r}, '--engine', 'fake']); "
        "print(sorted({'torch', 'PIL', 'pyarrow', 'ftfy', 'onnxruntime', 'tqdm', 'csv', 'concurrent.futures', 'html', 'webbrowser'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ})
    assert run.stdout.splitlines()[-1] == "[]"


def test_columns_are_named_in_every_verb_that_reads_a_source(photos, capsys, tmp_path):
    (photos / "t.csv").write_text("pic;photo;words;kind;nr\nred.png;x;fire;warm;r\nsub/blue.png;x;sea;cold;b\n")
    named = ["--image", "pic", "--captions", "words", "--label", "kind", "--key", "nr"]
    table = photos / "t.csv"
    status, _, err = say(capsys, "index", table)
    assert status == 2 and "the image may be pic or photo; name it as image (--image COLUMN, " in err
    assert say(capsys, "index", table, *named)[0] == 0
    _, out, _ = say(capsys, "search", "red", "--in", table, "--where", "class = warm and text = fire", "--json")
    assert json.loads(out)["key"] == "r"
    assert say(capsys, "search", "red", "--in", table, *named, "--key", "words", "-k", 1)[1].endswith("red.png  fire\n")
    assert say(capsys, "embed", table, "--out", tmp_path / "out", "--what", "both", *named)[1] == (
        "2 read: 2 pictures, 2 texts\n"
    )
    assert main(["data", "pack", str(table), "--out", str(tmp_path / "packed"), *named]) == 0
