"""The options that say of a source which columns (or JSON keys) mean what, and what of it is left alone."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wordsight.data.source import Columns

ROLES = {"image": "image's path or bytes", "captions": "captions", "label": "class name", "key": "image's key"}


def add_columns(parser: ArgumentParser) -> None:
    """Declare --image, --captions, --label and --key."""
    for role, meaning in ROLES.items():
        parser.add_argument(f"--{role}", metavar="COLUMN", help=f"the column, or JSON key, with the {meaning}")


def add_exclude(parser: ArgumentParser) -> None:
    """Declare --exclude."""
    parser.add_argument(
        "--exclude",
        action="append",
        metavar="PATTERN",
        help="leave these images or folders alone, e.g. *.png or drafts/; again for more; the library remembers them, "
        "and '' forgets them; a file .wordsightignore in a folder holds such patterns too",
    )


def columns_of(args: Namespace) -> "Columns | None":
    """Return the columns that were named; None when none was."""
    named = {role: getattr(args, role) for role in ROLES if getattr(args, role) is not None}
    if not named:
        return None
    from wordsight.data.source import Columns

    return Columns(**named)
