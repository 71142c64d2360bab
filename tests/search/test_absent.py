"""Pictures of a folder that are away for a while: kept, left out, back without encoding; removed on proof alone."""

import os
import shutil

import pytest

from wordsight.base.errors import NotFound


def keys(library, **options):
    return sorted(hit.key for hit in library.search("red", k=1000, **options))


ALL = ["a/blue.png", "a/red.png", "b/green.png", "b/white.png", "top.png"]
OF_A, REST = ALL[:2], ALL[2:]


@pytest.fixture
def refuse_folder(monkeypatch):
    """Let a folder not be listed."""

    def refusing(folder):
        real = os.scandir

        def scandir(path):
            if str(path) == str(folder):
                raise PermissionError(13, "Permission denied")
            return real(path)

        monkeypatch.setattr(os, "scandir", scandir)
        return lambda: monkeypatch.setattr(os, "scandir", real)

    return refusing


@pytest.fixture
def away(photos, tmp_path, refuse_folder):
    """Take the pictures of the folder a away; what is returned brings them back."""

    def taking(how):
        if how == "unreadable":
            return refuse_folder(photos / "a")
        (photos / "a").rename(tmp_path / "elsewhere")
        if how == "empty":
            (photos / "a").mkdir()
        elif how == "a link to nowhere":
            (photos / "a").symlink_to(tmp_path / "nowhere")
        elif how == "a link":
            (photos / "a").symlink_to(tmp_path / "elsewhere")
        elif how == "a file":
            (photos / "a").write_text("")

        def back():
            if (photos / "a").is_dir() and not (photos / "a").is_symlink():
                (photos / "a").rmdir()
            else:
                (photos / "a").unlink(missing_ok=True)
            (tmp_path / "elsewhere").rename(photos / "a")

        return back

    return taking


HOWS = ["vanished", "empty", "unreadable", "a link to nowhere", "a link", "a file"]


@pytest.mark.parametrize("how", HOWS)
def test_a_folder_that_is_away_keeps_its_entries_and_comes_back_unread(
    opened, photos, model, encoded, away, how, monkeypatch
):
    library = opened(photos)
    library.sync()
    before = {hit.key: (hit.score, hit.meta) for hit in library.search("red", k=9)}
    counted = encoded(model)
    back = away(how)
    report = library.sync()
    assert (report.absent, report.removed, report.moved) == (OF_A, [], [])
    assert (library.absent(), keys(library), keys(library, absent=True), len(library)) == (OF_A, REST, ALL, 5)
    assert library.in_step() and not library.sync()
    back()
    assert not library.in_step()
    monkeypatch.setattr("wordsight.search.sync.image_hash", None)  # nothing is read
    report = library.sync()
    assert (report.returned, report.changed, report.added, report.absent) == (OF_A, [], [], [])
    assert (library.absent(), library.in_step(), counted) == ([], True, [])
    assert {hit.key: (hit.score, hit.meta) for hit in library.search("red", k=9)} == before


@pytest.mark.parametrize("how", HOWS)
def test_accepted_removal_takes_what_is_missing_but_not_what_cannot_be_read(opened, photos, away, how, capsys):
    library = opened(photos)
    library.sync()
    away(how)
    library.sync()
    capsys.readouterr()
    removed = library.sync(accept_removal=True).removed
    said = capsys.readouterr().err
    if how == "unreadable":
        assert (removed, library.absent(), len(library)) == ([], OF_A, 5)
        assert said == f"{photos}: 2 are kept: they, or what holds them, are there and cannot be read\n"
    else:
        assert (removed, library.absent(), len(library), said) == (OF_A, [], 3, "")
    assert not library.sync()


def test_an_unreadable_folder_above(opened, photos, paint, refuse_folder):
    """What lies below it may be listed, or not: neither is a proof."""
    paint(photos / "a" / "deep" / "x.png", "orange")
    library = opened(photos)
    library.sync()
    back = refuse_folder(photos / "a")
    assert library.sync().absent == ["a/blue.png", "a/deep/x.png", "a/red.png"]
    assert not library.sync(accept_removal=True).removed
    back()
    assert library.sync().returned == ["a/blue.png", "a/deep/x.png", "a/red.png"]


