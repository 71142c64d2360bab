"""The entries that training pairs are balanced by: words and phrases, from files.

    entries = read_entries([Path("unigrams.txt"), Path("titles.json.gz")])    # a tuple of different entries

A text file has one entry a line, UTF-8, without the white space around it; a JSON file is a list of texts, taken as
they are, like the list that MetaCLIP published.  Either may be compressed (`.gz`).  Upper and lower case differ.
`own_entries` makes entries of captions instead.
"""

import gzip
import json
import string
import unicodedata
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from wordsight.base.errors import FormatError, NotFound, UsageError
from wordsight.base.json_faults import fault_of
from wordsight.base.progress import notice
from wordsight.base.reading import MEGABYTE, read_file

LIMIT = 1000 * MEGABYTE  # of a file of entries; the published 500,000 are 10 MB
NAMED = 3  # entries that a notice names


def read_entries(paths: Sequence[Path]) -> tuple[str, ...]:
    """Return the different entries of files, in order; what is left out is counted in notices.

    Raises `NotFound` for a file that cannot be read, `FormatError` for one that is no list of entries, `UsageError`
    where no entry is left.
    """
    return sound_entries(entry for path in paths for entry in _read(path))


def sound_entries(entries: Iterable[str]) -> tuple[str, ...]:
    """Return entries without those that are empty, of punctuation only or there before, which notices count."""
    given = list(entries)
    different = dict.fromkeys(given)
    sound = tuple(entry for entry in different if entry.strip() and not _is_punctuation(entry))
    _tell(len(given) - len(different), "there before", [])
    blank = sum(not entry.strip() for entry in different)
    _tell(blank, "empty", [])
    marks = [entry for entry in different if entry.strip() and _is_punctuation(entry)]
    _tell(len(marks), "only punctuation", marks)
    if not sound:
        raise UsageError(f"no entry is left of {len(given)}", cure="give words or phrases, one a line")
    return sound


def _tell(count: int, why: str, examples: Sequence[str]) -> None:
    named = f": {', '.join(map(repr, examples[:NAMED]))}{' …' if len(examples) > NAMED else ''}" if examples else ""
    if count:
        notice(f"{count:,} {'entry is' if count == 1 else 'entries are'} left out, {why}{named}")


def _is_punctuation(entry: str) -> bool:
    return not entry[:1].isalnum() and all(
        letter in string.punctuation or letter.isspace() or unicodedata.category(letter).startswith("P")
        for letter in entry
    )


def _read(path: Path) -> list[str]:
    text = _text(path)
    if path.name.removesuffix(".gz").endswith(".json"):
        return _listed(text, path)
    return [entry for line in text.split("\n") if (entry := line.strip())]


def _text(path: Path) -> str:
    try:
        data = read_file(path, limit=LIMIT)
        if path.suffix == ".gz":
            data = gzip.decompress(data)
        text = data.decode("utf-8-sig")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FormatError(f"{path} is cut or damaged: {error}", cure="fetch or make it again") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise FormatError(f"{path}, line {line}: not UTF-8", cure="save it as UTF-8") from None
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}", cure="check the path") from None
    if "\0" in text:
        raise FormatError(f"{path} is not text: it holds zero bytes", cure="save it as UTF-8")
    return text


def _listed(text: str, path: Path) -> list[str]:
    try:
        entries: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path} is not JSON: {fault_of(error)}", cure="give a list of texts") from None
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise FormatError(f"{path} is no list of texts", cure='write ["a word", "a phrase"]')
    return entries
