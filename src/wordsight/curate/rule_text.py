"""Rules as they are written: on the command line, or in a TOML file.

    read_rules(["basic", "clip-score >= 0.28"])
    read_rules(["basic:side=100 and clip-score:top=30%"])       # the same as two
    read_rule_file(Path("rules.toml"))

    [[rules]]
    rule = "clip-score"
    top = 0.3

Values are numbers, true, false or text; `30%` is 0.3.  Names may have dashes or underscores.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from wordsight.base.config import from_dict, read_toml
from wordsight.base.errors import ConfigError, UsageError
from wordsight.curate.rules.table import RuleModule, open_rule

_AND = re.compile(r"\s+and\s+", re.IGNORECASE)
_LEAST = re.compile(r"([\w-]+)\s*>=\s*(\S+)")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?%?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class AskedRule:
    """A rule with its options; `text` is how it was asked for."""

    text: str
    module: RuleModule
    options: Any


def read_rules(texts: Sequence[str], against: Sequence[str] = ()) -> list[AskedRule]:
    """Return the rules of texts; `against` are the sets for those rules that compare with others."""
    parts = [part.strip() for text in texts for part in _AND.split(text)]
    if not all(parts):
        raise UsageError("an empty rule", cure="write for example clip-score:top=30%")
    return [_rule(part, *_taken_apart(part), against) for part in parts]


def read_rule_file(path: Path, against: Sequence[str] = ()) -> list[AskedRule]:
    """Return the rules of a TOML file in their order; `against` counts where a rule states none."""
    values = read_toml(path)
    listed = values.pop("rules", None)
    if values:
        raise ConfigError(f"{path}: unknown key {next(iter(values))}", cure="write [[rules]] before every rule")
    if not isinstance(listed, list) or not listed or not all(isinstance(one, dict) for one in listed):
        raise ConfigError(f"{path} has no rules", cure='write [[rules]] and rule = "basic"')
    rules = []
    for number, one in enumerate(listed, 1):
        options = {key.replace("-", "_"): _value(v) if str(v).endswith("%") else v for key, v in one.items()}
        name = options.pop("rule", None)
        if not isinstance(name, str):
            raise ConfigError(f"{path}: rule {number} has no name", cure='write rule = "basic"')
        given = ",".join(f"{key.replace('_', '-')}={value}" for key, value in options.items())
        rules.append(_rule(f"{name}:{given}" if given else name, name, options, against))
    return rules


def _rule(text: str, name: str, options: Mapping[str, Any], against: Sequence[str]) -> AskedRule:
    module = open_rule(name)
    values = dict(options)
    if isinstance(values.get("against"), str):
        values["against"] = [values["against"]]
    if against and "against" in {field.name for field in fields(module.OPTIONS)}:
        values.setdefault("against", list(against))
    return AskedRule(text, module, from_dict(module.OPTIONS, values, where=f"{name}: "))


def _taken_apart(text: str) -> tuple[str, dict[str, Any]]:
    """Return the name of a rule and its options."""
    least = _LEAST.fullmatch(text)
    if least:
        return least[1], {"least": _value(least[2])}
    name, _, rest = text.partition(":")
    options: dict[str, Any] = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"{part!r} in the rule {text!r}", cure="write name=value, for example top=30%")
        key = key.strip().replace("-", "_")
        if key in options:
            raise UsageError(f"{key} twice in the rule {text!r}", cure="give it once")
        options[key] = _value(value.strip())
    return name.strip(), options


def _value(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    if not _NUMBER.fullmatch(text):
        return text
    if text.endswith("%"):
        return float(text[:-1]) / 100
    return int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text)
