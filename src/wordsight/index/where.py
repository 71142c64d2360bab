"""The small language of `--where`: conditions on metadata columns.

    price < 50 and colour in ('red', 'dark red') and not name contains 'kids'

Comparisons `= != < <= > >=`, `in (…)`, `contains`, `like` (`%` any text, `_` one letter), `has` (one of its lines),
`is null`, `and`, `or`, `not`, parentheses.  Numbers, `true`, `false`, text in single or double quotes (a quote inside
is doubled); a bare word or date is text too, and so is `007`, as in tables.  A column with an odd name stands in square
brackets or backticks: `[base colour] = red`.
A comparison with a missing value is false, so `not price < 50` also keeps entries without a price, while
`price >= 50` does not.  Numbers and text never equal each other.  `contains` and `like` ignore case.

`between a and b` is from one value to another with both, `in 2025-06` a day, month or year of dates, and
`within 5 km of 52.52, 13.40` what was made near a point (`ranges`, `distance`).

`parse` gives a `Condition`, `check` compares it with the columns there are, `matches` is what it means, in Python
(`meaning`); `sql` says the same to SQLite.  Knows no store.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from wordsight.index.conditions import (
    Among,
    Between,
    Both,
    Column,
    Compare,
    Condition,
    Either,
    Leaf,
    Literal,
    Missing,
    Near,
    Not,
    WhereError,
    columns_of,
    names_of,
)
from wordsight.index.distance import metres_of
from wordsight.index.meaning import check, matches
from wordsight.index.ranges import is_in_order, is_period

__all__ = [
    "Among",
    "Between",
    "Both",
    "Column",
    "Compare",
    "Condition",
    "Either",
    "Leaf",
    "Literal",
    "Missing",
    "Near",
    "Not",
    "WhereError",
    "check",
    "columns_of",
    "matches",
    "names_of",
    "parse",
]
_TOKENS = re.compile(
    r"""\s*(?:
    (?P<number>[+-]?(?:(?:0(?!\d)|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.:-]))
  | (?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
  | (?P<quoted>`[^`]+`|\[[^\]]+\])
  | (?P<sign><=|>=|!=|<>|==|=|<|>|\(|\)|,)
  | (?P<word>[^\W\d][\w.-]*)
  | (?P<bare>\d[\w.:-]*|\.\d+(?i:k?m|mi)\b)
    )""",
    re.VERBOSE,
)
_COMPARISONS = {"=": "=", "==": "=", "!=": "!=", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_WORDS = {"and", "or", "not", "in", "contains", "like", "is", "null", "true", "false"}
_MOST_DEPTH = 100  # parentheses and nots inside each other: far above use, far below Python's own limit


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int  # from 1


def parse(expression: str) -> Condition:
    """Return the condition that is written down; raises `WhereError` that points at what is wrong."""
    return _Parser(list(_tokens(expression))).whole()


def _tokens(expression: str) -> Iterator[_Token]:
    start, end = 0, len(expression.rstrip())
    while start < end:
        match = _TOKENS.match(expression, start)
        if match is None:
            raise _strange(expression, start)
        kind = match.lastgroup or ""
        text = match.group(kind)
        if kind == "word" and text.lower() in _WORDS:
            kind, text = "sign", text.lower()
        yield _Token(kind, text, match.start(match.lastgroup or 0) + 1)
        start = match.end()
    yield _Token("end", "the end", len(expression) + 1)


def _strange(expression: str, start: int) -> WhereError:
    start += len(expression[start:]) - len(expression[start:].lstrip())
    sign = expression[start]
    if sign in "'\"`[":
        return WhereError(
            f"{sign} is never closed", cure=f"close it, or double a {sign} that is meant", position=start + 1
        )
    return WhereError(f"{expression[start:].split()[0][:40]!r} is not understood", cure=_FORM, position=start + 1)


_NEAR = "write for example: within 5 km of 52.52, 13.40"
_FORM = "write for example: price < 50 and colour = 'red'"


class _Parser:
    """Recursive descent over the tokens; every method leaves `_at` behind what it read."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def whole(self) -> Condition:
        if self._next.kind == "end":
            raise WhereError("an empty condition", cure=f"leave it out, or {_FORM}", position=self._next.position)
        condition = self._either()
        if self._next.kind != "end":
            before = self._tokens[self._at - 1]
            phrase = before.kind in ("word", "bare") and self._next.kind in ("word", "bare", "number")
            raise self._wrong("and, or, or the end", cure="put text of several words in quotes" if phrase else _FORM)
        return condition

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self, *signs: str) -> bool:
        if self._next.kind == "sign" and self._next.text in signs:
            self._at += 1
            return True
        return False

    def _wrong(self, wanted: str, *, cure: str = _FORM) -> WhereError:
        token = self._next
        return WhereError(f"{token.text[:40]!r} where {wanted} should stand", cure=cure, position=token.position)

    def _refuse_function(self) -> None:
        """Raise `WhereError` where a parenthesis follows a name."""
        name = self._tokens[self._at - 1]
        if name.kind == "word" and self._next.kind == "sign" and self._next.text == "(":
            cure = "compare a column with a value; contains and like ignore case"
            raise WhereError(f"no function {name.text}", cure=cure, position=name.position)

    def _either(self) -> Condition:
        parts = [self._both()]
        while self._take("or"):
            parts.append(self._both())
        return Either(tuple(parts)) if len(parts) > 1 else parts[0]

    def _both(self) -> Condition:
        parts = [self._single()]
        while self._take("and"):
            parts.append(self._single())
        return Both(tuple(parts)) if len(parts) > 1 else parts[0]

    def _single(self) -> Condition:
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise WhereError(
                f"more than {_MOST_DEPTH} parentheses and nots inside each other",
                cure="simplify the condition",
                position=self._next.position,
            )
        if self._take("not"):
            condition: Condition = Not(self._single())
        elif self._take("("):
            condition = self._either()
            if not self._take(")"):
                raise self._wrong("a closing parenthesis")
        else:
            condition = self._condition()
        self._depth -= 1
        return condition

    def _condition(self) -> Condition:
        column = self._next
        if column.kind not in ("word", "quoted"):
            raise self._wrong("a column")
        self._at += 1
        if self._is_word(column, "within") and self._next.kind in ("number", "bare"):
            return self._near(column.position)
        self._refuse_function()
        name = column.text[1:-1] if column.kind == "quoted" else column.text
        negated = self._take("not")
        if self._take("in"):
            condition: Condition = self._among(name, column.position)
        elif self._is_word(self._next, "between"):
            self._at += 1
            condition = self._between(name, column.position)
        elif self._next.text in ("contains", "like") and self._next.kind == "sign":
            operator = self._next.text
            self._at += 1
            condition = Compare(name, operator, self._text_value(operator), column.position)
        elif self._is_word(self._next, "has"):
            self._at += 1
            condition = Compare(name, "has", self._text_value("has"), column.position)
        elif negated:
            raise self._wrong("in, contains, like or has")
        elif self._take("is"):
            negated = self._take("not")
            if not self._take("null"):
                raise self._wrong("null")
            condition = Missing(name, column.position)
        else:
            condition = self._comparison(name, column.position)
        return Not(condition) if negated else condition

    def _comparison(self, name: str, position: int) -> Condition:
        operator = _COMPARISONS.get(self._next.text) if self._next.kind == "sign" else None
        if operator is None:
            raise self._wrong("a comparison (= != < <= > >= in contains like is)")
        self._at += 1
        return Compare(name, operator, self._value(), position)

    @staticmethod
    def _is_word(token: _Token, word: str) -> bool:
        """Say whether a token is a word that means something where it stands, and may name a column elsewhere."""
        return token.kind == "word" and token.text.lower() == word

    def _among(self, name: str, position: int) -> Condition:
        """Read what follows `in`: a list, or a day, month or year."""
        if self._next.kind in ("number", "bare", "text") and is_period(self._next.text.strip("'\"")):
            period = str(self._value())
            value = int(period) if len(period) == 4 else period
            return Between(name, value, value, position)
        return Among(name, self._list(), position)

    def _between(self, name: str, position: int) -> Condition:
        first = self._value()
        if not self._take("and"):
            raise self._wrong("and")
        last = self._value()
        if isinstance(first, str) != isinstance(last, str):
            first, last = str(first), str(last)
            if not (is_period(first) and is_period(last)):
                raise WhereError("between a text and a number", cure="give two of one kind", position=position)
        if not is_in_order(first, last):
            raise WhereError(f"{first} stands behind {last}", cure="write the smaller one first", position=position)
        return Between(name, first, last, position)

    def _near(self, position: int) -> Condition:
        """Read what follows `within`: a distance, `of`, degrees north and degrees east."""
        stated, at = self._next.text, self._next.position
        self._at += 1
        if self._next.kind == "word" and not self._is_word(self._next, "of"):
            stated += self._next.text
            self._at += 1
        metres = metres_of(stated)
        if metres is None:
            cure = "give a number and m, km or mi: within 5 km of 52.52, 13.40"
            raise WhereError(f"{stated[:40]!r} is no distance", cure=cure, position=at)
        if not self._is_word(self._next, "of"):
            raise self._wrong("of", cure=_NEAR)
        self._at += 1
        latitude = self._angle(90, "north")
        self._take(",")
        return Near(latitude, self._angle(180, "east"), metres, position)

    def _angle(self, most: int, side: str) -> float:
        token = self._next
        if token.kind != "number":
            raise self._wrong(f"a number of degrees {side}", cure=_NEAR)
        angle = _number(token)
        if abs(angle) > most:
            cure = f"degrees {side} are from -{most} to {most}; north comes first: within 5 km of 52.52, 13.40"
            raise WhereError(f"{token.text[:40]} lies on no globe", cure=cure, position=token.position)
        self._at += 1
        return float(angle)

    def _list(self) -> tuple[Literal, ...]:
        if not self._take("("):
            raise self._wrong("an opening parenthesis")
        values = [self._value()]
        while self._take(","):
            values.append(self._value())
        if not self._take(")"):
            raise self._wrong("a comma or a closing parenthesis")
        return tuple(values)

    def _text_value(self, operator: str) -> str:
        token = self._next
        value = self._value()
        if not isinstance(value, str):
            cure = f"put it in quotes: {operator} '{token.text}'"
            raise WhereError(f"{operator} needs text, {token.text} is a number", cure=cure, position=token.position)
        return value

    def _value(self) -> Literal:
        token = self._next
        if token.kind == "number":
            value: Literal = _number(token)
        elif token.kind == "text":
            quote = token.text[0]
            value = token.text[1:-1].replace(quote * 2, quote)
        elif token.kind in ("word", "bare"):
            value = token.text
        elif token.kind == "sign" and token.text in ("true", "false"):
            value = int(token.text == "true")
        else:
            raise self._wrong("a value")
        self._at += 1
        self._refuse_function()
        return value


def _number(token: _Token) -> int | float:
    if re.fullmatch(r"[+-]?\d{1,18}", token.text):
        return int(token.text)
    number = float(token.text)
    if not math.isfinite(number):
        cure = "leave the comparison out: no number is larger"
        raise WhereError(f"{token.text[:40]} is too large a number", cure=cure, position=token.position)
    return number
