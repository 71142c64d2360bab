"""The image column of a table whose names do not say which it is, by what its first rows hold.

image_columns(table, folder)        # ["scan"]: bytes that begin as images do, or names of image files that are there
"""

from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from wordsight.base.errors import InputError
from wordsight.data.names import locate
from wordsight.images.files import ending_of, is_image_name

LOOKED_AT = 20  # rows


class _Rows(Protocol):
    @property
    def names(self) -> tuple[str, ...] | None: ...

    def rows(self) -> Iterable[tuple[int, Mapping[str, Any] | InputError]]: ...


def image_columns(table: _Rows, folder: Path) -> list[str]:
    """Return the columns of which every value in the first rows is an image; paths are relative to `folder`.

    A table whose first line names an image has no header, and none.
    """
    names = table.names or ()
    if any(map(is_image_name, names)):
        return []
    rows = [row for _, row in islice(table.rows(), LOOKED_AT) if not isinstance(row, InputError)]
    cells = {name: [row[name] for row in rows if row.get(name) not in (None, "")] for name in names if name}
    return [name for name, values in cells.items() if values and _are_images(values, folder)]


def _are_images(values: list[Any], folder: Path) -> bool:
    packed = [value.get("bytes") if isinstance(value, dict) else value for value in values]
    if all(isinstance(value, bytes) and ending_of(value) for value in packed):
        return True
    paths = [
        path for value in values if isinstance(path := value.get("path") if isinstance(value, dict) else value, str)
    ]
    named = len(paths) == len(values) and all(is_image_name(path.strip()) for path in paths)
    return named and any(locate(folder, path) is not None for path in paths)
