"""AVIF, HEIC and raw photos are read like others; without their package they are named with the one that reads them."""

import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image, PngImagePlugin, features

from wordsight.base.errors import BrokenImage
from wordsight.images import kinds
from wordsight.images.decode import decode, sides
from wordsight.images.files import is_image_name

from .raw_files import dng

Make = Callable[..., Any]


def corners() -> Image.Image:
    """Return an image of four fields, that tells which way is up."""
    pixels = np.full((64, 96, 3), 200, np.uint8)
    pixels[:32, :48] = (220, 20, 20)
    pixels[32:, 48:] = (20, 20, 220)
    return Image.fromarray(pixels)


def exif(orientation: int) -> Image.Exif:
    block = Image.Exif()
    block[0x0112] = orientation
    return block


def near(pixels: Any, want: Image.Image) -> bool:
    expected = np.asarray(want.convert("RGB")).astype(int)
    return pixels.shape == expected.shape and np.abs(pixels.astype(int) - expected).mean() < 4


def heic(image: Image.Image, *, orientation: int = 1) -> bytes:
    pillow_heif.register_heif_opener()
    out = io.BytesIO()
    image.save(out, "HEIF", quality=95, exif=exif(orientation).tobytes())
    return out.getvalue()


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_avif_is_read_upright(encoded: Make, orientation: int) -> None:
    turn = {1: 0, 3: 180, 6: 90, 8: -90}[orientation]
    data = encoded(corners().rotate(turn, expand=True), "AVIF", exif=exif(orientation), quality=95)
    assert near(decode(data), corners())


def test_avif_with_transparency_lies_on_white(encoded: Make) -> None:
    clear = corners().convert("RGBA")
    clear.putalpha(0)
    assert near(decode(encoded(clear, "AVIF", quality=95)), Image.new("RGB", clear.size, "white"))


