"""Every kind of file becomes upright RGB, and nothing broken gets past the two typed errors."""

import contextlib
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wordsight.base.arrays import Pixels
from wordsight.base.errors import BrokenImage, TooManyPixels, UsageError
from wordsight.images.decode import decode
from wordsight.images.spec import PreprocessSpec
from wordsight.images.transform import load_pixels

# Pillow remarks on damaged TIFF structures; in use these are silenced once for the process.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL.TiffImagePlugin")

Make = Callable[..., Any]
WHITE = (255, 255, 255)


@pytest.fixture
def scene(photo: Make) -> Pixels:
    """Give the picture most tests encode."""
    return photo(40, 60)  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP", "GIF", "JPEG"])
def test_every_format_gives_the_picture(kind: str, tmp_path: Path, encoded: Make) -> None:
    flat = np.full((24, 32, 3), (200, 30, 90), dtype=np.uint8)
    options = {"lossless": True} if kind == "WEBP" else {}
    path = tmp_path / f"picture.{kind.lower()}"
    path.write_bytes(encoded(flat, kind, **options))
    pixels = decode(path)
    assert pixels.shape == (24, 32, 3)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - flat).max() <= (3 if kind == "JPEG" else 0)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_lossless_formats_give_the_very_pixels(kind: str, encoded: Make, scene: Pixels) -> None:
    assert np.array_equal(decode(encoded(scene, kind)), scene)


def test_every_way_to_name_a_picture_gives_the_same(tmp_path: Path, encoded: Make, scene: Pixels) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded(scene))
    for item in (path, str(path), path.read_bytes(), bytearray(path.read_bytes()), Image.fromarray(scene), scene):
        assert np.array_equal(decode(item), scene)


def test_what_the_name_says_does_not_matter(tmp_path: Path, encoded: Make, scene: Pixels) -> None:
    path = tmp_path / "really-a-png.jpg"
    path.write_bytes(encoded(scene))
    assert np.array_equal(decode(path), scene)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_orientation_is_undone(orientation: int, kind: str, encoded: Make) -> None:
    corners = np.zeros((16, 32, 3), dtype=np.uint8)
    corners[:8, :16] = 255  # white at the top left when upright
    corners[8:, 16:] = 90  # and grey at the bottom right
    undone = {1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1]}
    swapped = {5: lambda a: a, 6: lambda a: a[:, ::-1], 7: lambda a: a[::-1, ::-1], 8: lambda a: a[::-1]}
    if orientation in undone:
        stored = undone[orientation](corners)
    else:
        stored = swapped[orientation](corners).transpose(1, 0, 2)
        if orientation in (6, 8):
            stored = np.ascontiguousarray(corners.transpose(1, 0, 2))
            stored = stored[::-1] if orientation == 6 else stored[:, ::-1]
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = decode(encoded(Image.fromarray(np.ascontiguousarray(stored)), kind, exif=exif))
    assert pixels.shape == corners.shape
    assert np.abs(pixels.astype(int) - corners).mean() < 12


def test_damaged_exif_leaves_a_readable_picture_readable(encoded: Make, scene: Pixels) -> None:
    pixels = decode(encoded(scene, "JPEG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff garbage"))
    assert pixels.shape == scene.shape


def test_grey_and_black_and_white(encoded: Make, scene: Pixels) -> None:
    grey = Image.fromarray(scene).convert("L")
    assert np.array_equal(decode(encoded(grey)), np.repeat(np.asarray(grey)[..., None], 3, axis=2))
    assert set(np.unique(decode(encoded(grey.convert("1"))))) == {0, 255}


def test_palette_gives_its_colours(encoded: Make) -> None:
    picture = Image.fromarray(np.array([[0, 1], [2, 1]], dtype=np.uint8), "P")
    picture.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    assert decode(encoded(picture)).tolist() == [[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [0, 255, 0]]]


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_alpha_is_laid_onto_white(kind: str, encoded: Make) -> None:
    layer = np.zeros((8, 8, 4), dtype=np.uint8)
    layer[:, 4:] = (200, 0, 0, 255)
    layer[4:, :4, 3] = 128  # half black
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    pixels = decode(encoded(Image.fromarray(layer), kind, **options))
    assert tuple(pixels[0, 0]) == WHITE
    assert tuple(pixels[0, 7]) == (200, 0, 0)
    assert np.abs(pixels[7, 0].astype(int) - 127).max() <= 1


