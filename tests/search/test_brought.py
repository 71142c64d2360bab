"""What images and their sidecars state becomes columns of a library, is renewed without encoding, and is asked for."""

import json
import tarfile
from io import BytesIO

import numpy as np
import pytest
from tests.images.photo_files import ASCII, USUAL, bag, entry, exif, jpeg, usual, xmp

from wordsight.base.errors import WordsightError
from wordsight.images.embedded_names import EMBEDDED
from wordsight.search import brought


@pytest.fixture
def album(tmp_path):
    """Three photos: one with an ordinary EXIF block, one of another camera and year, one that states nothing."""
    folder = tmp_path / "album"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(jpeg(usual(), shade=1))
    other = exif({0x110: entry(ASCII, "X100")}, {0x9003: entry(ASCII, "2023:02:03 04:05:06")})
    (folder / "b.jpg").write_bytes(jpeg(other, shade=2))
    (folder / "c.jpg").write_bytes(jpeg(shade=3))
    return folder


def of(library, key, *, names=EMBEDDED):
    [hit] = library.search("red", where=f"name = '{key}'")
    return {name: value for name, value in hit.meta.items() if name in names}


def keys(library, where, **options):
    return [hit.key for hit in library.search("red", where=where, **options)]


def test_columns_are_those_of_the_image(opened, album):
    library = opened(album)
    library.sync()
    assert of(library, "a.jpg") == USUAL
    assert of(library, "b.jpg") == {"camera": "X100", "taken": "2023-02-03T04:05:06"}
    assert of(library, "c.jpg") == {}
    assert keys(library, "taken in 2025") == ["a.jpg"]
    assert keys(library, "taken between 2023 and 2025-05", sort="taken") == ["b.jpg"]
    assert keys(library, "taken is not null", sort="-taken") == ["a.jpg", "b.jpg"]
    assert keys(library, "within 5 km of 52.5, -13.4") == ["a.jpg"]
    assert keys(library, "camera contains nikon and rating >= 4 and iso < 800") == ["a.jpg"]
    with pytest.raises(WordsightError, match="only the beginning of a date.* write taken in 2025-06"):
        library.search("red", where="taken = 2025-06")
    with pytest.raises(WordsightError, match="'2025-13' is no date"):
        library.search("red", where="taken between 2025-13 and 2026")


def test_facets(opened, album):
    for number in range(4):
        block = exif({0x110: entry(ASCII, "X100")}, {0x9003: entry(ASCII, f"202{number}:02:03 04:05:06")})
        (album / f"more{number}.jpg").write_bytes(jpeg(block, shade=10 + number))
    (album / "scan.jpg").write_bytes(
        jpeg(document=xmp("<photoshop:DateCreated>1999</photoshop:DateCreated>"), shade=20)
    )
    library = opened(album)
    counted = library.facets("red", ["taken", "camera", "rating"], k=50)
    years = [(value.label, value.count) for value in counted["taken"]]
    assert years == [("2025", 1), ("2023", 2), ("2022", 1), ("2021", 1), ("2020", 1), ("1999", 1)]
    assert [(value.label, value.count) for value in counted["camera"]] == [("X100", 5), ("NIKON D850", 1)]
    assert len(keys(library, counted["taken"][1].where)) == 2
    assert not set(library.facets("red", k=50)) & {"latitude", "longitude", "taken_utc"}


def test_words_of_cameras_are_not_words_about_images(opened, album):
    (album / "d.jpg").write_bytes(jpeg(exif({0x10F: entry(ASCII, "Apple"), 0x110: entry(ASCII, "iPhone")}), shade=30))
    (album / "e.jpg").write_bytes(jpeg(document=xmp(bag("dc:subject", "apple tree")), shade=40))
    library = opened(album)
    library.sync()
    with library._index.reading() as index:
        assert [near.key for near in index.keywords(["apple"], 9)] == ["e.jpg"]


