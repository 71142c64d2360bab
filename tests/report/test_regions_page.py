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
    shown = ShownRegions(HOSTILE, "naclip", "m", (8, 4), buffer.getvalue(), buffer.getvalue(), classes, "cat")
    text = write_regions_page(tmp_path / "r.html", shown).read_text()
    assert "<script" not in text and 'onerror="' not in text
    assert text.count("<img") == 2 and text.count("<rect") == 1
    assert '<rect x="1" y="0" width="4" height="2"' in text
    assert "no class <span>75.0 %</span>" in text and "0.310" in text and "nearest to the whole image" in text
