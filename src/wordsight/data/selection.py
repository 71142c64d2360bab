"""Sets in which images and captions choose each other, as they are published: Winoground, SugarCrepe, ARO, ours.

    chosen = read_selection("winoground")                                    # parquet or examples.jsonl
    chosen = read_selection("sugar-crepe/data", images="coco/val2017")       # add_att.json ..., each a kind
    chosen = read_selection("sugar-crepe/data", split="swap_att", images="coco/val2017")
    chosen.items[0].captions[0]                                              # belongs to chosen.items[0].images[0]
    chosen.failures                                                          # one InputError for each broken row

A row may have several images, which sources do not know, so rows are read here; tables by the readers of sources.
Images are not decoded, so one that is broken inside is met by whoever decodes it; those of parquet are held in memory.
"""

import difflib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wordsight.base.errors import FormatError, InputError, NotFound
from wordsight.base.json_faults import fault_of
from wordsight.base.reading import read_text
from wordsight.data import fields
from wordsight.data.kinds import TABLE, kind_of_suffix
from wordsight.data.names import locate
from wordsight.data.selection_fields import (
    SelectionColumns,
    SelectionRoles,
    choose_roles,
    read_box,
    read_captions,
)
from wordsight.data.source import Columns
from wordsight.data.source_files import find
from wordsight.data.table import image_of, open_table

_CURE = "name the folder of the images with images="
_JSON = ".json"
_SUFFIXES = ("", ".png", ".jpg", ".jpeg", ".webp")  # Winoground's JSON names images without their ending


@dataclass(frozen=True, slots=True)
class SelectionItem:
    """Images and captions that choose each other; the first caption is true of the first image.

    With as many images as captions each belongs to that at its own position; captions beyond the images are false.
    `box` (left, top, right, bottom in pixels) is the part of each image that is meant, None all of it.
    """

    key: str
    kind: str
    images: tuple[bytes | Path, ...]
    captions: tuple[str, ...]
    box: tuple[int, int, int, int] | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """The items of a set in order, and one error for each row or file that could not be used."""

    name: str
    items: tuple[SelectionItem, ...]
    failures: tuple[InputError, ...] = ()


def read_selection(
    location: str | Path,
    *,
    split: str | None = None,
    columns: SelectionColumns | None = None,
    images: str | Path | None = None,
) -> Selection:
    """Read a set from a file, or a folder of tables or else of JSON files.

    `split` picks tables as `open_source` does, or JSON files by their names without `.json` ("swap_att+swap_obj").  The
    kind of an item is what its row states, or the name of its file.  `images` is the folder of the images; without it
    they are looked for beside the file and in the folders there; a name that several folders have is a failure.
    Raises `NotFound` for what is not there, `FormatError` where nothing can be read.
    """
    path = Path(location)
    files = _files(path, split)
    finder = _ImageFinder(Path(images) if images is not None else None)
    items: list[SelectionItem] = []
    failures: list[InputError] = []
    refused: FormatError | None = None
    for file in files:
        prefix = f"{file.stem}/" if len(files) > 1 else ""
        try:
            for met in _read_file(file, columns or SelectionColumns(), finder, prefix):
                if isinstance(met, InputError):
                    failures.append(met)
                else:
                    items.append(met)
        except FormatError as error:
            refused = refused or error
            failures.append(InputError(error.problem, cure=error.cure))
    if refused and not items:
        raise refused
    return Selection(f"{path.name}/{split}" if split else path.name, tuple(items), tuple(failures))


def choices_of_one_image(items: Sequence[SelectionItem]) -> list[SelectionItem]:
    """Return for each image that has a caption of its own an item with all captions, its own first.

    So pairs in Winoground's form become questions with one image and two captions, in SugarCrepe's.
    """
    return [
        SelectionItem(
            item.key if len(item.images) == 1 else f"{item.key}/{number}",
            item.kind,
            (image,),
            (caption, *item.captions[:number], *item.captions[number + 1 :]),
            item.box,
        )
        for item in items
        for number, (image, caption) in enumerate(zip(item.images, item.captions, strict=False))
    ]


def _read_file(
    path: Path, columns: SelectionColumns, finder: "_ImageFinder", prefix: str
) -> Iterator[SelectionItem | InputError]:
    """Yield an item or an error for each row; what spoils the whole file is yielded last."""
    roles: dict[tuple[str, ...], SelectionRoles] = {}
    try:
        for name, where, row in _rows(path):
            if isinstance(row, InputError):
                yield row
                continue
            names = tuple(row)
            if names not in roles:
                try:
                    roles[names] = choose_roles(names, columns, where=where)
                except FormatError as error:
                    if not roles:  # the first row tells what the file is
                        raise
                    yield InputError(error.problem, cure=error.cure)
                    continue
            key = fields.name(row.get(roles[names].key)) or name
            try:
                yield _item(row, roles[names], key=f"{prefix}{key}", file=path, where=where, finder=finder)
            except InputError as error:
                yield error
    except InputError as error:
        yield error
    except OSError as error:
        yield InputError(f"{path} cannot be read: {error.strerror}", cure="check the file")


