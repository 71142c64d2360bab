"""The kinds of sources: by which endings their files are recognised, and what opens them.

A new kind is one file beside this one and one row of `OPENERS`.
"""

from collections.abc import Mapping
from pathlib import PurePath
from typing import NamedTuple


class Opener(NamedTuple):
    """`target` is the "module:class" that is called with (files, columns) for files with one of the `suffixes`.

    `holds_images` says that such files hold images rather than name them.
    """

    target: str
    suffixes: tuple[str, ...] = ()
    holds_images: bool = False


FOLDER = "folder"  # the kind of a folder with images, and of one in which no other kind is recognised
TEXT_TABLES = (".csv", ".tsv")  # tables whose cells are all text
TABLE = "table"  # the kind that tells of the images of a folder when it lies among them
OPENERS: Mapping[str, Opener] = {  # where files of several kinds lie in one folder, the first row has it
    FOLDER: Opener("wordsight.data.folder:FolderSource"),
    "shards": Opener("wordsight.data.shards:ShardSource", (".tar",), holds_images=True),
    TABLE: Opener("wordsight.data.table:TableSource", (*TEXT_TABLES, ".jsonl", ".parquet", ".arrow")),
}
AUTO = "auto"  # the kind is recognised


def kinds() -> tuple[str, ...]:
    """Return what may be asked for: "auto" and the kinds."""
    return (AUTO, *OPENERS)


def without_suffix(name: str) -> str:
    """Return the name of a file without the ending by which it is recognised: "shop" of "shop.parquet"."""
    path = PurePath(name)
    return path.stem if kind_of_suffix(path.suffix.lower()) else name


def kind_of_suffix(suffix: str) -> str | None:
    """Return the kind of files that end in `suffix` (".tar", in lower case), or None."""
    return next((kind for kind, opener in OPENERS.items() if suffix in opener.suffixes), None)
