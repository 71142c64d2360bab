"""docs/cli.md and the parsers name the same options: nothing is missing on the page, and nothing on it is made up."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from wordsight.base.cache import VARIABLE as CACHE
from wordsight.cli.main import DEBUG, EVERYWHERE, UNUSED, VERBS, verb_parser
from wordsight.cli.parser import VerbParser
from wordsight.train.packaged import FOLDER, recipe_names, recipe_summaries

SECTION = re.compile(r"^## `wordsight (\w+)[^\n]*\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
OPTION = re.compile(r"`(-[\w-]+)")
GLOBAL = {option.name for option in EVERYWHERE}


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs" / "cli.md").read_text(encoding="utf-8")


def in_tables(text: str) -> set[str]:
    """Return the options in the first cells of the tables of a text."""
    rows = (line for line in text.splitlines() if line.startswith("| `-"))
    return {option for row in rows for option in OPTION.findall(re.split(r"(?<!\\)\|", row)[1])}


def own(parser: VerbParser) -> Iterator[str]:
    """Yield the options of a verb and of the actions below it, the global ones left out."""
    for action in parser._actions:
        if isinstance(action.choices, dict):
            for below in action.choices.values():
                yield from own(below)
        yield from set(action.option_strings) - GLOBAL - {"-h", "--help"}


@pytest.mark.parametrize("verb", VERBS)
def test_the_table_of_a_verb_has_its_options_and_no_others(page: str, verb: str) -> None:
    sections = dict(SECTION.findall(page))
    assert in_tables(sections[verb]) == set(own(verb_parser(verb)))


def test_the_page_has_the_verbs_and_the_global_options(page: str) -> None:
    assert [name for name, _ in SECTION.findall(page)] == list(VERBS)
    assert in_tables(page.partition("\n## ")[0]) == GLOBAL
    assert DEBUG in page and CACHE.startswith("WORDSIGHT_")


@pytest.mark.parametrize("verb", VERBS)
def test_help_shows_what_a_verb_takes_and_nothing_that_it_refuses(verb: str) -> None:
    shown = verb_parser(verb).format_help()
    refused = set(UNUSED.get(verb, ((), ""))[0])
    for option in GLOBAL:
        assert (f"  {option}" in shown) == (option not in refused), option


@pytest.mark.parametrize("verb", VERBS)
def test_defaults_on_the_page_are_those_of_the_program(page: str, verb: str) -> None:
    """A number in brackets behind an option's description is its default."""
    section = dict(SECTION.findall(page))[verb]
    parsers = [verb_parser(verb)]
    parsers += [b for a in parsers[0]._actions if isinstance(a.choices, dict) for b in a.choices.values()]
    defaults = {
        name: a.default for p in parsers for a in p._actions for name in a.option_strings if a.default is not None
    }
    for option, number in re.findall(r"^\| `(-[\w-]+)[^|]*\|[^|]*\((\d+)\) \|$", section, re.MULTILINE):
        assert defaults[option] == int(number), option


def test_the_packaged_recipes_are_listed_in_the_help_and_on_the_page(page: str) -> None:
    summaries = recipe_summaries()
    assert list(summaries) == recipe_names() == sorted(path.stem for path in FOLDER.iterdir())
    assert all(re.fullmatch("[A-Z][^#]{20,99}[^.:]", what) for what in summaries.values())
    shown = verb_parser("train").format_help().partition("packaged recipes:\n")[2]
    assert [tuple(line.split(maxsplit=1)) for line in shown.splitlines()] == list(summaries.items())
    section = dict(SECTION.findall(page))["train"]
    assert re.findall(r"^\| `(\w[\w-]*)` \| (.*) \|$", section, re.MULTILINE) == list(summaries.items())
