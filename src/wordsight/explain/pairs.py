"""Reading which images are explained with which texts: a CSV or JSON lines with `image`, `true` and `misleading`.

for pair in read_pairs(Path("pairs.csv")): ...     # pair.image, pair.texts, pair.where

Images are looked for beside the file, else from the current folder.  `misleading` may be missing or empty, and in JSON
a list.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

from wordsight.base.errors import FormatError, NotFound
from wordsight.base.json_faults import fault_of
from wordsight.base.reading import read_text

IMAGE, TRUE, MISLEADING = "image", "true", "misleading"
JSON_LINES = (".jsonl", ".ndjson", ".json")


class AskedPair(NamedTuple):
    """An image with its texts, the true one first, and the line it stands in."""

    image: Path
    texts: tuple[str, ...]
    where: str


def read_pairs(path: Path) -> list[AskedPair]:
    """Return the pairs of a file; one that is not there, or without these fields, is an error that names the line."""
    try:
        text = read_text(path)
    except FileNotFoundError:
        raise NotFound(f"no file {path}", cure="give a CSV or JSON lines with image, true and misleading") from None
    except UnicodeDecodeError:
        raise FormatError(f"{path} is no text in UTF-8", cure="give a CSV or JSON lines in UTF-8") from None
    except OSError as error:
        what = "is a folder" if path.is_dir() else f"cannot be read: {error.strerror or error}"
        raise FormatError(f"{path} {what}", cure="give a CSV or JSON lines in UTF-8") from None
    read = _json_lines if path.suffix.lower() in JSON_LINES else _csv
    pairs = [_pair(fields, path, line) for line, fields in read(text, path)]
    if not pairs:
        raise FormatError(f"{path} has no pairs", cure=f"give {IMAGE}, {TRUE} and {MISLEADING} in each line")
    return pairs


def _csv(text: str, path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    rows = csv.DictReader(StringIO(text, newline=""))
    try:
        for row in rows:
            if None in row:  # what lies beyond the header
                problem = f"{path} line {rows.line_num} has more fields than the first line"
                raise FormatError(problem, cure="quote texts with commas")
            yield rows.line_num, row
    except csv.Error as error:
        raise FormatError(f"{path} line {rows.line_num} is no CSV: {error}", cure="quote texts with commas") from None


def _json_lines(text: str, path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise FormatError(
                f"{path} line {number} is not JSON: {fault_of(error)}", cure="write one object a line"
            ) from None
        if not isinstance(fields, dict):
            raise FormatError(f"{path} line {number} is no object", cure=f'write {{"{IMAGE}": …, "{TRUE}": …}}')
        yield number, fields


def _pair(fields: Mapping[str, Any], path: Path, line: int) -> AskedPair:
    misleading = fields.get(MISLEADING)
    others = misleading if isinstance(misleading, list) else [misleading] if misleading else []
    values = [fields.get(IMAGE), fields.get(TRUE), *others]
    if not all(isinstance(value, str) and value.strip() for value in values):
        cure = f"it needs {IMAGE} and {TRUE}, and may have {MISLEADING}, all as text"
        raise FormatError(f"{path} line {line} has {sorted(map(str, fields))}", cure=cure)
    image, *texts = map(str, values)
    beside = path.parent / image
    return AskedPair(beside if beside.exists() else Path(image), tuple(texts), f"{path} line {line}")
