"""`wordsight data balance`: what it writes, from what, and how it ends."""

import csv
import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time
import types

import pytest
from PIL import Image

from wordsight.cli.main import main
from wordsight.data.balance import balance

ENTRIES = ["dog", "new york", "york", "red"]
CAPTIONS = [f"a {'red' if n % 3 else 'blue'} dog, in new york {n}" for n in range(90)] + ["nothing", "  "]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "entries.txt").write_text("\n".join(ENTRIES) + "\n")
    (tmp_path / "captions.txt").write_text("\n".join(CAPTIONS) + "\n\n")
    return tmp_path


def run(*words):
    return main(["data", "balance", *words])


def expected(at_most=10, seed=0, name="captions.txt"):
    pairs = [(f"{name}:{number}", (caption,)) for number, caption in enumerate(CAPTIONS, 1)]
    return list(balance(pairs, ENTRIES, at_most, seed))


def test_verdicts_of_a_text_file_in_every_form(folder, capsys):
    for ending in ("csv", "jsonl", "txt", "parquet"):
        assert run("captions.txt", "--entries", "entries.txt", "--at-most", "10", "--out", f"v.{ending}") == 0
    with open("v.csv", newline="") as handle:
        rows = list(csv.DictReader(handle))
    wanted = expected()
    assert [(row["key"], row["kept"] == "1", row["entry"]) for row in rows] == [verdict[:3] for verdict in wanted]
    assert [float(row["probability"]) for row in rows] == [verdict.probability for verdict in wanted]
    assert [json.loads(line) for line in (folder / "v.jsonl").read_text().splitlines()] == [
        verdict._asdict() for verdict in wanted
    ]
    assert (folder / "v.txt").read_text().split() == [verdict.key for verdict in wanted if verdict.kept]
    import pyarrow.parquet

    assert pyarrow.parquet.read_table("v.parquet").to_pylist() == [verdict._asdict() for verdict in wanted]
    printed = capsys.readouterr().out
    assert "92 pairs, 90 of them with an entry" in printed
    assert "4 of them in more than 10 pairs" in printed


def test_figures_as_json_and_the_seed(folder, capsys):
    assert (
        run("captions.txt", "--entries", "entries.txt", "--at-most", "10", "--seed", "3", "--threads", "1", "--json")
        == 0
    )
    figures = json.loads(capsys.readouterr().out)
    assert figures["kept"] == sum(verdict.kept for verdict in expected(seed=3))
    assert figures["expected"] == pytest.approx(sum(verdict.probability for verdict in expected()))
    names = (
        "pairs",
        "matched",
        "at_most",
        "seed",
        "entries",
        "entries_matched",
        "entries_above",
        "repeated_keys",
        "failed",
    )
    assert [figures[name] for name in names] == [92, 90, 10, 3, 4, 4, 4, 0, 0]


def test_stdin_and_compressed_captions(folder, monkeypatch):
    data = (folder / "captions.txt").read_bytes()
    (folder / "captions.txt.gz").write_bytes(gzip.compress(data))
    assert run("captions.txt.gz", "--entries", "entries.txt", "--at-most", "10", "--out", "z.jsonl") == 0
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=io.BytesIO(data)))
    assert run("-", "--entries", "entries.txt", "--at-most", "10", "--out", "s.jsonl") == 0
    for name, source in (("z.jsonl", "captions.txt.gz"), ("s.jsonl", "-")):
        assert [json.loads(line) for line in (folder / name).read_text().splitlines()] == [
            v._asdict() for v in expected(name=source)
        ]


