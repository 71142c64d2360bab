"""What image files say of themselves: read from every kind of file, in order of trust, and only where it is sound."""

import io
import struct

import pytest
from PIL import Image
from tests.images import photo_files as files
from tests.images.photo_files import (
    ASCII,
    BYTE,
    DOUBLE,
    FLOAT,
    RATIONAL,
    SHORT,
    USUAL,
    bag,
    entry,
    exif,
    fractions,
    iptc,
    jpeg,
    xmp,
)

from wordsight.images import sound_values
from wordsight.images.embedded import embedded_columns, first_of
from wordsight.images.embedded_names import EMBEDDED
from wordsight.images.exif_json import columns_of_json
from wordsight.images.iptc import read_iptc
from wordsight.images.moments import moment, of_seconds

TITLED = {"title": "A title", "keywords": "beach\nsummer"}
DOCUMENT = xmp(bag("dc:title", "A title", kind="Alt") + bag("dc:subject", "beach", "summer"))


def tiff(block=None):
    data = io.BytesIO()
    image = Image.new("RGB", (24, 16))
    tags = image.getexif()
    tags[0x10F], tags[0x110] = "NIKON CORPORATION", "NIKON D850"
    tags[700], tags[33723] = DOCUMENT, iptc((120, "a caption"))
    tags[0x132] = "2025:06:01 12:00:00"
    image.save(data, "TIFF", exif=tags)
    return data.getvalue()


KINDS = {
    "jpeg": lambda: jpeg(files.usual(), DOCUMENT),
    "jpeg of the other order": lambda: jpeg(files.usual(">"), DOCUMENT),
    "png": lambda: files.png(files.usual(), DOCUMENT),
    "webp": lambda: files.webp(files.usual(), DOCUMENT),
    "heic": lambda: files.heic(files.usual(), DOCUMENT),
    "avif": lambda: files.heic(files.usual(), DOCUMENT, brand=b"avif"),
    "raw file of Fujifilm": lambda: (
        b"FUJIFILMCCD-RAW ".ljust(84, b"\0") + (100).to_bytes(4, "big") + b"\0" * 12 + jpeg(files.usual(), DOCUMENT)
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_states_the_same(kind, tmp_path):
    data = KINDS[kind]()
    assert embedded_columns(data) == {**USUAL, **TITLED}
    (tmp_path / "photo").write_bytes(data)
    assert embedded_columns(tmp_path / "photo") == {**USUAL, **TITLED}
    assert list(embedded_columns(data)) == [name for name in EMBEDDED if name in {**USUAL, **TITLED}]


def test_a_raw_file_made_like_tiff_states_what_its_block_does():
    for magic in (b"II*\0", b"IIRO", b"IIU\0"):
        assert embedded_columns(magic + files.usual()[4:]) == USUAL


def test_a_raw_file_of_canon_has_a_block_for_each_directory():
    first = files.one_directory({0x110: entry(ASCII, "Canon EOS R5"), 0x10F: entry(ASCII, "Canon")})
    photo = files.one_directory({0x9003: entry(ASCII, "2025:06:01 12:00:00"), 0x8827: entry(SHORT, 100)})
    position = files.one_directory(
        {
            1: entry(ASCII, "S"),
            2: entry(RATIONAL, fractions(1, 30, 0)),
            3: entry(ASCII, "E"),
            4: entry(RATIONAL, fractions(2, 0, 0)),
        }
    )
    stated = embedded_columns(files.canon(first, photo, position, DOCUMENT))
    camera = {"camera": "Canon EOS R5", "taken": "2025-06-01T12:00:00", "iso": 100}
    assert stated == {**camera, "latitude": -1.5, "longitude": 2.0, **TITLED}


def test_tiff_has_all_three_blocks_and_what_pillow_writes_is_read():
    assert embedded_columns(tiff()) == {
        **TITLED,
        "camera": "NIKON D850",
        "taken": "2025-06-01T12:00:00",
        "caption": "a caption",
    }


def test_what_pillow_wrote_into_a_jpeg_is_read():
    tags = Image.Exif()
    tags[0x110] = "iPhone 12"
    tags[0x10F] = "Apple"
    tags.get_ifd(files.PHOTO)[0x9003] = "2020:01:02 03:04:05"
    tags.get_ifd(files.POSITION).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 0.0)})
    data = io.BytesIO()
    Image.new("RGB", (8, 8)).save(data, "JPEG", exif=tags)
    position = {"latitude": 52.52, "longitude": 13.4}
    assert embedded_columns(data.getvalue()) == {
        "camera": "Apple iPhone 12",
        "taken": "2020-01-02T03:04:05",
        **position,
    }


