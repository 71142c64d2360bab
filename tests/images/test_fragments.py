"""Images inside files that hold several: their names, and what videos, documents and animations give."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from tests.images.film_files import ENCRYPTED, film, frames, hand_made_pdf, pdf, scene, sound, turned

from wordsight.base.errors import BrokenImage, InputError, UsageError
from wordsight.images import fragments, video
from wordsight.images import pdf as documents
from wordsight.images.animation import holds_several
from wordsight.images.decode import decode
from wordsight.images.scenes import Scenes


@pytest.mark.parametrize(
    ("key", "file", "fragment", "shown"),
    [
        ("films/beach.mp4#t=83.5", "films/beach.mp4", "t=83.5", "films/beach.mp4 at 1:23.5"),
        ("a.mkv#t=0", "a.mkv", "t=0", "a.mkv at 0:00"),
        ("a.mkv#t=59.96", "a.mkv", "t=59.96", "a.mkv at 1:00"),
        ("a.mkv#t=36061.25", "a.mkv", "t=36061.25", "a.mkv at 10:01:01.2"),
        ("manual.pdf#page=3", "manual.pdf", "page=3", "manual.pdf page 3"),
        ("odd#page=1/loop.gif#frame=12", "odd#page=1/loop.gif", "frame=12", "odd#page=1/loop.gif frame 12"),
        ("a#t=3.jpg", "a#t=3.jpg", "", "a#t=3.jpg"),
        ("a.mp4#t=-1", "a.mp4#t=-1", "", "a.mp4#t=-1"),
        ("a.mp4", "a.mp4", "", "a.mp4"),
    ],
)
def test_names(key, file, fragment, shown):
    assert fragments.split(key) == (file, fragment)
    assert fragments.is_fragment(key) == bool(fragment)
    assert fragments.for_people(key) == shown


def test_seconds_are_written_in_thousandths():
    assert [fragments.of_second(second) for second in (0, 83.5, 36000.1234)] == ["t=0", "t=83.5", "t=36000.123"]


def inside(path):
    return list(fragments.walked(path, path.suffix))


def names(path):
    return [one.fragment if isinstance(one, fragments.Inside) else str(one) for one in inside(path)]


@pytest.mark.parametrize(("codec", "gop"), [("mpeg4", 5), ("mpeg4", 600), ("libx264", 20), ("mjpeg", 1)])
def test_every_scene_of_a_video_gives_a_frame_that_can_be_had_again(tmp_path, codec, gop):
    path = tmp_path / ("a.avi" if codec == "mjpeg" else "a.mp4")
    film(
        path,
        [("red", 3), ("green", 2), ("blue", 4)],
        codec=codec,
        gop=gop,
        pixels="yuvj420p" if gop == 1 else "yuv420p",
    )
    images = inside(path)
    assert len(images) == 3
    for image, colour, (begin, end) in zip(images, ("red", "green", "blue"), ((0, 3), (3, 5), (5, 9)), strict=True):
        assert begin <= image.meta["second"] < end and image.meta["duration"] == pytest.approx(9, abs=0.2)
        assert (image.width, image.height) == (64, 48)
        assert np.abs(image.pixels.astype(int) - scene(colour)).mean() < 12
        np.testing.assert_array_equal(fragments.fragment_pixels(path, image.fragment), image.pixels)
        np.testing.assert_array_equal(decode(f"{path}#{image.fragment}"), image.pixels)


@pytest.mark.parametrize(("name", "codec"), [("a.m2ts", "libx264"), ("a.mpg", "mpeg2video"), ("a.webm", "libvpx")])
def test_frames_are_had_again_where_seeking_is_not_exact(tmp_path, monkeypatch, name, codec):
    monkeypatch.setattr("tests.images.film_files.RATE", 25)
    path = film(tmp_path / name, [("red", 3), ("green", 2), ("blue", 3)], codec=codec, gop=25)
    images = inside(path)
    assert len(images) == 3
    for image in images:
        np.testing.assert_array_equal(fragments.fragment_pixels(path, image.fragment), image.pixels)


def test_where_key_frames_are_far_apart_others_are_looked_at(tmp_path):
    path = film(tmp_path / "a.mkv", [("red", 10), ("green", 2), ("blue", 8)], gop=600)
    keys = [len(data) for data in path.read_bytes().split(b"\x1f\x43\xb6\x75")]
    assert len(keys) > 1  # it has clusters
    assert [image.meta["second"] // 10 for image in inside(path)] == [0, 1, 1]


def test_a_video_is_turned_as_it_says(tmp_path):
    path = film(tmp_path / "a.mp4", [("red", 1)])
    before = fragments.fragment_pixels(path, "t=0")
    turned(path)
    (image,) = inside(path)
    assert (image.width, image.height) == (48, 64)
    np.testing.assert_array_equal(fragments.fragment_pixels(path, "t=0"), np.rot90(before, -1))


def test_large_frames_are_reduced_and_whole_in_files(tmp_path, monkeypatch):
    path = film(tmp_path / "a.mp4", [("red", 1)])
    monkeypatch.setattr(fragments, "LONGEST", 32)
    (image,) = inside(path)
    assert image.pixels.shape == (24, 32, 3) and (image.width, image.height) == (64, 48)
    assert decode(fragments.fragment_file(path, "t=0")).shape == (48, 64, 3)


def test_a_video_that_is_cut_gives_what_there_is_and_says_so(tmp_path):
    path = film(tmp_path / "a.mkv", [("red", 5), ("green", 5), ("blue", 20)])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    *images, last = inside(path)
    assert len(images) == 3 and isinstance(last, BrokenImage)
    assert "seconds: its header says that it has 30.0; copy it again" in str(last)


def test_damage_in_the_middle_costs_no_more_than_it_hits(tmp_path):
    path = film(tmp_path / "a.mp4", [("red", 4), ("green", 4), ("blue", 4), ("white", 4)])
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 300] = bytes(300)
    path.write_bytes(data)
    assert len([one for one in inside(path) if isinstance(one, fragments.Inside)]) >= 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_bytes(b""), "no video that can be read"),
        (lambda path: path.write_text("hello" * 99), "no video that can be read"),
        (lambda path: path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n/etc/passwd\n"), "no video that"),
        (lambda path: path.write_text("ffconcat version 1.0\nfile other.mp4\n"), "no video that can be read"),
        (sound, "has no video stream"),
    ],
)
def test_what_is_no_video_is_an_error_that_names_it(tmp_path, make, message):
    make(tmp_path / "a.mp4")
    film(tmp_path / "other.mp4", [("red", 1)])
    with pytest.raises(BrokenImage, match=rf"a\.mp4 .*{message}|a\.mp4 {message}"):
        inside(tmp_path / "a.mp4")


def test_a_second_behind_the_end_gives_the_last_frame_and_a_huge_frame_is_refused(tmp_path, monkeypatch):
    path = film(tmp_path / "a.mp4", [("red", 2), ("green", 1)])
    assert np.abs(fragments.fragment_pixels(path, "t=99").astype(int) - scene("green")).mean() < 12
    monkeypatch.setattr(video, "DEFAULT_MAX_PIXELS", 1000)
    with pytest.raises(BrokenImage, match="declares 64 x 48 pixels"):
        inside(path)


def test_pages_of_a_document(tmp_path):
    path = pdf(tmp_path / "a.pdf", ["red", "green", "blue"])
    images = inside(path)
    assert [(one.fragment, one.meta["page"], one.meta["pages"]) for one in images] == [
        (f"page={number}", number, 3) for number in (1, 2, 3)
    ]
    for image, colour in zip(images, ("red", "green", "blue"), strict=True):
        small = np.asarray(Image.fromarray(image.pixels).resize((64, 48)))
        assert np.abs(small.astype(int) - scene(colour)).mean() < 8
        np.testing.assert_array_equal(fragments.fragment_pixels(path, image.fragment), image.pixels)
    with pytest.raises(BrokenImage, match="has no page 4; it has 3"):
        fragments.fragment_pixels(path, "page=4")


def test_documents_that_are_broken_encrypted_giant_or_long(tmp_path, monkeypatch):
    path = tmp_path / "a.pdf"
    path.write_bytes(b"%PDF-1.7 hello")
    with pytest.raises(BrokenImage, match="is no PDF that can be read"):
        inside(path)
    path.write_bytes(hand_made_pdf(trailer=ENCRYPTED))
    with pytest.raises(BrokenImage, match="is encrypted"):
        inside(path)
    path.write_bytes(hand_made_pdf(box="0 0 14400000 100"))
    assert max(max(one.pixels.shape) for one in inside(path)) <= fragments.LONGEST
    monkeypatch.setattr(documents, "MOST", 4)
    path.write_bytes(hand_made_pdf(9))
    assert names(path) == [*(f"page={n}" for n in (1, 2, 3, 4)), f"{path} has 9 pages: the first 4 are read; split it"]


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_frames_of_an_animation_that_differ(tmp_path, suffix):
    path = frames(tmp_path / f"a{suffix}", ["red", "red", "green", "green", "blue"])
    images = inside(path)
    assert len(images) == 2  # the first scene is the image of the file
    for image, colour in zip(images, ("green", "blue"), strict=True):
        assert np.abs(image.pixels.astype(int) - scene(colour)).mean() < 12
        np.testing.assert_array_equal(fragments.fragment_pixels(path, image.fragment), image.pixels)
        assert image.meta["second"] > 0 and image.meta["frame"] > 0


def test_pages_of_a_tiff_without_its_smaller_copies(tmp_path):
    path = tmp_path / "a.tif"
    pages = [Image.fromarray(scene(colour)) for colour in ("red", "green", "blue")]
    pages[1].encoderinfo = {"tiffinfo": {254: 1}}
    pages[0].save(path, save_all=True, append_images=pages[1:])
    assert names(path) == ["page=3"]
    assert np.abs(fragments.fragment_pixels(path, "page=3").astype(int) - scene("blue")).mean() < 1


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".tif"])
def test_what_holds_one_image_is_told_by_a_few_bytes(tmp_path, suffix):
    one, several = tmp_path / f"one{suffix}", frames(tmp_path / f"several{suffix}", ["red", "green"])
    Image.fromarray(scene("red")).save(one)
    assert not holds_several(one, suffix) and holds_several(several, suffix)
    for size in range(0, several.stat().st_size, several.stat().st_size // 97):
        one.write_bytes(several.read_bytes()[:size])
        holds_several(one, suffix)


def test_an_animation_that_is_cut_gives_what_there_is(tmp_path):
    path = frames(tmp_path / "a.gif", ["red", "green", "blue", "white", "black", "yellow"])
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    images = inside(path)
    assert images and all(isinstance(one, fragments.Inside | InputError) for one in images)


def small(value, other=0.0):
    made = np.full((9, 16, 3), float(value), np.float32)
    made[:4] = other
    return made


def chosen(scenes, seen):
    given = [one for second, level, other in seen for one in scenes.see(second, small(level, other), second)]
    return [second for second, _ in (*given, *scenes.end())]


def test_a_scene_is_stood_for_by_its_last_frame_of_the_first_second():
    seen = [(step / 2, 200 if step < 8 else 90, 0) for step in range(16)]
    assert chosen(Scenes(), seen) == [1.0, 5.0]


def test_dull_frames_and_mixtures_stand_for_nothing():
    dull = [(0, 0, 0), (0.5, 3, 0)]
    assert chosen(Scenes(), dull) == [0]
    assert chosen(Scenes(), [*dull, (1, 200, 0), (5, 200, 0)]) == [1]
    mixed = [(0, 200, 0), (4, 200, 0), (4.5, 130, 70), (5.0, 60, 140), (5.5, 0, 200), (9, 0, 200)]
    assert chosen(Scenes(), mixed) == [0, 5.5]


def test_a_film_that_never_rests_gives_a_bounded_number():
    flicker = [(second, 200 * (second % 2), 100) for second in range(600)]
    assert 20 < len(chosen(Scenes(), flicker)) <= 20 + 600 / 60 * 20
    long = chosen(Scenes(duration=600, most=30), flicker)
    assert len(long) == 30 and long[-1] > 150
    assert len(chosen(Scenes(most=5), flicker)) == 5


def test_names_import_no_decoder():
    code = (
        "import sys, wordsight.images.fragments as f; f.for_people('a.mp4#t=1'); f.existing('a.mp4#t=1');"
        "print({'PIL', 'av', 'pypdfium2', 'numpy.linalg'} & set(sys.modules) - {'numpy.linalg'})"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


@pytest.mark.filterwarnings("ignore::UserWarning:PIL.TiffImagePlugin")
@pytest.mark.parametrize("compression", [None, "tiff_deflate"])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_a_cut_file_of_pages_gives_what_there_is_and_says_so(tmp_path, share, compression):
    colours = ["red", "green", "blue", "white", "brown", "pink", "orange", "purple"]
    path = frames(tmp_path / "m.tiff", colours, compression=compression)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    *images, last = inside(path)
    assert [one.fragment for one in images] == [f"page={number + 2}" for number in range(len(images))] and images
    assert isinstance(last, BrokenImage) and str(path) in str(last)


@pytest.mark.parametrize(
    ("module", "name", "raised"),
    [
        ("animation", "a.gif", TypeError("Missing dimensions")),
        ("pdf", "a.pdf", RuntimeError("odd")),
        ("animation", "a.png", OSError("cannot identify image file")),
        ("video", "a.mp4", ValueError("odd")),
    ],
)
def test_what_a_library_raises_names_the_file(tmp_path, monkeypatch, module, name, raised):
    def walked(path):
        yield from ()
        raise raised

    monkeypatch.setattr(f"wordsight.images.{module}.walked", walked)
    with pytest.raises(BrokenImage, match=rf"{name} cannot be decoded: {raised}"):
        list(fragments.walked(tmp_path / name, f".{name[-3:]}"))


def test_what_the_disk_does_stays_what_it_is(tmp_path):
    with pytest.raises(FileNotFoundError):
        list(fragments.walked(tmp_path / "a.pdf", ".pdf"))


def test_what_a_decoder_raises_in_the_middle_names_the_film(tmp_path, monkeypatch):
    import av

    path = film(tmp_path / "a.mp4", [("red", 1)])

    def odd(*_args, **_options):
        raise av.error.ExternalError(1, "odd")

    monkeypatch.setattr(video, "_small", odd)
    with pytest.raises(BrokenImage, match=r"a\.mp4 cannot be decoded: odd"):
        inside(path)


FORMS = {"a.mp4": "#t=SECONDS", "a.pdf": "#page=NUMBER", "a.tiff": "#page=NUMBER", "a.gif": "#frame=NUMBER"}


@pytest.mark.parametrize("fragment", ["t=-1", "t=1e9", "t=nan", "t=", "t=1,5", "page=-1", "frame=x", "odd", ""])
@pytest.mark.parametrize("name", FORMS)
def test_a_fragment_of_no_form_is_refused_with_the_right_one(tmp_path, name, fragment):
    (tmp_path / name).touch()
    with pytest.raises(UsageError, match=f"write {name}{FORMS[name]}"):
        fragments.check_form(tmp_path / f"{name}#{fragment}")


@pytest.mark.parametrize("fragment", ["t=1.5", "page=1", "frame=0"])
@pytest.mark.parametrize("name", FORMS)
def test_a_fragment_of_another_kind_is_refused_with_the_right_one(tmp_path, name, fragment):
    (tmp_path / name).touch()
    if FORMS[name].startswith(f"#{fragment.partition('=')[0]}="):
        fragments.check_form(tmp_path / f"{name}#{fragment}")
        return
    with pytest.raises(UsageError, match=f"write {name}{FORMS[name]}"):
        fragments.check_form(tmp_path / f"{name}#{fragment}")
    with pytest.raises(BrokenImage, match=f"write {name}{FORMS[name]}"):
        fragments.fragment_pixels(tmp_path / name, fragment)


def test_names_with_a_sign_of_their_own_are_left_alone(tmp_path):
    for name in ("a.mp4", "a.mp4#t=-1", "C", "b.jpg"):
        (tmp_path / name).touch()
    for name in ("a.mp4#t=-1", "C#", "C# code", "none.mp4#t=-1", "a.mp4"):
        fragments.check_form(tmp_path / name)
    with pytest.raises(UsageError, match="it holds one image"):
        fragments.check_form(tmp_path / "b.jpg#page=1")
