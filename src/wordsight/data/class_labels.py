"""Names of class numbers as Hugging Face's datasets state them: in the schema of a table, or in the card beside it.

    class_names(schema.metadata)        # {"label": ("cat", "dog")}
    card_beside(Path("set/data"))       # Card(set/README.md, {"label": ("cat", "dog")}), or None

In the schema they are JSON under "huggingface"; a list of classes is `Sequence`, `LargeList` or `List` of ClassLabel.
In a card (`README.md`) they are the part `dataset_info: features:` of the YAML before the text, of which only this part
is understood.  A column whose names differ between the configurations of a card has none.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from wordsight.base.reading import read_text
from wordsight.data.label_lists import NAMED_BY

CARD, INFO = "README.md", "dataset_info.json"  # the second is that of `Dataset.save_to_disk`
_ABOVE = 3  # folders in which a card may lie: that of the table, as in set/default/train/0000.parquet, and those above
_LARGEST = 16_000_000  # bytes of a card: ImageNet-21k has a million letters of names

Names = Mapping[str, Sequence[str]]


class Card(NamedTuple):
    """A file that names classes, and for each column its names in the order of their numbers."""

    path: Path
    names: Names


def class_names(metadata: Mapping[bytes, bytes] | None) -> dict[str, Sequence[str]]:
    """Return column -> names of the classes, from what Hugging Face's datasets write beside a schema."""
    try:
        return of_features(json.loads((metadata or {})[b"huggingface"])["info"]["features"])
    except (KeyError, TypeError, ValueError, RecursionError):
        return {}


def of_features(features: Any) -> dict[str, Sequence[str]]:
    """Return column -> names of the classes, from features as JSON; of a group of lists those of its names."""
    if not isinstance(features, dict):
        return {}
    named = {column: _of_feature(feature) for column, feature in features.items()}
    return {column: names for column, names in named.items() if names}


def _of_feature(feature: Any, depth: int = 4) -> Sequence[str]:
    if isinstance(feature, list) and len(feature) == 1:  # how old versions write a list
        feature = feature[0]
    if not isinstance(feature, dict) or not depth:
        return ()
    if feature.get("_type") == "ClassLabel":
        names = feature.get("names")
        return tuple(map(str, names)) if isinstance(names, list) else ()
    if feature.get("_type") is not None and "feature" in feature:
        return _of_feature(feature["feature"], depth - 1)
    inner = next((feature[name] for name in NAMED_BY if isinstance(feature.get(name), dict | list)), None)
    return _of_feature(inner, depth - 1)


def card_beside(folder: Path) -> Card | None:
    """Return the nearest card that names classes, of a folder or those above; None where there is none."""
    for above in [folder, *folder.absolute().parents][:_ABOVE]:
        for file, read in ((INFO, _of_info), (CARD, _of_card)):
            try:
                names = read(read_text(above / file, limit=_LARGEST))
            except (OSError, ValueError, RecursionError):  # none, or a text about something else
                continue
            if names:
                return Card(above / file, names)
    return None


def _of_info(text: str) -> Names:
    info = json.loads(text)
    return of_features(info.get("features")) if isinstance(info, dict) else {}


_LINE = re.compile(r"( *)((?:- )*)(.*)")
_PAIR = re.compile(r"""('[^']*'|"[^"]*"|[^\s:'"][^:]*):(?:\s+(.*))?$""")


def _of_card(text: str) -> Names:
    front = re.match(r"---\n(.*?)\n---", text, re.DOTALL)
    stated: dict[str, set[tuple[str, ...]]] = {}
    for column, entries in list(_listed(front[1].split("\n"))) if front else ():
        stated.setdefault(column, set()).add(_in_order(entries))
    return {column: names for column, (names, *others) in stated.items() if names and not others}


def _listed(lines: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield the column and the lines of each list of class names in YAML; they are whole when all are read."""
    above: list[tuple[int, str, str]] = []  # depth, key and value of what the line lies in
    entries: list[str] | None = None
    for line in lines:
        match = _LINE.match(line)
        if match is None or not match[3].strip():
            continue
        dashed, content = bool(match[2]), match[3].strip()
        depth = 2 * len(match[1]) + dashed  # the items of a list may be indented no deeper than its key
        if entries is not None and depth > above[-1][0]:
            if dashed or _PAIR.match(content):
                entries.append(content)
            elif entries:
                entries[-1] += f" {content}"
            continue
        entries = None
        above = [one for one in above if one[0] < depth]
        pair = _PAIR.match(content)
        if pair is None:
            continue
        above.append((depth, pair[1], pair[2] or ""))
        column = next((value for _, key, value in above if key == "name"), None)
        inside = [key for _, key, _ in above]
        if inside[-2:] == ["class_label", "names"] and "features" in inside and column is not None:
            entries = []
            yield _scalar(column), entries


def _in_order(entries: Sequence[str]) -> tuple[str, ...]:
    """Return the names of "'0': cat", "'1': dog" or of "cat", "dog"; "" for a number that is not there."""
    pairs = [_PAIR.match(entry) for entry in entries]
    numbered = {_scalar(pair[1]): _scalar(pair[2] or "") for pair in pairs if pair}
    if any(pair and _scalar(pair[1]).isdecimal() for pair in pairs):
        return tuple(numbered.get(str(number), "") for number in range(len(entries)))
    return tuple(map(_scalar, entries))


def _scalar(text: str) -> str:
    """Return the text that a scalar of YAML stands for: plain, in single or in double quotes."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if len(text) > 1 and text[0] == text[-1] == '"':
        try:
            return str(json.loads(text))
        except ValueError:
            return text[1:-1]
    return text
