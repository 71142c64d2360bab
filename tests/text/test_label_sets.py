"""Label sets: files that people edit, read with errors that name the line; the shipped ones are sound."""

import pytest

from wordsight.base.errors import FormatError, NotFound, UsageError
from wordsight.text.label_sets import label_set, label_set_names


def written(tmp_path, text):
    path = tmp_path / "mine.txt"
    path.write_text(text, encoding="utf-8")
    return path


def test_labels_phrases_sections_and_remarks(tmp_path):
    text = "# remark\nsky\n\n[pets]\ncat: a cat | a kitten\n16:9\n[ wild ]\nfox : a fox \n"
    labels = label_set(written(tmp_path, text))
    assert labels.name == "mine"
    assert [(one.name, one.phrases, one.section) for one in labels.labels] == [
        ("sky", ("sky",), ""),
        ("cat", ("a cat", "a kitten"), "pets"),
        ("16:9", ("16:9",), "pets"),
        ("fox", ("a fox",), "wild"),
    ]
    assert labels.sections == ("", "pets", "wild")
    assert [one.name for one in labels.section("pets")] == ["cat", "16:9"]
    with pytest.raises(UsageError, match=r"\[petz\].*pets"):
        labels.section("petz")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no labels"),
        ("[watched]\n", "no labels"),
        ("cat\ncat: a cat", "line 2.*'cat' is there twice"),
        ("cat: a cat | | b", "line 1.*empty phrase"),
        ("cat:", "line 1.*empty phrase"),
        ("a\n: a cat", "line 2.*no label"),
        ("cat: a | a", "line 1.*twice"),
        ("[pets\ncat", "line 1.*no section"),
        ("[]\ncat", "line 1.*no section"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path, text, problem):
    with pytest.raises(FormatError, match=problem):
        label_set(written(tmp_path, text))


def test_unknown_sets_and_missing_files():
    with pytest.raises(NotFound, match="moderatoin.*moderation"):
        label_set("moderatoin")
    with pytest.raises(NotFound, match="none.txt"):
        label_set("none.txt")


@pytest.mark.parametrize("name", label_set_names())
def test_shipped_sets_are_read(name):
    labels = label_set(name)
    phrases = [phrase for label in labels.labels for phrase in label.phrases]
    assert len(set(phrases)) == len(phrases)


def test_the_moderation_set_has_watched_labels_and_more_that_compete():
    labels = label_set("moderation")
    assert labels.sections == ("watched", "everyday")
    assert {"nudity", "violence", "weapons", "drugs", "hate symbols"} <= {one.name for one in labels.section("watched")}
    assert all(len(one.phrases) >= 3 for one in labels.section("watched"))
    assert len(labels.section("everyday")) > len(labels.section("watched"))
