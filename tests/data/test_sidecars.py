"""Which files beside an image tell of it, and what becomes of those that are damaged."""

import json
import os

import pytest
from tests.images.photo_files import USUAL, bag, jpeg, usual, xmp

from wordsight.data.image_folder import ImageFolder
from wordsight.data.listing import list_folder
from wordsight.data.sidecar_files import photo_columns
from wordsight.data.sidecars import LONGEST, image_of
from wordsight.data.takeout import columns_of_takeout, is_takeout


@pytest.mark.parametrize(
    ("stem", "image"),
    [
        ("IMG_1.jpg", "IMG_1.jpg"),
        ("IMG_1.JPG.supplemental-metadata", "IMG_1.JPG"),
        ("IMG_1.jpg.supplemental-metadata(2)", "IMG_1(2).jpg"),
        ("IMG_1.jpg(2)", "IMG_1(2).jpg"),
        ("IMG_1.jpg.supplemental-me", "IMG_1.jpg"),
        ("IMG_1.jpg.s", "IMG_1.jpg"),
        ("IMG_1.jpg.", "IMG_1.jpg"),
        ("a.b.png.suppl", "a.b.png"),
        ("IMG_1.jpg.other", None),
        ("IMG_1", None),
        ("IMG_1.mp4.supplemental-metadata", None),
        ("metadata", None),
        ("x." * 5000, None),
    ],
)
def test_names_of_takeout(stem, image):
    assert image_of(stem) == image


def names(folder, image):
    return list_folder(folder).sidecars.of(image)


def test_sidecars_lie_beside_their_image(tmp_path):
    long = "a" * 60
    for name in ("p.jpg", "p.xmp", "p.JPG.xmp", "p.jpg.xmp", "p.jpg.json", "q.png", "p-edited.jpg", f"{long}.jpg"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / f"{long[:LONGEST]}.json").write_bytes(b"")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "p.jpg").write_bytes(b"")
    (tmp_path / "below" / "p.jpg.supplemental-metadata.json").write_bytes(b"")
    (tmp_path / "q.xmp").mkdir()  # a folder
    assert names(tmp_path, "p.jpg") == ["p.jpg.xmp", "p.xmp", "p.jpg.json"]
    assert names(tmp_path, "q.png") == []
    assert names(tmp_path, "p-edited.jpg") == ["p.jpg.json"]
    assert names(tmp_path, f"{long}.jpg") == [f"{long[:LONGEST]}.json"]
    assert names(tmp_path, "below/p.jpg") == ["below/p.jpg.supplemental-metadata.json"]


def test_every_spelling_of_a_letter_is_the_same_name(tmp_path):
    (tmp_path / "cafe\u0301.jpg").write_bytes(b"")
    (tmp_path / "caf\u00e9.xmp").write_bytes(b"")
    assert names(tmp_path, "cafe\u0301.jpg") == ["caf\u00e9.xmp"]


def test_a_sidecar_changes_its_own_signature_alone(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"")
    before = list_folder(tmp_path)
    (tmp_path / "a.xmp").write_bytes(b"1")
    after = list_folder(tmp_path)
    assert (before.signature(), before.sidecar_signature()) == ("", "")
    assert after.signature() == "" and len(after.sidecar_signature()) == 16
    (tmp_path / "a.jpg.json").write_bytes(b" " * 1_000_001)  # something else
    assert list_folder(tmp_path).sidecar_signature() == after.sidecar_signature()


TAKEOUT = {
    "title": "IMG_1.jpg",
    "description": "at the beach",
    "photoTakenTime": {"timestamp": "1748772000", "formatted": "1 Jun 2025, 10:00:00 UTC"},
    "geoData": {"latitude": 0.0, "longitude": 0.0, "altitude": 0.0},
    "geoDataExif": {"latitude": 48.1, "longitude": 11.5, "altitude": 500.25},
}
STATED = {
    "caption": "at the beach",
    "latitude": 48.1,
    "longitude": 11.5,
    "altitude": 500.25,
    "taken": "2025-06-01T10:00:00",
    "taken_utc": "2025-06-01T10:00:00Z",
}


