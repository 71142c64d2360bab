"""The parser of a verb: argparse, with negative numbers as values and every wrong call as one line with its cure.

argparse takes `-0.5` for an option as soon as any option looks like a number (`-0`).  Here it is a value or an
argument unless it is spelled exactly like an option, and `-0` is zero behind an option that takes numbers.
"""

import argparse
import itertools
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from wordsight.base.errors import UsageError
from wordsight.base.suggest import suggest

_NEGATIVE = re.compile(r"-(\d[\d_]*\.?\d*|\.\d+)(e[+-]?\d+)?|-(inf|infinity|nan)", re.IGNORECASE)


def probability(text: str) -> float:
    """Return the value of an option that is a probability: 0.4, or 40%; below 0, down to -1, stands for none."""
    share = text.strip().removesuffix("%")
    try:
        value = float(share) / (100 if share != text.strip() else 1)
    except ValueError:
        value = math.nan
    if not -1 <= value <= 1:
        cure = "give one from 0 to 1, for example 0.4 or 40%; --min-cosine takes a cosine"
        raise UsageError(f"{text} is not a probability", cure=cure)
    return value


class AndAlso(argparse.Action):
    """An option of a condition: given again, all conditions have to hold, each of them one by itself."""

    def __call__(self, parser: Any, namespace: argparse.Namespace, values: Any, option: str | None = None) -> None:
        """See `argparse.Action`."""
        before = getattr(namespace, self.dest)
        if before is not None:
            from wordsight.index.where import parse

            for condition in (before, values):
                parse(condition)
            values = f"({before}) and ({values})"
        setattr(namespace, self.dest, values)


NUMBERS = (int, float, probability)


def column(text: str) -> str:
    """Return the value of an option that names a column, and may begin with a minus."""
    return text


def out_path(text: str) -> Path:
    """Return the value of `--out`; an empty one, as of a variable that is not set, would be the current folder."""
    if not text.strip():
        raise UsageError("--out is empty", cure="name a file or a folder")
    return Path(text)


def add_library(parser: argparse.ArgumentParser) -> None:
    """Declare the option that says where the library of a verb lies."""
    parser.add_argument(
        "--library", type=Path, metavar="DIR", help="where the library lies (default: PLACE/.wordsight)"
    )


class VerbParser(argparse.ArgumentParser):
    """An `ArgumentParser` that raises `UsageError`; the parsers of actions below a verb are of this class too."""

    def parse_args(self, args: Iterable[str] | None = None, namespace: Any = None) -> Any:
        """Return the arguments; what is left over raises `UsageError`."""
        parsed, rest = self.parse_known_args(args, namespace)
        if rest:
            listed = [action.metavar for action in self._actions if action.nargs in ("*", "+") and action.metavar]
            cure = f"write every {listed[0]} before the options" if listed else f"see {self.prog} --help"
            raise UsageError(f"unexpected argument {rest[0]}", cure=cure)
        return parsed

    def parse_known_args(self, args: Iterable[str] | None = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """See `ArgumentParser`; an unknown option is refused before anything else, with the near ones."""
        arguments = list(self._columns_joined(list(args or ())))
        self._refuse_unknown(arguments)
        numeric = {name for action in self._actions if action.type in NUMBERS for name in action.option_strings}
        pairs = itertools.pairwise(["", *arguments])
        return super().parse_known_args(
            ["0" if n == "-0" and option in numeric else n for option, n in pairs], namespace
        )

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print below the usage."""
        raise UsageError(message, cure=f"see {self.prog} --help")

    def _columns_joined(self, arguments: Sequence[str]) -> Iterator[str]:
        """Yield the arguments; a column that begins with a minus is joined to its option, as argparse wants it."""
        options = {name for action in self._actions if action.type is column for name in action.option_strings}
        waiting = ""
        for argument in arguments:
            if waiting and argument[:1] == "-" and argument[:2] != "--":
                waiting, argument = "", f"{waiting}={argument}"
            if waiting:
                yield waiting
            waiting = argument if argument in options else ""
            if not waiting:
                yield argument
        if waiting:
            yield waiting

    def _refuse_unknown(self, arguments: Sequence[str]) -> None:
        known = {name for parser in _parsers(self) for action in parser._actions for name in action.option_strings}
        for argument in itertools.takewhile(lambda one: one != "--", arguments):
            name = argument.partition("=")[0] if argument.startswith("--") else argument[:2]
            if name[:1] != "-" or name == "-" or " " in argument or name in known or _NEGATIVE.fullmatch(argument):
                continue
            near = suggest(name, sorted(known)) if name.startswith("--") else ""
            help_of = f"see {self.prog} --help; an argument that begins with a dash comes after --"
            raise UsageError(f"no option {argument}", cure=near if near.startswith("did") else help_of)

    def _parse_optional(self, arg_string: str) -> Any:
        if _NEGATIVE.fullmatch(arg_string) and arg_string not in self._option_string_actions:
            return None  # a value or an argument
        return super()._parse_optional(arg_string)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            named = "/".join(action.option_strings) or str(action.metavar or "|".join(action.choices))
            raise UsageError(f"{named} {value}", cure=suggest(value, action.choices))


def _parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield a parser and those of the actions below it."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _parsers(below)
