"""Folders are whole or not there, also with several processes at once; what killed ones left is swept."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from wordsight.base import files
from wordsight.base.errors import StorageError, UsageError
from wordsight.base.files import (
    atomic_folder,
    atomic_write,
    draft_folder,
    new_folder,
    put_back,
    refuse_others,
    require_new,
    sweep,
    write_json,
)

KILLED = """
import os, signal, sys
from pathlib import Path
from wordsight.base.files import atomic_folder, atomic_write
place = Path(sys.argv[1])
with atomic_folder(place / "folder") as draft, atomic_write(place / "file") as handle:
    (draft / "half").write_text("half")
    handle.write(b"half")
    handle.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""
WRITING = """
import sys
from pathlib import Path
from wordsight.base.files import atomic_folder
for number in range(40):
    with atomic_folder(Path(sys.argv[1]), mark=sys.argv[3]) as draft:
        for name in "abc":
            (draft / name).write_text(f"{sys.argv[2]} {number}")
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fill(path: Path, text: str, **options: str) -> None:
    with atomic_folder(path, **options) as draft:
        (draft / "a").write_text(text)


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    place = tmp_path / "new" / "folder"
    with atomic_folder(place) as draft:
        (draft / "a").write_text("1")
        assert not place.exists()
    assert (place / "a").read_text() == "1"
    assert names(place.parent) == ["folder"]


def test_an_older_folder_is_replaced_altogether(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "b").write_text("old")
    fill(tmp_path / "folder", "new")
    assert names(tmp_path) == ["folder"]
    assert names(tmp_path / "folder") == ["a"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_the_old(tmp_path: Path, error: type[BaseException]) -> None:
    fill(tmp_path / "folder", "old")
    with pytest.raises(error), atomic_folder(tmp_path / "folder") as draft:
        (draft / "a").write_text("half")
        raise error
    assert (tmp_path / "folder" / "a").read_text() == "old"
    assert names(tmp_path) == ["folder"]


def test_a_rename_that_fails_leaves_the_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "folder", "old")
    true, calls = files._renamed, []

    def renamed(draft: Path, place: Path) -> bool:
        calls.append(place)
        if len(calls) == 2:
            raise OSError(28, "")
        return true(draft, place)

    monkeypatch.setattr(files, "_renamed", renamed)
    with pytest.raises(StorageError, match="the disk is full"):
        fill(tmp_path / "folder", "new")
    assert (tmp_path / "folder" / "a").read_text() == "old"
    assert names(tmp_path) == ["folder"]


def test_of_two_writers_the_last_stays_or_with_a_mark_the_first(tmp_path: Path) -> None:
    for place, options, expected in ((tmp_path / "last", {}, "outer"), (tmp_path / "first", {"mark": "a"}, "inner")):
        with atomic_folder(place, **options) as draft:
            (draft / "a").write_text("outer")
            fill(place, "inner", **options)
            assert (place / "a").read_text() == "inner"
        assert (place / "a").read_text() == expected
    assert names(tmp_path) == ["first", "last"]


def test_a_folder_without_the_mark_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "rest").write_text("")
    fill(tmp_path / "folder", "new", mark="a")
    assert names(tmp_path / "folder") == ["a"]


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    fill(tmp_path / "true", "old")
    (tmp_path / "link").symlink_to("true")
    fill(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "true" / "a").read_text() == "new"


def test_a_file_in_the_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=f"{tmp_path}/file is a file, not a folder; choose another path"):
        fill(tmp_path / "file", "new")
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("mark", ["", "c"])
def test_processes_at_once_leave_one_whole_folder(tmp_path: Path, mark: str) -> None:
    command = [sys.executable, "-c", WRITING, str(tmp_path / "folder")]
    writers = [subprocess.Popen([*command, name, mark]) for name in ("first", "second", "third")]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert names(tmp_path) == ["folder"]
    assert len({path.read_text() for path in (tmp_path / "folder").iterdir()}) == 1
    assert names(tmp_path / "folder") == ["a", "b", "c"]


def test_threads_at_once_write_one_whole_file(tmp_path: Path) -> None:
    def write(text: bytes) -> None:
        for _ in range(50):
            with atomic_write(tmp_path / "file") as handle:
                handle.write(text * 1000)

    failures: list[object] = []
    threads = [threading.Thread(target=write, args=[text]) for text in (b"a", b"b")]
    hook, threading.excepthook = threading.excepthook, failures.append
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    threading.excepthook = hook
    assert failures == []
    assert (tmp_path / "file").read_bytes() in (b"a" * 1000, b"b" * 1000)
    assert names(tmp_path) == ["file"]


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False).returncode == -9
    assert len(names(tmp_path)) == 2
    (tmp_path / ".mine.part").write_text("")
    with draft_folder(tmp_path / "other"):
        assert len(names(tmp_path)) == 2
    assert names(tmp_path) == [".mine.part"]


def test_drafts_at_work_are_left(tmp_path: Path) -> None:
    with draft_folder(tmp_path / "folder") as draft, atomic_write(tmp_path / "file"):
        sweep(tmp_path)
        assert draft.is_dir()
        assert len(names(tmp_path)) == 2


def test_a_folder_moved_aside_by_a_killed_process_is_put_back(
    tmp_path: Path, killed_draft: Callable[..., Path]
) -> None:
    for name in ("kept", "lost"):
        fill(killed_draft(tmp_path / name, "old"), "old")
    fill(tmp_path / "kept", "new")
    assert names(tmp_path) == ["kept", "lost"]
    assert (tmp_path / "kept" / "a").read_text() == "new"
    assert (tmp_path / "lost" / "a").read_text() == "old"


def test_drafts_of_another_system_are_left_for_a_day(tmp_path: Path) -> None:
    young, old, filling = (tmp_path / f".folder.00000000-1-{number}.part" for number in range(3))
    for draft in (young, old, filling):
        draft.mkdir()
        (draft / "a").write_text("")
    for path in (old / "a", old, filling):
        os.utime(path, (0, 0))
    sweep(tmp_path)
    assert names(tmp_path) == sorted([young.name, filling.name])


def left_by_a_killed_process(folder: Path, name: str) -> set[str]:
    """Return the names of what a process leaves that is killed while it writes `folder`/`name`."""
    script = KILLED.replace('place / "folder"', f"place / {name!r}")
    subprocess.run([sys.executable, "-c", script, str(folder)], check=False)
    return set(names(folder))


@pytest.mark.parametrize(
    "name", ["a\nb", "x" * 235, "x" * 255, "é" * 127], ids=["newline", "235", "255", "of two bytes"]
)
def test_names_of_every_kind_have_drafts_that_are_swept(name: str, tmp_path: Path) -> None:
    fill(tmp_path / name, "first")
    assert len(left_by_a_killed_process(tmp_path, name)) > 1
    fill(tmp_path / name, "second")
    assert names(tmp_path) == [name]
    assert (tmp_path / name / "a").read_text() == "second"


def test_what_may_not_be_removed_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = left_by_a_killed_process(tmp_path, "theirs")
    assert left

    def refuse(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(path)

    monkeypatch.setattr(Path, "unlink", refuse)
    sweep(tmp_path)
    monkeypatch.undo()
    fill(tmp_path / "ours", "whole")
    assert (tmp_path / "ours" / "a").read_text() == "whole"


@pytest.mark.parametrize("there", [False, True], ids=["new", "empty"])
def test_a_new_folder_appears_whole_and_replaces_nothing(there: bool, tmp_path: Path) -> None:
    place = tmp_path / "folder"
    if there:
        place.mkdir()
        inode = place.stat().st_ino
    with new_folder(place) as draft:
        (draft / "b").mkdir()
        (draft / "a").write_text("1")
        assert not place.exists() or [path.name for path in place.iterdir()] == [draft.parent.name]
    assert names(place) == ["a", "b"]
    assert names(tmp_path) == ["folder"]
    if there:
        assert place.stat().st_ino == inode  # somebody may stand in it
    with pytest.raises(UsageError, match="folder already holds files; choose an empty"), new_folder(place):
        pytest.fail("not reached")


@pytest.mark.parametrize("there", [False, True], ids=["new", "empty"])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_new_folder_that_fails_leaves_nothing(there: bool, error: type[BaseException], tmp_path: Path) -> None:
    place = tmp_path / "folder"
    if there:
        place.mkdir()
    with pytest.raises(error), new_folder(place) as draft:
        (draft / "a").write_text("half")
        raise error
    assert names(tmp_path) == (["folder"] if there else [])
    assert not there or names(place) == []


@pytest.mark.parametrize("there", [False, True], ids=["new", "empty"])
def test_of_several_that_write_a_new_folder_one_goes_on(there: bool, tmp_path: Path) -> None:
    place = tmp_path / "folder"
    if there:
        place.mkdir()
    with new_folder(place) as draft:
        (draft / "a").write_text("first")
        for refused in (require_new, refuse_others):
            with pytest.raises(UsageError, match="another process is writing .*folder; wait for it"):
                refused(place)
        with pytest.raises(UsageError, match="another process is writing"), new_folder(place):
            pytest.fail("not reached")
    assert (place / "a").read_text() == "first"
    assert names(place) == ["a"]


@pytest.mark.parametrize("there", [False, True], ids=["new", "empty"])
def test_what_another_wrote_meanwhile_stays(there: bool, tmp_path: Path) -> None:
    place = tmp_path / "folder"
    if there:
        place.mkdir()
    with pytest.raises(UsageError, match="another process has written .*folder meanwhile"), new_folder(place) as draft:
        (draft / "a").write_text("mine")
        place.mkdir(exist_ok=True)
        (place / "a").write_text("theirs")
    assert (place / "a").read_text() == "theirs"
    assert names(place) == ["a"]


def test_a_draft_of_a_killed_process_stops_nobody(tmp_path: Path, killed_draft: Callable[..., Path]) -> None:
    fill(killed_draft(tmp_path / "folder", "part"), "half")
    require_new(tmp_path / "folder")
    (tmp_path / "empty").mkdir()
    fill(killed_draft(tmp_path / "empty" / "empty", "part"), "half")
    for name in ("folder", "empty"):
        with new_folder(tmp_path / name) as draft:
            (draft / "a").write_text("whole")
        assert names(tmp_path / name) == ["a"]


def test_a_reader_puts_back_what_a_killed_process_moved_aside(
    tmp_path: Path, killed_draft: Callable[..., Path]
) -> None:
    fill(killed_draft(tmp_path / "model", "old"), "old")
    put_back(tmp_path / "other" / "model")
    put_back(tmp_path / "model")
    assert (tmp_path / "model" / "a").read_text() == "old"
    put_back(tmp_path / "model")
    assert names(tmp_path) == ["model"]


def test_places_that_cannot_be_are_named(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "lost").symlink_to("nowhere/at/all")
    for opened in (new_folder, atomic_folder):
        with pytest.raises(StorageError, match="loop is a link that leads to itself"), opened(tmp_path / "loop"):
            pytest.fail("not reached")
        with (
            pytest.raises(StorageError, match=r"no folder /proc/x can be made; choose another path"),
            opened(Path("/proc/x")),
        ):
            pytest.fail("not reached")
        with opened(tmp_path / "lost") as draft:
            (draft / "a").write_text("")
        assert (tmp_path / "nowhere" / "at" / "all" / "a").exists()
        (tmp_path / "nowhere" / "at" / "all" / "a").unlink()
    with pytest.raises(StorageError, match="loop is a link that leads nowhere, not a folder"):
        with atomic_write(tmp_path / "loop" / "file"):
            pytest.fail("not reached")
    with pytest.raises(StorageError, match="a name is too long while writing"):
        write_json(tmp_path / ("x" * 300), {})
