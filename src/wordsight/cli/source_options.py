"""The options with which every verb that reads a source is told which columns (or JSON keys) mean what."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wordsight.data.source import Columns

ROLES = {"image": "image's path or bytes", "captions": "captions", "label": "class name", "key": "image's key"}


def add_columns(parser: ArgumentParser) -> None:
    """Declare --image, --captions, --label and --key."""
    for role, meaning in ROLES.items():
        parser.add_argument(f"--{role}", metavar="COLUMN", help=f"the column, or JSON key, with the {meaning}")


def columns_of(args: Namespace) -> "Columns | None":
    """Return the columns that were named; None when none was."""
    named = {role: getattr(args, role) for role in ROLES if getattr(args, role) is not None}
    if not named:
        return None
    from wordsight.data.source import Columns

    return Columns(**named)
