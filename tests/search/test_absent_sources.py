"""Pictures of tables and shards that are away, damaged, exchanged or gone."""

import os
import shutil
import tarfile
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wordsight.base.errors import FormatError
from wordsight.data import tarindex, text_lines
from wordsight.data.source import Columns
from wordsight.search import sync as sync_module

COLOURS = ["red", "green", "blue", "white", "pink", "orange", "black", "yellow"]


def keys(library, **options):
    return sorted(hit.key for hit in library.search("red", k=1000, **options))


@pytest.fixture
def images(tmp_path, paint):
    for colour in COLOURS:
        paint(tmp_path / "p" / f"{colour}.png", colour)
    return tmp_path / "p"


def rows(colours, price=1):
    return "id,path,price\n" + "".join(f"{colour},p/{colour}.png,{price}\n" for colour in colours)


@pytest.fixture
def table(images, tmp_path):
    (tmp_path / "t.csv").write_text(rows(COLOURS))
    return tmp_path / "t.csv"


@pytest.fixture
def hashed(monkeypatch):
    """Return the names of the images that are read from now on."""
    names = []
    real = sync_module.image_hash
    monkeypatch.setattr(sync_module, "image_hash", lambda image, *, key: (names.append(key), real(image, key=key))[1])
    return names


def test_a_changed_table_reads_only_the_pictures_that_differ(opened, table, images, hashed, model, encoded):
    library = opened(table)
    library.sync()
    hashed.clear()
    counted = encoded(model)
    table.write_text(rows(COLOURS, price=2))
    os.utime(images / "blue.png", ns=(1, 1))
    assert sorted(library.sync().changed) == sorted(COLOURS)
    assert (hashed, counted, library.search("red", k=1)[0].meta["price"]) == (["blue"], [], 2)
    assert library.in_step() and not library.sync()


def test_a_picture_that_is_exchanged_under_its_name_is_noticed(opened, table, images, paint, hashed, model, encoded):
    library = opened(table)
    library.sync()
    hashed.clear()
    counted = encoded(model)
    paint(images / "red.png", "brown")
    os.utime(images / "red.png", ns=(2, 2))
    assert not library.in_step()
    assert library.sync().changed == ["red"]
    assert (hashed, sum(counted), library.search("brown", k=1)[0].key) == (["red"], 1, "red")
    assert library.in_step()


@pytest.mark.parametrize("how", ["vanished", "empty", "a link to nowhere"])
@pytest.mark.parametrize("written", [True, False])
def test_the_folder_of_the_pictures_of_a_table_is_away(
    opened, table, images, tmp_path, how, written, hashed, model, encoded
):
    library = opened(table)
    library.sync()
    counted = encoded(model)
    images.rename(tmp_path / "away")
    if how == "empty":
        images.mkdir()
    elif how == "a link to nowhere":
        images.symlink_to(tmp_path / "nowhere")
    if written:
        table.write_text(rows(COLOURS, price=2))
    report = library.sync()
    assert (sorted(report.absent), report.removed, len(report.failed)) == (sorted(COLOURS), [], 8)
    assert library.in_step() and not library.sync()
    assert (keys(library), keys(library, absent=True)) == ([], sorted(COLOURS))
    images.rmdir() if how == "empty" else images.unlink(missing_ok=True)
    (tmp_path / "away").rename(images)
    hashed.clear()
    report = library.sync()
    assert (report.returned, report.failed, hashed, counted) == (sorted(COLOURS), [], [], [])
    assert library.search("red", k=1)[0].meta["price"] == 1 + written


def test_pictures_that_were_never_there_are_found_when_they_come(opened, table, images, tmp_path):
    images.rename(tmp_path / "away")
    library = opened(table)
    report = library.sync()
    assert (report.added, len(report.failed), len(library)) == ([], 8, 0)
    assert library.in_step() and not library.sync()
    assert ["no file" in reason for reason in library.failures().values()] == [True] * 8
    images.mkdir()
    (tmp_path / "away" / "red.png").rename(images / "red.png")
    assert not library.in_step()
    report = library.sync()
    assert (report.changed, len(report.failed), library.in_step()) == (["red"], 7, True)
    shutil.copytree(tmp_path / "away", images, dirs_exist_ok=True)
    library.sync()
    assert (keys(library), library.failures(), library.in_step()) == (sorted(COLOURS), {}, True)
    (images / "red.png").unlink()
    assert (library.sync().removed, library.in_step()) == (["red"], True)
    shutil.copyfile(tmp_path / "away" / "pink.png", images / "red.png")
    assert (library.sync().changed, library.in_step()) == (["red"], True)
    (images / "red.png").unlink()
    library.sync()
    table.write_text(rows(COLOURS[2:]))  # of what was gone nothing is left
    assert (library.sync().removed, library.failures(), library.in_step()) == (["green"], {}, True)


