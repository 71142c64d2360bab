"""The page of evaluations: everything recorded is there, nothing can harm it, damage is named with its line."""

import importlib.util
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from wordsight.base.details import DETAILS, Detail
from wordsight.base.errors import FormatError
from wordsight.base.nouns import Result
from wordsight.base.records import append_line
from wordsight.report.evaluation_page import write_evaluation_page
from wordsight.report.measured import Title, read_subjects
from wordsight.report.tasks_overview import few_shot, supervised, zero_shot

_SPEC = importlib.util.spec_from_file_location("evaluations", Path(__file__).parent / "evaluation_records.py")
records = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(records)


class Outline(HTMLParser):
    """Checks that elements are closed in order; collects headings, links, ids, images and words."""

    def __init__(self, text):
        super().__init__()
        self.open, self.headings, self.links, self.ids, self.images, self.words = [], [], [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        assert tag != "script" and not any(name.startswith("on") for name in values)
        if tag not in {"meta", "img", "br"}:
            self.open.append(tag)
        self.links += [values["href"]] if "href" in values else []
        self.images += [values["src"]] if "src" in values else []
        self.ids += [values["id"]] if "id" in values else []

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)
        if self.open and self.open[-1] in ("h2", "h3"):
            self.headings.append(data.strip())


def page_of(*runs, out):
    text = write_evaluation_page(runs, out).read_text()
    for drawing in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        ElementTree.fromstring(drawing)
    return text, Outline(text)


def test_everything_recorded_is_there_in_order(tmp_path):
    records.write_evaluation(tmp_path, model="ViT-B-16")
    text, outline = page_of(tmp_path, out=tmp_path / "page.html")
    expected = [
        "Task by task", "flowers5", "By the number of shots", "Robustness", "Accuracy within each class", "Effect sizes",
        "What is taken for what", "Worst mistakes", "By group", "Reliability", "Risk by coverage", "pets", "signs",
        "flickr8k", "Retrieval", "Every result",
    ]  # fmt: skip
    positions = [outline.headings.index(heading) for heading in expected]
    assert positions == sorted(positions)
    assert (
        sorted(outline.links) == sorted(f"#{name}" for name in outline.ids) and len(set(outline.ids)) == 6 + 3 + 2 + 2
    )
    assert 'class="kinds"' in text and "data-kind" not in text
    assert len(outline.images) == 3 and all(image.startswith("data:image/jpeg") for image in outline.images)
    words = " ".join(outline.words)
    assert "no picture pictures/3.jpg" in words and "ViT-B-16: 125 results on flowers5" in words
    assert "16 shots, tip-adapter-f (n 500); probe (n 500)" in words and "an invented processor" in words
    assert "1.23" in words and "123.5 %" not in words  # a plain number is no share
    assert "http" not in text.replace("http-equiv", "") and "default-src 'none'" in text


def test_a_set_of_sections_without_results_is_left_out(tmp_path):
    records.add(tmp_path, Detail("only", "A table", "table", {"head": ["a"], "rows": [[1]]}))
    _, outline = page_of(tmp_path, out=tmp_path / "page.html")
    assert outline.headings == ["only", "A table", "Every result"]


def test_each_kind_within_a_data_set_is_found_from_the_contents(tmp_path):
    bars = {"rows": [{"name": "cat", "value": 0.5}]}
    kinds = ("zero-shot", "knn", 'odd" <b>')
    records.add(tmp_path, *(Detail(f"a/{kind}", "Classes", "bars", bars) for kind in kinds))
    text, outline = page_of(tmp_path, out=tmp_path / "page.html")
    assert sorted(outline.links) == sorted(f"#{name}" for name in outline.ids) and len(outline.links) == 2 + 3
    assert "data-kind" not in text and 'odd" <b>' in outline.words
    assert re.search('<details id="part-[0-9a-f]{10}"><summary>Classes: knn', text)


