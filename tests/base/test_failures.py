"""Failures as every verb lists them: the first ones, a count, and a file of all."""

import pytest

from wordsight.base.failures import MOST, in_cache, list_failures


def reasons(count):
    return [f"{number}.jpg is broken" for number in range(count)]


def test_few_are_all_printed_and_no_file_is_made(tmp_path, capsys):
    list_failures(reasons(MOST), tmp_path / "all.txt")
    assert capsys.readouterr().err.splitlines() == [f"failed: {reason}" for reason in reasons(MOST)]
    assert not (tmp_path / "all.txt").exists()
    list_failures([], tmp_path / "all.txt")
    assert capsys.readouterr().err == ""


def test_many_are_cut_counted_and_all_in_the_file(tmp_path, capsys):
    file = tmp_path / "below" / "all.txt"
    list_failures([*reasons(24), "odd\nname.jpg is broken"], file)
    lines = capsys.readouterr().err.splitlines()
    assert lines[:-1] == [f"failed: {reason}" for reason in reasons(20)]
    assert lines[-1] == f"... and 5 more; all 25 are listed in {file}"
    assert file.read_text().splitlines() == [*reasons(24), "odd\\nname.jpg is broken"]
    list_failures(reasons(30), file)
    assert file.read_text().splitlines() == reasons(30)


def test_a_file_that_the_verb_has_written_is_named_and_left_alone(tmp_path, capsys):
    file = tmp_path / "failures.jsonl"
    file.write_text("{}")
    list_failures(reasons(21), file, written=True)
    assert capsys.readouterr().err.splitlines()[-1] == f"... and 1 more; all 21 are listed in {file}"
    assert file.read_text() == "{}"


@pytest.mark.parametrize("where", ["file", "none"])
def test_where_no_file_can_be_written_the_count_is_left(tmp_path, capsys, where):
    (tmp_path / "file").write_text("")
    list_failures(reasons(22), tmp_path / "file" / "all.txt" if where == "file" else None)
    assert capsys.readouterr().err.splitlines()[-1] == "... and 2 more"


def test_verbs_without_a_folder_list_theirs_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path))
    assert in_cache("classify") == tmp_path / "failures" / "classify.txt"
    monkeypatch.setenv("WORDSIGHT_CACHE", "~nobody-of-that-name/cache")
    assert in_cache("classify") is None