def test_a_row_or_file_of_a_table_that_is_gone_takes_its_entry_with_it(opened, table, images):
    library = opened(table)
    library.sync()
    table.write_text(rows(COLOURS[1:]))
    assert library.sync().removed == ["red"]
    (images / "green.png").unlink()
    assert not library.in_step()
    report = library.sync()
    assert (report.removed, len(report.failed)) == (["green"], 1)
    assert library.in_step()


def test_a_row_that_cannot_be_read_hides_what_is_missing(opened, table):
    library = opened(table)
    library.sync()
    table.write_text(rows(COLOURS[1:]) + '"red\n')
    report = library.sync()
    assert (report.absent, report.removed, len(report.failed)) == (["red"], [], 1)
    assert not library.sync(accept_removal=True).removed
    table.write_text(rows(COLOURS[1:]))
    assert library.sync().removed == ["red"]


@pytest.mark.parametrize("damage", ["zero bytes", "garbage", "not there", "cut", "no rows"])
def test_a_damaged_table_keeps_its_pictures(opened, table, damage, model, encoded):
    library = opened(table)
    library.sync()
    counted = encoded(model)
    content = table.read_bytes()
    if damage == "not there":
        table.unlink()
    else:
        new = {"zero bytes": b"", "garbage": b"\xff\0\x81" * 99, "cut": content[:35], "no rows": content[:14]}
        table.write_bytes(new[damage])
    later = opened(table)
    report = later.sync()
    assert (report.removed, len(report.absent)) == ([], 7 if damage == "cut" else 8)
    assert later.in_step() and not later.sync()
    assert keys(later, absent=True) == sorted(COLOURS)
    assert later.search("red", k=1, absent=True)[0].path == table.parent / "p/red.png"
    away = later.absent()
    table.write_bytes(content)
    report = opened(table).sync()
    assert (report.returned, report.added, counted) == (sorted(away), [], [])
    assert keys(library) == sorted(COLOURS)


def test_a_column_that_is_asked_for_and_not_there_is_an_error_and_spares_the_library(opened, table):
    opened(table).sync()
    with pytest.raises(FormatError, match="has no column pic"):
        opened(table, columns=Columns(image="pic")).sync()
    assert opened(table).in_step()


def to_parquet(path, colours, images):
    table = pa.Table.from_pylist([{"image": (images / f"{c}.png").read_bytes(), "id": c} for c in colours])
    pq.write_table(table, path)


def test_columns_that_a_library_remembers_are_no_error_while_its_table_is_away(opened, table):
    named = Columns(image="path", captions="price")
    opened(table, columns=named).sync()
    kept = table.rename(table.with_suffix(".away"))
    for library in (opened(table), opened(table, columns=named)):
        library.sync()
        assert len(library.absent()) == len(keys(library, absent=True)) == len(COLOURS)
    kept.rename(table)
    assert opened(table).sync() and keys(opened(table)) == sorted(COLOURS)


@pytest.mark.parametrize("damage", ["cut", "zero bytes", "vanished", "gone"])
def test_a_damaged_parquet_of_several(opened, images, tmp_path, damage, model, encoded):
    folder = tmp_path / "set"
    for name, colours in (("train", COLOURS[:6]), ("test", COLOURS[6:])):
        (folder / name).mkdir(parents=True)
        to_parquet(folder / name / "rows.parquet", colours, images)
    library = opened(folder)
    library.sync()
    counted = encoded(model)
    path = folder / "test" / "rows.parquet"
    content = path.read_bytes()
    if damage in ("vanished", "gone"):
        path.unlink()
        if damage == "gone":
            (path.parent / "notes.txt").write_text("")
    else:
        path.write_bytes(content[:200] if damage == "cut" else b"")
    report = opened(folder).sync()
    assert (report.absent, report.removed) == (sorted(COLOURS[6:]), [])
    if damage == "gone":  # but more than a tenth
        assert opened(folder).sync(accept_removal=True).removed == sorted(COLOURS[6:])
        return
    path.write_bytes(content)
    report = opened(folder).sync()
    assert (report.returned, report.added, counted) == (sorted(COLOURS[6:]), [], [])