def test_a_table_and_a_folder_are_sources_too(folder, capsys):
    with open("t.csv", "w", newline="") as handle:
        csv.writer(handle).writerows([("image", "caption"), *((f"{n}.png", text) for n, text in enumerate(CAPTIONS))])
    (folder / "photos").mkdir()
    for n in range(3):
        Image.new("RGB", (8, 8)).save(folder / "photos" / f"{n}.png")
        (folder / "photos" / f"{n}.txt").write_text("a dog\nin york\n")
    for n in range(len(CAPTIONS)):
        Image.new("RGB", (8, 8)).save(folder / f"{n}.png")
    assert run("t.csv", "--entries", "entries.txt", "--at-most", "10", "--json") == 0
    assert json.loads(capsys.readouterr().out)["matched"] == 90
    assert run("photos", "--entries", "entries.txt", "--at-most", "1", "--out", "p.csv") == 0
    assert [line.split(",")[-1] for line in (folder / "p.csv").read_text().split()[1:]] == ["2", "2", "2"]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_machines_count_and_merge_and_draw_as_one(folder, capsys, ending):
    lines = [f"{line}\n" for line in CAPTIONS]
    for name, own in (("a.txt", lines[:50]), ("b.txt", lines[50:])):
        (folder / name).write_text("".join(own))
        assert run(name, "--entries", "entries.txt", "--counts", f"{name}.{ending}") == 0
    counts = [f"{name}.txt.{ending}" for name in "ab"]
    assert run("--entries", "entries.txt", "--merge", *counts, "--counts", "sum.csv") == 0
    assert (folder / "sum.csv").read_text() == "entry,count\ndog,90\nnew york,90\nyork,90\nred,60\n"
    kept = []
    for name in ("a.txt", "b.txt"):
        assert (
            run(name, "--entries", "entries.txt", "--merge", *counts, "--at-most", "10", "--out", f"{name}.v.txt") == 0
        )
        kept += (folder / f"{name}.v.txt").read_text().split()
    assert run("a.txt", "b.txt", "--entries", "entries.txt", "--at-most", "10", "--out", "both.txt") == 0
    assert kept == (folder / "both.txt").read_text().split()
    (folder / "other.txt").write_text("dog\ncat\n")
    assert run("a.txt", "--entries", "other.txt", "--merge", *counts, "--at-most", "10") == 2
    assert "counts other entries: it has no 'cat'" in capsys.readouterr().err


def test_counts_that_leave_a_source_out_are_refused(folder, capsys):
    (folder / "one.txt").write_text("a dog\n")
    assert run("one.txt", "--entries", "entries.txt", "--counts", "one.csv") == 0
    assert (
        run("captions.txt", "--entries", "entries.txt", "--merge", "one.csv", "--at-most", "10", "--out", "v.csv") == 2
    )
    assert "count this source, too" in capsys.readouterr().err
    assert not (folder / "v.csv").exists()


def test_entries_of_the_captions_themselves(folder, capsys):
    words = ["--entries", "captions", "--min-count", "60", "--min-pmi", "2", "--at-most", "10"]
    assert run("captions.txt", *words, "--counts", "own.csv") == 0
    assert (folder / "own.csv").read_text().split("\n")[1:-1] == [
        "a,90",
        "dog,90",
        "in,90",
        "new,90",
        "york,90",
        "red,60",
        "in new,90",
        "new york,90",
        "a red,60",
        "red dog,60",
    ]
    assert "6 words, 4 pairs of words" in capsys.readouterr().err
    assert run("-", *words) == 2
    assert run("captions.txt", "--entries", "captions", "--min-count", "1000", "--at-most", "3") == 2
    assert "no word occurs 1000 times" in capsys.readouterr().err


def test_what_is_left_out_of_entries_is_stated(folder, capsys):
    (folder / "e.json").write_text(json.dumps(["dog", "dog", "", "...", "st. john", "red"]))
    assert run("captions.txt", "--entries", "e.json", "entries.txt", "--at-most", "3", "--json") == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["entries"] == 5
    for line in (
        "3 entries are left out, there before",
        "1 entry is left out, empty",
        "only punctuation: '...'",
        "1 entry can match nothing, for a mark touches a letter: 'st. john'",
    ):
        assert line in printed.err


