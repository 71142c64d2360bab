"""The shared space in the plane: the projection, what is near, and the figure."""

import importlib.util
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from wordsight.base.errors import FormatError, NotFound
from wordsight.base.records import append_line
from wordsight.report.evaluation_page import write_evaluation_page
from wordsight.report.space_figure import chosen_steps, nearness, projection_of
from wordsight.report.space_part import read_moments, space_part

_SPEC = importlib.util.spec_from_file_location("evaluations", Path(__file__).parent / "evaluation_records.py")
records = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(records)


def units(array):
    return array / np.linalg.norm(array, axis=-1, keepdims=True)


def test_the_axes_are_those_of_the_largest_spread():
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(40, 6)) * [3, 2, 0.1, 0.1, 0.1, 0.1]
    projection = projection_of(np.stack([plane, plane]).astype(np.float32))
    assert np.abs(projection.axes[:2]).max(axis=0) == pytest.approx([1, 1], abs=0.05)
    assert projection.axes.T @ projection.axes == pytest.approx(np.eye(2), abs=1e-6)


def test_a_gap_between_images_and_texts_is_taken_out_where_pairs_are_then_nearer():
    rng = np.random.default_rng(1)
    shared = rng.normal(size=(30, 8))
    gap = np.zeros(8)
    gap[3] = 20
    apart = projection_of(np.stack([shared, shared + gap]).astype(np.float32))
    assert apart.centred == "each cloud"
    plane = apart.of(np.stack([shared, shared + gap]))
    assert plane[0] == pytest.approx(plane[1], abs=1e-4)


def test_nearness_against_loops_with_ties_against_the_model():
    embeddings = units(np.random.default_rng(2).normal(size=(2, 12, 5)))
    near = nearness(embeddings)
    cosines = [[float(a @ b) for b in embeddings[1]] for a in embeddings[0]]
    right = [all(cosines[i][i] > cosines[i][j] for j in range(12) if j != i) for i in range(12)]
    assert near.right == pytest.approx(np.mean(right))
    assert near.pairs == pytest.approx(np.mean([cosines[i][i] for i in range(12)]))
    assert near.others == pytest.approx(np.mean([cosines[i][j] for i in range(12) for j in range(12) if i != j]))
    assert list(near.wrong) == [max((j for j in range(12) if j != i), key=lambda j: cosines[i][j]) for i in range(12)]
    assert nearness(np.ones((2, 4, 1))).right == 0.0


def test_chosen_steps_hold_both_ends():
    assert chosen_steps(3) == [0, 1, 2] and chosen_steps(1) == [0]
    assert chosen_steps(100) == [0, 20, 40, 59, 79, 99]


def test_the_figure_has_a_panel_for_six_steps_and_one_scale(tmp_path):
    records.write_space(tmp_path)
    figures = [ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", space_part(tmp_path), re.DOTALL)]
    assert [figure.get("data-name") for figure in figures[:2]] == ["shared-space"] * 2
    for drawing in figures[:2]:
        panels = drawing.findall("rect[@class='plot']")
        assert len(panels) == 6 and len({panel.get("width") for panel in panels}) == 1
        assert [t.text for t in drawing.iter("text") if (t.text or "").startswith("step")] == [
            "step 0", "step 64", "step 128", "step 512", "step 1,024", "step 2,048",
        ]  # fmt: skip
        for panel, pairs in zip(panels, drawing.findall("path[@class='pair']")[1:], strict=True):
            spots = np.array(re.findall(r"[ML]([\d.]+) ([\d.]+)", pairs.get("d")), float)
            assert len(spots) == 2 * 48
            left, top, side = (float(panel.get(key)) for key in ("x", "y", "width"))
            assert (spots[:, 0] >= left).all() and (spots[:, 0] <= left + side).all()
            assert (spots[:, 1] >= top).all() and (spots[:, 1] <= top + side).all()


def test_a_page_shows_the_space_and_a_run_without_one_does_not(tmp_path):
    assert space_part(tmp_path) == ""
    records.write_space(tmp_path, count=2, width=1)
    assert "All 2 pairs are drawn" in write_evaluation_page([tmp_path], tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((2, 5, 4), np.float16), r"has the shape \(2, 5, 4\), not \(2, 3, width\)"),
        (np.zeros((2, 3, 9), np.float16), "embeddings of widths"),
        (np.full((2, 3, 4), np.nan, np.float16), "something else than finite numbers"),
        (np.array([[None]]), "is no array"),
    ],
)
def test_damaged_embeddings_are_named(tmp_path, array, words):
    records.write_space(tmp_path, count=3, width=4)
    np.save(tmp_path / "space" / "step-000064.npy", array, allow_pickle=True)
    with pytest.raises(FormatError, match=words):
        read_moments(tmp_path)


def test_a_file_that_is_gone_and_a_line_without_step_are_named(tmp_path):
    records.write_space(tmp_path, count=3, width=4)
    (tmp_path / "space" / "step-000064.npy").unlink()
    with pytest.raises(NotFound, match=r"step-000064\.npy"):
        read_moments(tmp_path)
    (tmp_path / "space" / "steps.jsonl").write_text(json.dumps({"step": "x"}) + "\n")
    append_line(tmp_path / "space" / "steps.jsonl", {"step": 1})
    with pytest.raises(FormatError, match=r"steps\.jsonl line 1 names no step"):
        read_moments(tmp_path)
