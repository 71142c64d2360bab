"""Prompt lists, their slots, and class names as data sets give them."""

from pathlib import Path

import pytest

from wordsight.base.errors import FormatError, UsageError
from wordsight.text.prompts import class_prompts, clean_class_name, fill, template_names, templates


def test_named_lists() -> None:
    assert templates("none") == ["{}"]
    assert templates("photo") == ["a photo of a {}."]
    assert len(templates("clip")) == len(set(templates("clip"))) == 80
    assert templates("clip")[0] == "a bad photo of a {}."
    for name in template_names():
        assert all("cat" in prompt and "{" not in prompt for prompt in fill(templates(name), "cat"))


def test_all_spellings_of_the_slot_and_braces_in_names() -> None:
    assert fill(["a {} here", "{c}, {c}!", "{classname}"], r"x\1{}") == [r"a x\1{} here", r"x\1{}, x\1{}!", r"x\1{}"]


def test_a_file_of_templates(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("# remark\n\n  a drawing of {c} \nein Bild von {}\n", encoding="utf-8")
    assert templates(path) == templates(str(path)) == ["a drawing of {c}", "ein Bild von {}"]


def test_files_that_are_no_templates_are_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("a photo\n", encoding="utf-8")
    with pytest.raises(FormatError, match=r"mine\.txt, line 1: no slot in 'a photo'"):
        templates(path)
    path.write_text("# nothing\n", encoding="utf-8")
    with pytest.raises(FormatError, match="no template"):
        templates(path)
    path.write_bytes(b"{}\n{}\xff")
    with pytest.raises(FormatError, match="not UTF-8"):
        templates(path)
    with pytest.raises(UsageError, match=r"photos.*did you mean photo"):
        templates("photos")
    with pytest.raises(
        UsageError, match=r"zzz and no such file; use none, photo, clip, .*, or a text file; docs/text.md lists all"
    ):
        templates("zzz")


def test_the_prompts_of_a_class_are_every_template_with_every_name() -> None:
    prompts = class_prompts("brown bear, bruin", ["a {}.", "my {c}."])
    assert prompts == ["a brown bear.", "my brown bear.", "a bruin.", "my bruin."]
    with pytest.raises(UsageError, match="no templates for the class bear"):
        class_prompts("bear", [])


def test_class_names() -> None:
    assert clean_class_name("brown bear, bruin, Ursus arctos") == ["brown bear", "bruin", "Ursus arctos"]
    assert clean_class_name("  T-shirt/top ") == ["T-shirt/top"]
    assert clean_class_name("German_shepherd,  dog ,,dog") == ["German shepherd", "dog"]
    for empty in ("", " , _ "):
        with pytest.raises(UsageError, match="empty"):
            clean_class_name(empty)