def test_a_cut_file_a_bad_line_and_a_key_twice(folder, capsys):
    data = gzip.compress("\n".join(CAPTIONS).encode() * 50)
    (folder / "cut.txt.gz").write_bytes(data[: len(data) // 2])
    assert run("cut.txt.gz", "--entries", "entries.txt", "--at-most", "3", "--out", "v.txt") == 1
    assert "cut.txt.gz is cut or damaged behind line" in capsys.readouterr().err
    assert (folder / "v.txt").exists()
    (folder / "bad.txt").write_bytes(b"a dog\n\xff\na dog\n")
    assert run("bad.txt", "--entries", "entries.txt", "--at-most", "3", "--json") == 1
    printed = capsys.readouterr()
    assert (json.loads(printed.out)["pairs"], json.loads(printed.out)["failed"]) == (2, 1)
    assert "failed: bad.txt, line 2: byte 0xff is not UTF-8" in printed.err
    assert run("bad.txt", "bad.txt", "--entries", "entries.txt", "--at-most", "3") == 1
    assert "2 keys are there more than once" in capsys.readouterr().err


def test_nothing_that_matches_is_status_1(folder, capsys):
    (folder / "e.txt").write_text("Dog\n")
    assert run("captions.txt", "--entries", "e.txt", "--at-most", "3") == 1
    assert "no caption has an entry" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["captions.txt", "--entries", "entries.txt"], "no --at-most"),
        (["captions.txt", "--entries", "entries.txt", "--at-most", "0"], "--at-most 0; give 1 or more"),
        (
            ["captions.txt", "--entries", "entries.txt", "--at-most", "3", "--out", "v.xls"],
            "--out v.xls; end it in .csv",
        ),
        (["captions.txt", "--entries", "entries.txt", "--counts", "c.txt"], "--counts c.txt; end it in .csv"),
        (["captions.txt", "--entries", "entries.txt", "--at-most", "3", "--threads", "0"], "--threads 0"),
        (["captions.txt", "--entries", "nowhere.txt", "--at-most", "3"], "nowhere.txt cannot be read"),
        (["captions.txt", "--entries", "empty.txt", "--at-most", "3"], "no entry is left of 0"),
        (["captions.txt", "--entries", "cut.gz", "--at-most", "3"], "cut.gz is cut or damaged"),
        (["captions.txt", "--entries", "bad.json", "--at-most", "3"], "bad.json is no list of texts"),
        (["captions.txt", "--entries", "latin.txt", "--at-most", "3"], "latin.txt, line 2: not UTF-8"),
        (["captions.txt", "photos", "--entries", "entries.txt", "--at-most", "3"], "beside another kind of source"),
        (["gone.txt", "--entries", "entries.txt", "--at-most", "3"], "gone.txt cannot be read"),
        (["--entries", "entries.txt", "--at-most", "3"], "no SOURCE"),
        (["captions.txt", "--entries", "entries.txt", "--merge", "entries.txt"], "--merge without --at-most"),
        (
            ["captions.txt", "--entries", "entries.txt", "--merge", "bad.csv", "--at-most", "3"],
            "bad.csv holds no counts",
        ),
    ],
)
def test_wrong_calls_are_one_line(folder, capsys, words, why):
    (folder / "empty.txt").write_text("\n\n")
    (folder / "bad.json").write_text('{"a": 1}')
    (folder / "bad.csv").write_text("a,b\n1,2\n")
    (folder / "latin.txt").write_bytes(b"dog\nnai\xefve\n")
    (folder / "cut.gz").write_bytes(gzip.compress(os.urandom(200))[:-20])
    assert run(*words) == 2
    printed = capsys.readouterr().err
    assert why in printed
    assert printed.count("\n") == 1


def test_a_full_disk_leaves_the_old_file(folder, capsys, monkeypatch):
    (folder / "v.csv").write_text("old")
    from wordsight.base import disk

    def full(descriptor, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(disk, "flush", full)
    assert run("captions.txt", "--entries", "entries.txt", "--at-most", "3", "--out", "v.csv") == 1
    assert "the disk is full while writing v.csv" in capsys.readouterr().err
    assert (folder / "v.csv").read_text() == "old"


def test_a_run_that_is_killed_leaves_no_output(folder):
    read, write = os.pipe()
    command = [sys.executable, "-m", "wordsight", "data", "balance", "-", "--entries", "entries.txt", "--at-most", "3"]
    process = subprocess.Popen([*command, "--out", "v.csv"], stdin=read, cwd=folder)
    os.close(read)
    os.write(write, b"a dog\n" * 1000)
    time.sleep(0.5)
    process.send_signal(signal.SIGKILL)
    process.wait()
    os.close(write)
    assert not (folder / "v.csv").exists()