def test_models_stand_side_by_side_with_paired_differences(tmp_path):
    for name, model in (("a", "A-small"), ("b", "B-large")):
        records.write_evaluation(tmp_path / name, model=model, seed=len(model))
    text, outline = page_of(tmp_path / "a", tmp_path / "b", out=tmp_path / "page.html")
    assert "Model against model" in outline.headings
    words = " ".join(outline.words)
    assert "flowers5 zero-shot/top-1: A-small minus B-large" in words and "only the first right" in words
    assert {"compare-zero-shot", "compare-few-shot", "paired-differences"} <= set(
        re.findall('data-name="([^"]*)"', text)
    )


def test_hits_of_other_pictures_are_not_compared_and_that_is_stated(tmp_path):
    for name, key in (("a", "0" * 16), ("b", "1" * 16)):
        records.add(
            tmp_path / name, records.hits_detail("x/zero-shot/top-1", np.ones(9, bool), key_hash=key, model=name)
        )
    _, outline = page_of(tmp_path / "a", tmp_path / "b", out=tmp_path / "page.html")
    assert "1 comparisons are left out: their pictures were not the same." in outline.words


def subject_of(tmp_path, *results):
    records.add(tmp_path, *results)
    return read_subjects({"run": tmp_path})[0]


def test_what_stands_for_few_shot_is_not_chosen_by_its_score(tmp_path):
    scores = {
        "few-shot-1/tip-adapter-f": 0.99,
        "few-shot-16/linear": 0.98,
        "few-shot-16/tip-adapter": 0.1,
        "few-shot-32/new": 0.9,
    }
    subject = subject_of(tmp_path, *(Result(f"x/{name}/top-1", value) for name, value in scores.items()))
    label, result = few_shot(subject, "x")
    assert (label, result.value) == ("16 shots, tip-adapter", 0.1)
    assert zero_shot(subject, "x") is supervised(subject, "x") is few_shot(subject, "y") is None


def test_the_probe_stands_for_supervised_only_where_nothing_else_does(tmp_path):
    subject = subject_of(
        tmp_path, Result("x/probe/top-1", 0.9), Result("x/supervised/top-1", 0.5), Result("y/probe/top-1", 0.8)
    )
    assert supervised(subject, "x")[0] == "supervised" and supervised(subject, "y")[0] == "probe"


def test_prompts_and_parts_of_the_data_tell_measurements_apart(tmp_path):
    made = [Result("x/zero-shot/top-1", v, setting={"split": s, "templates": t}) for v, s, t in
            ((0.1, "val", "a"), (0.2, "val", "b"), (0.3, "test", "a"))]  # fmt: skip
    subject = subject_of(
        tmp_path, *made, Result("x/k/top-1", 0.4, setting={"seed": 1}), Result("x/k/top-1", 0.5, setting={"seed": 2})
    )
    assert {title: result.value for title, result in subject.results.items()} == {
        Title("x (split val)", "zero-shot/top-1 (templates a)"): 0.1,
        Title("x (split val)", "zero-shot/top-1 (templates b)"): 0.2,
        Title("x (split test)", "zero-shot/top-1 (templates a)"): 0.3,
        Title("x", "k/top-1 (seed 1)"): 0.4,
        Title("x", "k/top-1 (seed 2)"): 0.5,
    }


def test_hostile_names_are_escaped_and_shortened(tmp_path):
    names = tuple(name.replace("/", "|") for name in records.HOSTILE)
    records.write_evaluation(tmp_path, model="<img src=x onerror=alert(1)>\u202e", names=names)
    bad = [{"picture": "../secret.jpg", "title": "<b>", "lines": ["</figure>"], "right": None}]
    (tmp_path.parent / "secret.jpg").write_bytes(b"secret")
    records.add(tmp_path, Detail("</style><x>", "<h1>&", "pictures", {"pictures": bad}))
    text, outline = page_of(tmp_path, out=tmp_path / "page.html")
    assert "\u202e" not in text and "\x07" not in text and "<script" not in text and "<x>" not in text
    assert "c2VjcmV0" not in text  # what lies outside the run's folder is never put into a page
    assert max(len(words) for words in re.findall(r"<text[^>]*>([^<]*)", text)) < 140
    assert "سيارة حمراء" in text and "<script>alert(1)<|script>" in outline.headings
    (tmp_path.parent / "secret.jpg").unlink()


