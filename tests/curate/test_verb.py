"""`wordsight data score` and `wordsight data curate`, as they are typed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from coloured_squares import square, write

from wordsight.base.cache import cache_folder
from wordsight.cli.data_curate import add_arguments
from wordsight.cli.main import main
from wordsight.cli.parser import VerbParser
from wordsight.curate.rules.table import RULES

FAKE = ["--engine", "fake"]


def score(*arguments):
    return main(["data", "score", *map(str, arguments), *FAKE])


def curate(*arguments):
    return main(["data", "curate", *map(str, arguments), *FAKE])


def test_scores_on_a_terminal_and_as_json(folder, capsys):
    assert score(folder) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("squares: 16 pairs of 8 images, model fake\n")
    assert "RefCLIPScore" in printed and "worst pairs" in printed
    assert printed.index("7.png") > printed.index("worst pairs")
    assert score(folder, "--json") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(rows) == 16 and set(rows[0]) == {"key", "caption", "text", "cosine", "clip_score", "ref_clip_score"}


def test_curating_says_what_each_rule_drops(folder, tmp_path, capsys):
    out = tmp_path / "verdicts.csv"
    rules = ["--rule", "basic:side=1", "--rule", "clip-score >= 0.5"]
    assert curate(folder, *rules, "--out", out, "--out", tmp_path / "shards") == 0
    said = capsys.readouterr()
    table = [line.split() for line in said.out.splitlines()]
    assert table[2] == ["basic:side=1", "8", "8", "8"]
    assert table[3] == ["clip-score", ">=", "0.5", "2", "1", "7"]
    assert "kept: 7 pairs (43.8%) of 7 images" in said.out
    assert "16 verdicts" in said.err and "7 images in 1 shard" in said.err
    first = out.read_bytes()
    assert curate(folder, *rules, "--out", out, "--json") == 0
    assert out.read_bytes() == first
    figures = json.loads(capsys.readouterr().out)
    assert (figures["pairs"], figures["kept"], figures["images_kept"]) == (16, 7, 7)
    assert figures["rules"][1] == {"rule": "clip-score >= 0.5", "alone": 2, "dropped": 1, "left": 7}


def test_a_rule_file_and_rules_after_it(folder, tmp_path, capsys):
    (tmp_path / "rules.toml").write_text('[[rules]]\nrule = "basic"\nside = 1\n')
    assert curate(folder, "--rules", tmp_path / "rules.toml", "--rule", "duplicates", "--json") == 0
    assert [step["rule"] for step in json.loads(capsys.readouterr().out)["rules"]] == ["basic:side=1", "duplicates"]


def test_kept_pairs_can_be_trained_on(folder, tmp_path, capsys):
    """The table is a source whose samples a recipe can name."""
    assert curate(folder, "--rule", "clip-score >= 0.5", "--kept", tmp_path / "kept.csv") == 0
    from wordsight.train.config import DataConfig, SourceConfig
    from wordsight.train.pairs import open_pairs

    sources = {"pairs": SourceConfig(place="kept.csv")}
    pairs = open_pairs(DataConfig(root=str(tmp_path), sources=sources, side=32), hold_out=False)
    assert pairs.sources[0].count() == 7
    capsys.readouterr()


def test_nothing_kept_is_status_1(folder, tmp_path, capsys):
    (tmp_path / "old.npy").write_bytes(b"")
    out = tmp_path / "verdicts.csv"
    assert curate(folder, "--rule", "clip-score >= 0.999", "--out", out, "--out", tmp_path / "shards") == 1
    said = capsys.readouterr()
    assert "no pair is kept" in said.err and "kept: 0 pairs" in said.out
    assert out.exists() and not (tmp_path / "shards").exists()


@pytest.mark.parametrize("action", [["score"], ["curate", "--rule", "clip-score >= -1"]])
def test_a_broken_image_is_listed_and_the_status_is_1(folder, capsys, action):
    write(folder, "3.png", b"no image", "a yellow square here")
    assert main(["data", action[0], str(folder), *action[1:], *FAKE]) == 1
    assert capsys.readouterr().err.count("3.png") == 1


def test_keys_that_come_twice_are_told(tmp_path, capsys):
    for name in "ab":
        (tmp_path / f"{name}.png").write_bytes(square("red", ord(name)))
    (tmp_path / "pairs.csv").write_text("image,caption,key\na.png,a red square,k\nb.png,a red square,k\n")
    assert curate(tmp_path / "pairs.csv", "--rule", "basic:side=1", "--out", tmp_path / "v.csv") == 0
    assert "the key k stands for several images" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["curate", "FOLDER"], "no rule; give one"),
        (["curate", "FOLDER", "--rule", "basics"], "did you mean basic?"),
        (["curate", "FOLDER", "--rules", "nowhere.toml"], "no file nowhere.toml"),
        (["curate", "FOLDER", "--rule", "basic", "--out", "FOLDER/verdicts.csv"], "which is read"),
        (["curate", "FOLDER", "--rule", "basic", "--out", "FOLDER/shards"], "which is read"),
        (["curate", "FOLDER", "--rule", "basic", "--kept", "FOLDER/kept.csv"], "which is read"),
        (["curate", "FOLDER", "--rule", "basic", "--out", "x.npz"], "name the file .npy"),
        (["curate", "FOLDER", "--rule", "basic", "--out", "x.npy"], "is no uid of 32"),
        (["curate", "FOLDER", "--rule", "basic", "--out", "x.json"], "is of no known form"),
        (["curate", "FOLDER", "--rule", "basic", "--kept", "x.tsv"], "neither .csv nor .parquet"),
        (["curate", "FOLDER", "--rule", "decontaminate"], "--against PLACE"),
        (["curate", "FOLDER", "--rule", "decontaminate", "--against", "nowhere"], "nothing at nowhere"),
        (["score", "FOLDER", "--out", "FOLDER/scores.csv"], "which is read"),
        (["score", "FOLDER", "--out", "scores.txt"], "neither .csv nor .parquet"),
        (["score", "FOLDER", "--captions", "nothing"], "nothing"),
    ],
)
def test_a_wrong_call_is_one_line(folder, tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    before = sorted(folder.iterdir())
    assert main(["data", *(one.replace("FOLDER", str(folder)) for one in arguments), *FAKE]) == 2
    said = capsys.readouterr()
    assert words in said.err and len(said.err.splitlines()) == 1 and not said.out
    assert sorted(folder.iterdir()) == before and not list(tmp_path.glob("x.*"))


@pytest.mark.parametrize("action", ["pack", "check", "stats"])
def test_the_other_actions_use_no_model(folder, tmp_path, capsys, action):
    out = ["--out", str(tmp_path / "out")] if action == "pack" else []
    assert main(["data", action, str(folder), *out, "--model", "x"]) == 2
    assert f"data {action} with --model x: no model is used; leave out --model" in capsys.readouterr().err


def test_the_help_names_every_rule():
    parser = VerbParser()
    add_arguments(parser)
    named = next(action.help for action in parser._actions if "--rule" in action.option_strings).rpartition("Names: ")[
        2
    ]
    assert named.split(", ") == list(RULES)


def test_the_page_describes_every_rule():
    page = (Path(__file__).parents[2] / "docs" / "curate.md").read_text(encoding="utf-8")
    for name in RULES:
        assert f"| `{name}` |" in page


def test_a_full_disk_is_one_line(folder, tmp_path, monkeypatch, capsys):
    import errno

    from wordsight.base import disk

    def full(source, target):
        if str(target).endswith("scores.csv"):
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        os.replace(source, target)

    monkeypatch.setattr(disk, "replace", full)
    assert score(folder, "--out", tmp_path / "scores.csv") == 1
    said = capsys.readouterr()
    assert "the disk is full while writing" in said.err and not list(tmp_path.glob("scores.csv*"))


def test_a_killed_run_goes_on(tmp_path):
    """Killed while it embeds, it counts what was embedded and gives the scores of a run in one go."""
    place = tmp_path / "many"
    for number in range(24):
        write(place, f"{number:02d}.png", square("red", number), "a red square")
    code = (
        "import sys, time\n"
        "from wordsight.embeddings import store\n"
        "from wordsight.curate import pool\n"
        "made = pool.BulkOptions\n"
        "pool.BulkOptions = lambda **given: made(**given, part_size=6)\n"
        "write = store.write_part\n"
        "def slow(*args, **given):\n"
        "    write(*args, **given)\n"
        "    if len(sys.argv) > 1: print('part', flush=True); time.sleep(60 if args[1] == 1 else 0)\n"
        "store.write_part = slow\n"
        "from wordsight.cli.main import main\n"
        f"sys.exit(main(['data', 'score', {str(place)!r}, '--json', '--engine', 'fake']))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, "slow"], stdout=subprocess.PIPE, text=True)
    assert [process.stdout.readline() for _ in range(2)] == ["part\n"] * 2
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    (notes,) = {path.parent for path in (cache_folder() / "curate").rglob("part-00000.json")}
    stamps = {path.name: path.stat().st_mtime_ns for path in notes.glob("part-*.json")}
    assert len(stamps) == 2
    time.sleep(0.01)
    again = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert len(again.stdout.splitlines()) == 24
    assert {name: (notes / name).stat().st_mtime_ns for name in stamps} == stamps
    assert len(list(notes.glob("part-*.json"))) == 4
    assert np.isfinite([json.loads(line)["cosine"] for line in again.stdout.splitlines()]).all()