def to_tar(path, colours, images):
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for colour in colours:
            tar.add(images / f"{colour}.png", f"{colour}.png")


@pytest.fixture
def shards(tmp_path, images):
    for number in range(2):
        to_tar(tmp_path / "shards" / f"x-{number}.tar", COLOURS[4 * number : 4 * number + 4], images)
    return tmp_path / "shards"


@pytest.mark.parametrize("damage", ["cut", "zero bytes", "garbage", "gone", "all gone", "place gone"])
def test_damaged_and_lost_shards(opened, shards, tmp_path, damage, model, encoded, capsys):
    library = opened(shards, library_dir=tmp_path / "library")
    library.sync()
    counted = encoded(model)
    content = (shards / "x-1.tar").read_bytes()
    shutil.copytree(shards, tmp_path / "copy")
    away = sorted(COLOURS[4:])
    if damage == "place gone":
        shutil.rmtree(shards)
        away = sorted(COLOURS)
    elif damage in ("gone", "all gone"):
        (shards / "x-1.tar").unlink()
        if damage == "all gone":
            (shards / "x-0.tar").unlink()
            away = sorted(COLOURS)
    else:
        (shards / "x-1.tar").write_bytes({"cut": content[:600], "garbage": b"x" * 2000}.get(damage, b""))
    later = opened(shards, library_dir=tmp_path / "library")
    report = later.sync()
    assert (sorted(report.absent), report.removed) == (away, [])
    assert later.in_step() and not later.sync()
    assert keys(later, absent=True) == sorted(COLOURS)
    if damage in ("cut", "zero bytes", "garbage"):
        assert not later.sync(accept_removal=True).removed
    shutil.rmtree(shards, ignore_errors=True)
    (tmp_path / "copy").rename(shards)
    report = opened(shards, library_dir=tmp_path / "library").sync()
    assert (report.returned, report.added, counted) == (away, [], [])


@pytest.mark.parametrize("form", ["table", "shards"])
def test_a_library_that_recorded_no_files_yet_is_brought_up_to_date(opened, table, shards, form, model, encoded):
    location = table if form == "table" else shards
    library = opened(location)
    library.sync()
    with library._index.writing() as index:
        states = index.files.states()
        index.files.record({key: replace(state, size=0, mtime_ns=0, file="") for key, state in states.items()})
        index.save()
    library.close()
    counted = encoded(model)
    if form == "shards":
        (shards / "x-1.tar").write_bytes((shards / "x-1.tar").read_bytes()[:4000])
        assert (library.sync().removed, len(library)) == ([], 8)
        return
    assert not library.in_step()
    assert not library.sync()
    assert library.in_step()
    with library._index.reading() as index:
        assert index.files.states() == states
    assert counted == []


@pytest.fixture
def refuse_file(monkeypatch):
    """Let a file not be read; what is returned lets it be read again."""

    def refusing(path):
        def opening(asked, real, *given, **options):
            if str(asked) == str(path):
                raise PermissionError(13, "Permission denied")
            return real(asked, *given, **options)

        patched = monkeypatch.context()
        patch = patched.__enter__()
        for room in (tarindex, text_lines):
            patch.setattr(
                room, "open_regular", lambda asked, *g, real=room.open_regular, **o: opening(asked, real, *g, **o)
            )
        patch.setattr(os, "access", lambda asked, mode, real=os.access: str(asked) != str(path) and real(asked, mode))
        return lambda: patched.__exit__(None, None, None)

    return refusing