def test_the_whole_place_is_away(opened, photos, tmp_path, model, encoded, capsys):
    library = opened(photos, library_dir=tmp_path / "library")
    library.sync()
    counted = encoded(model)
    for how in ("vanished", "empty", "hidden", "table"):
        photos.rename(tmp_path / "unplugged")
        if how != "vanished":
            photos.mkdir()
        if how == "hidden":
            (photos / ".DS_Store").touch()
        if how == "table":
            (photos / "notes.csv").write_text("month,total\n1,2\n")
        capsys.readouterr()
        here = opened(photos, library_dir=tmp_path / "library")
        assert sorted(here.sync().absent) == ALL
        assert capsys.readouterr().err.startswith(f"{photos}: none of 5 pictures is there any more; nothing is removed")
        assert (here.in_step(), not here.sync(), keys(here)) == (True, True, [])
        assert [hit.path for hit in here.search("red", k=1, absent=True)] == [photos / "a/red.png"]
        shutil.rmtree(photos, ignore_errors=True)
        (tmp_path / "unplugged").rename(photos)
        assert sorted(library.sync().returned) == ALL
    assert sum(counted) == 0


def test_a_place_that_is_away_without_a_library_is_not_there(opened, photos, tmp_path):
    opened(photos).sync()
    photos.rename(tmp_path / "unplugged")
    with pytest.raises(NotFound, match="nothing at"):
        opened(photos)


def test_a_library_whose_place_is_emptied_for_good_can_be_emptied(opened, photos, paint):
    library = opened(photos)
    library.sync()
    for name in ("a", "b"):
        shutil.rmtree(photos / name)
    (photos / "top.png").unlink()
    library.sync()
    assert sorted(library.sync(accept_removal=True).removed) == ALL
    assert len(library) == 0
    with pytest.raises(NotFound, match="no images"):
        library.sync()
    paint(photos / "new.png", "red")
    assert library.sync().added == ["new.png"]


def many(paint, photos, count):
    for n in range(count):
        paint(photos / "many" / f"{n:02d}.png", ["red", "green", "blue"][n % 3], shade=1, size=(10 + n, 10))


def test_more_than_a_tenth_is_removed_only_when_accepted(opened, photos, paint, capsys):
    many(paint, photos, 25)
    library = opened(photos)
    library.sync()
    for n in range(3):
        (photos / "many" / f"{n:02d}.png").unlink()
    gone = [f"many/{n:02d}.png" for n in range(3)]
    assert library.sync().removed == gone  # of 30
    for n in range(3, 6):
        (photos / "many" / f"{n:02d}.png").unlink()
    gone = [f"many/{n:02d}.png" for n in range(3, 6)]
    capsys.readouterr()
    report = library.sync()  # of 27
    assert (report.removed, report.absent) == ([], gone)
    assert capsys.readouterr().err == (
        f"{photos}: 3 of 27 pictures are missing; nothing is removed, they are kept as absent: "
        f"wordsight index {photos} --accept-removal removes them\n"
    )
    assert not library.sync()
    paint(photos / "new.png", "orange")
    assert (library.sync().added, capsys.readouterr().err) == (["new.png"], "")  # said once
    assert library.sync(accept_removal=True).removed == gone
    assert (library.absent(), len(library)) == ([], 25)


def test_one_of_few_is_removed(opened, photos):
    library = opened(photos)
    library.sync()
    (photos / "a" / "red.png").unlink()
    assert library.sync().removed == ["a/red.png"]


def test_what_was_absent_and_is_gone_when_its_folder_is_back_is_removed(opened, photos, tmp_path):
    library = opened(photos)
    library.sync()
    (photos / "a").rename(tmp_path / "a")
    library.sync()
    (tmp_path / "a" / "red.png").unlink()
    (tmp_path / "a").rename(photos / "a")
    report = library.sync()
    assert (report.returned, report.removed, library.absent()) == (["a/blue.png"], ["a/red.png"], [])


def test_a_link_to_nothing_is_absent(opened, photos, paint, tmp_path):
    paint(tmp_path / "real.png", "orange")
    (photos / "link.png").symlink_to(tmp_path / "real.png")
    library = opened(photos)
    library.sync()
    (tmp_path / "real.png").rename(tmp_path / "away.png")
    report = library.sync()
    assert (report.absent, len(report.failed)) == (["link.png"], 1)
    (tmp_path / "away.png").rename(tmp_path / "real.png")
    assert library.sync().returned == ["link.png"]


