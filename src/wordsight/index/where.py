"""The small language of `--where`: conditions on metadata columns.

    price < 50 and colour in ('red', 'dark red') and not name contains 'kids'

Comparisons `= != < <= > >=`, `in (…)`, `contains`, `like` (`%` any text, `_` one letter), `is null`, `and`, `or`,
`not`, parentheses.  Numbers, `true`, `false`, text in single or double quotes (a quote inside is doubled); a bare
word or date is text too, and so is `007`, as in tables.  A column with an odd name stands in square brackets or
backticks: `[base colour] = red`.
A comparison with a missing value is false, so `not price < 50` also keeps entries without a price, while
`price >= 50` does not.  Numbers and text never equal each other.  `contains` and `like` ignore case.

`parse` gives a `Condition`, `check` compares it with the columns there are, `matches` is what it means, in Python;
`sql` says the same to SQLite.  Knows no store.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from wordsight.base.errors import UsageError
from wordsight.base.suggest import suggest_column
from wordsight.base.value import Value
from wordsight.index.like import holds_text, is_like

Literal = str | int | float
_TOKENS = re.compile(
    r"""\s*(?:
    (?P<number>[+-]?(?:(?:0(?!\d)|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.:-]))
  | (?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
  | (?P<quoted>`[^`]+`|\[[^\]]+\])
  | (?P<sign><=|>=|!=|<>|==|=|<|>|\(|\)|,)
  | (?P<word>[^\W\d][\w.-]*)
  | (?P<bare>\d[\w.:-]*)
    )""",
    re.VERBOSE,
)
_COMPARISONS = {"=": "=", "==": "=", "!=": "!=", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_WORDS = {"and", "or", "not", "in", "contains", "like", "is", "null", "true", "false"}
_MOST_DEPTH = 100  # parentheses and nots inside each other: far above use, far below Python's own limit
_MOST_VALUES = 10_000  # compared with in one condition: SQLite takes 32,766


class WhereError(UsageError):
    """A condition that cannot be understood; `position` counts characters from 1."""

    def __init__(self, problem: str, *, cure: str = "", position: int) -> None:
        super().__init__(f"where: {problem} at character {position}", cure=cure)
        self.position = position


@dataclass(frozen=True, slots=True)
class Compare:
    """A column against one value; `operator` is = != < <= > >= contains or like."""

    column: str
    operator: str
    value: Literal
    position: int


@dataclass(frozen=True, slots=True)
class Among:
    """A column against several values."""

    column: str
    values: tuple[Literal, ...]
    position: int


@dataclass(frozen=True, slots=True)
class Missing:
    """The column has no value."""

    column: str
    position: int


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: "Condition"


@dataclass(frozen=True, slots=True)
class Both:
    """All parts hold."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Either:
    """At least one part holds."""

    parts: tuple["Condition", ...]


Condition = Compare | Among | Missing | Not | Both | Either


@dataclass(frozen=True, slots=True)
class Column:
    """A metadata column: its name and which kinds of values it has held."""

    name: str
    numbers: bool
    texts: bool


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int  # from 1


def parse(expression: str) -> Condition:
    """Return the condition that is written down; raises `WhereError` that points at what is wrong."""
    return _Parser(list(_tokens(expression))).whole()


def columns_of(condition: Condition) -> Iterator[Compare | Among | Missing]:
    """Yield the leaves of a condition from left to right."""
    if isinstance(condition, Not):
        yield from columns_of(condition.part)
    elif isinstance(condition, Both | Either):
        for part in condition.parts:
            yield from columns_of(part)
    else:
        yield condition


def check(condition: Condition, columns: Mapping[str, Column]) -> None:
    """Raise `WhereError` for a column that is not there, a value of a kind that it never holds, or too many values."""
    count = 0
    for leaf in columns_of(condition):
        count += len(_values(leaf))
        if count > _MOST_VALUES:
            raise WhereError(
                f"more than {_MOST_VALUES:,} values", cure="ask for fewer at a time", position=leaf.position
            )
        if leaf.column not in columns:
            raise _unknown_column(leaf, columns)
        for value in _values(leaf):
            _check_kind(leaf, columns[leaf.column], value)


def matches(condition: Condition, meta: Mapping[str, Value]) -> bool:
    """Return whether an entry with this metadata satisfies the condition: the meaning that other forms are held to."""
    if isinstance(condition, Not):
        return not matches(condition.part, meta)
    if isinstance(condition, Both):
        return all(matches(part, meta) for part in condition.parts)
    if isinstance(condition, Either):
        return any(matches(part, meta) for part in condition.parts)
    value = meta.get(condition.column)
    if isinstance(condition, Missing):
        return value is None
    if value is None:
        return False
    if isinstance(condition, Among):
        return any(_compare("=", value, one) for one in condition.values)
    return _compare(condition.operator, value, condition.value)


def _compare(operator: str, value: Value, wanted: Literal) -> bool:
    if isinstance(value, str) != isinstance(wanted, str):
        return operator == "!="
    if operator == "=":
        return value == wanted
    if operator == "!=":
        return value != wanted
    if isinstance(value, str) and isinstance(wanted, str):
        return _compare_texts(operator, value, wanted)
    assert isinstance(value, int | float)
    assert isinstance(wanted, int | float)
    return {"<": value < wanted, "<=": value <= wanted, ">": value > wanted, ">=": value >= wanted}[operator]


def _compare_texts(operator: str, value: str, wanted: str) -> bool:
    if operator == "contains":
        return holds_text(value, wanted)
    if operator == "like":
        return is_like(value, wanted)
    return {"<": value < wanted, "<=": value <= wanted, ">": value > wanted, ">=": value >= wanted}[operator]


def _values(leaf: Compare | Among | Missing) -> tuple[Literal, ...]:
    if isinstance(leaf, Among):
        return leaf.values
    return (leaf.value,) if isinstance(leaf, Compare) else ()


def _check_kind(leaf: Compare | Among | Missing, column: Column, value: Literal) -> None:
    if isinstance(value, str) and column.numbers and not column.texts:
        raise WhereError(
            f"column {column.name} holds numbers, {value!r} is text",
            cure=f"compare it with a number, for example {column.name} < 10",
            position=leaf.position,
        )
    if not isinstance(value, str) and column.texts and not column.numbers:
        raise WhereError(
            f"column {column.name} holds text, {value} is a number",
            cure=f"put it in quotes: '{value}'",
            position=leaf.position,
        )


def _unknown_column(leaf: Compare | Among | Missing, columns: Mapping[str, Column]) -> WhereError:
    return WhereError(f"no column {leaf.column}", cure=suggest_column(leaf.column, columns), position=leaf.position)


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
        self._refuse_function()
        name = column.text[1:-1] if column.kind == "quoted" else column.text
        negated = self._take("not")
        if self._take("in"):
            condition: Condition = Among(name, self._list(), column.position)
        elif self._next.text in ("contains", "like") and self._next.kind == "sign":
            operator = self._next.text
            self._at += 1
            condition = Compare(name, operator, self._text_value(operator), column.position)
        elif negated:
            raise self._wrong("in, contains or like")
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
