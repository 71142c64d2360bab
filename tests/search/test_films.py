"""Files that hold several images, in a library: each image an entry, and the file one thing that comes and goes."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from tests.images.film_files import film, frames, pdf, scene

from wordsight.base.errors import InputError
from wordsight.images import kinds, video
from wordsight.images.decode import decode
from wordsight.search import fragments as reading
from wordsight.search.library import open_library

BEACH = [("red", 3), ("green", 2), ("blue", 4)]


@pytest.fixture
def films(tmp_path, paint):
    """A film, a document, two animations and a still image."""
    folder = tmp_path / "place"
    film(folder / "films/beach.mp4", BEACH)
    pdf(folder / "manual.pdf", ["orange", "purple"])
    frames(folder / "loop.gif", ["white", "brown"])
    paint(folder / "still.png", "pink")
    return folder


@pytest.fixture
def library(opened, films):
    made = opened(films)
    made.report = made.sync()
    return made


@pytest.fixture
def walks(monkeypatch):
    """Count the files whose inside is walked over from now on."""
    counted = []
    walked = reading.walked
    monkeypatch.setattr(reading, "walked", lambda path, suffix: (counted.append(path.name), walked(path, suffix))[1])
    return counted


def keys(library):
    return sorted(hit.key for hit in library.search("red", k=99))


def inside(library, file):
    return [key for key in keys(library) if key.startswith(f"{file}#")]


def best(library, colour):
    return library.search(colour, k=1)[0]


def test_each_image_inside_is_an_entry_of_its_own(library, films):
    assert library.report.failed == [] and len(library) == len(library.report.added) == 8
    assert len(inside(library, "films/beach.mp4")) == 3
    assert [key for key in keys(library) if "beach" not in key] == [
        "loop.gif",
        "loop.gif#frame=1",
        "manual.pdf#page=1",
        "manual.pdf#page=2",
        "still.png",
    ]
    green = best(library, "green")
    assert 3 <= green.meta["second"] < 5 and green.path == films / "films/beach.mp4"
    assert green.key == f"films/beach.mp4#t={green.meta['second']:g}"
    assert {name: green.meta[name] for name in ("path", "name", "folder", "width", "height")} == {
        "path": "films/beach.mp4",
        "name": "beach.mp4",
        "folder": "films",
        "width": 64,
        "height": 48,
    }
    assert abs(decode(green.image()).astype(int) - scene("green")).mean() < 12
    page = best(library, "purple")
    assert (page.key, page.meta["page"], page.meta["pages"]) == ("manual.pdf#page=2", 2, 2)
    assert best(library, "brown").meta["frame"] == 1 and best(library, "white").key == "loop.gif"
    assert [hit.key for hit in library.search("red", k=9, where="second >= 5")] == inside(library, "films/beach.mp4")[
        2:
    ]


def test_what_is_in_step_is_not_read(library, walks, films):
    assert library.in_step() and not library.sync()
    (films / "still.png").unlink()
    assert library.sync().removed == ["still.png"]
    assert walks == [] and library.in_step()


def test_a_touched_or_moved_film_is_neither_decoded_nor_encoded(library, films, walks, encoded, model):
    counted, before = encoded(model), keys(library)
    library.note([(inside(library, "films/beach.mp4")[0], {"tag": "kept"})])
    os.utime(films / "films/beach.mp4", (1, 1))
    assert not library.sync().failed and keys(library) == before and library.in_step()
    (films / "films/beach.mp4").rename(films / "other.mp4")
    report = library.sync()
    assert sorted(report.moved) == [(key, key.replace("films/beach", "other")) for key in before if "beach" in key]
    assert (report.added, report.removed, report.absent) == ([], [], [])
    hit = best(library, "green")
    assert (hit.meta["path"], hit.meta["duration"], hit.meta["width"]) == ("other.mp4", pytest.approx(9, abs=0.2), 64)
    assert [one.key for one in library.search("red", where="tag = 'kept'")] == inside(library, "other.mp4")[:1]
    assert walks == [] and counted == [] and library.in_step() and library.verify() == []


def test_a_changed_film_loses_what_it_no_longer_holds(library, films):
    film(films / "films/beach.mp4", [("blue", 3), ("yellow", 2)])
    report = library.sync()
    assert len(inside(library, "films/beach.mp4")) == 2 and library.absent() == []
    assert best(library, "yellow").meta["second"] >= 3 and library.in_step()
    assert report.removed and not report.absent and library.verify() == []


def test_a_film_that_can_no_longer_be_read_has_failed(library, films):
    whole = (films / "films/beach.mp4").read_bytes()
    (films / "films/beach.mp4").write_bytes(b"x")
    assert library.sync().failed[0][0] == "films/beach.mp4"
    assert inside(library, "films/beach.mp4") == [] and list(library.failures()) == ["films/beach.mp4"]
    assert library.in_step()
    (films / "films/beach.mp4").write_bytes(whole)
    library.sync()
    assert len(inside(library, "films/beach.mp4")) == 3 and library.failures() == {}
    assert library.in_step() and not library.sync()


def test_a_film_that_is_cut_keeps_what_there_is_and_is_listed(opened, tmp_path, walks):
    path = film(tmp_path / "place/a.mkv", [("red", 5), ("green", 5), ("blue", 20)])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    library = opened(tmp_path / "place")
    report = library.sync()
    assert len(report.added) == 3 and "its header says" in library.failures()["a.mkv"]
    assert library.in_step() and not library.sync() and len(walks) == 1


def test_a_film_that_is_away_is_absent_and_comes_back_unread(library, films, walks):
    (films / "films").rename(films.parent / "away")
    (films / "films").mkdir()
    report = library.sync()
    assert len(report.absent) == len(library.absent()) == 3 and library.in_step()
    (films / "films").rmdir()
    (films.parent / "away").rename(films / "films")
    assert len(library.sync().returned) == 3
    assert len(inside(library, "films/beach.mp4")) == 3 and walks == [] and library.in_step()


def test_a_film_that_is_gone_is_removed(library, films, paint):
    for number in range(60):
        paint(films / f"films/{number}.png", "red", shade=number)
    library.sync()
    (films / "films/beach.mp4").unlink()
    assert len(library.sync().removed) == 3 and library.absent() == []


def test_patterns_leave_films_alone(opened, films, library):
    without = opened(films, exclude=["*.mp4", "*.pdf"])
    assert len(without.sync().removed) == 5 and len(library) == 3
    assert without.passed_over() == "2 images ignored"


def test_without_its_package_a_kind_is_named_and_what_is_known_is_kept(library, films, opened, monkeypatch):
    assert library.passed_over() == ""
    monkeypatch.setattr("wordsight.data.listing.HOLDER_SUFFIXES", frozenset())
    monkeypatch.setattr(kinds.OptionalKind, "installed", lambda kind: kind not in kinds.HOLDERS)
    assert len(library.sync().absent) == 5
    assert library.passed_over() == "1 .pdf and 1 video not read: pip install 'wordsight[video,pdf]'"
    monkeypatch.undo()
    assert len(library.sync().returned) == 5 and library.in_step()


def test_a_film_that_changes_while_it_is_read_is_read_again(opened, films, monkeypatch):
    path = films / "films/beach.mp4"
    walked = reading.walked

    def changing(given, suffix):
        yield from walked(given, suffix)
        if given == path:
            os.utime(path, (7, 7))

    monkeypatch.setattr(reading, "walked", changing)
    library = opened(films)
    assert ["was changed while it was read" in reason for _, reason in library.sync().failed] == [True]
    monkeypatch.undo()
    assert not library.in_step()
    assert library.sync().failed == [] and library.in_step() and len(library) == 8


def test_a_film_that_may_not_be_read_stays_as_it_is(library, films, monkeypatch):
    def refused(path, limit):
        raise PermissionError(13, "Permission denied", str(path))

    os.utime(films / "films/beach.mp4", (1, 1))
    monkeypatch.setattr(reading, "sha256_file", refused)
    failed = library.sync().failed
    assert [(key, "cannot be opened: Permission denied" in reason) for key, reason in failed] == [
        ("films/beach.mp4", True)
    ]
    assert len(inside(library, "films/beach.mp4")) == 3 and not library.in_step()
    monkeypatch.undo()
    assert library.sync().failed == [] and library.in_step()


def test_rebuilt_it_is_the_same(library, films):
    before = keys(library)
    library.note([(before[0], {"tag": "kept"})])
    assert len(library.rebuild().added) == 8
    assert keys(library) == before and library.in_step()
    assert [hit.key for hit in library.search("red", where="tag = 'kept'")] == before[:1]


def test_an_animation_that_becomes_a_still_image(library, films):
    frames(films / "loop.gif", ["white"])
    assert library.sync().removed == ["loop.gif#frame=1"]
    assert "loop.gif" in keys(library) and library.in_step()


def test_a_library_that_had_the_first_frames_only_stays_in_step(library, films, walks):
    with library._index.writing() as index:
        index.remove(["loop.gif#frame=1"])
        index.files.forget(["loop.gif#frame=1"])
        index.save()
    assert library.in_step() and not library.sync() and walks == []


def test_what_is_damaged_is_read_again(library, films, encoded, model):
    counted = encoded(model)
    with library._index.writing() as index:
        index.remove(inside(library, "films/beach.mp4")[:1])
        index.save()
    library.verify()
    library.sync()
    assert len(library) == 8 and library.in_step() and sum(counted) <= 1


def test_tables_and_captions_tell_of_films(opened, films):
    (films / "metadata.csv").write_text("file,price\nfilms/beach.mp4,7\nmanual.pdf,9\n")
    (films / "films/beach.txt").write_text("a day at the beach\n")
    library = opened(films)
    assert library.sync().failed == []
    assert {hit.meta["price"] for hit in library.search("red", k=99) if "beach" in hit.key} == {7}
    assert {hit.meta["text"] for hit in library.search("red", k=99) if "beach" in hit.key} == {"a day at the beach"}
    (films / "films/beach.txt").write_text("another day\n")
    assert len(library.sync().renewed) == 3
    green = best(library, "green")
    assert (green.meta["text"], green.meta["second"] >= 3, green.meta["duration"] > 8) == ("another day", True, True)


def test_a_folder_of_films_alone_beside_classes(opened, tmp_path, paint):
    film(tmp_path / "alone/a.mp4", BEACH)
    assert len(opened(tmp_path / "alone").sync().added) == 3
    film(tmp_path / "classes/top.mp4", BEACH)
    paint(tmp_path / "classes/cat/a.png", "red")
    paint(tmp_path / "classes/dog/a.png", "blue")
    library = opened(tmp_path / "classes")
    library.sync()
    assert {hit.meta.get("class") for hit in library.search("red", k=9)} == {"cat", "dog", None}


def test_hits_of_a_film_that_is_gone_say_so(library, films):
    hit = best(library, "green")
    (films / "films/beach.mp4").unlink()
    with pytest.raises((InputError, OSError), match=r"beach\.mp4"):
        hit.image()


INDEXING = """
import sys
from wordsight.embeddings.model import load
from wordsight.search import sync
from wordsight.search.library import open_library
sync.SAVE_SECONDS, sync.GROUP = 0.0, 1
open_library(sys.argv[1], model=load(engine="fake")).sync()
"""


def test_killed_in_the_middle_of_a_film_it_goes_on(opened, tmp_path, model, encoded):
    colours = ["red", "green", "blue", "white", "pink", "orange"]
    path = film(tmp_path / "place/a.mp4", [(colours[number % 6], 1.5) for number in range(24)])
    process = subprocess.Popen([sys.executable, "-c", INDEXING, path.parent])
    library = opened(path.parent)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (library.exists() and _size(library)):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = len(library)
    assert 0 < done < 24 and not library.in_step()
    counted = encoded(model)
    report = library.sync()
    assert len(report.added) == len(library) - done and len(library) == len(list(video.walked(path)))
    assert sum(counted) == len(report.added)
    assert library.in_step() and library.verify() == []


def _size(library):
    try:
        return len(library)
    finally:
        library.close()


def test_seen_from_a_folder_inside(library, films, model):
    from wordsight.search.nearest import nearest

    with open_library(films / "films", model=model) as below:
        scope = nearest(below)
        (hit,) = scope.seen([best(library, "green")])
    assert hit.key.startswith("beach.mp4#t=") and hit.path == films / "films/beach.mp4"
    assert decode(hit.image()).shape == (48, 64, 3)


ASKING = """
import sys
from wordsight.cli.main import main
status = main(["search", "green", "--in", sys.argv[1], "--engine", "fake", "-k", "1", "--json"])
print(status, {"PIL", "av", "pypdfium2"} & set(sys.modules), file=sys.stderr)
"""


def test_a_library_of_films_that_is_in_step_is_searched_without_a_decoder(library, films, tmp_path):
    library.close()
    code = "import sys, wordsight.engines.fake; " + ASKING.replace('"--engine", "fake", ', "")
    code = code.replace(
        "from wordsight.cli.main",
        "import wordsight.embeddings.model as m\nm_load = m.load\n"
        "m.load = lambda *_, **__: m_load(engine='fake')\nfrom wordsight.cli.main",
    )
    done = subprocess.run([sys.executable, "-c", code, films], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == "0 set()" and '"second": ' in done.stdout


def test_what_moves_and_writes_files_leaves_those_that_hold_several_alone(library, films, tmp_path):
    shutil.copy(films / "films/beach.mp4", films / "films/copy.mp4")
    library.sync()
    before = sorted(path for path in films.rglob("*") if ".wordsight" not in path.parts)
    groups = library.duplicates(kinds=("exact",)).groups
    assert [len(group.members) for group in groups] == [2, 2, 2]
    assert {member.reason for group in groups for member in group.members[1:]} == {"inside another file"}
    assert not any(member.is_moved for group in groups for member in group.members)
    (films / "rules.toml").write_text(
        '[[rule]]\nname = "all"\nquery = "red"\nmin_cosine = -1\ntag = "x"\nmove = "Sorted"\n'
    )
    report = library.rules(films / "rules.toml").run()
    assert sorted(path for path in films.rglob("*") if ".wordsight" not in path.parts) != before  # still.png has moved
    assert all((films / name).exists() for name in ("films/beach.mp4", "films/copy.mp4", "manual.pdf"))
    assert report
