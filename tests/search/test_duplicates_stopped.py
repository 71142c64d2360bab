"""Plans with odd names, wrong lines and stops; groups of more equal files than one holds."""

import errno
import json
import shutil

import pytest

from wordsight.base import disk
from wordsight.base.errors import FormatError, NotFound, StorageError
from wordsight.cli.main import main
from wordsight.search.duplicates import grouping
from wordsight.search.duplicates.applying import JOURNAL, TRASH, apply, trash_of, undo
from wordsight.search.duplicates.confirming import Relation
from wordsight.search.duplicates.grouping import edges_of, stars
from wordsight.search.duplicates.plan_file import read_plan, write_plan

ODD = ("caf\udce9.png", "two\u2028lines.png", "next\x85.png", "part\x1c\x0b\x0c.png", "esc\x1b.png", "grün.png")


@pytest.fixture
def library(photos, opened, monkeypatch):
    """Five images and odd names for copies of one of them."""
    monkeypatch.setattr("os.fsync", lambda _: None)
    for name in ODD:
        shutil.copy(photos / "a" / "red.png", photos / "b" / name)
    made = opened(photos)
    made.sync()
    return made


@pytest.fixture
def plan(library, tmp_path):
    path = tmp_path / "plan.jsonl"
    write_plan(path, library.location, library.duplicates(kinds=("exact",)).groups)
    return path


def test_a_plan_with_odd_names_is_read_back_applied_and_undone(library, plan):
    assert "grün.png" in plan.read_text(encoding="utf-8")
    (group,) = read_plan(plan)
    assert {one.path for one in (*group.kept, *group.moved)} == {"a/red.png", *(f"b/{name}" for name in ODD)}
    done = apply(library, plan, trash_of(library, plan, None))
    assert (len(done.moved), done.failed) == (len(ODD), [])
    assert len(undo(plan, library, None).done) == len(ODD)
    assert all((library.location / "b" / name).exists() for name in ODD)


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("e0/\ud800.png", r"path \"e0/\\ud800.png\""),
        ("a\0b", "path"),
        ("", "path"),
        ("b/../a/red.png", "leads upwards"),
    ],
)
def test_a_path_of_no_file_is_a_wrong_line(library, plan, path, problem):
    rows = [json.loads(line) for line in plan.read_text(encoding="utf-8").split("\n") if line]
    rows[-1]["path"] = path
    plan.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(FormatError, match=f"line {len(rows)}: .*{problem}") as caught:
        apply(library, plan, trash_of(library, plan, None))
    assert caught.value.exit_status == 2
    assert not (library.folder / TRASH).exists()


def test_what_no_stream_can_hold_is_printed_by_the_program(library, plan, capfdbinary):
    plan.write_text('{"group": 1, "action": "\\ud800 \\udce9", "path": "x", "sha256": ""}\n')
    assert main(["duplicates", str(library.location), "--apply", str(plan)]) == 2
    assert b'action "\\ud800 \xe9"' in capfdbinary.readouterr().err


@pytest.mark.parametrize("text", ["", "\n\n", " " * 100_000])
def test_an_empty_plan_is_refused_and_makes_nothing(library, plan, text):
    plan.write_text(text)
    with pytest.raises(FormatError, match="holds no line of a plan"):
        apply(library, plan, trash_of(library, plan, None))
    assert not (library.folder / TRASH).exists()


def test_a_plan_that_moves_nothing_makes_nothing(library, plan):
    plan.write_text(plan.read_text(encoding="utf-8").replace('"move"', '"keep"'), encoding="utf-8")
    assert apply(library, plan, trash_of(library, plan, None)).moved == []
    assert not (library.folder / TRASH).exists()


def test_a_sidecar_that_a_stop_left_behind_follows(library, plan):
    image, sidecar = (library.location / "b" / name for name in (ODD[-1], f"{ODD[-1]}.json"))
    sidecar.write_text("{}")

    def stopping(call, path):
        if path.name == sidecar.name:
            raise KeyboardInterrupt

    with disk.watched(stopping), pytest.raises(KeyboardInterrupt):
        apply(library, plan, trash_of(library, plan, None))
    assert (image.exists(), sidecar.exists()) == (False, True)
    done = apply(library, plan, trash_of(library, plan, None))
    assert (done.failed, sidecar.exists()) == ([], False)
    sidecar.write_text("another's")
    assert apply(library, plan, trash_of(library, plan, None)).failed == []
    assert sidecar.read_text() == "another's"
    sidecar.unlink()
    undo(plan, library, None)
    assert (image.exists(), sidecar.read_text()) == (True, "{}")


def test_a_sidecar_that_could_not_be_moved_is_named_and_tried_again(library, plan):
    sidecar = library.location / "b" / f"{ODD[-1]}.json"
    sidecar.write_text("{}")

    def failing(call, path):
        if path.name == sidecar.name:
            raise PermissionError(errno.EACCES, "", str(path))

    with disk.watched(failing):
        done = apply(library, plan, trash_of(library, plan, None))
    assert [path for path, _ in done.failed] == [f"b/{sidecar.name}"]
    assert len(done.moved) == len(ODD)
    done = apply(library, plan, trash_of(library, plan, None))
    assert (done.failed, sidecar.exists()) == ([], False)


def test_a_full_disk_ends_it(library, plan):
    def full(call, path):
        if call == "link":
            raise OSError(errno.ENOSPC, "")

    with disk.watched(full), pytest.raises(StorageError, match="the disk is full"):
        apply(library, plan, trash_of(library, plan, None))


def test_an_edited_plan_names_the_trash_folders(library, plan):
    base = library.folder / TRASH
    for year in range(2001, 2008):
        (base / f"{year}-01-01-000000-0123456789ab" / JOURNAL).mkdir(parents=True)
    (base / "2009-01-01-000000-0123456789ab").mkdir()
    apply(library, plan, trash := trash_of(library, plan, None))
    plan.write_text(plan.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    with pytest.raises(NotFound, match="nothing was moved by") as caught:
        undo(plan, library, None)
    assert f"of {base}: {trash.name}, 2007-" in str(caught.value)
    assert str(caught.value).endswith("2004-01-01-000000-0123456789ab and 3 more")
    assert len(undo(trash, library, None).done) == len(ODD)


@pytest.mark.parametrize(("count", "sizes"), [(4, [4]), (5, [3, 2]), (6, [4, 2]), (12, [4, 4, 4]), (13, [4, 4, 3, 2])])
def test_more_equal_files_than_a_group_holds_make_several(monkeypatch, count, sizes):
    monkeypatch.setattr(grouping, "MOST", 4)
    groups = stars(edges_of((0, other, Relation.EXACT) for other in range(1, count)), range(count))
    assert [1 + len(members) for _, members in groups] == sizes
    together = [one for kept, members in groups for one in (kept, *members)]
    assert sorted(together) == list(range(count))
    assert all(relation == Relation.EXACT for _, members in groups for relation in members.values())
