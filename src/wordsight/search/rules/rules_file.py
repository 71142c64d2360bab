"""The file of rules that people write by hand: TOML, one `[[rule]]` after the other.

    rules = read_rules(Path("rules.toml"))          # in the order of the file
    add_rule(path, SearchRule("beach", query="a beach"))  # behind the others; what is there stays as it is written
    remove_rule(path, "beach")                      # its lines go

Errors name the line.  Knows no library.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from wordsight.base.config import from_dict, read_toml
from wordsight.base.errors import ConfigError, NotFound, UsageError
from wordsight.base.files import atomic_write
from wordsight.base.reading import read_text
from wordsight.base.suggest import suggest
from wordsight.search.rules.rule import SearchRule, checked

NAME = "rules.toml"
_HEAD = re.compile(r"\s*\[\[\s*rule\s*\]\]\s*(#.*)?")
_TABLE = re.compile(r"\s*\[")


def read_rules(path: Path, *, location: Path | None = None) -> list[SearchRule]:
    """Return the rules of a file in its order; none where there is no file.

    Raises `ConfigError`, with the line, for what is no TOML, an unknown key, a name that comes twice, and whatever a
    rule cannot mean.  Images of queries are looked for in the current folder and in `location`.
    """
    if not path.exists():
        return []
    return _rules(read_toml(path), path, read_text(path), location)


def rule_named(rules: list[SearchRule], name: str) -> SearchRule:
    """Return a rule by its name; `NotFound` names the near ones."""
    for rule in rules:
        if rule.name == name:
            return rule
    names = [rule.name for rule in rules]
    raise NotFound(f"no rule {name!r}", cure=suggest(name, names) if names else "write one with wordsight rules add")


def add_rule(path: Path, rule: SearchRule, *, location: Path | None = None) -> None:
    """Write a rule behind those of a file, which is made where there is none."""
    before = read_text(path) if path.exists() else ""
    rules = read_rules(path, location=location)
    if any(one.name == rule.name for one in rules):
        raise UsageError(f"there is a rule {rule.name!r} already", cure="choose another name, or remove it first")
    gap = "" if not before else "\n" if before.endswith("\n") else "\n\n"
    _write(path, f"{before}{gap}{as_toml(checked(rule, location))}", [*rules, rule], location)


def remove_rule(path: Path, name: str, *, location: Path | None = None) -> None:
    """Take a rule out of a file; other lines stay as they are.  `NotFound` names the near ones."""
    rules = read_rules(path, location=location)
    position = rules.index(rule_named(rules, name))
    lines = _lines(read_text(path))
    spans = _spans(lines)
    if len(spans) != len(rules):
        raise UsageError(f"{path} is not written a [[rule]] at a time", cure=f"take {name!r} out by hand")
    first, last = spans[position]
    _write(path, "".join([*lines[:first], *lines[last:]]), [rule for rule in rules if rule.name != name], location)


def as_toml(rule: SearchRule) -> str:
    """Return a rule as it is written into a file."""
    lines = ["[[rule]]"]
    for part in fields(SearchRule):
        value = getattr(rule, part.name)
        if part.name in ("name", "query") or value != part.default:
            lines.append(f"{part.name} = {_literal(value)}")
    return "\n".join(lines) + "\n"


def _rules(values: Mapping[str, Any], path: Path, text: str, location: Path | None) -> list[SearchRule]:
    for key in values:
        if key != "rule":
            raise ConfigError(f"{path}{_line_of(text, key)}: unknown key {key}", cure="begin each rule with [[rule]]")
    tables = values.get("rule", [])
    if not isinstance(tables, list):
        raise ConfigError(f"{path}: rule is {tables!r}"[:200], cure="begin each rule with [[rule]]")
    spans = _spans(_lines(text))
    rules: list[SearchRule] = []
    for number, table in enumerate(tables):
        first = spans[number][0] + 1 if len(spans) == len(tables) else None
        line = "" if first is None else f", line {first}"
        try:
            if not isinstance(table, dict):
                raise ConfigError(f"{table!r} is no rule", cure="begin each rule with [[rule]]")
            rule = checked(from_dict(SearchRule, table), location)
        except ConfigError as error:
            named = f" (rule {table['name']})" if isinstance(table, dict) and isinstance(table.get("name"), str) else ""
            problem = error.problem.removeprefix(f"rule {table['name']}: ") if named else error.problem
            raise ConfigError(f"{path}{line}{named}: {problem}", cure=error.cure) from None
        if any(one.name == rule.name for one in rules):
            raise ConfigError(f"{path}{line}: a second rule {rule.name!r}", cure="give every rule a name of its own")
        rules.append(rule)
    return rules


def _line_of(text: str, key: str) -> str:
    pattern = re.compile(rf"\s*(\[+\s*)?{re.escape(key)}\b")
    numbers = [number for number, line in enumerate(_lines(text), start=1) if pattern.match(line)]
    return f", line {numbers[0]}" if numbers else ""


def _lines(text: str) -> list[str]:
    """Return the lines of a text with their ends, as TOML has them: other breaks may stand in what rules say."""
    return re.findall("[^\n]*\n|[^\n]+", text)


def _spans(lines: list[str]) -> list[tuple[int, int]]:
    """Return where each rule begins and ends, as far as lines tell: from its head to the next one."""
    heads = [number for number, line in enumerate(lines) if _HEAD.fullmatch(line.rstrip("\n"))]
    tables = [number for number, line in enumerate(lines) if _TABLE.match(line) and number not in heads]
    ends = [next((end for end in sorted([*heads, *tables]) if end > head), len(lines)) for head in heads]
    return list(zip(heads, ends, strict=True))


def _write(path: Path, text: str, wanted: list[SearchRule], location: Path | None) -> None:
    """Write a file of rules, if it says what is wanted: a text within three quotes may look like the head of a rule."""
    try:
        same = _rules(tomllib.loads(text), path, text, location) == wanted
    except (tomllib.TOMLDecodeError, ConfigError):
        same = False
    if not same:
        raise UsageError(f"{path} cannot be changed line by line", cure="change it by hand")
    with atomic_write(path, "w") as handle:
        handle.write(text)


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_literal, value))}]"
    return _text(value) if isinstance(value, str) else repr(value)


def _text(value: str) -> str:
    """Return a text as TOML's basic string."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    codes = ((letter, ord(letter)) for letter in escaped)
    shown = "".join(
        letter if letter.isprintable() else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
        for letter, code in codes
    )
    return f'"{shown}"'
