"""The contact sheet: its size for few and many hits, its labels, and what it does with letters that it lacks."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wordsight.base import progress
from wordsight.base.errors import UsageError
from wordsight.report import contact_sheet
from wordsight.report.contact_sheet import PAPER, SIDES, check_sheet, write_contact_sheet
from wordsight.search.hits import Hit, Located


@pytest.fixture
def hits(tmp_path):
    Image.new("RGB", (60, 30), (250, 0, 0)).save(tmp_path / "red.png")
    return lambda count: [Located(tmp_path, Hit(0.5, f"red {n}", tmp_path / "red.png", {"a": n})) for n in range(count)]


@pytest.mark.parametrize("count", [1, 2, 7, 40, 120, 500])
def test_its_shape_is_that_of_a_page_and_every_hit_is_on_it(hits, tmp_path, count):
    write_contact_sheet(tmp_path / "sheet.png", hits(count), heading="red")
    sheet = Image.open(tmp_path / "sheet.png")
    assert 320 <= sheet.width <= 3800 and sheet.height <= 3800
    if count > 6:
        assert 0.8 <= sheet.width / sheet.height <= 1.7
    red = (np.asarray(sheet) == (250, 0, 0)).all(-1).sum()
    side = next(side for most, side in SIDES if count <= most)
    width = min(side, 3 * 60)  # small images are enlarged
    assert red == count * width * width // 2


def test_jpeg_by_its_ending_and_others_refused(hits, tmp_path):
    write_contact_sheet(tmp_path / "sheet.JPG", hits(3), heading="red")
    assert (tmp_path / "sheet.JPG").read_bytes().startswith(b"\xff\xd8\xff")
    with pytest.raises(UsageError, match=r"sheet.gif; give a name that ends in .png, .jpg, .jpeg"):
        check_sheet(Path("sheet.gif"))


def test_only_the_first_of_very_many_are_on_it(hits, tmp_path, monkeypatch):
    monkeypatch.setattr(contact_sheet, "MOST", 5)
    write_contact_sheet(tmp_path / "five.png", hits(9), heading="red")
    write_contact_sheet(tmp_path / "same.png", hits(5), heading="red")
    assert (tmp_path / "five.png").read_bytes() == (tmp_path / "same.png").read_bytes()


def written(monkeypatch, hits, tmp_path, **options):
    """Return the texts that are written onto a sheet."""
    from PIL.ImageDraw import ImageDraw

    texts = []
    draw = ImageDraw.text
    monkeypatch.setattr(
        ImageDraw, "text", lambda self, at, text, **more: (texts.append(text), draw(self, at, text, **more))
    )
    write_contact_sheet(tmp_path / "sheet.png", hits, **options)
    return texts


def test_labels_are_rank_score_and_name_or_the_columns_asked_for(hits, tmp_path, monkeypatch):
    assert written(monkeypatch, hits(1), tmp_path, heading="red") == ["red", "1 · 0.500", "red 0"]
    assert written(monkeypatch, hits(1), tmp_path, heading="red", columns=["a", "b"])[1:] == ["1 · 0.500", "0", "-"]


def test_letters_that_the_font_lacks_are_written_plainly_and_long_ones_end_in_dots(tmp_path, monkeypatch):
    (tmp_path / "bad.png").write_bytes(b"")
    hit = Hit(0.5, "Một con chó 狗\n" + "long " * 5000, tmp_path / "bad.png", {})
    monkeypatch.setattr(contact_sheet, "SYSTEM", ("no such font.ttf",))
    texts = written(monkeypatch, [Located(tmp_path, hit)], tmp_path, heading="x\ny\ud800")
    heading, *reason, rank, first, second = texts
    assert (heading, reason[0], rank) == (r"x y\ud800", "no picture", "1 · 0.500")
    assert "is empty" in " ".join(reason)
    assert first.startswith("Mot con cho long") and first.endswith(" long")
    assert second.startswith("long long") and second.endswith("…")


def test_what_no_font_has_is_left_out_and_said_once(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(contact_sheet, "SYSTEM", ())
    monkeypatch.setattr(progress, "_printed", set())
    hits = [Located(tmp_path, Hit(0.5, key, None, {})) for key in ("赤い靴", "a 犬 b 🐕", "plain")]
    texts = [text for text in written(monkeypatch, hits, tmp_path, heading="犬") if text]
    assert not any("?" in text for text in texts)
    assert "a b" in texts and "plain" in texts
    assert capsys.readouterr().err.count("letters that no font here has are left out of the sheet") == 1


def test_words_that_fit_on_no_line_are_broken(tmp_path, monkeypatch):
    hit = Hit(0.5, "w" * 5000, tmp_path / "gone.png", {})
    *_, first, second = written(monkeypatch, [Located(tmp_path, hit)], tmp_path, heading="q")
    assert first == "w" * len(first) and second == "w" * (len(second) - 1) + "…"
    assert 20 < len(second) <= len(first) < 40


def test_a_line_that_a_font_of_the_system_can_write_is_written_as_it_is(hits, tmp_path, monkeypatch):
    has, font, fonts = contact_sheet._has, contact_sheet._font, []
    monkeypatch.setattr(contact_sheet, "SYSTEM", ("a font of the system",))
    monkeypatch.setattr(contact_sheet, "_has", lambda c, name, letter: name != "" or has(c, name, letter))
    monkeypatch.setattr(contact_sheet, "_font", lambda name, letter: (fonts.append(name), font("", letter))[1])
    assert written(monkeypatch, hits(1), tmp_path, heading="Überall")[0] == "Überall"
    assert fonts.count("a font of the system") == 1


def test_a_broken_image_leaves_its_cell(tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no")
    write_contact_sheet(tmp_path / "s.png", [Located(tmp_path, Hit(0.5, "b", tmp_path / "bad.png", {}))], heading="q")
    assert (np.asarray(Image.open(tmp_path / "s.png")) != PAPER).any()