def test_what_takeout_states():
    assert is_takeout(TAKEOUT) and not is_takeout({"caption": "a"}) and not is_takeout({"geoData": 5})
    assert columns_of_takeout(TAKEOUT) == STATED
    assert columns_of_takeout({"title": "My beach", "photoTakenTime": {}, "geoData": {"latitude": "x"}}) == {
        "title": "My beach"
    }
    odd = {"geoData": {"latitude": 999, "longitude": 1e308}, "description": 5, "photoTakenTime": {"timestamp": [1]}}
    assert columns_of_takeout(odd) == {}


def test_xmp_beside_comes_before_the_image_and_that_before_takeout(tmp_path):
    image, document, other = tmp_path / "a.jpg", tmp_path / "a.xmp", tmp_path / "a.jpg.json"
    image.write_bytes(jpeg(usual()))
    document.write_bytes(xmp(bag("dc:subject", "sea"), 'xmp:Rating="1" exif:DateTimeOriginal="2024-05-06T07:08:09"'))
    other.write_text(json.dumps(TAKEOUT))
    assert photo_columns(image, []) == (USUAL, [])
    columns, problems = photo_columns(image, [document])
    expected = {**USUAL, "taken": "2024-05-06T07:08:09", "rating": 1, "keywords": "sea"}
    del expected["taken_utc"]
    assert (columns, problems) == (expected, [])
    columns, problems = photo_columns(image, [other])
    assert (columns, problems) == ({**USUAL, "caption": "at the beach"}, [])
    image.write_bytes(jpeg())
    assert photo_columns(image, [other]) == (STATED, [])
    document.write_bytes(xmp("", 'exif:DateTimeOriginal="2025-06-01T12:00:00"'))
    columns, _ = photo_columns(image, [document, other])
    assert (columns["taken"], columns["taken_utc"]) == ("2025-06-01T12:00:00", "2025-06-01T10:00:00Z")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.xmp", b"", "is no XMP"),
        ("a.xmp", b"\xff\xfe\x00", "is no XMP"),
        ("a.xmp", xmp("<dc:title>\xe9</dc:title>").decode().encode("latin-1", "replace"), "is no XMP"),
        ("a.xmp", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "has a document type"),
        ("a.jpg.json", '{"title": "caf\xe9", "geoData": {}}'.encode("latin-1"), "is not UTF-8"),
        ("a.jpg.json", b'{"title": ', "is not JSON"),
        ("a.jpg.json", b'{"a":' * 10_000, "is nested too deep|is not JSON"),
    ],
)
def test_a_damaged_sidecar_is_a_problem_in_one_line(tmp_path, name, content, reason):
    (tmp_path / "a.jpg").write_bytes(jpeg(usual()))
    (tmp_path / name).write_bytes(content)
    columns, problems = photo_columns(tmp_path / "a.jpg", [tmp_path / name])
    assert columns == USUAL
    [problem] = problems
    assert str(tmp_path / name) in str(problem) and "\n" not in str(problem)
    with pytest.raises(type(problem), match=reason):
        raise problem


def test_what_is_no_regular_file_is_not_opened(tmp_path):
    (tmp_path / "a.jpg").write_bytes(jpeg(usual()))
    os.mkfifo(tmp_path / "a.xmp")
    listing = list_folder(tmp_path)
    columns, problems = photo_columns(tmp_path / "a.jpg", [tmp_path / path for path in listing.sidecars.of("a.jpg")])
    assert columns == USUAL and "named pipe" in str(problems[0])


def test_json_of_something_else_is_no_sidecar(tmp_path):
    (tmp_path / "a.jpg").write_bytes(jpeg(usual()))
    for text in ("[1, 2]", '{"boxes": []}', "plain"):
        (tmp_path / "a.jpg.json").write_text(text)
        assert photo_columns(tmp_path / "a.jpg", [tmp_path / "a.jpg.json"]) == (USUAL, [])


def test_takeouts_title_is_no_caption(tmp_path):
    (tmp_path / "IMG_1.jpg").write_bytes(jpeg())
    (tmp_path / "IMG_1.json").write_text(json.dumps(TAKEOUT))
    facts, problems = ImageFolder(list_folder(tmp_path)).facts("IMG_1.jpg")
    assert (facts.texts, facts.columns(), problems) == ((), {}, [])