@pytest.mark.parametrize("form", ["table", "shards", "beside"])
def test_a_file_that_may_not_be_read_is_noticed_though_its_stamp_is_as_it_was(
    opened, table, shards, images, form, refuse_file, model, encoded
):
    (images / "metadata.csv").write_text("file,price\nred.png,1\n")
    location, file = {"table": (table, table), "shards": (shards, shards / "x-1.tar")}.get(
        form, (images, images / "metadata.csv")
    )
    away = {"table": sorted(COLOURS), "shards": sorted(COLOURS[4:])}.get(form, [])
    library = opened(location)
    library.sync()
    counted = encoded(model)
    back = refuse_file(file)
    assert not library.in_step()
    report = library.sync()
    assert (sorted(report.absent), report.changed, len(report.failed), library.in_step()) == (away, [], 1, True)
    assert not library.sync(accept_removal=True).removed
    back()
    assert not library.in_step()
    report = library.sync()
    assert (report.returned, report.changed, report.failed, library.in_step(), counted) == (away, [], [], True, [])


def test_a_sample_that_is_gone_from_a_whole_shard_is_removed(opened, shards, images):
    library = opened(shards)
    library.sync()
    to_tar(shards / "x-1.tar", COLOURS[4:7], images)
    assert library.sync().removed == ["yellow"]
    to_tar(shards / "x-1.tar", COLOURS[4:6], images)
    (shards / "x-0.tar").write_bytes((shards / "x-0.tar").read_bytes()[:600])
    assert sorted(library.sync().absent) == sorted([*COLOURS[:4], "black"])  # where it failed is not known so exactly
    to_tar(shards / "x-0.tar", COLOURS[:4], images)
    report = library.sync()
    assert (report.returned, report.removed) == (sorted(COLOURS[:4]), ["black"])


def test_a_shard_that_is_gone_is_removed_when_it_is_little(opened, images, tmp_path):
    to_tar(tmp_path / "shards" / "x-0.tar", COLOURS[:7], images)
    to_tar(tmp_path / "shards" / "x-1.tar", COLOURS[7:], images)
    library = opened(tmp_path / "shards")
    library.sync()
    (tmp_path / "shards" / "x-1.tar").unlink()
    assert opened(tmp_path / "shards").sync().removed == ["yellow"]


@pytest.mark.parametrize("behind", ["zeros", "nothing but zeros", "a hole", "another tar"])
def test_a_shard_that_was_copied_in_part_proves_nothing(opened, images, tmp_path, behind, model, encoded, capsys):
    """A copy into a file of full length that was stopped: a tar ends in zeros too, but in fewer."""
    shards = tmp_path / "shards"
    to_tar(shards / "x-0.tar", COLOURS[:7], images)
    to_tar(shards / "x-1.tar", COLOURS[7:], images)
    library = opened(shards, columns=Columns())
    library.sync()
    counted = encoded(model)
    other = (shards / "x-1.tar").read_bytes()
    short = {"zeros": bytes(12_288), "nothing but zeros": bytes(2**21)}
    short |= {"a hole": bytes(2**20) + other, "another tar": bytes(10_240) + other}
    path = shards / "x-1.tar"
    path.write_bytes(short[behind])
    later = opened(shards)
    report = later.sync()
    assert (report.absent, report.removed, report.failed) == (["yellow"], [], [])
    assert later.in_step() and len(keys(later)) == 7
    assert f"{path}: " in (printed := capsys.readouterr().err) and "a copy that was stopped" in printed
    path.write_bytes(other)
    report = opened(shards).sync()
    assert (report.returned, report.added, counted) == (["yellow"], [], [])
    path.write_bytes(bytes(12_288))
    assert opened(shards).sync(accept_removal=True).removed == ["yellow"]


@pytest.mark.parametrize("gone", [False, True])
def test_a_library_that_is_made_again_keeps_what_a_table_that_is_away_names(opened, images, tmp_path, gone):
    folder = tmp_path / "set"
    for name, colours in (("train", COLOURS[:7]), ("test", COLOURS[7:])):
        (folder / name).mkdir(parents=True)
        table = pa.Table.from_pylist([{"image": f"../../p/{colour}.png", "id": colour} for colour in colours])
        pq.write_table(table, folder / name / "rows.parquet")
    opened(folder).sync()
    (folder / "test" / "rows.parquet").unlink()
    if gone:  # its folder proves it
        (folder / "test" / "notes.txt").write_text("")
    library = opened(folder)
    library.rebuild()
    assert (len(keys(library)), library.absent()) == (7, [] if gone else ["yellow"])
    assert library.in_step() and not library.sync()