def test_xmp_comes_before_iptc_and_that_before_exif():
    block = exif({0x10E: entry(ASCII, "by EXIF"), 0x4746: entry(SHORT, 1)})
    captions = iptc((120, "by IPTC"), (5, "titled by IPTC"), (25, "one"), (25, "two"), (25, "one"))
    document = xmp(bag("dc:description", "by XMP", kind="Alt"), 'xmp:Rating="5"')
    assert embedded_columns(jpeg(block))["caption"] == "by EXIF"
    assert embedded_columns(jpeg(block, captions=captions)) == {
        "caption": "by IPTC",
        "title": "titled by IPTC",
        "keywords": "one\ntwo",
        "rating": 1,
    }
    stated = embedded_columns(jpeg(block, document, captions))
    assert (stated["caption"], stated["title"], stated["rating"]) == ("by XMP", "titled by IPTC", 5)


def test_columns_that_belong_together_are_of_one_source():
    one = {"latitude": 1.0, "longitude": 2.0, "taken": "2025-06-01T12:00:00"}
    other = {"latitude": 3.0, "longitude": 4.0, "taken": "2024-01-01T00:00:00", "taken_utc": "2024-01-01T00:00:00Z"}
    assert first_of(one, other) == one
    agreeing = {"taken": "2025-06-01T12:00:00", "taken_utc": "2025-06-01T10:00:00Z"}
    assert first_of(one, other, agreeing) == {**one, **agreeing}
    assert first_of({"taken": "2025"}, other) == {"taken": "2025", "latitude": 3.0, "longitude": 4.0}


def test_a_file_that_states_nothing_has_no_columns(tmp_path):
    for kind in ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP"):
        assert embedded_columns(files.pixels(kind)) == {}
    assert embedded_columns(None) == embedded_columns(tmp_path / "none.jpg") == embedded_columns(tmp_path) == {}


@pytest.mark.parametrize(
    ("stated", "offset", "local", "utc"),
    [
        ("2025:06:01 12:00:00", None, "2025-06-01T12:00:00", None),
        ("2025:06:01 12:00:00\0", "+02:00", "2025-06-01T12:00:00", "2025-06-01T10:00:00Z"),
        ("2025-06-01T12:00:00.123+05:30", "-01:00", "2025-06-01T12:00:00", "2025-06-01T06:30:00Z"),
        ("2025-01-01T01:00:00+02:00", None, "2025-01-01T01:00:00", "2024-12-31T23:00:00Z"),
        ("2025-06-01T12:00Z", None, "2025-06-01T12:00:00", "2025-06-01T12:00:00Z"),
        ("2025-06", None, "2025-06", None),
        ("2025", None, "2025", None),
        ("2025-00-00", None, "2025", None),
        ("2016:12:31 23:59:60", None, "2016-12-31T23:59:59", None),
        ("2025:06:01 12:00:00", "+99:00", "2025-06-01T12:00:00", None),
    ],
)
def test_a_time_is_local_and_in_utc_where_that_is_known(stated, offset, local, utc):
    assert moment(stated, offset) == {"taken": local, **({"taken_utc": utc} if utc else {})}


@pytest.mark.parametrize(
    "stated",
    [
        *("0000:00:00 00:00:00", "2025:13:01 00:00:00", "2025:02:30 00:00:00", "2025-02-30", "2025:06:01 25:00:00"),
        *("    :  :     :  :  ", "", "9999:99:99", "1066-10-14", "2025-13", "yesterday", "\u0662\u0660\u0662\u0665"),
        *(None, 5, "2" * 10_000),
    ],
)
def test_what_is_no_date_is_none(stated):
    assert moment(stated) == {}


