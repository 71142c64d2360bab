"""The README's commands are those that are run."""

import re
from pathlib import Path


def commands(root: Path) -> list[str]:
    text = (root / "README.md").read_text(encoding="utf-8")
    return re.findall(r"^python3 -m venv .*$", text, re.MULTILINE)


def test_two_commands_come_first(root: Path) -> None:
    text = (root / "README.md").read_text(encoding="utf-8")
    first, second = commands(root)
    assert first.endswith("&& wordsight demo")
    assert second.endswith("&& scripts/test")
    assert text.index(second) < text.index("\n## ")


def test_ci_takes_its_command_from_the_readme(root: Path) -> None:
    text = (root / "README.md").read_text(encoding="utf-8")
    marked = re.search(r"<!-- tests -->\s+```sh\n(.*?)\n```", text)
    assert marked is not None and marked[1] == commands(root)[1]
    script = (root / ".ci" / "run").read_text(encoding="utf-8")
    assert "<!-- tests -->" in script
    assert "pip install" not in script
