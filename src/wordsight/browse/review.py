"""Duplicates, a group at a time: which image is kept, which would be moved and why, and a plan of the groups chosen.

Nothing is moved here: the plan is a file, and `wordsight duplicates PLACE --apply FILE` does what it says.
"""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Footer, Static

from wordsight.base.errors import WordsightError
from wordsight.base.reading import in_words
from wordsight.base.terminal import escaped
from wordsight.browse.details import Details
from wordsight.browse.grid import HitGrid
from wordsight.search.library import Library

if TYPE_CHECKING:
    from wordsight.search.duplicates.finding import DuplicateGroup, FoundDuplicates

PLAN = "duplicates-{number}.jsonl"  # in the current folder, the first number that is free


class DuplicateReview(Screen[None]):
    """The groups of one search for duplicates."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "turn(1)", "next group"),
        Binding("p", "turn(-1)", "group before"),
        Binding("space", "take", "take or leave"),
        Binding("w", "write", "write a plan"),
        Binding("escape,q", "dismiss", "back"),
    ]

    def __init__(self, library: Library, result: "FoundDuplicates", folder: Path) -> None:
        super().__init__()
        self._library = library
        self._groups = result.groups
        self._folder = folder  # where plans are written
        self._left: set[int] = set()  # groups that are not to be in the plan
        self._at = 0

    def compose(self) -> ComposeResult:
        """Build the screen."""
        yield Static(id="group", markup=False)
        with Horizontal():
            with Vertical():
                yield HitGrid(id="grid")
            yield Details(id="details")
        yield Footer()

    def on_mount(self) -> None:
        """Show the first group."""
        self._show()

    def on_hit_grid_chosen(self, message: HitGrid.Chosen) -> None:
        """Tell of an image, and what the plan says of it."""
        at = self.query_one(HitGrid).position[0] - 1
        member = self._group.members[at] if 0 <= at < len(self._group.members) else None
        note = "" if member is None else f"{'moved' if member.is_moved else 'kept'}: {member.reason}"
        self.query_one(Details).tell(message.hit, note)

    @property
    def _group(self) -> "DuplicateGroup":
        return self._groups[self._at]

    def _show(self) -> None:
        with self._library.reading() as index:
            entries = index.entries([member.image.key for member in self._group.members])
        self.query_one(HitGrid).show([self._library.hit_of(entry) for entry in entries])
        self.query_one(HitGrid).focus()
        self._say()

    def _say(self) -> None:
        group = self._group
        moved = sum(member.is_moved for member in group.members)
        what = f"{moved} would be moved, {in_words(group.freed)}" if moved else "nothing is moved"
        state = ", left out of the plan" if self._at in self._left else ""
        words = f"group {self._at + 1} of {len(self._groups)}: {group.kind}, {len(group.members)} images, {what}{state}"
        self.query_one("#group", Static).update(words)

    def action_turn(self, by: int) -> None:
        """Show another group."""
        self._at = min(max(self._at + by, 0), len(self._groups) - 1)
        self._show()

    def action_take(self) -> None:
        """Leave a group out of the plan, or take it in again."""
        self._left ^= {self._at}
        self._say()

    def action_write(self) -> None:
        """Write the plan of all groups that are not left out, beside earlier ones."""
        from wordsight.search.duplicates.plan_file import write_plan

        chosen = [group for number, group in enumerate(self._groups) if number not in self._left]
        path = next(path for n in range(1, 10_000) if not (path := self._folder / PLAN.format(number=n)).exists())
        try:
            write_plan(path, self._library.location, chosen)
        except WordsightError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        apply = shlex.join(["wordsight", "duplicates", str(self._library.location), "--apply", str(path)])
        self.notify(f"{len(chosen)} groups: {escaped(apply)}", timeout=30, markup=False)
