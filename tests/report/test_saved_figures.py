"""Figures as files: SVG that stands alone, and PNG where resvg is there."""

import importlib.util
import io
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image, ImageFont

from wordsight.base.errors import MissingExtra
from wordsight.cli.main import main
from wordsight.report.evaluation_page import write_evaluation_page
from wordsight.report.saved_figures import figures_in, letters_beyond, save_figures

_SPEC = importlib.util.spec_from_file_location("evaluations", Path(__file__).parent / "evaluation_records.py")
records = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(records)


@pytest.fixture
def page(tmp_path):
    records.write_evaluation(tmp_path, model="ViT-B-16", names=("flowers5",))
    return write_evaluation_page([tmp_path], tmp_path / "page.html").read_text()


def test_every_figure_stands_alone_under_a_name_of_its_own(page):
    figures = dict(figures_in(page))
    assert len(figures) == page.count('class="chart wide') > 8
    assert {"overview", "flowers5-few-shot", "flickr8k-text_to_image", "flowers5-zero-shot-reliability"} <= set(figures)
    for drawing in figures.values():
        svg = ElementTree.fromstring(drawing)
        assert svg.tag == "{http://www.w3.org/2000/svg}svg" and "var(" not in drawing
        assert re.search("fill: ?#[0-9a-f]{6}", drawing)
    twice = page + page
    assert {"overview", "overview-2"} <= set(dict(figures_in(twice)))


def test_png_files_hold_the_drawing_with_its_labels(page, tmp_path):
    pytest.importorskip("resvg_py")
    paths = save_figures(page, tmp_path / "figures")
    assert len(paths) == 2 * len(list(figures_in(page))) and all(path.exists() for path in paths)
    picture = np.asarray(Image.open(io.BytesIO((tmp_path / "figures" / "overview.png").read_bytes())).convert("L"))
    assert picture.shape[1] == 2 * 884
    legend = picture[:50, 30:220]
    assert (legend < 100).sum() > 50  # the letters of the legend, on white
    assert picture[-3, -3] == 255


def test_without_resvg_the_install_command_is_named_and_nothing_written(page, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(MissingExtra, match=re.escape("pip install 'wordsight[report]'")):
        save_figures(page, tmp_path / "figures")
    assert not (tmp_path / "figures").exists()


def test_the_verb_prints_every_file(tmp_path, capsys):
    pytest.importorskip("resvg_py")
    records.add(tmp_path, records.result("x/zero-shot/top-1", 0.5, "m"))
    assert main(["report", str(tmp_path), "--figures", str(tmp_path / "figures")]) == 0
    printed = capsys.readouterr().out.split()
    assert printed == [str(tmp_path / name) for name in ("report.html", "figures/overview.svg", "figures/overview.png")]


def test_letters_that_the_inside_font_lacks_are_known(page):
    font = ImageFont.load_default(12)
    assert letters_beyond("<svg><title>é</title><text x='1'>caf&amp;<tspan>é 名</tspan></text></svg>", font) == {
        "é",
        "名",
    }
    assert not any(letters_beyond(drawing, font) for _, drawing in figures_in(page))
