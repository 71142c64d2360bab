"""Tables as text: csv, tsv and their kin, row by row, with what is wrong with a row in its place.

    table = TextTable(Path("products.csv"))
    table.names                          # ("image", "caption", "price")
    for number, row in table.rows(): ... # the line's number, and column -> cell or an `InputError`

The separator (comma, tab, semicolon or `|`) is recognised from the first lines, not from the ending.  A cell in double
quotes may hold separators, doubled quotes and line ends.  A quote that opens a cell and is never closed spoils its own
line only: reading goes on behind it.  In tables with tabs or `|`, which are mostly written without quoting, it is text.
Lines without anything in them are no rows.
"""

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from wordsight.base.errors import FormatError, InputError
from wordsight.data.fields import GUESSED, KNOWN
from wordsight.data.text_lines import LONGEST, is_text, numbered_lines
from wordsight.images.files import is_image_name

SEPARATORS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "|"}
_UNQUOTED = ("\t", "|")  # separators of tables in which a quote is mostly text
_LOOKED_AT = 20  # lines from which the separator is recognised
_MOST_LINES = 1000  # of one cell in quotes

TextRow = Mapping[str, str] | InputError


class TextTable:
    """One table; its header is read when it is made.  `known` are column names that tell the separator."""

    unit = "line"

    def __init__(self, path: Path, known: Collection[str] = ()) -> None:
        self.path = path
        lines = [(n, line) for n, line in islice(numbered_lines(path), _LOOKED_AT) if line.strip()]
        self._first = 0  # the number of the header's line
        self._separator = "\t" if path.suffix.lower() == ".tsv" else ","
        stated = lines[0][1].lower() if lines else ""
        if stated.startswith("sep=") and stated[4:] in SEPARATORS:  # as Excel writes it
            self._separator = stated[4:]
            lines = lines[1:]
        elif lines:
            self._separator = _recognised([line for _, line in lines], {*known, *_KNOWN}, self._separator)
        self.names = self._header(lines[0]) if lines else ()

    def _header(self, line: tuple[int, str]) -> tuple[str, ...]:
        self._first = line[0]
        if not is_text(line[1]):
            raise FormatError(f"{self.path}: line {line[0]} is not UTF-8", cure="save the table as UTF-8")
        names = tuple(_names(line[1], self._separator))
        for number, name in enumerate(names):
            if name and name in names[:number]:
                raise FormatError(f"{self.path} has two columns {name}", cure="rename one of them")
        return names

    def rows(self, first: int = 0, *, binary: bool = True) -> Iterator[tuple[int, TextRow]]:
        """Yield line number and row of each row from the one with index `first` on."""
        unnamed = "" in self.names
        for entry, (number, cells) in enumerate(self._records()):
            if entry < first:
                continue
            if isinstance(cells, InputError):
                yield number, cells
                continue
            row = dict(zip(self.names, cells, strict=True))
            if unnamed:
                row.pop("")
            yield number, row

    def _records(self) -> Iterator[tuple[int, list[str] | InputError]]:
        lines = deque[tuple[int, str]]()
        source = numbered_lines(self.path)
        while line := lines.popleft() if lines else next(source, None):
            number, text = line
            if number <= self._first or not text.strip():
                continue
            if len(text) > LONGEST:
                yield number, self._error(number, f" is longer than {LONGEST} letters", "mend the row")
            elif not is_text(text):
                yield number, self._error(number, " is not UTF-8", "save the table as UTF-8")
            else:
                cells = text.split(self._separator) if '"' not in text else self._quoted(text, lines, source)
                if cells is None:
                    cure = "close it, or double the quotes that belong to a text"
                    yield number, self._error(number, ": a quote opens that is never closed", cure)
                elif not all(map(is_text, cells)):  # a line further down in a cell of several
                    yield number, self._error(number, " is not UTF-8", "save the table as UTF-8")
                elif any(cells):
                    yield number, self._fitting(number, cells)

    def _error(self, number: int, problem: str, cure: str) -> InputError:
        return InputError(f"{self.path}: line {number}{problem}", cure=cure)

    def _fitting(self, number: int, cells: list[str]) -> list[str] | InputError:
        wanted = len(self.names)
        if len(cells) > wanted and not any(cells[wanted:]):  # separators at the end of the line
            return cells[:wanted]
        if len(cells) == wanted:
            return cells
        separator = SEPARATORS[self._separator]
        cure = f"mend the row; a text that holds a {separator} has to stand in double quotes"
        return self._error(number, f" has {len(cells)} fields, the header {wanted}", cure)

    def _quoted(self, text: str, lines: deque[tuple[int, str]], source: Iterator[tuple[int, str]]) -> list[str] | None:
        """Return the cells of a line with quotes, taking from `lines` what else belongs to them; None: never closed."""
        record = [text]
        try:
            cells = _cells(text, self._separator)
            while cells is None and len(record) < _MOST_LINES:
                if len(record) > len(lines):
                    lines.append(next(source))
                record.append(lines[len(record) - 1][1])
                if '"' in record[-1]:
                    cells = _cells("\n".join(record), self._separator)
        except (_NeverClosed, StopIteration):
            cells = None
        if cells is None or (len(record) > 1 and (len(cells) != len(self.names) or any(map(self._is_row, record[1:])))):
            return text.split(self._separator) if self._separator in _UNQUOTED else None
        for _ in record[1:]:
            lines.popleft()
        return cells

    def _is_row(self, line: str) -> bool:
        """Return whether a line is a row itself, so that the cell it lies in cannot be meant."""
        cells = line.split(self._separator)
        return len(cells) == len(self.names) > 1 and any(is_image_name(cell.strip(' "')) for cell in cells)


class _NeverClosed(Exception):
    pass


def _cells(record: str, separator: str) -> list[str] | None:
    """Return the cells of a record; None when one in quotes is still open at its end."""
    cells, start = [], 0
    while True:
        end = _closing(record, start, separator) if record.startswith('"', start) else -1
        if end is None:
            return None
        if end > start:
            cells.append(record[start + 1 : end].replace('""', '"'))
            stop = end + 1
        else:
            stop = record.find(separator, start)
            stop = len(record) if stop < 0 else stop
            cells.append(record[start:stop])
        if stop == len(record):
            return cells
        start = stop + 1


def _closing(record: str, start: int, separator: str) -> int | None:
    """Return where the quote at `start` is closed: None not yet, -1 nowhere, for it is part of a text of one line."""
    end = start
    while (end := record.find('"', end + 1)) >= 0:
        behind = record[end + 1 : end + 2]
        if behind == '"':
            end += 1
        elif behind in ("", separator):
            return end
        elif "\n" in record[start:end]:
            raise _NeverClosed
        else:
            return -1
    return None


_KNOWN = GUESSED.union(*KNOWN.values())


def _names(line: str, separator: str) -> list[str]:
    cells = _cells(line, separator) or line.split(separator)
    return [cell.strip(" \ufeff") for cell in cells]


def _recognised(lines: Sequence[str], known: Collection[str], default: str) -> str:
    """Return the separator with which the header has known names, and as many fields as the rows."""

    def fit(separator: str) -> tuple[bool, bool, int, bool]:
        names = _names(lines[0], separator)
        alike = sum(len(_names(line, separator)) == len(names) for line in lines[1:])
        return (
            any(name in known or name.lower() in known for name in names),
            len(names) > 1,
            alike,
            separator == default,
        )

    return max(SEPARATORS, key=fit)
