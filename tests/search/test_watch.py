"""Keeping in step: what has settled is taken, what passes is waited for."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from wordsight.index.lock import writing
from wordsight.search import in_step
from wordsight.search import watch as watch_module
from wordsight.search.contents import open_contents
from wordsight.search.watch import EVERY, PATIENCE, watch


def steps(*changes):
    """Return a `wait` that makes one change at a time and then says that it is enough; `None` changes nothing."""
    waiting = iter(changes)
    pauses = []

    def wait(seconds):
        pauses.append(seconds)
        for change in waiting:
            if change is not None:
                change()
            return True
        return False

    return wait, pauses


def test_the_first_sync_comes_at_once_and_changes_when_they_have_settled(photos, opened, paint):
    new = lambda: paint(photos / "new.png", "orange")  # noqa: E731
    wait, pauses = steps(None, None, new, None, (photos / "top.png").unlink, None, None)
    reports = [(sorted(report.added), report.removed, len(pauses)) for report in watch(opened(photos), wait)]
    assert reports == [
        (["a/blue.png", "a/red.png", "b/green.png", "b/white.png", "top.png"], [], 1),
        (["new.png"], [], 4),  # seen at the third look, the same at the fourth
        ([], ["top.png"], 6),
    ]
    assert pauses == [0.0, *[EVERY] * 7]


def test_a_file_that_is_being_written_is_waited_for(photos, opened, paint, tmp_path):
    whole = paint(tmp_path / "whole.png", "orange", size=(300, 200)).read_bytes()
    parts = [lambda end=end: (photos / "new.png").write_bytes(whole[:end]) for end in (50, 100, 150, len(whole))]
    wait, _ = steps(None, *parts, None)
    reports = list(watch(opened(photos), wait))
    assert [(len(report.added), report.failed) for report in reports] == [(5, []), (1, [])]


def test_where_nothing_settles_what_is_there_is_taken_all_the_same(photos, opened, paint):
    parts = [lambda number=number: paint(photos / f"{number:02d}.png", "red", number) for number in range(PATIENCE + 1)]
    wait, _ = steps(None, *parts)
    assert [len(report.added) for report in watch(opened(photos), wait)] == [5, PATIENCE + 1]


def test_another_writer_and_a_location_that_is_gone_are_waited_for(photos, opened, paint, capsys):
    library = opened(photos)
    library.sync()
    lock = writing(library.folder)
    away = photos.with_name("away")

    def busy():
        paint(photos / "new.png", "orange")
        lock.__enter__()

    wait, _ = steps(
        None,
        busy,
        None,
        None,
        None,
        lambda: lock.__exit__(None, None, None),
        None,
        lambda: photos.rename(away),
        None,
        lambda: away.rename(photos),
        None,
    )
    assert [(report.added, report.removed) for report in watch(library, wait)] == [(["new.png"], [])]
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2
    assert "waiting, another process is writing the library" in told[0]
    assert "waiting, no folder" in told[1]


def test_looks_that_take_long_come_seldom(photos, opened, monkeypatch):
    clock = iter(range(0, 1000, 7))
    monkeypatch.setattr(watch_module.time, "monotonic", lambda: float(next(clock)))
    wait, pauses = steps(None, None)
    opened(photos).sync()
    list(watch(opened(photos), wait))
    assert pauses[1] == 7 * watch_module.SPARED


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_the_command_ends_well_when_it_is_told_to(photos, how):
    source = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from wordsight.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", source, "index", str(photos), "--engine", "fake", "--watch"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        told = [process.stderr.readline() for _ in range(6)]
        process.send_signal(how)
        told += process.stderr.read().splitlines()
    assert process.returncode == 0
    assert told[0] == f"watching {photos}: stop it with Ctrl-C\n"
    assert sorted(told[1:6])[0] == f"{photos}: added a/blue.png\n"
    assert told[6:] == ["stopped"]
    assert (Path(photos) / ".wordsight" / "library.db").is_file()


def of_kind(kind, photos):
    """Make a location of `photos`: a folder, a tar, a table, a folder of tables."""
    if kind == "tar":
        return Path(shutil.make_archive(str(photos), "tar", photos))
    if kind == "folder":
        return photos
    table = photos.with_name("tables") / "t.csv"
    table.parent.mkdir()
    table.write_text("image\n" + "".join(f"{image}\n" for image in sorted(photos.rglob("*.png"))))
    return table if kind == "table" else table.parent


@pytest.mark.parametrize("empty", [False, True])
@pytest.mark.parametrize("kind", ["folder", "tar", "table", "folder of tables"])
def test_what_is_away_when_it_is_opened_is_seen_when_it_comes(kind, empty, photos, opened, tmp_path):
    """`empty`: a mount point is left where it was."""
    location = of_kind(kind, photos)
    aside = tmp_path / "library"
    with opened(location, library_dir=aside) as before:
        before.sync()
    away = location.with_name("away")
    location.rename(away)
    if empty:
        location.mkdir()
    library = opened(location, library_dir=aside)
    assert (len(library.sync().absent), library.search("red")) == (5, [])
    if empty:
        location.rmdir()
    away.rename(location)
    assert (len(library.sync().returned), library.absent(), len(library.search("red"))) == (5, [], 5)
    location.rename(away)
    assert len(library.sync().absent) == 5
    away.rename(location)
    assert (len(library.sync().returned), library.absent(), library.in_step()) == (5, [], True)


def test_a_folder_of_pictures_is_decided_on_once(photos, opened, monkeypatch):
    library = opened(photos)
    asked = []
    monkeypatch.setattr(in_step, "open_contents", lambda *a, **o: asked.append(a) or open_contents(*a, **o))
    library.sync()
    (photos / "top.png").unlink()
    library.sync()
    assert len(asked) == 1