def test_renamed_while_absent_is_a_move(opened, photos, tmp_path, model, encoded):
    library = opened(photos)
    library.sync()
    counted = encoded(model)
    (photos / "a").rename(tmp_path / "a")
    library.sync()
    (tmp_path / "a" / "red.png").rename(tmp_path / "a" / "crimson.png")
    (tmp_path / "a").rename(photos / "z")
    report = library.sync()
    assert report.moved == [("a/blue.png", "z/blue.png"), ("a/red.png", "z/crimson.png")]
    assert (library.absent(), report.removed, len(library), counted) == ([], [], 5, [])


def test_changed_and_touched_while_absent(opened, photos, paint, tmp_path, model, encoded):
    library = opened(photos)
    library.sync()
    counted = encoded(model)
    (photos / "a").rename(tmp_path / "a")
    library.sync()
    paint(tmp_path / "a" / "red.png", "yellow", size=(30, 30))
    os.utime(tmp_path / "a" / "blue.png", ns=(1, 1))
    (tmp_path / "a").rename(photos / "a")
    report = library.sync()
    assert (report.changed, report.returned) == (["a/red.png"], ["a/blue.png"])
    assert (sum(counted), library.absent(), library.search("yellow", k=1)[0].key) == (1, [], "a/red.png")


def test_broken_pictures_that_are_away_are_neither_absent_nor_failed(opened, photos, tmp_path):
    (photos / "a" / "bad.jpg").write_bytes(b"no picture")
    library = opened(photos)
    library.sync()
    (photos / "a").rename(tmp_path / "a")
    report = library.sync()
    assert (report.absent, library.absent(), library.failures()) == (OF_A, OF_A, {})
    assert library.in_step()
    (tmp_path / "a").rename(photos / "a")
    report = library.sync()
    assert (report.returned, report.failed, list(library.failures())) == (OF_A, [], ["a/bad.jpg"])


def test_what_the_table_says_meanwhile_reaches_the_pictures_when_they_are_back(opened, photos, tmp_path):
    (photos / "metadata.csv").write_text("file,price\na/red.png,1\n")
    library = opened(photos)
    library.sync()
    (photos / "a").rename(tmp_path / "a")
    library.sync()
    (photos / "metadata.csv").write_text("file,price\na/red.png,2\n")
    library.sync()
    assert library.search("red", k=1, absent=True)[0].meta["price"] == 1
    (tmp_path / "a").rename(photos / "a")
    report = library.sync()
    assert (report.returned, library.search("red", k=1)[0].meta["price"]) == (OF_A, 2)


def test_absent_pictures_are_left_out_of_conditions_too(opened, photos, tmp_path):
    library = opened(photos)
    library.sync()
    (photos / "a").rename(tmp_path / "a")
    library.sync()
    assert keys(library, where="width = 24") == REST
    assert keys(library, where="folder = a") == []
    assert keys(library, where="folder = a", absent=True) == OF_A


def test_a_rename_takes_only_what_is_gone_and_neither_absent_nor_unreadable_copies(opened, tmp_path, paint):
    """Copies of the same content: one in a folder that is emptied, one that is renamed."""
    place = tmp_path / "place"
    for i in range(12):
        for folder in ("disk", "here"):
            paint(place / folder / f"{i}.png", "red", shade=i)
    library = opened(place)
    library.sync()
    (place / "disk").rename(tmp_path / "away")
    (place / "disk").mkdir()
    assert len(library.sync().absent) == 12
    (place / "here").rename(place / "there")
    report = library.sync()
    assert {old.partition("/")[0] for old, _ in report.moved} == {"here"}
    assert (len(report.moved), report.removed, len(library.absent())) == (12, [], 12)
    (place / "disk").rmdir()
    (tmp_path / "away").rename(place / "disk")
    assert len(library.sync().returned) == 12


def test_what_is_missing_is_judged_once(opened, photos, monkeypatch):
    opened(photos).sync()
    (photos / "a").rename(photos.parent / "elsewhere")
    (photos / "b" / "green.png").rename(photos / "grass.png")
    library = opened(photos)
    judged, judge = [], library.contents.judge
    monkeypatch.setattr(library.contents, "judge", lambda key, state: (judged.append(key), judge(key, state))[1])
    report = library.sync()
    assert (report.absent, report.moved) == (OF_A, [("b/green.png", "grass.png")])
    assert sorted(judged) == [*OF_A, "b/green.png"]
