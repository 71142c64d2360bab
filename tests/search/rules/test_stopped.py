"""One picture that cannot be moved is named, and the rest is done: no run is stuck for good."""

import errno
import json
import os

import pytest

from wordsight.base import disk
from wordsight.base.errors import StorageError
from wordsight.search.rules.plan import merged_tags, tags_of
from wordsight.search.rules.rule import SearchRule
from wordsight.search.rules.rules_file import add_rule, read_rules, remove_rule
from wordsight.search.rules.store import open_store

RULES = """[[rule]]
name = "red"
query = "red"
min_cosine = 0.7
move = "Sorted/{year}"

[[rule]]
name = "blue"
query = "blue"
min_cosine = 0.7
move = "Blue"
"""


def states(report):
    return {one.rule: one.state for one in report.actions}


def test_a_target_that_is_no_folder_fails_alone_and_is_mended(ruled, photos):
    library = ruled(RULES)
    (photos / "Sorted").write_text("a file")
    report = library.rules().run()
    assert states(report) == {"red": "failed", "blue": "done"}
    assert f"{photos}/Sorted is a file, not a folder" in report.failed[0]
    with open_store(library.folder) as store:
        assert store.unfinished() == []
    (library.folder / "rules.toml").write_text(RULES.replace("Sorted", "Other"))
    assert states(library.rules().run()) == {"red": "done"}


def test_a_folder_that_may_not_be_written_to_fails_alone_and_is_named(ruled, photos):
    library = ruled(RULES)

    def refuse(call, path):
        if call == "unlink" and path == photos / "a" / "red.png":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))

    with disk.watched(refuse):
        report = library.rules().run()
    assert states(report) == {"red": "failed", "blue": "done"}
    assert f"no permission to write {photos}/a, which red.png has to leave" in report.failed[0]
    assert (photos / "a" / "red.png").exists()
    assert states(library.rules().run(again=True)) == {"red": "done"}


def test_a_run_that_met_a_full_disk_goes_on(ruled):
    library = ruled(RULES)

    def full(call, path):
        if call == "link":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with disk.watched(full), pytest.raises(StorageError, match="the disk is full"):
        library.rules().run()
    assert states(library.rules().run()) == {"red": "done", "blue": "done"}


def test_sidecars_follow_the_picture_that_is_moved_and_come_back(ruled, photos, lying):
    for name in ("red.png.json", "red.xmp", "red.txt", "red.md"):
        (photos / "a" / name).write_text(name)
    (photos / "Blue").mkdir()
    (photos / "Blue" / "red.png").write_bytes(b"another")
    (photos / "Blue" / "red-2.txt").write_text("another's")
    library = ruled(RULES.replace("Sorted/{year}", "Blue"))
    before = lying()

    def stopping(call, path):
        if path == photos / "Blue" / "red-2.xmp":
            raise KeyboardInterrupt

    with disk.watched(stopping), pytest.raises(KeyboardInterrupt):
        library.rules().run()
    report = library.rules().run()
    assert [sentence.partition(": its")[2][:15] for sentence in report.failed] == [" sidecar stays:"]
    beside = {path.name for path in (photos / "Blue").iterdir()}
    assert {"red-2.png", "red-2.png.json", "red-2.xmp"} < beside
    assert {path.name for path in (photos / "a").iterdir()} >= {"red.txt", "red.md"}
    library.rules().undo()
    assert lying() == before


def test_breaks_that_end_no_line_of_toml(tmp_path):
    path = tmp_path / "rules.toml"
    tags = ("a\u2028[[rule]]", "b\x85c", "\U000e0001")
    path.write_text('# \u2028\n[[rule]]\nname = "one"\nquery = "x\u2028y"\ntag = "t"\n', encoding="utf-8")
    add_rule(path, SearchRule("two", query="b", tag=tags))
    assert read_rules(path)[1].tags == tags
    remove_rule(path, "one")
    assert [rule.name for rule in read_rules(path)] == ["two"]
    assert tags_of("\n".join(merged_tags(None, tags))) == list(tags)


def test_names_are_printed_and_never_obeyed(ruled, photos, capsys):
    from wordsight.cli.main import main

    (photos / "a" / "red.png").rename(photos / "a" / "e\x1b[31m.png")
    ruled(RULES)
    for action in ("run", "undo"):
        assert main(["rules", action, "--in", str(photos), "--engine", "fake"]) == 0
        out = capsys.readouterr().out
        assert "\x1b" not in out
        assert "e\\x1b[31m.png" in out
    assert main(["rules", "run", "--all", "--json", "--in", str(photos), "--engine", "fake"]) == 0
    assert "a/e\x1b[31m.png" in [json.loads(line)["key"] for line in capsys.readouterr().out.splitlines()]