def test_sidecars_come_before_the_image_and_renew_it_without_encoding(opened, album, encoded, model):
    library = opened(album)
    library.sync()
    counted = encoded(model)
    (album / "a.xmp").write_bytes(xmp(bag("dc:subject", "beach", "summer"), 'xmp:Rating="2"'))
    report = library.sync()
    assert (report.changed, report.renewed, report.failed) == (["a.jpg"], ["a.jpg"], [])
    assert of(library, "a.jpg") == {**USUAL, "keywords": "beach\nsummer", "rating": 2}
    name, size, changed = of(library, "a.jpg", names=["sidecar"])["sidecar"].split(" ")
    assert (name, int(size)) == ("a.xmp", (album / "a.xmp").stat().st_size) and changed.endswith("Z")
    assert keys(library, "sidecar like 'a.xmp %'") == ["a.jpg"]
    assert keys(library, "keywords contains 'summer'") == ["a.jpg"]
    (album / "c.jpg.json").write_text(
        json.dumps({"title": "c.jpg", "description": "at the lake", "photoTakenTime": {"timestamp": "1748772000"}})
    )
    assert library.sync().changed == ["c.jpg"]
    assert of(library, "c.jpg")["caption"] == "at the lake"
    (album / "a.xmp").write_bytes(xmp("", 'xmp:Rating="5"'))
    assert library.sync().changed == ["a.jpg"]
    assert of(library, "a.jpg") == {**USUAL, "rating": 5}
    (album / "a.xmp").unlink()
    assert library.sync().changed == ["a.jpg"]
    assert of(library, "a.jpg") == USUAL and of(library, "a.jpg", names=["sidecar"]) == {}
    assert not library.sync() and counted == []


def test_a_damaged_sidecar_is_listed_and_leaves_what_was(opened, album):
    (album / "a.xmp").write_bytes(xmp("", 'xmp:Rating="2"'))
    library = opened(album)
    assert library.sync().failed == []
    (album / "a.xmp").write_bytes(b"<nonsense")
    report = library.sync()
    assert [reason.partition(" ")[0] for _, reason in report.failed] == [str(album / "a.xmp")]
    assert library.problems() == [reason for _, reason in report.failed]
    assert of(library, "a.jpg")["camera"] == "NIKON D850" and len(library) == 3
    assert not library.sync() and len(library.problems()) == 1
    (album / "b.xmp").write_bytes(xmp("", 'xmp:Rating="1"'))
    report = library.sync()
    assert (report.changed, len(report.failed), len(library.problems())) == (["b.jpg"], 1, 1)
    (album / "a.xmp").write_bytes(xmp("", 'xmp:Rating="3"'))
    assert library.sync().changed == ["a.jpg"]
    assert (library.problems(), of(library, "a.jpg")["rating"]) == ([], 3)


def test_what_a_table_tells_comes_first_and_goes_with_it(opened, album):
    (album / "metadata.csv").write_text("file,rating,camera\na.jpg,1,\nb.jpg,,mine\n")
    library = opened(album)
    library.sync()
    assert (of(library, "a.jpg")["rating"], of(library, "a.jpg")["camera"]) == (1, "NIKON D850")
    assert of(library, "b.jpg")["camera"] == "mine"
    (album / "metadata.csv").unlink()
    assert sorted(library.sync().changed) == ["a.jpg", "b.jpg"]
    assert of(library, "a.jpg") == USUAL and of(library, "b.jpg")["camera"] == "X100"


def as_before(library):
    """Make a library what one of an earlier version is: without the columns and the facts of them."""
    with library._index.writing() as index:
        entries = index.entries([key for key, state in index.files.states().items() if not state.error])
        meta = [{name: value for name, value in entry.meta.items() if name not in EMBEDDED} for entry in entries]
        index.add([entry.key for entry in entries], np.array([entry.embedding for entry in entries]), meta)
        signature = index.facts()["signature"].partition(" ")[0].partition("@")[0]
        index.note({brought.BROUGHT: "", brought.OVERLAID: "", "signature": signature})
        index.save()


def test_a_library_of_an_earlier_version_gets_the_columns_once_without_encoding(
    opened, album, encoded, model, monkeypatch
):
    library = opened(album)
    library.sync()
    as_before(library)
    counted = encoded(model)
    library = opened(album)
    report = library.sync()
    assert (sorted(report.changed), sorted(report.renewed)) == (["a.jpg", "b.jpg"],) * 2
    assert of(library, "a.jpg") == USUAL and counted == []
    assert not library.sync()
    read = []
    import wordsight.data.sidecar_files as module

    original = module.photo_columns
    monkeypatch.setattr(module, "photo_columns", lambda *one: (read.append(one[0].name), original(*one))[1])
    for photo, stars in (("c", 1), ("a", 3)):
        (album / f"{photo}.xmp").write_bytes(xmp("", f'xmp:Rating="{stars}"'))
        assert library.sync().changed == read == [f"{photo}.jpg"]  # the others keep what was read of them
        read.clear()
    assert (of(library, "c.jpg"), of(library, "a.jpg")) == ({"rating": 1}, {**USUAL, "rating": 3})


def test_a_moved_and_a_copied_photo_have_their_own_sidecars(opened, album, encoded, model):
    (album / "a.xmp").write_bytes(xmp("", 'xmp:Rating="2"'))
    library = opened(album)
    library.sync()
    counted = encoded(model)
    (album / "copy.jpg").write_bytes((album / "a.jpg").read_bytes())
    (album / "b.jpg").rename(album / "moved.jpg")
    library.sync()
    assert of(library, "copy.jpg") == USUAL and of(library, "a.jpg")["rating"] == 2
    assert of(library, "moved.jpg")["camera"] == "X100" and counted == []