def test_a_pillow_without_avif_names_the_one_that_has_it(encoded: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(corners(), "AVIF")
    monkeypatch.setattr(features, "check", lambda feature: False)
    with pytest.raises(
        BrokenImage, match=r"a\.avif is an AVIF image, which this Pillow \S+ does not read; pip install"
    ):
        decode(data, name="a.avif")


def test_heic_is_read_whatever_its_name(tmp_path: Path) -> None:
    data = heic(corners())
    for name in ("a.heic", "b.HEIF", "c.jpg"):
        (tmp_path / name).write_bytes(data)
        assert near(decode(tmp_path / name), corners())
        assert sides(tmp_path / name) == (96, 64)
    assert near(decode(data), corners())
    clear = corners().convert("RGBA")
    clear.putalpha(0)
    assert near(decode(heic(clear)), Image.new("RGB", clear.size, "white"))


@pytest.mark.parametrize("orientation", [3, 6])
def test_heic_is_turned_once(orientation: int) -> None:
    turn = {3: 180, 6: 90}[orientation]
    data = heic(corners().rotate(turn, expand=True), orientation=orientation)
    assert near(decode(data), corners())


def test_damaged_heic_is_one_failed_image() -> None:
    data = heic(corners())
    for cut in (40, 200, len(data) // 2, len(data) - 9):
        with pytest.raises(BrokenImage, match="cut.heic cannot be decoded"):
            decode(data[:cut], name="cut.heic")


def test_a_raw_photo_without_a_preview_is_developed_at_half_size(tmp_path: Path) -> None:
    (tmp_path / "a.DNG").write_bytes(dng(64, 48))
    assert decode(tmp_path / "a.DNG").shape == (24, 32, 3)
    assert sides(tmp_path / "a.DNG") == (64, 48)
    assert decode(dng(64, 48, orientation=6)).shape == (32, 24, 3)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_the_preview_of_a_raw_photo_comes_first_and_upright(encoded: Make, orientation: int) -> None:
    turn = {1: 0, 3: 180, 6: 90, 8: -90}[orientation]
    preview = corners().rotate(turn, expand=True)
    data = dng(
        preview.width,
        preview.height,
        orientation=orientation,
        preview=encoded(preview, "JPEG", quality=95),
        sides=preview.size,
    )
    assert near(decode(data), corners())


def test_a_small_preview_is_passed_over(encoded: Make) -> None:
    thumb = corners().resize((24, 16))
    assert decode(dng(96, 64, preview=encoded(thumb, "JPEG"), sides=thumb.size)).shape == (32, 48, 3)


def test_a_preview_that_lies_upright_already_is_not_turned(encoded: Make) -> None:
    upright = corners().rotate(90, expand=True)  # higher than wide, of a sensor that lies on its side
    preview = encoded(upright, "JPEG", quality=95, exif=exif(1))
    preview = preview[:2] + preview[20:]  # EXIF comes first, as cameras write it
    assert near(decode(dng(96, 64, orientation=6, preview=preview, sides=upright.size)), upright)


def test_damaged_raw_photos_are_failed_images() -> None:
    for content in (dng()[:300], b"FUJIFILMCCD-RAW" + bytes(200), b"II*\0\x08\0\0\0CR\2\0" + bytes(200)):
        with pytest.raises(BrokenImage, match="cut.cr2 cannot be decoded"):
            decode(content, name="cut.cr2")


def test_a_tiff_stays_a_tiff(encoded: Make, tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(encoded(corners(), "TIFF", tiffinfo={50706: b"\1\4\0\0"}))
    assert near(decode(tmp_path / "a.tif"), corners())


WITHOUT = """
import sys
sys.modules["pillow_heif"] = sys.modules["rawpy"] = None
from pathlib import Path
from wordsight.base.errors import BrokenImage
from wordsight.images.decode import decode
from wordsight.images.files import PassedOver, find_images
passed = PassedOver()
print([path.name for path in find_images(Path(sys.argv[1]), passed)], passed.text())
for name in ("a.heic", "b.dng"):
    try:
        decode(Path(sys.argv[1], name))
    except BrokenImage as error:
        print(error)
"""


def test_without_their_packages_they_are_counted_and_named(tmp_path: Path, encoded: Make) -> None:
    (tmp_path / "a.heic").write_bytes(heic(corners()))
    (tmp_path / "b.dng").write_bytes(dng())
    (tmp_path / "c.mp4").write_bytes(b"x")
    (tmp_path / "d.jpg").write_bytes(encoded(corners(), "JPEG"))
    done = subprocess.run([sys.executable, "-c", WITHOUT, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "['d.jpg'] 1 .dng, 1 .heic and 1 video not read: pip install 'wordsight[heic,raw]'",
        f"{tmp_path}/a.heic is a HEIC, which needs another package; pip install 'wordsight[heic]'",
        f"{tmp_path}/b.dng is a raw photo, which needs another package; pip install 'wordsight[raw]'",
    ]


def test_names_and_imports() -> None:
    assert is_image_name("a.AVIF") and is_image_name("b.heic") and is_image_name("c.CR3")
    assert not is_image_name("d.mov")
    assert (kinds.other_kind(".mov"), kinds.other_kind(".svg"), kinds.other_kind(".txt")) == ("videos", ".svg", "")
    code = "import sys, wordsight.images.files, wordsight.images.decode; print({'PIL', 'rawpy', 'pillow_heif'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


@pytest.mark.parametrize("kind", ["zTXt", "iTXt", "tEXt", "profile", "many"])
def test_png_with_megabytes_of_text_or_profile_is_read(kind: str, encoded: Make) -> None:
    notes, options = PngImagePlugin.PngInfo(), {}
    if kind == "zTXt":
        notes.add_text("workflow", "x" * 2_000_000, zip=True)
    elif kind == "iTXt":
        notes.add_itxt("XML:com.adobe.xmp", "y" * 2_000_000, zip=True)
    elif kind == "tEXt":
        for number in range(70):
            notes.add_text(f"note {number}", "z" * 1_000_000)
    elif kind == "profile":
        options["icc_profile"] = bytes(3_000_000)
    else:
        for number in range(70):
            notes.add_text(f"note {number}", "x" * 1_000_000, zip=True)
    data = encoded(corners(), pnginfo=notes, exif=exif(6), **options)
    assert np.array_equal(decode(data), np.asarray(corners().rotate(-90, expand=True)))
    end = data.rindex(b"\0\0\0\0IEND")
    head = data.index(b"IDAT") - 4
    behind = data[:33] + data[head:end] + data[33:head] + data[end:]  # texts may come after the pixels
    assert decode(behind).shape == (96, 64, 3)


def test_small_texts_of_a_png_stay(encoded: Make) -> None:
    notes = PngImagePlugin.PngInfo()
    xmp = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
    notes.add_itxt("XML:com.adobe.xmp", xmp)
    notes.add_text("workflow", "x" * 2_000_000, zip=True)
    assert decode(encoded(corners(), pnginfo=notes)).shape == (96, 64, 3)


def test_png_of_countless_chunks_is_refused(encoded: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wordsight.images.png._MOST_CHUNKS", 50)
    data = encoded(corners())
    empty = struct.pack(">I4sI", 0, b"prIv", zlib.crc32(b"prIv"))
    with pytest.raises(BrokenImage, match="a.png cannot be decoded: it has more than 50 chunks"):
        decode(data[:33] + empty * 60 + data[33:], name="a.png")
    assert decode(data[:33] + empty * 20 + data[33:]).shape == (64, 96, 3)


def test_tiff_of_countless_strips_is_refused_before_they_are_read() -> None:
    tags = [(256, 4, 1, 16), (257, 4, 1, 9), (273, 4, 1 << 19, 200), (279, 4, 1 << 19, 200)]
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    data = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(1 << 21)
    with pytest.raises(BrokenImage, match=r"a\.tif is cut into 524,288 strips or tiles; save it again with fewer"):
        decode(data, name="a.tif")
