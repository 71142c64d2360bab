"""SmallImage images of many hits: in order, in threads, a few at a time, and with the reason where there is none."""

import io

from PIL import Image

from wordsight.base.errors import InputError
from wordsight.search import thumbnails as room
from wordsight.search.hits import Hit, Hits
from wordsight.search.thumbnails import address, as_jpeg, thumbnails


class Backwards:
    """Originals that give their images in another order than they are asked for."""

    def __init__(self):
        self.asked = []

    def images(self, keys):
        self.asked.append(list(keys))
        for key in reversed(list(keys)):
            yield key, png(int(key))


def png(red):
    packed = io.BytesIO()
    Image.new("RGB", (64, 32), (red, 0, 0)).save(packed, "PNG")
    return packed.getvalue()


def test_they_come_in_the_order_of_the_hits_whatever_the_order_of_the_source(monkeypatch):
    monkeypatch.setattr(room, "WINDOW", 10)
    origin = Backwards()
    hits = [Hit(0.5, str(n), None, {}, origin=origin) for n in range(25)]
    hits[7] = Hit(0.5, "nowhere", None, {})
    shown = list(thumbnails(hits, lambda image: (image.size, image.getpixel((0, 0))[0]), side=16))
    assert isinstance(shown.pop(7), InputError)
    assert shown == [((16, 8), n) for n in range(25) if n != 7]
    assert [len(keys) for keys in origin.asked] == [9, 10, 5]


def test_one_image_that_two_hits_have_is_shown_twice():
    hits = [Hit(0.5, "3", None, {}, origin=Backwards())] * 2
    assert list(thumbnails(hits, lambda image: image.getpixel((0, 0))[0], side=16)) == [3, 3]


def test_broken_and_missing_images_have_a_reason(tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xffno")
    hits = [Hit(0.5, name, tmp_path / name, {}) for name in ("bad.jpg", "gone.jpg")]
    bad, gone = thumbnails(hits, as_jpeg, side=16)
    assert isinstance(bad, InputError) and "bad.jpg" in bad.problem
    assert isinstance(gone, InputError) and "No such file" in gone.problem


def test_transparency_lies_on_white_and_jpegs_hold_themselves(tmp_path):
    Image.new("RGBA", (40, 20), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    (jpeg,) = thumbnails([Hit(0.5, "clear.png", tmp_path / "clear.png", {})], as_jpeg, side=16)
    image = Image.open(io.BytesIO(jpeg))
    assert (image.format, image.size, image.getpixel((3, 3))) == ("JPEG", (16, 8), (255, 255, 255))
    assert address(jpeg).startswith("data:image/jpeg;base64,/9j/")


def test_a_notebook_shows_images_inside_sources_too():
    html = Hits([Hit(0.5, "3", None, {}, origin=Backwards())])._repr_html_()
    assert html.count('src="data:image/jpeg;base64,') == 1 and ">0.500 3<" in html