GOOD = json.loads(Detail("x/y", "t", "table", {"head": [], "rows": []}).to_json())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"form": "pie"}, "the detail x/y has the form 'pie'"),
        ({"form": "bars", "data": {}}, "no field 'rows'"),
        ({"form": "bars", "data": {"rows": [{"name": "a", "value": "0.5"}]}}, "its value is '0.5', which is no number"),
        ({"form": "bars", "data": {"rows": [{"name": "a", "value": 1, "interval": [1]}]}}, "no pair of numbers"),
        ({"form": "bars", "data": {"rows": [], "unit": "pint"}}, "its unit is 'pint'"),
        (
            {"form": "lines", "data": {"x": "", "series": [{"name": "a", "points": [[0, 1]], "band": []}]}},
            "the band of 'a'",
        ),
        ({"form": "matrix", "data": {"rows": ["a"], "columns": ["b"], "values": [[1, 2]]}}, "not 1 rows of 1"),
        ({"form": "table", "data": {"head": ["a"], "rows": [[1, 2]]}}, "another number of cells"),
        ({"form": "pictures", "data": {"pictures": [{"picture": 3}]}}, "3 is no text"),
        ({"form": "reliability", "data": {"bins": [{"low": 0, "high": 1}]}}, "no field 'count'"),
        ({"form": "hits", "data": {"key_hash": "k", "hits": "", "count": 3}}, "0 bytes"),
        ({"more": 1}, "unexpected keyword argument 'more'"),
        ({"data": {"head": 3, "rows": []}}, "not iterable"),
    ],
)
def test_a_damaged_detail_is_named_with_its_line(tmp_path, change, words):
    append_line(tmp_path / DETAILS, GOOD)
    append_line(tmp_path / DETAILS, {**GOOD, **change})
    with pytest.raises(FormatError) as caught:
        write_evaluation_page([tmp_path], tmp_path / "page.html")
    assert str(tmp_path / DETAILS) in str(caught.value) and "line 2" in str(caught.value) and words in str(caught.value)


@pytest.mark.parametrize(
    "line", ["[1]", "{", '{"name": "x", "value": "high"}', '{"name": "x", "value": 1, "interval": [1]}', "\udcff"]
)
def test_a_damaged_result_is_named_with_its_line(tmp_path, line):
    good = json.dumps({"name": "x", "value": 1}) + "\n"
    (tmp_path / "results.jsonl").write_bytes((good + line + "\n").encode(errors="surrogateescape"))
    with pytest.raises(FormatError, match=r"results\.jsonl line 2"):
        write_evaluation_page([tmp_path], tmp_path / "page.html")


def test_many_results_and_classes_make_a_page_of_sane_size(tmp_path):
    names = [f"class {i}" for i in range(200)]
    rows = [
        {"name": n, "value": i / 200, "interval": [0, 1], "count": 50, "chance": 0.005} for i, n in enumerate(names)
    ]
    confusions = {"rows": names, "columns": names, "values": np.eye(200).tolist(), "percent": True}
    lines = [
        Result(
            f"set{i // 100}/task{i % 100}/top-1", 0.5, (0.4, 0.6), 50, "f", {"chance": 0.1, "split": "test"}
        ).to_json()
        for i in range(10_000)
    ]
    (tmp_path / "results.jsonl").write_text("\n".join(lines) + "\n")
    records.add(
        tmp_path,
        Detail("set0/zero-shot", "classes", "bars", {"rows": rows}),
        Detail("set0/zero-shot", "confusions", "matrix", confusions),
    )
    text = write_evaluation_page([tmp_path], tmp_path / "page.html").read_text()
    assert len(text) < 3_000_000 and "up to 40 each" in text and "<summary>200 bars</summary>" in text


def _put(values, path, value):
    *parents, last = path
    inside = values
    for key in parents:
        inside = inside[key]
    inside[last] = value
    return values


