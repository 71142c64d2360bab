"""Ways of learning against one another: the picks of the bars, on the same pictures, and what is left out."""

import base64
import importlib.util
import re
from pathlib import Path

import numpy as np

from wordsight.base.details import Detail
from wordsight.base.nouns import Result
from wordsight.report.measured import read_subjects
from wordsight.report.ways_of_learning import ways_of_learning

_SPEC = importlib.util.spec_from_file_location("evaluations", Path(__file__).parent / "evaluation_records.py")
records = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(records)
RIGHT = np.array([1, 0, 0, 0, 1, 0, 1, 0], bool)


def add(folder, kind, right, *, key="k", task="t", draws=None):
    """Record a result with its hits; of draws `right` is (D, N)."""
    name = f"a/{kind}/top-1"
    packed = np.packbits(right) if draws is None else right.sum(axis=0).astype(np.uint8)
    data = {"key_hash": key, "hits": base64.b64encode(packed.tobytes()).decode(), "count": right.shape[-1]}
    setting = {"model": "m", "task": task}
    records.add(
        folder,
        Result(name, float(right.mean()), None, right.shape[-1], "f", setting),
        Detail(name, "", "hits", data if draws is None else {**data, "draws": draws}, "f", setting),
    )


def rows_of(folder):
    html = ways_of_learning(read_subjects({"run": folder})).replace("\u00a0", " ")
    return html, [re.findall("<td>(.*?)</td>", row) for row in html.split("<tr>")[2:]]


def test_each_way_is_compared_with_each_other_on_the_same_pictures(tmp_path):
    add(tmp_path, "zero-shot", RIGHT)
    add(tmp_path, "few-shot-4/linear", np.array([RIGHT, np.ones(8, bool)]), draws=2)
    add(tmp_path, "supervised", np.ones(8, bool))
    _, rows = rows_of(tmp_path)
    assert [(row[0], row[1], row[-1]) for row in rows] == [
        ("a: few-shot (4 shots, linear) minus zero-shot", "+31.2 points", "8"),
        ("a: supervised minus zero-shot", "+62.5 points", "8"),
        ("a: supervised minus few-shot", "+31.2 points", "8"),
    ]
    assert rows[2][3:5] == ["5", "0"]


def test_the_names_stand_for_zero_shot_of_other_pictures_and_what_has_no_hits_is_named(tmp_path):
    add(tmp_path, "zero-shot", np.zeros(8, bool), key="other")
    add(tmp_path, "few-shot-0/names", RIGHT)
    records.add(tmp_path, Result("a/few-shot-4/linear/top-1", 0.5, None, 8, "f", {"model": "m", "task": "t"}))
    add(tmp_path, "supervised", np.ones(8, bool))
    html, rows = rows_of(tmp_path)
    assert [row[:2] for row in rows] == [["a: supervised minus zero-shot", "+62.5 points"]]
    assert "a, few-shot minus zero-shot; a, supervised minus few-shot" in html


def test_the_hits_are_those_of_the_task_that_stands_in_the_bars(tmp_path):
    add(tmp_path, "zero-shot", RIGHT)
    add(tmp_path, "supervised", np.zeros(8, bool), task="t1")
    add(tmp_path, "supervised", np.ones(8, bool), task="t2")
    _, rows = rows_of(tmp_path)
    assert [row[1] for row in rows] == ["+62.5 points"]


def test_nothing_is_said_without_hits(tmp_path):
    records.add(tmp_path, Result("a/zero-shot/top-1", 0.5), Result("a/supervised/top-1", 0.6))
    assert rows_of(tmp_path)[0] == ""
