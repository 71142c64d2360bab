"""What `import wordsight` offers: these names, and each of them is there, completed, documented and typed."""

import ast
import pydoc
import re
from pathlib import Path

import pytest
from PIL import Image

import wordsight
from wordsight import losses

NAMES = [
    "Columns",
    "Hit",
    "Library",
    "Model",
    "WordsightError",
    "__version__",
    "guidance",
    "load",
    "load_towers",
    "losses",
    "open_library",
]


def test_names() -> None:
    assert wordsight.__all__ == NAMES
    assert dir(wordsight) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_name_is_there(name: str) -> None:
    assert getattr(wordsight, name) is not None


def test_losses_are_there() -> None:
    assert callable(wordsight.losses.softmax_loss)
    assert callable(wordsight.losses.sigmoid_loss)


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        wordsight.trian  # noqa: B018


def test_help_shows_the_functions_with_what_they_take() -> None:
    text = pydoc.plain(pydoc.render_doc(wordsight))
    assert "load(name: str | pathlib" in text
    assert "open_library(" in text and "load_towers(" in text
    assert "class Library" in text


@pytest.mark.parametrize("module", [wordsight, losses])
def test_a_type_checker_sees_the_names_from_where_they_come(module) -> None:
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    (checked,) = (node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    seen = {
        alias.name: f"{node.module}:{alias.name}"
        for node in checked.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    for part in ("losses", "guidance"):
        assert seen.pop(part, f"wordsight:{part}") == f"wordsight:{part}"
    assert seen == module._PUBLIC
    assert set(module.__all__) - {"__version__", "losses", "guidance"} == set(seen)


def test_version_is_that_of_the_package(root) -> None:
    import tomllib

    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == wordsight.__version__


def test_the_python_of_the_readme_runs_as_printed(root, tmp_path, python) -> None:
    (block,) = re.findall(r"^```python\n(.*?)^```", (root / "README.md").read_text(encoding="utf-8"), re.M | re.S)
    (tmp_path / "Photos").mkdir()
    for path, colour in (("photo.jpg", "red"), ("Photos/a.jpg", "green"), ("Photos/b.png", "blue")):
        Image.new("RGB", (80, 60), colour).save(tmp_path / path)
    shown = "print(embeddings.shape, probabilities.shape, len(hits), hits[0].path.parent)"
    result = python("-c", f"{block}\n{shown}", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split("\n")[-2] == "(1, 384) (1, 2) 2 Photos"


def test_every_method_of_a_class_does_its_work() -> None:
    """A class that leaves methods to others that inherit from it is a protocol, which says so."""
    source = Path(wordsight.__file__).parent
    stubs = [
        f"{path.relative_to(source)}:{node.lineno}"
        for path in source.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Raise) and node.exc is not None and "NotImplementedError" in ast.unparse(node.exc)
    ]
    assert not stubs