def test_grey_with_alpha_is_laid_onto_white(encoded: Make) -> None:
    layer = Image.merge("LA", [Image.new("L", (2, 1), 40), Image.fromarray(np.array([[0, 255]], dtype=np.uint8))])
    assert decode(encoded(layer)).tolist() == [[[255] * 3, [40] * 3]]


def test_transparent_palette_entry_and_colour_key_become_white(encoded: Make) -> None:
    palette = Image.fromarray(np.array([[0, 1]], dtype=np.uint8), "P")
    palette.putpalette([10, 20, 30, 40, 50, 60])
    assert decode(encoded(palette, transparency=0)).tolist() == [[[255, 255, 255], [40, 50, 60]]]
    assert decode(encoded(palette, "GIF", transparency=1)).tolist() == [[[10, 20, 30], [255, 255, 255]]]
    keyed = Image.fromarray(np.array([[[1, 2, 3], [4, 5, 6]]], dtype=np.uint8))
    assert decode(encoded(keyed, transparency=(1, 2, 3))).tolist() == [[[255, 255, 255], [4, 5, 6]]]
    grey = Image.fromarray(np.array([[7, 9]], dtype=np.uint8))
    assert decode(encoded(grey, transparency=9)).tolist() == [[[7] * 3, [255] * 3]]


def test_cmyk_jpeg_has_the_right_sense(encoded: Make) -> None:
    cmyk = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # no cyan, full magenta and yellow: red
    data = encoded(cmyk, "JPEG", quality=95)
    assert b"Adobe" in data  # written inverted, as Adobe's programs do
    assert np.abs(decode(data).astype(int) - (255, 0, 0)).max() <= 3
    assert decode(encoded(cmyk, "TIFF"))[0, 0].tolist() == [255, 0, 0]


def test_sixteen_bits_keep_their_high_byte(encoded: Make) -> None:
    values = np.array([[0, 255, 256, 0x8000, 0xFFFF]], dtype=np.uint16)
    for kind in ("PNG", "TIFF"):
        assert decode(encoded(Image.fromarray(values), kind))[0, :, 0].tolist() == [0, 0, 1, 128, 255]
    assert decode(_png(values.astype(">u2").tobytes(), 5, 1, depth=16, colour=0)).tolist() == [
        [[v] * 3 for v in (0, 0, 1, 128, 255)]
    ]
    colours = np.array([[0x1234, 0xFF00, 0x00FF]], dtype=">u2")
    assert decode(_png(colours.tobytes(), 1, 1, depth=16, colour=2)).tolist() == [[[0x12, 0xFF, 0x00]]]


def test_sixteen_bit_colour_key_becomes_white() -> None:
    values = np.array([[0x1234, 0x1235]], dtype=">u2").tobytes()
    key = _chunk(b"tRNS", struct.pack(">H", 0x1234))
    assert decode(_png(values, 2, 1, depth=16, colour=0, extra=key)).tolist() == [[[255] * 3, [0x12] * 3]]


def test_samples_without_a_known_range_are_refused(encoded: Make) -> None:
    with pytest.raises(BrokenImage, match="floating-point"):
        decode(encoded(Image.fromarray(np.zeros((2, 2), dtype=np.float32)), "TIFF"))
    with pytest.raises(BrokenImage, match="more than 16 bits"):
        decode(encoded(Image.fromarray(np.full((2, 2), 1 << 20, dtype=np.int32)), "TIFF"))


def test_first_frame_of_an_animation(encoded: Make) -> None:
    frames = [Image.new("RGB", (6, 4), colour) for colour in ((255, 0, 0), (0, 0, 255))]
    for kind, options in (("GIF", {}), ("WEBP", {"lossless": True}), ("TIFF", {})):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        assert decode(data)[0, 0].tolist() == [255, 0, 0], kind


