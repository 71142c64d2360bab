"""What docs/stability.md promises is there: Python names with their arguments, exit statuses, and the HTTP routes."""

import importlib.util
import inspect
import json
import re

import pytest

import wordsight
from wordsight.cli.main import main
from wordsight.search.wishes import SearchOptions

COMMAND = "python scripts/freeze_routes.py"


@pytest.fixture(scope="module")
def page(root) -> str:
    return (root / "docs" / "stability.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def frozen(root) -> dict[str, dict]:
    return json.loads((root / "tests" / "house" / "http_routes.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def served(root) -> dict[str, dict]:
    spec = importlib.util.spec_from_file_location("freeze_routes", root / "scripts" / "freeze_routes.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.promised()


def test_all_names_of_the_package_are_on_the_page(page) -> None:
    (said,) = re.findall(r"`import wordsight` has (.*?)\. Promised", page, re.DOTALL)
    assert sorted(re.findall(r"`(\w+)`", said)) == sorted(wordsight.__all__)


def test_promised_names_are_there_with_their_arguments(page) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    promised = re.findall(r"([\w.]+)(?:\(([^)]*)\))?", block.replace("=None", "").replace('="auto"', ""))
    assert len(promised) > 15
    for name, arguments in promised:
        value = wordsight
        for part in name.split("."):
            value = value.__annotations__.get(part) if _is_field(value, part) else getattr(value, part)
        assert value is not None, name
        for argument in filter(None, arguments.split(", ")):
            known = inspect.signature(value).parameters
            free = any(one.kind is one.VAR_KEYWORD for one in known.values())
            assert argument in known or (free and argument in SearchOptions.__annotations__), f"{name}: {argument}"


def _is_field(value: object, name: str) -> bool:
    """A field of a class without a default is in its annotations only."""
    return not hasattr(value, name) and name in getattr(value, "__annotations__", {})


def test_the_version_of_the_page_is_that_of_the_package(page) -> None:
    assert f"Version {wordsight.__version__}," in page


def test_exit_statuses(tmp_path, capsys) -> None:
    from PIL import Image

    Image.new("RGB", (32, 32), "red").save(tmp_path / "red.png")
    where = ["--engine", "fake", "--quiet"]
    assert main([*where, "search", "red", "--in", str(tmp_path), "--min-cosine", "-1"]) == 0
    assert main([*where, "search", "red", "--in", str(tmp_path), "--where", "width > 99"]) == 1
    assert main([*where, "search", "red", "--in", str(tmp_path / "absent")]) == 2
    assert main([*where, "search", "red", "--in", str(tmp_path), "--where", "("]) == 2


def test_every_route_that_is_promised_is_there(frozen, served) -> None:
    assert not set(frozen) - set(served)
    for name, promised in frozen.items():
        now = served[name]
        assert now["scope"] in (promised["scope"], "open", "read"), f"{name} needs more than was promised"
        for part in ("asks", "answers"):
            assert not set(promised[part]) - set(now[part]), f"{name}: fields that were promised are gone"


def test_what_is_served_is_written_down(frozen, served) -> None:
    assert frozen == served, f"routes or fields are new: {COMMAND}"