ODD = ([], {}, [1], {"a": {"b": 1}}, float("inf"), -float("inf"), 10**400, -(10**30), 1e308)
GOOD_RESULT = {
    "name": "x/zero-shot/top-1",
    "value": 0.5,
    "interval": [0.4, 0.6],
    "count": 9,
    "fingerprint": "f",
    "setting": {"chance": 0.1, "gallery": 7, "split": "test", "by_chance_up_to": 0.2},
    "environment": {"wordsight": "1", "time": "2026-01-01"},
}
PLACES = [
    ("value",),
    ("interval", 0),
    ("interval", 1),
    ("count",),
    ("fingerprint",),
    ("setting",),
    ("environment",),
    ("setting", "chance"),
    ("setting", "gallery"),
    ("setting", "by_chance_up_to"),
]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ".".join(map(str, place)))
def test_odd_fields_of_a_result_are_named_with_their_line(tmp_path, place):
    for odd in ODD:
        if odd == {} and place in (("setting",), ("environment",)):
            continue
        line = json.dumps(_put(json.loads(json.dumps(GOOD_RESULT)), place, odd))
        (tmp_path / "results.jsonl").write_text(f"{json.dumps(GOOD_RESULT)}\n{line}\n")
        with pytest.raises(FormatError, match=r"results\.jsonl line 2") as caught:
            write_evaluation_page([tmp_path], tmp_path / "page.html")
        assert len(str(caught.value)) < 400


@pytest.mark.parametrize("key", ["split", "model", "task", "unit", "templates"])
@pytest.mark.parametrize("odd", [[1], {"a": 1}])
def test_settings_that_are_lists_or_objects_are_refused(tmp_path, key, odd):
    for name, good in (("results.jsonl", GOOD_RESULT), (DETAILS, GOOD)):
        (tmp_path / name).unlink(missing_ok=True)
        append_line(tmp_path / name, {**good, "setting": {key: odd}})
        with pytest.raises(FormatError, match=rf"{name} line 1 cannot be read: its setting {key} is"):
            write_evaluation_page([tmp_path], tmp_path / "page.html")
        (tmp_path / name).unlink()


def test_what_could_not_be_said_is_a_dash(tmp_path):
    line = {**GOOD_RESULT, "value": float("nan"), "interval": [float("nan"), float("nan")]}
    (tmp_path / "results.jsonl").write_text(json.dumps(line) + "\n")
    assert "–" in write_evaluation_page([tmp_path], tmp_path / "page.html").read_text()


@pytest.mark.parametrize("odd", [float("inf"), 1e308, 10**400, -1e30])
def test_numbers_too_large_to_draw_are_refused_in_every_form(tmp_path, odd):
    bars = {"name": "a", "value": 0.5, "interval": [0, 1], "count": 3, "chance": 0.1}
    datas = [
        *(("bars", {"rows": [{**bars, key: odd}]}) for key in ("value", "count", "chance")),
        ("bars", {"rows": [{**bars, "interval": [odd, 1]}]}),
        ("lines", {"x": "n", "series": [{"name": "a", "points": [[0, odd]]}]}),
        ("lines", {"x": "n", "series": [{"name": "a", "points": [[0, 1]], "band": [[odd, 1]]}]}),
        ("matrix", {"rows": ["a"], "columns": ["b"], "values": [[odd]]}),
        ("reliability", {"bins": [{"low": 0, "high": 1, "count": odd}]}),
        ("reliability", {"bins": [{"low": odd, "high": 1, "count": 1}]}),
    ]
    for form, data in datas:
        line = json.dumps({"name": "x/y", "title": "t", "form": form, "data": data})
        (tmp_path / DETAILS).write_text(line + "\n")
        with pytest.raises(FormatError, match=r"line 1 cannot be read: .*number"):
            write_evaluation_page([tmp_path], tmp_path / "page.html")


def test_metrics_that_cannot_be_drawn_are_left_out_and_steps_refused(tmp_path):
    values = (1.0, float("nan"), float("inf"), 10**400, -1e30, 2.0)
    lines = [json.dumps({"step": i, "loss": value}) for i, value in enumerate(values)]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    text = write_evaluation_page([tmp_path], tmp_path / "page.html").read_text()
    assert "loss over steps" in text and "inf" not in text.split("</style>")[-1].lower().replace("info", "")
    for step in ("Infinity", "1e308", "9" * 400, "NaN"):
        (tmp_path / "metrics.jsonl").write_text(f'{{"step": {step}, "loss": 1}}\n')
        with pytest.raises(FormatError, match=r"metrics\.jsonl line 1"):
            write_evaluation_page([tmp_path], tmp_path / "page.html")
