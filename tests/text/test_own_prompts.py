"""Prompts that each class has of its own, from mappings and JSON files."""

import json
from pathlib import Path
from typing import Any

import pytest

from wordsight.base.errors import FormatError, UsageError
from wordsight.text.prompts import class_prompts, prompts_of, templates

OWN = {"cat": ["whiskers", "a {classname} that purrs"], "brown bear, bruin": ["a big {}"], "dog": ["it barks"]}


def written(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def test_each_class_has_its_own_texts_in_the_order_of_the_classes(tmp_path: Path) -> None:
    expected = [["it barks"], ["whiskers", "a cat that purrs"], ["a big brown bear"]]
    classes = ["dog", "cat", "brown bear, bruin"]
    assert prompts_of(classes, OWN) == expected
    assert prompts_of(classes, written(tmp_path / "own.json", OWN)) == expected
    assert prompts_of(classes, str(written(tmp_path / "set.json", {"imagenet1k": OWN}))) == expected


def test_templates_are_the_same_for_all_classes(tmp_path: Path) -> None:
    assert prompts_of(["cat", "a, b"], ["my {}"]) == [["my cat"], ["my a", "my b"]]
    assert prompts_of(["cat"], "photo") == [["a photo of a cat."]]
    path = written(tmp_path / "list.json", ["a {c}", "the {classname}", "one {}"])
    assert templates(path) == ["a {c}", "the {classname}", "one {}"]
    assert prompts_of(["cat"], path) == [["a cat", "the cat", "one cat"]]


def test_classes_without_prompts_are_named_with_near_names() -> None:
    with pytest.raises(UsageError, match=r"no prompts for 'cats', 'zebra'; cats: did you mean cat\?; give every"):
        prompts_of(["dog", "cats", "zebra"], OWN)
    with pytest.raises(UsageError, match="no prompts for 'cats'; cats: did you mean cat"):
        class_prompts("cats", OWN)
    with pytest.raises(UsageError, match=r"'0', '1', '2', '3', '4' and 3 more;"):
        prompts_of([str(number) for number in range(8)], OWN)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({}, "holds no prompts"),
        ({"set": {}}, "holds no prompts"),
        ({"a": OWN, "b": OWN}, r"several data sets \(a, b\); keep the prompts of one"),
        ({"cat": []}, "no list of prompts for the class cat"),
        ({"cat": "a cat"}, "no list of prompts for the class cat"),
        ({"cat": ["a cat", 3]}, "the class cat has the prompt 3"),
        ({"cat": [" "]}, "the class cat has the prompt ' '"),
        ("a {}", "neither prompts nor templates"),
        (["a {}", 3], "neither prompts nor templates"),
        ([], "holds no template"),
        (["a {}", "cat"], "entry 2: no slot in 'cat'"),
    ],
)
def test_files_that_hold_no_prompts_are_named(value: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=rf"own\.json.*{message}"):
        prompts_of(["cat"], written(tmp_path / "own.json", value))


def test_a_file_that_is_not_json(tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    path.write_text("a photo of a {}.\n", encoding="utf-8")
    with pytest.raises(FormatError, match="is not JSON"):
        templates(path)


def test_prompts_of_single_classes_are_no_templates(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"own\.json holds prompts of single classes, not templates"):
        templates(written(tmp_path / "own.json", OWN))
