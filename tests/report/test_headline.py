"""The figures that head a page: of one data set, those of the bars, on pictures that are stated."""

import importlib.util
from pathlib import Path

from wordsight.base.nouns import Result
from wordsight.report.headline import headline
from wordsight.report.measured import read_subjects

_SPEC = importlib.util.spec_from_file_location("evaluations", Path(__file__).parent / "evaluation_records.py")
records = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(records)


def result(name, value, count=36, **setting):
    return Result(name, value, (value - 0.1, value + 0.1), count, "f00d", {"model": "m", **setting})


def cards_of(folder, *lines):
    records.add(folder, *lines)
    return [(value.replace("\u00a0", " "), words) for value, words in headline(read_subjects({"run": folder}))]


def test_the_data_set_with_most_kinds_heads_the_page_with_the_picks_of_the_bars(tmp_path):
    cards = cards_of(
        tmp_path,
        result("goods/zero-shot/top-1", 0.99, 200), result("clothes/zero-shot/top-1", 0.81, 200),
        result("clothes/few-shot-0/names/top-1", 0.86), result("clothes/few-shot-16/linear/top-1", 0.9),
        result("clothes/supervised/top-1", 0.833), result("clothes/calibration/ece", 0.1),
    )  # fmt: skip
    assert [value for value, _ in cards] == ["86.0 %", "90.0 %", "83.3 %"]
    assert all(", clothes; n 36; 95 % interval" in words for _, words in cards)
    assert "zero-shot on the pictures of few-shot" in cards[0][1] and "16 shots, linear" in cards[1][1]


def test_retrieval_and_calibration_fill_what_is_left_and_name_their_data_set(tmp_path):
    cards = cards_of(
        tmp_path,
        result("b/zero-shot/top-1", 0.5), result("a/zero-shot/top-1", 0.6),
        result("small/text_to_image/R@1", 0.9, gallery=80), result("large/text_to_image/R@1", 0.3, gallery=1000),
        result("a/calibration/ece", 0.2), result("b/calibration/ece", 0.1),
    )  # fmt: skip
    assert [value for value, _ in cards] == ["50.0 %", "30.0 %", "10.0 %"]
    assert ", b; n 36" in cards[0][1] and ", large; n 36" in cards[1][1] and ", b; n 36" in cards[2][1]


def test_models_stand_side_by_side_and_other_numbers_of_pictures_are_stated(tmp_path):
    records.add(tmp_path, result("a/zero-shot/top-1", 0.5), result("a/zero-shot/top-1", 0.7, 50, model="n"))
    ((value, words),) = headline(read_subjects({"run": tmp_path}))
    assert value.replace("\u00a0", " ") == "50.0 %, 70.0 %" and "; n 36, 50 (m, n)" in words


def test_nothing_heads_a_page_without_results(tmp_path):
    assert headline(read_subjects({"run": tmp_path})) == []