def test_seconds_since_1970():
    assert of_seconds("1556964000") == {"taken": "2019-05-04T10:00:00", "taken_utc": "2019-05-04T10:00:00Z"}
    for odd in ("1e99", 10**30, float("nan"), float("inf"), None, [], "-99999999999999"):
        assert of_seconds(odd) == {}


def position(latitude, longitude, north="N", east="E"):
    tags = {1: entry(ASCII, north), 2: entry(RATIONAL, latitude), 3: entry(ASCII, east), 4: entry(RATIONAL, longitude)}
    stated = embedded_columns(jpeg(exif(position=tags)))
    return stated.get("latitude"), stated.get("longitude")


def test_positions_are_signed_and_those_that_lie_nowhere_are_none():
    assert position(fractions(33, (5152, 100), 0), fractions(151, 12, (36, 1)), north="S") == (-33.8586667, 151.21)
    assert position(fractions(90), fractions(180), east="W") == (90.0, -180.0)
    nothing = (None, None)
    good = fractions(52, 31, 12)
    assert position(fractions(999, 0, 0), good) == nothing
    assert position(fractions(91, 0, 0), good) == nothing
    assert position(fractions((52, 0), (31, 1), 0), good) == nothing  # divided by 0
    assert position(fractions(52, 99, 0), good) == nothing
    assert position(fractions(0, 0, 0), fractions(0, 0, 0)) == nothing  # a receiver without a signal
    assert position(good, good, north="", east="E") == position(good, good, north="X") == nothing
    assert position(good[:5], good) == nothing  # cut short
    assert position(fractions(52, (0, 0), (0, 0)), fractions(13, 24, 0)) == (52.0, 13.4)


def test_the_receivers_time_is_taken_where_it_fits():
    def stated(day, hours, photo=None):
        tags = {0x1D: entry(ASCII, day), 7: entry(RATIONAL, fractions(hours, 30, 15))}
        return embedded_columns(jpeg(exif(photo=photo, position=tags)))

    local = {0x9003: entry(ASCII, "2025:06:01 12:30:15")}
    assert stated("2025:06:01", 10, local)["taken_utc"] == "2025-06-01T10:30:15Z"
    assert "taken_utc" not in stated("2025:05:30", 10, local)  # of the last time there was a signal
    assert stated("2025:06:01", 10) == {"taken": "2025-06-01T10:30:15", "taken_utc": "2025-06-01T10:30:15Z"}
    assert stated("2025:06:01", 99) == stated("0000:00:00", 10) == {}


def test_the_time_of_the_last_change_counts_only_for_cameras():
    changed = {0x132: entry(ASCII, "2025:06:01 12:00:00")}
    assert embedded_columns(jpeg(exif(changed))) == {}
    assert embedded_columns(jpeg(exif({**changed, 0x10F: entry(ASCII, "Canon")})))["taken"] == "2025-06-01T12:00:00"


@pytest.mark.parametrize(
    ("maker", "model", "name"),
    [
        ("NIKON CORPORATION", "NIKON D850", "NIKON D850"),
        ("Canon", "Canon EOS 5D", "Canon EOS 5D"),
        ("Apple", "iPhone 12", "Apple iPhone 12"),
        ("OLYMPUS IMAGING CORP.", "E-M1", "OLYMPUS IMAGING E-M1"),
        ("EASTMAN KODAK COMPANY", "KODAK DC240 ZOOM", "KODAK DC240 ZOOM"),
        ("Konica Minolta Camera, Inc.", "DYNAX 7D", "Konica Minolta Camera DYNAX 7D"),
        ("samsung", None, "samsung"),
        (None, "  X100 \0\0", "X100"),
        ("\0", "", None),
        ("x" * 500, None, "x" * 200),
    ],
)
def test_a_camera_names_its_maker_once(maker, model, name):
    assert sound_values.camera(maker, model) == name