def test_limit_is_read_from_the_header_before_decoding() -> None:
    bomb = _png(b"", 60_000, 60_000, depth=8, colour=2)
    with pytest.raises(TooManyPixels, match=r"row 3.*pixels"):
        decode(bomb, name="row 3")
    wide = _png(b"", 7_000, 7_000, depth=8, colour=2)  # nothing but a header: decoding it would say "truncated"
    with pytest.raises(TooManyPixels, match="7000 x 7000"):
        decode(wide, max_pixels=48_999_999)
    with pytest.raises(BrokenImage):
        decode(wide, max_pixels=49_000_000)


def test_limit_holds_for_pictures_in_memory(scene: Pixels) -> None:
    with pytest.raises(TooManyPixels, match="40 x 60|60 x 40"):
        decode(Image.fromarray(scene), max_pixels=100)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_a_file_cut_anywhere_is_a_typed_error_or_a_whole_picture(kind: str, encoded: Make, scene: Pixels) -> None:
    data = encoded(scene, kind)
    failed = 0
    for length in [*range(64), *range(64, len(data) - 1, 97), len(data) // 2]:
        try:
            pixels = decode(data[:length], name="cut")
            assert pixels.shape == scene.shape
        except BrokenImage as error:
            assert str(error).startswith("cut ")
            assert error.cure
            failed += 1
    assert failed > 64


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_flipped_bytes_never_crash(kind: str, encoded: Make, scene: Pixels) -> None:
    rng = np.random.default_rng(7)
    data = np.frombuffer(encoded(scene, kind), dtype=np.uint8)
    for _ in range(120):
        hurt = data.copy()
        near_the_start = rng.random() < 0.7
        places = rng.integers(0, min(200, len(data)) if near_the_start else len(data), rng.integers(1, 12))
        hurt[places] = rng.integers(0, 256, len(places))
        with contextlib.suppress(BrokenImage, TooManyPixels):
            assert decode(hurt.tobytes()).dtype == np.uint8


def test_foreign_files_are_named(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    contents = {
        "text.jpg": b"this is a shopping list\n" * 40,
        "noise.webp": rng.bytes(5000),
        "page.gif": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "script.tif": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
    }
    for name, content in contents.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(BrokenImage, match=f"{name} is not a JPEG"):
            decode(path)


def test_an_empty_file_is_named_as_one(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    with pytest.raises(BrokenImage, match=r"empty\.png is empty; restore it or leave it out"):
        decode(tmp_path / "empty.png")


def test_missing_file_and_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(BrokenImage, match=r"absent\.jpg cannot be opened: No such file"):
        decode(tmp_path / "absent.jpg")
    with pytest.raises(BrokenImage, match="cannot be opened"):
        decode(tmp_path)


def test_what_is_no_picture_at_all_is_a_wrong_call(scene: Pixels) -> None:
    for item in (None, 7, scene.astype(np.float32), scene[..., 0], np.zeros((0, 4, 3), dtype=np.uint8)):
        with pytest.raises(UsageError):
            decode(item)


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (2, 3)])
def test_tiny_and_thin_pictures_go_all_the_way(size: tuple[int, int], encoded: Make, photo: Make) -> None:
    pixels = load_pixels(encoded(photo(*size)), PreprocessSpec(size=32))
    assert pixels.shape == (32, 32, 3)


def test_scaled_decode_is_smaller_but_large_enough(encoded: Make, photo: Make) -> None:
    data = encoded(photo(640, 800), "JPEG", quality=95)
    assert decode(data, at_least=100).shape == (160, 200, 3)
    assert decode(data, at_least=1000).shape == (640, 800, 3)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(samples: bytes, width: int, height: int, *, depth: int, colour: int, extra: bytes = b"") -> bytes:
    """Return a PNG written by hand, one filter byte a row; without samples it is a header and nothing else."""
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    start = b"\x89PNG\r\n\x1a\n" + header + extra
    if not samples:
        return start + _chunk(b"IDAT", b"\x78\x9c")
    row = len(samples) // height
    rows = b"".join(b"\0" + samples[i * row : (i + 1) * row] for i in range(height))
    return start + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")