def _item(
    row: Mapping[str, Any], roles: SelectionRoles, *, key: str, file: Path, where: str, finder: "_ImageFinder"
) -> SelectionItem:
    """Return the item of a row; raises `InputError` when an image is missing, or there is nothing to choose from."""
    cells = [cell for name in roles.images for cell in _cells(row.get(name))]
    images = tuple(finder.image(cell, file.parent, where) for cell in cells)
    captions = read_captions(row, roles, where=where)
    if not images or len(captions) < 2:
        problem = f"{where} has {len(images)} images and {len(captions)} captions"
        raise InputError(problem, cure="a choice needs an image and two captions")
    kind = fields.name(row.get(roles.kind)) or file.stem
    return SelectionItem(key, kind, images, captions, read_box(row, where=where))


def _cells(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]


class _ImageFinder:
    """Finds the files that rows name for their images.  `root` is the only folder to look in, if it is given."""

    def __init__(self, root: Path | None) -> None:
        if root is not None and not root.is_dir():
            raise NotFound(f"no folder of images {root}", cure="check the path")
        self._root = root
        self._folders: dict[Path, list[Path]] = {}

    def image(self, cell: Any, folder: Path, where: str) -> bytes | Path:
        """Return the image of a cell of a table in `folder`; `InputError` where there is none."""
        name = cell.get("path") if isinstance(cell, dict) and not cell.get("bytes") else cell
        if not isinstance(name, str) or not name.strip():
            return image_of(cell, folder, where)
        at_top = _located(self._root or folder, name)
        if at_top is not None:
            return at_top
        inside = [] if self._root is not None else self._inside(folder)
        below = [path for one in inside if (path := _located(one, name)) is not None]
        if len(below) > 1:
            listed = fields.shortened(" or ".join(map(str, below)))
            raise InputError(f"{where}: {fields.shortened(name)} may be {listed}", cure=_CURE)
        if not below:
            looked = f"{folder} nor in the folders there" if self._root is None else f"{self._root}"
            raise InputError(f"{where}: no file {fields.shortened(name)} in {looked}", cure=_CURE)
        return below[0]

    def _inside(self, folder: Path) -> list[Path]:
        if folder not in self._folders:
            self._folders[folder] = _folders_in(folder)
        return self._folders[folder]


def _located(folder: Path, name: str) -> Path | None:
    paths = (locate(folder, name.strip() + suffix) for suffix in _SUFFIXES)
    return next((path for path in paths if path is not None), None)


def _folders_in(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        return sorted(Path(entry.path) for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def _rows(path: Path) -> Iterator[tuple[str, str, Mapping[str, Any] | InputError]]:
    """Yield the name of each row within its file, where it stands, and the row."""
    if path.suffix.lower() != _JSON:
        table = open_table(path, Columns())
        for index, (number, row) in enumerate(table.rows()):
            yield f"{index:08d}", f"{path}: {table.unit} {number}", row
        return
    for name, row in _json_entries(path):
        where = f"{path}: entry {name}"
        yield name, where, row if isinstance(row, dict) else InputError(f"{where} is no object", cure="mend the file")


def _json_entries(path: Path) -> list[tuple[str, Any]]:
    """Return the entries of a file with a list, or with an object of objects, each with its name."""
    try:
        content = json.loads(read_text(path))
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8", cure="save the file as UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {fault_of(error)}", cure="make the file again") from None
    if isinstance(content, list):
        return [(f"{index:08d}", row) for index, row in enumerate(content)]
    if isinstance(content, dict) and any(isinstance(row, dict) for row in content.values()):
        return list(content.items())
    raise InputError(f"{path} is no list and no object of objects", cure="a set is a list of entries, or id: entry")


def _files(path: Path, split: str | None) -> list[Path]:
    """Return the files of a set: tables before JSON files, at the top before those in `data/`."""
    if path.is_file():
        if split:
            raise NotFound(f"no split {split} in the file {path}", cure="name the folder, or no split")
        if path.suffix.lower() == _JSON or kind_of_suffix(path.suffix.lower()) == TABLE:
            return [path]
        raise FormatError(f"{path} is of no known form", cure="readable are .json, .jsonl, .csv, .tsv and .parquet")
    if not path.is_dir():
        raise NotFound(f"nothing at {path}", cure="check the path")
    if split and (path / split).is_dir():
        return _files(path / split, None)
    for folder in (path, path / "data"):
        entries = sorted(folder.iterdir()) if folder.is_dir() else []
        files = [entry for entry in entries if entry.name[0] != "."]
        if any(kind_of_suffix(file.suffix.lower()) == TABLE for file in files):
            return list(find([folder], split=split, kind=TABLE).paths)
        jsons = [file for file in files if file.suffix.lower() == _JSON]
        if jsons:
            return _named(jsons, split, folder)
    raise FormatError(f"{path} holds no table and no JSON file", cure="name the folder or file of the set")


def _named(files: Sequence[Path], split: str | None, folder: Path) -> list[Path]:
    """Return the JSON files whose names a split has, in its order; all without one."""
    if split in (None, "all"):
        return list(files)
    by_name = {path.stem: path for path in files}
    for name in split.split("+"):
        if name not in by_name:
            near = difflib.get_close_matches(name, by_name, n=2, cutoff=0.5)
            cure = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(by_name)}"
            raise NotFound(f"no split {name} in {folder}", cure=cure)
    return [by_name[name] for name in split.split("+")]