def test_figures_that_no_camera_has_are_none():
    photo = {
        0x829A: entry(RATIONAL, fractions((1, 0))),
        0x829D: entry(RATIONAL, fractions(0)),
        0x8827: entry(SHORT, 65535),
        0x920A: entry(RATIONAL, fractions((0xFFFFFFFF, 1))),
        0xA434: entry(ASCII, "----"),
    }
    assert embedded_columns(jpeg(exif({0x4746: entry(SHORT, 99)}, photo))) == {}
    below = {5: entry(BYTE, 1), 6: entry(RATIONAL, fractions(12))}
    assert embedded_columns(jpeg(exif(position=below))) == {"altitude": -12}
    assert embedded_columns(jpeg(exif(position={6: entry(RATIONAL, fractions(10**9))}))) == {}


@pytest.mark.parametrize("junk", ["OLYMPUS DIGITAL CAMERA", "SONY DSC", "  ", "DCIM\\100MEDIA\\DJI_1.JPG", "default"])
def test_what_cameras_write_everywhere_is_no_caption(junk):
    assert embedded_columns(jpeg(exif({0x10E: entry(ASCII, junk)}))) == {}


def test_windows_texts_and_stars():
    wide = [entry(BYTE, (text + "\0").encode("utf-16-le")) for text in ("Ein Titel", "Wörter", "Meer;Sommer; Meer")]
    first = dict(zip((0x9C9B, 0x9C9C, 0x9C9E), wide, strict=True)) | {0x4749: entry(SHORT, 75)}
    stated = {"title": "Ein Titel", "caption": "Wörter", "keywords": "Meer\nSommer", "rating": 4}
    assert embedded_columns(jpeg(exif(first))) == stated


def test_iptc_in_either_encoding_with_its_date_and_time():
    for utf8 in (True, False):
        block = iptc((120, "Strände"), (55, "20250601"), (60, "120000+0200"), utf8=utf8)
        utc = {"taken": "2025-06-01T12:00:00", "taken_utc": "2025-06-01T10:00:00Z"}
        assert read_iptc(block) == {"caption": "Strände", **utc}
    assert read_iptc(iptc((55, "20250600"))) == {"taken": "2025-06"}
    assert read_iptc(iptc((105, "A headline"), (25, "x" * 5000))) == {"title": "A headline", "keywords": "x" * 1000}


def test_a_cut_iptc_block_gives_what_stands_before_the_cut():
    whole = iptc((5, "title"), (25, "one"), (120, "caption"))
    for cut in range(len(whole)):
        assert set(read_iptc(whole[:cut])) <= {"title", "keywords", "caption"}
    assert read_iptc(whole[:-12])["title"] == "title"
    assert read_iptc(b"\x1c\x02\x19\xff\xff") == read_iptc(b"\x1c\x02\x19\x80\x04\xff\xff\xff\xff") == {}


def test_exif_as_json_is_read_as_img2dataset_writes_it():
    tags = (
        '{"Image Make": "Canon", "Image Model": "Canon EOS 5D", "EXIF DateTimeOriginal": "2015:03:04 05:06:07",'
        ' "EXIF ISOSpeedRatings": "100", "EXIF FNumber": "28/10", "EXIF ExposureTime": "1/0",'
        ' "GPS GPSLatitude": "[52, 31, 1200/100]", "GPS GPSLatitudeRef": "S", "GPS GPSLongitude": "[13, 24, 0]",'
        ' "GPS GPSLongitudeRef": "E"}'
    )
    assert columns_of_json(tags) == {
        "camera": "Canon EOS 5D",
        "latitude": -52.52,
        "longitude": 13.4,
        "iso": 100,
        "aperture": 2.8,
        "taken": "2015-03-04T05:06:07",
    }
    for odd in ("{", "{}", "[1]", None, 5, '{"Image Make": 5, "GPS GPSLatitude": []}', '{"a":' * 10_000):
        assert columns_of_json(odd) == {}


@pytest.mark.parametrize(("kind", "code"), [(FLOAT, "f"), (DOUBLE, "d")])
@pytest.mark.parametrize("order", ["<", ">"])
def test_numbers_with_a_fraction_may_be_floats(kind, code, order):
    photo = {0x920A: entry(kind, struct.pack(order + code, 87.5), order=order)}
    assert embedded_columns(jpeg(exif(photo=photo, order=order)))["focal_length"] == 87.5
    photo = {0x920A: entry(kind, struct.pack(order + code, float("nan")), order=order)}
    assert embedded_columns(jpeg(exif(photo=photo, order=order))) == {}
