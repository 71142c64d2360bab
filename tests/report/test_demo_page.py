"""The demo's page: well formed, self-contained, and true to the records."""

import importlib.util
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from wordsight.base.errors import FormatError, NotFound
from wordsight.report.demo_page import clock, write_demo_page

_SPEC = importlib.util.spec_from_file_location("demo_records", Path(__file__).parent / "records.py")
records = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(records)

VOID = {"meta", "img", "br", "input"}


class Page(HTMLParser):
    """Checks that every element is closed in order; collects text, addresses and headings."""

    def __init__(self, text):
        super().__init__()
        self.open, self.addresses, self.words, self.headings = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "srcset", "data")]

    def handle_startendtag(self, tag, attrs):
        self.addresses += [value for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


@pytest.fixture
def folder(tmp_path):
    records.write_demo_records(tmp_path)
    return tmp_path


def test_the_page_is_well_formed_and_loads_nothing(folder):
    text = write_demo_page(folder, folder / "report.html").read_text()
    page = Page(text)
    assert page.addresses
    assert all(address.startswith("data:") for address in page.addresses)
    assert "http" not in text.replace("http://www.w3.org", "").replace("http-equiv", "")
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in text
    assert "<script" not in text
    assert "@import" not in text
    assert "url(#tip)" in text


def test_the_page_tells_the_recorded_numbers(folder):
    words = " ".join(Page(write_demo_page(folder, folder / "report.html").read_text()).words)
    for said in ("93.8 %", "64 choices", "chance 1.6 %", "3 min 07 s", "1.23 M", "65,432", "4,321", "91.0 to 96.0"):
        assert said in words, said
    for said in ("87.5 %", "step 100", "8 of 8", "0.71 two red stars", "81 %", "7.5 s", "2 min 01 s"):
        assert said in words, said


def test_all_parts_of_the_story_are_there_in_order(folder):
    headings = Page(write_demo_page(folder, folder / "report.html").read_text()).headings
    assert headings == [
        "Two towers, one space",
        "The matrix sharpens",
        "The learning",
        "Never seen together",
        "It classifies",
        "It finds",
        "Real photos",
        "How it was made",
    ]


def test_what_was_not_recorded_is_left_out(folder):
    (folder / "answers.jsonl").unlink()
    (folder / "results.jsonl").unlink()
    headings = Page(write_demo_page(folder, folder / "report.html").read_text()).headings
    assert "It classifies" not in headings
    assert "Never seen together" not in headings
    assert "The matrix sharpens" in headings


def test_words_from_records_are_escaped(folder):
    text = write_demo_page(folder, folder / "report.html").read_text()
    assert "<red>" not in text
    assert "a &lt;red&gt; circle &amp; number 0" in text


def test_right_and_wrong_hits_are_marked(folder):
    text = write_demo_page(folder, folder / "report.html").read_text()
    assert text.count('<figure class="right">') == 1
    assert text.count('<figure class="wrong">') == 1


def test_a_picture_that_is_gone_is_named(folder):
    (folder / "picture-2.png").unlink()
    with pytest.raises(NotFound, match=r"picture-2\.png"):
        write_demo_page(folder, folder / "report.html")


def test_a_damaged_record_is_named(folder):
    with open(folder / "results.jsonl", "a") as handle:
        handle.write("not json\n")
    with pytest.raises(FormatError, match=r"results\.jsonl"):
        write_demo_page(folder, folder / "report.html")


def test_a_folder_without_a_demo_is_an_error(tmp_path):
    with pytest.raises(NotFound, match=r"demo\.json"):
        write_demo_page(tmp_path, tmp_path / "report.html")


def test_the_same_records_make_the_same_page(folder):
    first = write_demo_page(folder, folder / "report.html").read_bytes()
    assert write_demo_page(folder, folder / "report.html").read_bytes() == first
    assert json.loads((folder / "demo.json").read_text())["seconds"] == 187.4


def test_the_page_lies_beside_its_records_under_its_title(folder):
    path = write_demo_page(folder, folder / "report.html")
    assert path == folder / "report.html"
    page = Page(path.read_text())
    assert "Two towers learn to see" in page.words
    words = " ".join(page.words)
    for text in (
        "Every figure on this page was recorded while this machine did it.",
        "Cosines after 100 steps.",
        "pairs never seen",
        "the three likeliest, and how sure it is",
        "A green frame: the picture shows what was",
        "No photos: no installed package brings any.",
        "Written by wordsight 0.1.0, 2026-01-02T03:04:05Z",
        "on 2 cores",
        "parameters in both towers together",
    ):
        assert text in words, text


def test_the_grid_has_the_colours_and_shapes_of_the_story(folder):
    text = write_demo_page(folder, folder / "report.html").read_text()
    assert "<th></th><th>circle</th><th>star</th>" in text
    assert "<tr><th>red</th><td>·</td>" in text and "<tr><th>blue</th>" in text
    story = json.loads((folder / "demo.json").read_text())
    for name in ("colours", "shapes", "stages", "settings", "photos", "seconds", "parameters", "pairs_seen"):
        story.pop(name)
    (folder / "demo.json").write_text(json.dumps(story))
    headings = Page(write_demo_page(folder, folder / "report.html").read_text()).headings
    assert "Real photos" not in headings and "How it was made" in headings


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.95, "10 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s")],
)
def test_times_are_short(seconds, text):
    assert clock(seconds) == text
