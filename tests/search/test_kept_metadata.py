"""A table beside pictures that cannot be read takes nothing from them; one that is gone does."""

import os
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest


def prices(library, column="price"):
    hits = library.search("red", k=9, where=f"{column} is not null")
    return {hit.key: hit.meta[column] for hit in hits}


@pytest.fixture
def refuse_file(monkeypatch):
    """Let a file not be opened."""

    def refusing(name):
        from wordsight.data import text_lines

        real = text_lines.open_regular

        def opening(path, *given, **options):
            if str(path).endswith(name):
                raise PermissionError(13, "Permission denied")
            return real(path, *given, **options)

        monkeypatch.setattr(text_lines, "open_regular", opening)

    return refusing


ROWS = "file,price\na/red.png,1\na/blue.png,2\ntop.png,3\n"
ALL = {"a/red.png": 1, "a/blue.png": 2, "top.png": 3}


@pytest.mark.parametrize("damage", ["zero bytes", "garbage", "no image column", "a bad row", "unreadable", "a folder"])
@pytest.mark.parametrize("name", ["metadata.csv", "export.csv"])
def test_a_damaged_table_beside_pictures_leaves_them_their_columns(
    opened, photos, model, encoded, damage, name, refuse_file
):
    (photos / name).write_text(ROWS)
    library = opened(photos)
    library.sync()
    counted = encoded(model)
    if damage == "unreadable":
        os.utime(photos / name, ns=(1, 1))
        refuse_file(name)
    elif damage == "a folder":
        (photos / name).unlink()
        (photos / name).mkdir()
        (photos / name / "x.txt").write_text("")
    else:
        new = {
            "garbage": b"\xff\0\x81" * 99,
            "no image column": b"a,b\n1,2\n",
            "a bad row": ROWS.encode()[:23] + b'"3\n',
        }
        (photos / name).write_bytes(new.get(damage, b""))
    for change in (None, "touched", "exchanged"):
        if change == "touched":
            os.utime(photos / "top.png", ns=(10**18, 10**18))
        elif change == "exchanged":
            shutil.copyfile(photos / "b" / "white.png", photos / "top.png")
        report = library.sync()
        assert (report.changed, prices(library)) == (["top.png"] if change == "exchanged" else [], ALL)
        assert bool(report.failed) == (change is None and (name, damage) not in LEFT_ALONE)
    if damage == "a folder":
        shutil.rmtree(photos / name)
    if damage != "unreadable":
        (photos / name).write_text("file,price\na/red.png,5\n")
        library.sync()
        assert prices(library) == {"a/red.png": 5}
        (photos / name).unlink()
        library.sync()
        assert prices(library) == {}
    assert counted == []


LEFT_ALONE = {
    *(("export.csv", damage) for damage in ("zero bytes", "garbage", "no image column")),
    *((name, "a folder") for name in ("metadata.csv", "export.csv")),
}


def test_a_damaged_parquet_beside_pictures_leaves_them_their_columns(opened, photos):
    pq.write_table(pa.table({"file": list(ALL), "price": list(ALL.values())}), photos / "metadata.parquet")
    content = (photos / "metadata.parquet").read_bytes()
    library = opened(photos)
    library.sync()
    (photos / "metadata.parquet").write_bytes(content[:100])
    report = library.sync()
    assert (report.changed, len(report.failed), prices(library)) == ([], 1, ALL)
    (photos / "metadata.parquet").unlink()
    assert sorted(library.sync().changed) == sorted(ALL)
    assert prices(library) == {}


def test_a_damaged_table_keeps_its_own_columns_only(opened, photos):
    (photos / "metadata.csv").write_text(ROWS)
    (photos / "about.csv").write_text("image,colour\na/red.png,crimson\ntop.png,rose\n")
    library = opened(photos)
    library.sync()
    (photos / "metadata.csv").write_bytes(b"")
    (photos / "about.csv").write_text("image,colour\na/red.png,scarlet\ntop.png,rose\n")
    assert library.sync().changed == ["a/red.png"]
    assert (prices(library), prices(library, "colour")) == (ALL, {"a/red.png": "scarlet", "top.png": "rose"})
    (photos / "metadata.csv").write_text(ROWS)
    (photos / "about.csv").unlink()
    library.sync()
    assert (prices(library), prices(library, "colour")) == (ALL, {})


def test_a_table_in_a_folder_that_is_away_keeps_its_columns(opened, photos, tmp_path):
    (photos / "tables").mkdir()
    (photos / "tables" / "metadata.csv").write_text("file,price\n../a/red.png,1\n")
    library = opened(photos)
    library.sync()
    (photos / "tables").rename(tmp_path / "tables")
    assert library.sync().changed == []
    (photos / "tables").mkdir()
    library.sync()
    assert prices(library) == {"a/red.png": 1}
    (photos / "tables" / "other.txt").write_text("")
    (photos / "top.txt").write_text("pink")  # something to be read
    library.sync()
    assert prices(library) == {}


def test_a_caption_file_that_cannot_be_read_leaves_the_caption(opened, photos):
    (photos / "top.txt").write_text("a pink square")
    library = opened(photos)
    library.sync()
    (photos / "top.txt").write_bytes(b"\xff\xfe\xfd")
    assert len(library.sync().failed) == 1
    assert [hit.key for hit in library.search("red", where="text contains pink")] == ["top.png"]
    (photos / "top.txt").unlink()
    assert library.sync().changed == ["top.png"]
