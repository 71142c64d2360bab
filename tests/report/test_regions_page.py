"""The page of an image's regions: complete and safe whatever the classes are called."""

from io import BytesIO

from PIL import Image

from wordsight.report.regions_page import ShownClass, ShownRegions, write_regions_page

HOSTILE = "<script>alert('x')</script>\" onerror=\"y"


def test_the_page_shows_what_it_is_given_and_runs_nothing(tmp_path):
    buffer = BytesIO()
    Image.new("RGB", (8, 4)).save(buffer, "JPEG")
    classes = [
        ShownClass(HOSTILE, "#112233", 0.25, 0.31, 0.2, (1.0, 0.0, 4.0, 2.0), 2),
        ShownClass("cat", "#445566", 0.0, None, 0.1, None, 0),
    ]
    shown = ShownRegions(
        HOSTILE, "naclip", "m", (8, 4), buffer.getvalue(), buffer.getvalue(), classes, [("tree <", 0.3)]
    )
    text = write_regions_page(tmp_path / "r.html", shown).read_text()
    assert "<script" not in text and 'onerror="' not in text
    assert text.count("<img") == 2 and text.count("<rect") == 1
    assert '<rect x="1" y="0" width="4" height="2"' in text
    assert "no class <span>75.0 %: background (tree &lt;)</span>" in text and "0.310" in text
    assert "<b>the background: tree &lt;</b><span>nearest to the whole image" in text and "1 of 2 classes" in text
    assert (
        "1,\xa00,\xa04,\xa02" in text
        and "and the background, where it shows none. A box" in text
        and "always taken" not in text
    )


def test_one_class_alone_is_nearest_to_nothing(tmp_path):
    buffer = BytesIO()
    Image.new("RGB", (8, 4)).save(buffer, "JPEG")
    classes = [ShownClass("cat", "#112233", 0.25, 0.31, 0.2, (1.0, 0.0, 4.0, 2.0), 2)]
    shown = ShownRegions("a", "m", "m", (8, 4), buffer.getvalue(), buffer.getvalue(), classes, given=True)
    text = write_regions_page(tmp_path / "r.html", shown).read_text()
    assert "nearest to the whole image" not in text and "sees cat in this image" in text and "always taken" in text
    assert "no class <span>75.0 %: in none of the given masks</span>" in text
