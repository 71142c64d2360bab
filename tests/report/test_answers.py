"""Recorded answers become cards, grids and bars with the recorded numbers in their places."""

import re

import pytest
from PIL import Image

from wordsight.base.nouns import Result
from wordsight.report.answers import MEASURES, guesses, measures, pair_grid, searches


@pytest.fixture
def folder(tmp_path):
    for name in ("1.png", "2.png"):
        Image.new("RGB", (2, 2)).save(tmp_path / name)
    return tmp_path


def result(name, value=0.5, **fields):
    return Result(name, value, **fields)


def plain(html):
    """The texts of a piece of HTML, without addresses."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html)).strip()


def test_only_what_was_measured_has_a_bar_in_the_order_of_the_table():
    assert measures({}) == ""
    assert measures({"something/else": result("something/else")}) == ""
    names = list(MEASURES)
    results = {
        names[2]: result(names[2], 0.25, interval=(0.125, 0.5), setting={"chance": 0.015625}),
        names[0]: result(names[0], 1.0),
    }
    text = plain(measures(results))
    assert text.index(MEASURES[names[0]]) < text.index(MEASURES[names[2]])
    assert "100.0 %" in text and "25.0 % 12.5 to 50.0, chance 1.6 %" in text
    assert MEASURES[names[1]] not in text
    assert "accuracy on scenes of held-out pairs" in text


def test_the_grid_has_figures_for_the_pairs_that_were_held_out():
    results = {
        "unseen/pair/red star": result("unseen/pair/red star", 0.754, count=6),
        "unseen/pair/blue circle": result("unseen/pair/blue circle", 0.0, count=3),
    }
    html = pair_grid(results, colours=["red", "blue", "<odd>"], shapes=["circle", "star"])
    rows = re.findall(r"<tr>(.*?)</tr>", html)
    assert [plain(row) for row in rows] == ["circle star", "red · 75 %", "blue 0 % ·", "&lt;odd&gt; · ·"]
    assert 'style="--share:0.75" title="6 scenes"' in rows[1]
    assert 'class="held"' in rows[1] and rows[1].count("held") == 1
    assert "never shown; the others were learned" in plain(html)
    assert html.startswith("<h3>Right, pair by pair</h3><div")
    assert pair_grid({"unseen/zero-shot": result("x")}, colours=["red"], shapes=["star"]) == ""


def guess(image, truth, *names):
    shares = [{"name": name, "share": share} for name, share in names]
    return {"kind": "classify", "image": image, "truth": truth, "guesses": shares}


def test_a_guess_is_right_when_its_first_name_is_the_truth(folder):
    html = guesses(
        folder,
        [
            guess("1.png", "red & star", ("red & star", 0.814), ("<blue>", 0.106)),
            guess("2.png", "blue", ("red", 0.6), ("blue", 0.4)),
            {"kind": "scenes", "query": "q", "hits": []},
        ],
    )
    right, wrong = html.split('<div class="guess">')[1:]
    assert '<span class="right-word">✓ red &amp; star</span>' in right
    assert '<i style="width:81%"></i>red &amp; star</span><em>81 %</em>' in right
    assert '<i style="width:11%"></i>&lt;blue&gt;</span><em>11 %</em>' in right
    assert 'alt="red &amp; star"' in right
    assert '<span class="wrong-word">✗ blue</span>' in wrong
    assert plain(wrong) == "✗ blue red 60 % blue 40 %"
    assert html.startswith('<div class="guesses">')
    assert guesses(folder, [{"kind": "scenes", "query": "q", "hits": []}]) == ""


def hit(right, score=0.714, said="two <stars>"):
    return {"image": "1.png", "score": score, "said": said, "right": right}


def test_hits_are_framed_by_what_is_known_of_them(folder):
    answers = [
        {"kind": "scenes", "query": "a <star>", "aside": "of & 64", "hits": [hit(True), hit(False, 0.1), hit(None)]},
        {"kind": "photos", "query": "a cat", "hits": []},
    ]
    html = searches(folder, answers, "scenes")
    assert re.findall(r'<figure class="(\w*)">', html) == ["right", "wrong", ""]
    assert '<div class="query"><q>a &lt;star&gt;</q> <span>of &amp; 64</span></div><div class="hits">' in html
    assert "<figcaption>0.71 two &lt;stars&gt;</figcaption>" in html and "<figcaption>0.10 " in html
    assert 'alt="two &lt;stars&gt;"' in html
    photos = searches(folder, answers, "photos")
    assert photos == '<div class="query"><q>a cat</q> <span></span></div><div class="hits wide"></div>'
    assert searches(folder, answers, "none") == ""
