"""The recipes that come with the package: their names, and what each is for.

    recipe_summaries()["tune"]      # the first line of its file

Imports nothing, for `wordsight train --help`.
"""

from pathlib import Path

FOLDER = Path(__file__).parent / "recipes"


def recipe_names() -> list[str]:
    """Return the names of the recipes that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def recipe_summaries() -> dict[str, str]:
    """Return for each name what the recipe is for: the remark in the first line of its file."""
    return {name: _first_line(FOLDER / f"{name}.toml").removeprefix("# ") for name in recipe_names()}


def _first_line(path: Path) -> str:
    with path.open(encoding="utf-8") as handle:
        return handle.readline().rstrip("\n")
