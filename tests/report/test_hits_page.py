"""The page of a search: complete, self-contained, and safe whatever names, captions and pictures come."""

from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from wordsight.report.hits_page import LONGEST, Asked, file_address, write_hits_page
from wordsight.search.hits import Hit, Located

ASKED = Asked(query="red shoes", locations=[Path("photos")], most=10, time="2026-11-29 14:03")
HOSTILE = "<script>alert('x')</script>\" onerror=\"y\n&amp; \ud800\udce9 \u202e\x1b[2J\0"


class Tags(HTMLParser):
    """What a page holds: tags with attributes, and its text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def write(tmp_path):
    def writing(hits, asked=ASKED, **options):
        located = [Located(asked.locations[0], hit) for hit in hits]
        write_hits_page(tmp_path / "hits.html", located, asked, **options)
        text = (tmp_path / "hits.html").read_bytes().decode()
        assert "<script" not in text and "default-src 'none'" in text
        page = Tags(text)
        assert page.open == []
        return page

    return writing


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "a photo #1?.png"
    Image.new("RGB", (40, 20), (200, 0, 0)).save(path)
    return path


def test_a_hit_has_its_image_its_file_and_what_is_known_of_it(write, photo):
    captions = "a red thing\nsomething red\nthird\n\nfourth"
    meta = {"text": captions, "price": 9.5, "none": None, "lines": "one\ntwo"}
    page = write([Hit(0.31234, "a photo.png", photo, meta)])
    assert page.all("a") == [{"class": "view", "href": photo.as_uri()}]
    (image,) = page.all("img")
    assert image["alt"] == "a red thing" and image["src"].startswith("data:image/jpeg;base64,/9j/")
    text = " ".join(page.text)
    for part in (
        "1 hit, the best first.",
        "score 0.312",
        "something red",
        "2 more captions",
        "fourth",
        "9.5",
        "photos",
    ):
        assert part in text
    assert [tag for tag, _ in page.tags if tag in ("h1", "h2", "h3")] == ["h1", "h2", "h3"]
    assert page.all("html") == [{"lang": "en"}] and len(page.all("br")) == 1


def test_chosen_columns_stand_open_and_nothing_else(write, photo):
    page = write([Hit(0.3, "k", photo, {"text": "said", "price": 9, "colour": "red"})], columns=["price", "missing"])
    assert not page.all("details")
    assert page.text[page.text.index("price") :][:4] == ["price", "9", "missing", "–"]
    assert "said" not in page.text and "colour" not in page.text


def test_nothing_that_comes_from_outside_acts(write, tmp_path):
    odd = tmp_path / "<img src=x> 'q' \"d\" \udce9\n.png"
    Image.new("RGB", (4, 4)).save(odd)
    asked = Asked(
        query=HOSTILE,
        locations=[Path(HOSTILE.replace("\0", "")), Path("b")],
        most=2,
        time="now",
        model=HOSTILE,
        without=[HOSTILE],
        where=HOSTILE,
        least="0.2",
        images=[odd],
    )
    hits = [Hit(0.3, HOSTILE, odd, {HOSTILE: HOSTILE, "text": HOSTILE}), Hit(0.2, HOSTILE, None, {"text": HOSTILE})]
    for columns in (None, [HOSTILE, "text"]):
        page = write(hits, asked, columns=columns)
        assert {name for _, attributes in page.tags for name in attributes} <= {
            *("lang", "charset", "http-equiv", "content", "name", "class", "href", "src", "alt", "loading", "decoding"),
        }
        assert len(page.all("img")) == 2
        assert {attributes["href"] for attributes in page.all("a")} == {file_address(odd)}
        text = "".join(page.text)
        assert not set(text) & set("\0\x1b\u202e") and r"\udce9" in text.replace("\\xe9", "\\udce9")


def test_an_image_that_cannot_be_read_has_a_box_with_the_reason(write, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no image")
    page = write([Hit(0.3, name, tmp_path / name, {}) for name in ("bad.png", "gone.png")])
    assert not page.all("img") and len(page.all("a")) == 2
    assert page.text.count("No picture") == 2
    assert any("is not a JPEG" in text for text in page.text) and any("No such file" in text for text in page.text)


def test_a_page_without_hits_says_so(write):
    page = write([])
    assert "Nothing matches." in page.text and not page.all("ol") and not page.all("h2")


def test_it_says_when_more_may_match_and_names_the_place_of_each_of_several(write, photo):
    asked = Asked(query="q", locations=[Path("one"), Path("two")], most=2, time="now")
    page = write([Hit(0.3, "inside", None, {}), Hit(0.2, "file", photo, {})], asked)
    assert "2 hits, the best first; no more than 2 were asked for." in page.text
    assert "one: inside" in page.text and str(photo) in page.text


def test_a_probability_is_shown_as_one(write):
    assert "match 87%" in write([Hit(0.3, "a", None, {}, 0.871)]).text


def test_long_values_are_cut(write):
    page = write([Hit(0.3, "a", None, {"text": "x" * 9000, "other": "y" * 9000})])
    assert max(map(len, page.text)) == LONGEST