def test_a_table_that_names_photos(opened, album, encoded, model):
    (album.parent / "t.csv").write_text("image,price,rating\nalbum/a.jpg,5,\nalbum/b.jpg,6,1\n")
    library = opened(album.parent / "t.csv")
    library.sync()
    counted = encoded(model)
    [first] = library.search("red", where="price = 5")
    assert {name: first.meta.get(name) for name in USUAL} == USUAL
    assert keys(library, "rating = 1") == ["album/b.jpg"]
    (album.parent / "t.csv").write_text("image,price\nalbum/a.jpg,5\nalbum/b.jpg,7\n")
    assert library.sync().changed == ["album/b.jpg"]
    [second] = library.search("red", where="price = 7")
    assert second.meta["camera"] == "X100" and "rating" not in second.meta
    as_before(library)
    library = opened(album.parent / "t.csv")
    assert sorted(library.sync().changed) == ["album/a.jpg", "album/b.jpg"]
    assert not library.sync() and counted == []


def test_photos_inside_shards_bring_their_columns(opened, tmp_path):
    tags = json.dumps({"Image Model": "DC-3", "EXIF DateTimeOriginal": "2001:02:03 04:05:06"})
    with tarfile.open(tmp_path / "0.tar", "w") as tar:
        for name, data in (
            ("a.jpg", jpeg(usual(), shade=1)),
            ("a.json", b'{"caption": "one", "rating": 3}'),
            ("b.jpg", jpeg(shade=2)),
            ("b.json", json.dumps({"caption": "two", "exif": tags}).encode()),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, BytesIO(data))
    library = opened(tmp_path / "0.tar")
    library.sync()
    first, second = (library.search("red", where=f"text = {text}")[0].meta for text in ("one", "two"))
    assert {name: first.get(name) for name in USUAL} == {**USUAL, "rating": 3}
    assert (second["camera"], second["taken"]) == ("DC-3", "2001-02-03T04:05:06")
    assert not library.sync() and not opened(tmp_path / "0.tar").sync()


def test_a_folder_called_like_a_sidecar_and_others_that_lie_are_no_harm(opened, album, capsys):
    (album / "a.xmp").mkdir()
    (album / "b.jpg.json").write_bytes(b"\xff\xff\xff")
    library = opened(album)
    report = library.sync()
    assert sorted(report.added) == ["a.jpg", "b.jpg", "c.jpg"]
    assert [reason.partition(" ")[0] for _, reason in report.failed] == [str(album / "b.jpg.json")]
    assert of(library, "b.jpg")["camera"] == "X100"


def test_columns_that_an_earlier_version_dropped_come_back(opened, album):
    library = opened(album)
    library.sync()
    with library._index.reading() as index:
        facts = dict(index.facts())
    as_before(library)
    with library._index.writing() as index:  # it knows nothing of these facts, and leaves them
        index.note({name: facts[name] for name in (brought.BROUGHT, brought.OVERLAID)})
        index.save()
    library = opened(album)
    assert sorted(library.sync().renewed) == ["a.jpg", "b.jpg"]
    assert of(library, "a.jpg") == USUAL
    assert not library.sync()


def test_columns_of_a_table_that_an_earlier_version_dropped_come_back(opened, album):
    table = album.parent / "table.csv"
    table.write_text("image,caption\n" + "".join(f"album/{name}.jpg,{name}\n" for name in "abc"))
    library = opened(table)
    library.sync()
    with library._index.reading() as index:
        facts = dict(index.facts())
    before = {hit.key: hit.meta for hit in library.search("red")}
    assert any("camera" in meta for meta in before.values())
    as_before(library)
    with library._index.writing() as index:
        index.note({name: facts[name] for name in (brought.BROUGHT, brought.OVERLAID)})
        index.save()
    library = opened(table)
    assert len(library.sync().renewed) == 2
    assert {hit.key: hit.meta for hit in library.search("red")} == before
    assert not library.sync()


@pytest.mark.parametrize("mark", ["", brought.MARK_OF_FOLDER, brought.MARK_OF_TABLE, f"{brought.MARK_OF_TABLE} 0123"])
def test_only_signatures_with_the_mark_count(mark):
    facts = {brought.BROUGHT: str(brought.VERSION)}
    assert brought.Brought(facts, f"0123{mark}").is_current == bool(mark)
    assert not brought.Brought({}, f"0123{mark}").is_current
    assert brought.Brought(facts).is_current
