"""Details: what goes in comes out, what is no detail is refused."""

import json

import pytest

from wordsight.base.details import FORMS, Detail
from wordsight.base.errors import FormatError


@pytest.mark.parametrize("form", FORMS)
def test_a_line_gives_back_what_was_written(form):
    detail = Detail("pets/zero-shot", "Übersicht", form, {"rows": [1, None]}, "f00d", {"split": "test"})
    assert "\n" not in detail.to_json()
    assert Detail.from_fields(json.loads(detail.to_json())) == detail


def test_fingerprint_and_setting_may_be_absent():
    detail = Detail.from_fields({"name": "a", "title": "", "form": "table", "data": {}})
    assert (detail.fingerprint, detail.setting) == ("", {})


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"form": "pie"}, FormatError),
        ({"form": None}, FormatError),
        ({"name": ""}, FormatError),
        ({"name": 3}, TypeError),
        ({"title": None}, TypeError),
        ({"data": []}, TypeError),
        ({"setting": "x"}, TypeError),
        ({"more": 1}, TypeError),
    ],
)
def test_what_is_no_detail_is_refused(change, error):
    with pytest.raises(error):
        Detail.from_fields({"name": "a", "title": "t", "form": "table", "data": {}, **change})


def test_a_missing_field_is_refused():
    with pytest.raises(TypeError):
        Detail.from_fields({"name": "a"})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_cannot_hold_is_named(value):
    with pytest.raises(FormatError, match="the detail a: "):
        Detail("a", "t", "table", {"x": [value]}).to_json()
