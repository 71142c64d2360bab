"""Names that the glossary replaced are refused; the tree has none (test_check.py runs the step)."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def names(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_names", root / "scripts" / "check_names.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("code", "kind", "name", "cure"),
    [
        ("Rows = 1", "variable", "Rows", "Embeddings"),
        ("class PictureSet: ...", "class", "PictureSet", "image"),
        ("def near_twins(): ...", "function", "near_twins", "near_duplicates"),
        ("def read(place): ...", "argument", "place", "path"),
        ("total = sum(found for _ in [])", "variable", "found", "own name"),
        ("size = processor.get_piece_size()", "", "", ""),
        ("from wordsight.text.clean import special_words", "import", "special_words", "token"),
        ("foreign = graph.EXTERNAL", "variable", "foreign", "finished"),
        ("print(f'{_rows_said} of 3')", "variable", "_rows_said", "stated"),
    ],
)
def test_an_old_name_is_named_with_its_cure(names, tmp_path, code, kind, name, cure):
    path = tmp_path / "made.py"
    path.write_text(f'"""Found in places: pictures."""\n\n{code}\n')
    lines = list(names.check_file(path))
    if not cure:
        assert lines == []
        return
    (line,) = lines
    assert line.startswith(f"{path}:") and f"{kind} {name}: use " in line
    assert cure in line


def test_what_users_type_and_records_state_stays(names, tmp_path):
    path = tmp_path / "made.py"
    path.write_text('class Task:\n    place: str\n    pictures: int = 0\n\n\nTask(place="p").place\n')
    assert list(names.check_file(path)) == []
    path.write_text("for place in range(3):\n    pictures = place\n")
    assert len(list(names.check_file(path))) == 2


def test_the_names_of_files_count(names, tmp_path):
    path = tmp_path / "twins.py"
    path.write_text("")
    (line,) = names.check_file(path)
    assert "file twins: use near_duplicates" in line


def test_only_definitions_count_in_tests(names, tmp_path):
    path = tmp_path / "made.py"
    path.write_text("found = 1\n\n\ndef told(): ...\n\n\ndef test_found(): ...\n")
    (line,) = names.check_file(path, kinds=names.DEFINED)
    assert "function told" in line


def test_a_class_has_one_meaning(names, tmp_path):
    codes = (
        "class Hit: ...\nPair = tuple[int, int]\n",
        "class _Hit: ...\nPair = tuple[int, int]\n",
        "class Hit: ...\n",
    )
    paths = [tmp_path / f"{number}.py" for number in range(3)]
    for path, code in zip(paths, codes, strict=True):
        path.write_text(code)
    (line,) = names.check_classes(paths)
    assert line == f"{paths[2]}:1: Hit means something else in {paths[0]}:1: one name, one meaning"
