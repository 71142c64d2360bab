"""Files whose metadata lie: nothing raises, nothing takes long, nothing that is not sound becomes a column."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.images import photo_files as files
from tests.images.photo_files import ASCII, LONG, UNDEFINED, entry, exif, jpeg

from wordsight.images.embedded import embedded_columns
from wordsight.images.embedded_names import EMBEDDED

WHOLE = {
    "jpeg": jpeg(files.usual(), files.xmp("<dc:title>a</dc:title>", 'xmp:Rating="3"'), files.iptc((120, "caption"))),
    "png": files.png(files.usual(), files.xmp()),
    "webp": files.webp(files.usual(), files.xmp()),
    "tiff": files.usual(),
    "heic": files.heic(files.usual(), files.xmp()),
    "canon": files.canon(files.usual(), files.usual(), files.usual(), files.xmp()),
}


def is_sound(columns):
    numbers = {"latitude": 90, "longitude": 180, "rating": 5}
    for name, value in columns.items():
        assert name in EMBEDDED
        assert value == value and value not in ("", None)
        if name in numbers:
            assert abs(value) <= numbers[name]
        if isinstance(value, str):
            value.encode()
            assert "\0" not in value
    return True


@pytest.mark.parametrize("kind", WHOLE)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_files_state_what_is_sound(kind, data):
    content = bytearray(WHOLE[kind])
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]))
    assert is_sound(embedded_columns(bytes(content[: data.draw(st.integers(0, len(content)))])))
    assert is_sound(embedded_columns(bytes(content)))


def test_directories_that_lead_to_themselves_are_read_once():
    for photo in (8, 0, 0xFFFFFFFF):
        block = bytearray(exif({0x110: entry(ASCII, "X100")}))
        at = block.index(struct.pack("<HHI", files.PHOTO, LONG, 1)) + 8
        block[at : at + 4] = struct.pack("<I", photo)
        assert embedded_columns(jpeg(bytes(block)))["camera"] == "X100"


def test_a_block_that_claims_more_than_there_is():
    notes = exif({0x110: entry(ASCII, "X100")}, {0x927C: entry(UNDEFINED, b"\xff" * 30_000)})  # a maker's notes
    assert embedded_columns(jpeg(notes)) == {"camera": "X100"}
    claims = exif({0x110: entry(ASCII, "X100"), 0x10E: entry(ASCII, "far away", count=0xFFFFFFFF)})
    assert embedded_columns(jpeg(claims)) == {"camera": "X100"}
    many = b"II*\0" + struct.pack("<IH", 8, 0xFFFF) + struct.pack("<HHI4s", 0x110, ASCII, 4, b"X10\0") * 5000
    assert embedded_columns(jpeg(many)) == {"camera": "X10"}
    odd = exif({0x110: (99, 5, b"X100\0"), 0x10F: (ASCII, 0, b""), 0x10E: (0, 1, b"abcd")})
    assert embedded_columns(jpeg(odd)) == {}


def test_lengths_that_lead_nowhere_end():
    assert embedded_columns(b"\xff\xd8" + b"\xff\xe1\0\0" * 100_000) == {}
    assert embedded_columns(b"\xff\xd8" + b"\xff" * 100_000) == {}
    assert embedded_columns(b"\x89PNG\r\n\x1a\n" + b"\0\0\0\0eXIf\0\0\0\0" * 50_000) == {}
    assert embedded_columns(b"RIFF\xff\xff\xff\xffWEBP" + b"EXIF\0\0\0\0" * 50_000) == {}
    assert embedded_columns(b"\0\0\0\x10ftypheic\0\0\0\0" + b"\0\0\0\x08free" * 50_000) == {}
    huge = b"\0\0\0\x10ftypheic\0\0\0\0" + b"\0\0\0\x01meta" + b"\xff" * 8 + b"\0" * 64
    assert embedded_columns(huge) == {}


def test_a_damaged_document_inside_leaves_the_rest():
    assert embedded_columns(jpeg(files.usual(), b"<!DOCTYPE a><a/>")) == files.USUAL
