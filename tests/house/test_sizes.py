"""The size rules find what they forbid."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def sizes(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_sizes", root / "scripts" / "check_sizes.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return module


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\n" * 400, "400 lines, the ceiling is 399"),
        ("def f():\n" + "    x = 1\n" * 60, "f has 61 lines, the ceiling is 60"),
        ("def f(a, *, b, c, d, e, g, h): ...\n", "f has 7 parameters, the ceiling is 6"),
        ("class A:\n    def f(self, a, b, c, d, e): ...\n", "f takes 5 parameters by position, the ceiling is 4"),
    ],
)
def test_over_the_ceiling(sizes: ModuleType, tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "room.py"
    path.write_text(text)
    assert [line.partition(": ")[2] for line in sizes.check_file(path)] == [said]


def test_under_the_ceiling(sizes: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "room.py"
    path.write_text("def f(a, b, c, d, *, e, g):\n" + "    x = 1\n" * 59)
    assert list(sizes.check_file(path)) == []


def test_attic_names_are_refused(sizes: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "utils.py"
    path.write_text("")
    assert list(sizes.check_file(path)) == ["utils.py: a file is named for what it holds"]
