"""PhotoPrism's sidecars, as it writes them and as it does not."""

import pytest
from tests.images.photo_files import USUAL, bag, jpeg, usual, xmp

from wordsight.base.errors import InputError
from wordsight.data.listing import list_folder
from wordsight.data.photoprism import columns_of_photoprism, is_photoprism
from wordsight.data.plain_yaml import read_record
from wordsight.data.sidecar_files import photo_columns

DOCUMENT = """\
TakenAt: 2019-05-04T10:00:00Z
TakenAtLocal: 2019-05-04T12:00:00Z
TakenSrc: meta
UID: pra8dk339xe61swy
Type: image
Title: 'Beach: Bob''s / 2019'
TitleSrc: manual
Caption: |-
  Two lines
    of text
OriginalName: DCIM/IMG_1
Favorite: true
TimeZone: Europe/Berlin
Altitude: 12
Lat: -52.52
Lng: 13.405
Year: 2019
Details:
  Keywords: bike, brown, desktop, maybe, random, seashore, test, video, vietnam, and
    more
  Notes: "a \\"note\\" \\u00e9"
CreatedAt: 2022-04-12T14:28:51Z
"""
STATED = {
    "title": "Beach: Bob's / 2019",
    "caption": "Two lines\n  of text",
    "keywords": "bike\nbrown\ndesktop\nmaybe\nrandom\nseashore\ntest\nvideo\nvietnam\nand more",
    "favorite": 1,
    "latitude": -52.52,
    "longitude": 13.405,
    "altitude": 12,
    "taken": "2019-05-04T12:00:00",
    "taken_utc": "2019-05-04T10:00:00Z",
}


def columns(text):
    return columns_of_photoprism(read_record(text, name="a.yml"))


def test_what_photoprism_states():
    assert is_photoprism(DOCUMENT) and not is_photoprism("services:\n  - a\n")
    assert columns(DOCUMENT) == (STATED, {})


def test_what_it_has_guessed_is_left_out():
    guessed = DOCUMENT.replace("TakenSrc: meta", "TakenSrc: estimate").replace("Lat:", "PlaceSrc: estimate\nLat:")
    kept = {name: STATED[name] for name in ("title", "caption", "keywords", "favorite")}
    assert columns(guessed) == (kept, {})
    assert columns("Title: Unknown\nDescription: an older caption\n") == ({"caption": "an older caption"}, {})


def test_a_time_in_utc_alone_comes_late():
    known = "TakenAt: 2019-05-04T10:00:00Z\nTakenSrc: meta\nTimeZone: UTC\n"
    assert columns(known) == ({}, {"taken": "2019-05-04T10:00:00", "taken_utc": "2019-05-04T10:00:00Z"})
    assert columns(known.replace("UTC", "Local")) == ({}, {"taken": "2019-05-04T10:00:00"})


def test_scalars():
    text = "---\n# a note\nA: ~\nB: 'it''s\n  folded'\nC: \"a \\\n  b\\n\\x41\"\nD: -5\nE:\nF: |\n  x\n\n  y\nG: \"\"\n"
    expected = {"A": None, "B": "it's folded", "C": "a b\nA", "D": "-5", "E": None, "F": "x\n\ny\n", "G": ""}
    assert read_record(text, name="a") == expected


@pytest.mark.parametrize(
    "text",
    [
        "A: [1, 2]",
        "A:\n- 1",
        "A:\n  B:\n    C: 1",
        "A: &x 1",
        "A: *x",
        "A: !!python/object 1",
        "A: >\n  x",
        "A: 1\nA: 2",
        "A: b: c",
        "A: 'x",
        'A: "x" y',
        'A: "\\q"',
        'A: "\\UFFFFFFFF"',
        " A: 1",
        "no key",
        "\tA: 1",
        "A: |\n    x\n  y",
        "? a\n: b",
    ],
)
def test_what_is_not_of_the_form_is_an_error_with_its_line(text):
    with pytest.raises(InputError, match=r"a\.yml has .* in line \d"):
        read_record(text, name="a.yml")


def test_where_it_lies(tmp_path):
    for name in ("a.jpg", "b.jpg", "originals/2019/c.jpg", "2019/d.jpg", "e.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    files = {
        "a.jpg": "a.yml",
        "b.jpg": ".photoprism/b.yml",
        "originals/2019/c.jpg": "storage/sidecar/2019/c.yml",
        "2019/d.jpg": "2019/.photoprism/d.yml",
    }
    for name in files.values():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / ".photoprism" / "b.jpg").write_bytes(b"")  # no image of the folder
    listing = list_folder(tmp_path)
    assert {image: listing.sidecars.of(image) for image in listing.images} == {
        **{image: [name] for image, name in files.items()},
        "e.png": [],
    }
    before = listing.sidecar_signature()
    (tmp_path / ".photoprism" / "b.yml").write_text("x")
    assert list_folder(tmp_path).sidecar_signature() != before


def test_below_xmp_and_above_the_image(tmp_path):
    image, document, record = tmp_path / "a.jpg", tmp_path / "a.xmp", tmp_path / "a.yml"
    image.write_bytes(jpeg(usual()))
    document.write_bytes(xmp(bag("dc:subject", "sea"), 'xmp:Rating="1"'))
    record.write_text(DOCUMENT)
    assert photo_columns(image, [document, record]) == ({**USUAL, **STATED, "keywords": "sea", "rating": 1}, [])
    record.write_text("version: 3\nservices:\n- no sidecar\n")
    assert photo_columns(image, [record]) == (USUAL, [])


def test_a_damaged_one_is_a_problem(tmp_path):
    image, record = tmp_path / "a.jpg", tmp_path / "a.yml"
    image.write_bytes(jpeg(usual()))
    record.write_text(DOCUMENT + "Labels: [a]\n")
    read, problems = photo_columns(image, [record])
    assert read == USUAL and "a.yml has a value that begins with [ in line 23" in str(problems[0])
    record.write_bytes(b"UID: \xff\nTakenAt: 1\n")
    assert "not UTF-8" in str(photo_columns(image, [record])[1][0])
