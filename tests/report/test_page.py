"""The frame of a page and its parts: what is plain text is escaped, what is empty is left out."""

import base64
from html.parser import HTMLParser

import pytest

from wordsight.base.errors import FormatError, NotFound
from wordsight.report.page import address, box, facts, image, note, page, section, table

ODD = "<b>&\"'"
SAFE = "&lt;b&gt;&amp;&quot;&#x27;"


@pytest.mark.parametrize(
    ("made", "html"),
    [
        (note(ODD), f'<p class="note">{SAFE}</p>'),
        (box("<i>x</i>"), '<div class="box"><i>x</i></div>'),
        (box(""), ""),
        (facts([(ODD, ODD)]), f'<div class="facts"><div class="fact"><b>{SAFE}</b><span>{SAFE}</span></div></div>'),
        (
            facts([("1", "a"), ("2", "b")]),
            '<div class="facts"><div class="fact"><b>1</b><span>a</span></div>'
            '<div class="fact"><b>2</b><span>b</span></div></div>',
        ),
        (
            table(["h", ODD], [["1", "2"], [ODD, "4"]]),
            f"<table><thead><tr><th>h</th><th>{SAFE}</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr>"
            f"<tr><td>{SAFE}</td><td>4</td></tr></tbody></table>",
        ),
        (section(ODD, "<i>1</i>", "", "<i>2</i>"), f"<section><h2>{SAFE}</h2><i>1</i><i>2</i></section>"),
        (section("h", "<i>1</i>", text=ODD), f"<section><h2>h</h2><p>{SAFE}</p><i>1</i></section>"),
        (section("h", "", "", text="alone"), ""),
        (section("h"), ""),
    ],
)
def test_parts(made, html):
    assert made == html


class Texts(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.at, self.found = "", {}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.at = tag

    def handle_data(self, data):
        if data.strip():
            self.found.setdefault(self.at, []).append(data.strip())
        self.at = self.at if not data.strip() else ""


def test_a_whole_page_holds_its_parts_in_order():
    text = page(ODD, lead="lead & more", blocks=["<section>1</section>", "", "<section>2</section>"], foot="foot <x>")
    assert text.startswith("<!doctype html>\n<html lang=") and text.endswith("</html>\n")
    assert f"<title>{SAFE}</title>" in text and f"<h1>{SAFE}</h1>" in text
    assert '<p class="lead">lead &amp; more</p>\n<section>1</section>\n<section>2</section>\n' in text
    assert "<footer>foot &lt;x&gt;</footer>" in text
    assert '<meta charset="utf-8">' in text and "width=device-width" in text
    found = Texts(text).found
    assert found["title"] == found["h1"] == [ODD]
    assert "--ink" in found["style"][0]
    assert "<footer></footer>" in page("t", lead="", blocks=[])


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.png", "png"), ("a.jpg", "jpeg"), ("a.JPEG", "jpeg"), ("a.webp", "webp"), ("a.gif", "gif")],
)
def test_a_file_becomes_an_address_that_holds_it(tmp_path, name, kind):
    (tmp_path / name).write_bytes(b"\x00\xffbytes")
    made = address(tmp_path / name)
    assert made.startswith(f"data:image/{kind};base64,")
    assert base64.b64decode(made.split(",")[1]) == b"\x00\xffbytes"
    assert image(tmp_path / name, ODD) == f'<img src="{made}" alt="{SAFE}">'


def test_files_that_cannot_be_shown_are_named(tmp_path):
    with pytest.raises(FormatError) as caught:
        address(tmp_path / "a.tiff")
    assert str(caught.value) == (
        f"{tmp_path / 'a.tiff'} cannot be put into a page; record pictures as .png, .jpg, .jpeg, .webp, .gif"
    )
    with pytest.raises(NotFound) as caught:
        address(tmp_path / "a.png")
    assert str(caught.value) == f"the record names {tmp_path / 'a.png'}, which is not there; record the run again"
