"""What a rule is: a name, a search, and what is done with each image that matches.

    rule = SearchRule("beach", query=("a beach by the sea",), min_match=0.6, tag=("beach",), move="Sorted/{year}/beach")
    checked(rule)                # ConfigError for what cannot be meant

A rule without actions is a saved search.  Knows no library.
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from wordsight.base.errors import ConfigError, WordsightError
from wordsight.base.files import sha256_bytes
from wordsight.search.query import read_query
from wordsight.search.rules.target import check_target

LIKELY = 0.5  # the least probability where a rule gives neither min_match nor min_cosine
EACH, ALL = "{path}", "{paths}"


@dataclass(frozen=True, slots=True)
class SearchRule:
    """The keys of a rule in a file; texts and lists of texts may be given for tuples.

    `query` and `without` are parts as a search takes them.  `timeout` is in seconds, for the program of `run`.
    `outside`: absolute targets may lie outside the library's location.
    """

    name: str
    query: str | tuple[str, ...]
    without: str | tuple[str, ...] = ()
    where: str | None = None
    min_match: float | None = None
    min_cosine: float | None = None
    tag: str | tuple[str, ...] = ()
    copy: str | None = None
    move: str | None = None
    run: tuple[str, ...] = ()
    timeout: float = 60.0
    stop: bool = False
    outside: bool = False

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of the query."""
        return _many(self.query)

    @property
    def unwanted(self) -> tuple[str, ...]:
        """The parts to stay away from."""
        return _many(self.without)

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that are added."""
        return _many(self.tag)

    @property
    def acts(self) -> bool:
        """Whether anything is done with what matches."""
        return bool(self.tags or self.copy is not None or self.move is not None or self.run)

    @property
    def least(self) -> float | None:
        """The least probability of a match; None where a cosine alone decides."""
        return LIKELY if self.min_match is None and self.min_cosine is None else self.min_match

    def fingerprint(self) -> str:
        """Return what differs when anything but the name does: a rule that changed starts again."""
        same = replace(self, name="", query=self.parts, without=self.unwanted, tag=self.tags)
        return sha256_bytes(json.dumps(asdict(same), sort_keys=True).encode())[:16]


def checked(rule: SearchRule, location: Path | None = None) -> SearchRule:
    """Return the rule; raises `ConfigError` for what cannot be meant, with the key that is wrong.

    Images of the query are looked for in the current folder and in `location`.
    """
    if not rule.name.strip() or rule.name != rule.name.strip() or not rule.name.isprintable():
        raise ConfigError(f"name = {rule.name!r}", cure="give a name of letters and digits")
    try:
        read_query(list(rule.parts), where=rule.where, without=list(rule.unwanted), location=location)
    except WordsightError as error:
        raise ConfigError(f"rule {rule.name}: {error.problem}", cure=error.cure) from None
    if rule.min_match is not None and not 0 <= rule.min_match <= 1:
        raise _wrong(rule, "min_match", "give a probability from 0 to 1, for example 0.5")
    if rule.min_cosine is not None and not -1 <= rule.min_cosine <= 1:
        raise _wrong(rule, "min_cosine", "give a cosine from -1 to 1")
    for tag in rule.tags:
        if not tag.strip() or "\n" in tag:
            raise _wrong(rule, "tag", "give a word or a few, on one line")
    for key, target in (("copy", rule.copy), ("move", rule.move)):
        if target is not None:
            check_target(target, f"rule {rule.name}: {key}", outside=rule.outside)
    if rule.run and not any(EACH in one for one in rule.run) and ALL not in rule.run:
        raise _wrong(rule, "run", f"name the image: an argument with {EACH}, or {ALL} for all of them at once")
    if rule.run and any(EACH in one for one in rule.run) and ALL in rule.run:
        raise _wrong(rule, "run", f"use {EACH} for each image, or {ALL} for all of them, not both")
    if rule.timeout <= 0:
        raise _wrong(rule, "timeout", "give seconds above 0")
    return rule


def _wrong(rule: SearchRule, key: str, cure: str) -> ConfigError:
    value = getattr(rule, key)
    return ConfigError(f"rule {rule.name}: {key} = {list(value) if isinstance(value, tuple) else value!r}", cure=cure)


def _many(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value
