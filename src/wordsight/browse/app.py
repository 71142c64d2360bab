"""`wordsight browse`: search as you type, a grid, details, filters, more like this, thumbs; all in a terminal.

    BrowseApp(library).run()

Searching and decoding are done in threads, the newest question only; the library is read, and brought up to date once
at the start.
"""

import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Footer, Input, Static
from textual.worker import get_current_worker

from wordsight.base.errors import InputError, WordsightError
from wordsight.base.terminal import escaped
from wordsight.browse.asked import Browsed
from wordsight.browse.details import Details
from wordsight.browse.grid import HitGrid, shrunk
from wordsight.browse.review import DuplicateReview
from wordsight.search.hits import Hit, Hits
from wordsight.search.library import Library

COUNT = 500  # hits that can be looked through
NO_SLASH = r"(?!/).*"  # nothing begins with the key that leads to the search
PAUSE = 0.12  # seconds without a key before what was typed is asked


class BrowseApp(App[None]):
    """The program over one library; `sync`: it is brought up to date first."""

    TITLE = "wordsight"
    CSS = """
    #where { width: 40; }
    #text { width: 1fr; }
    #ask { height: 3; }
    #state, #group { height: 1; color: $text-muted; }
    HitGrid { width: 1fr; height: 1fr; }
    HitGrid:focus { background: $surface; }
    Details { width: 44; height: 1fr; border-left: solid $panel; padding: 0 1; overflow-y: auto; }
    Details.hidden { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "focus_on('text')", "search"),
        Binding("f", "focus_on('where')", "filter"),
        Binding("escape", "focus_on('grid')", "grid", show=False),
        Binding("s", "similar", "more like this"),
        Binding("plus,equals_sign", "thumb(True)", "thumb up"),
        Binding("minus", "thumb(False)", "thumb down"),
        Binding("o", "reorder", "order"),
        Binding("d", "details", "details"),
        Binding("u", "review", "duplicates"),
        Binding("y", "copy", "copy path"),
        Binding("enter", "open", "open"),
        Binding("backspace", "ask_before", "back"),
        Binding("r", "bring_up_to_date", "look again"),
        Binding("question_mark", "show_help_panel", "keys"),
        Binding("q", "quit", "quit"),
    ]

    def __init__(self, library: Library, *, sync: bool = True) -> None:
        super().__init__()
        self._library = library
        self._sync = sync
        self._asked = Browsed()
        self._before: list[Browsed] = []  # what was asked before a look at similar ones
        self._timer: object = None
        self.problem = ""

    def compose(self) -> ComposeResult:
        """Build the screen."""
        with Horizontal(id="ask"):
            yield Input(placeholder="what is to be seen, in words", id="text", restrict=NO_SLASH, select_on_focus=False)
            yield Input(placeholder="filter: width > 2000", id="where", restrict=NO_SLASH, select_on_focus=False)
        yield Static(id="state", markup=False)
        with Horizontal():
            with Vertical():
                yield HitGrid(id="grid")
            yield Details(id="details")
        yield Footer()

    def on_mount(self) -> None:
        """Show the first images, and bring the library up to date."""
        self._answer()
        if self._sync:
            self.action_bring_up_to_date()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Ask when nothing was typed for a moment."""
        changed = Browsed(text=self._value("text"), where=self._value("where"), sort=self._asked.sort)
        if (changed.text, changed.where) == (self._asked.text, self._asked.where):
            return
        self._asked = changed
        self.set_timer(PAUSE, lambda: self._answer() if self._asked is changed else None)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go to the answers."""
        self.query_one(HitGrid).focus()

    def _value(self, name: str) -> str:
        return self.query_one(f"#{name}", Input).value

    def on_hit_grid_chosen(self, message: HitGrid.Chosen) -> None:
        """Tell of the hit."""
        self.query_one(Details).tell(message.hit, is_scored=self._asked.is_question)
        self._say()

    def on_hit_grid_wanted(self, message: HitGrid.Wanted) -> None:
        """Decode the images of a page."""
        self._decode(message.grid, message.hits, message.side)

    @work(thread=True, exclusive=True, group="decode")
    def _decode(self, grid: HitGrid, hits: Sequence[Hit], side: int) -> None:
        from wordsight.search.thumbnails import thumbnails

        worker = get_current_worker()
        images = thumbnails(hits, lambda image: shrunk(image, grid.box(*image.size)), side=side)
        for hit, pixels in zip(hits, images, strict=True):
            if worker.is_cancelled:
                return
            self.call_from_thread(grid.draw, hit.key, None if isinstance(pixels, InputError) else pixels)

    @work(thread=True, exclusive=True, group="answer")
    def _answer(self, at: int = 0) -> None:
        asked, worker = self._asked, get_current_worker()
        try:
            hits, problem = asked.answer(self._library, COUNT), ""
        except WordsightError as error:  # a condition that is half typed, or one that does not fit
            hits, problem = None, str(error)
        if not worker.is_cancelled:
            self.call_from_thread(self._show, hits, problem, at)

    def _show(self, hits: Hits | None, problem: str, at: int) -> None:
        self.problem = problem
        if hits is not None:
            self.query_one(HitGrid).show(hits, at=at)
        self._say()

    def _say(self) -> None:
        at, count = self.query_one(HitGrid).position
        words = self.problem or f"{at} of {count}: {self._asked.sentence()}"
        self.query_one("#state", Static).update(escaped(words))

    @work(thread=True, group="sync")
    def action_bring_up_to_date(self) -> None:
        """Bring the library up to date with its location."""
        try:
            report = self._library.sync()
        except WordsightError as error:
            self.call_from_thread(self.notify, str(error), severity="warning", markup=False)
            return
        if report:
            self.call_from_thread(self.notify, "the library was brought up to date")
            self.call_from_thread(self._answer)

    def action_focus_on(self, name: str) -> None:
        """Let a part take the keys."""
        self.screen.set_focus(self.query_one(f"#{name}"))  # at once: what is typed next belongs there

    def action_similar(self) -> None:
        """Show images like the chosen one; `back` returns."""
        hit = self.query_one(HitGrid).chosen
        if hit is not None:
            self._ask(self._asked.near(hit.key))

    def action_thumb(self, up: bool) -> None:
        """Move the answers towards the chosen image, or away from it."""
        hit = self.query_one(HitGrid).chosen
        if hit is None or self._asked.like:
            return
        if not self._asked.text.strip() and not up:
            self.notify("thumbs down need a query, or a thumb up")
            return
        self._ask(self._asked.thumbed(hit.key, up=up), at=self.query_one(HitGrid).position[0] - 1)

    def action_reorder(self) -> None:
        """Sort the matches in the next order."""
        self._ask(self._asked.reordered(self._library.columns()))

    def action_ask_before(self) -> None:
        """Return to what was asked before."""
        if self._before:
            self._asked = self._before.pop()
            self._answer()

    def _ask(self, asked: Browsed, *, at: int = 0) -> None:
        self._before.append(self._asked)
        self._asked = asked
        self._answer(at)

    @work(thread=True, exclusive=True, group="duplicates")
    def action_review(self) -> None:
        """Look for duplicates, which may take a while, and review them group by group."""
        self.call_from_thread(self.notify, "looking for duplicates")
        try:
            result = self._library.duplicates()
        except WordsightError as error:
            self.call_from_thread(self.notify, str(error), severity="error", markup=False)
            return
        if result.groups:
            self.call_from_thread(self.push_screen, DuplicateReview(self._library, result, Path.cwd()))
        else:
            self.call_from_thread(self.notify, f"no duplicates among {result.compared:,} images")

    def action_details(self) -> None:
        """Show or hide the details."""
        self.query_one(Details).toggle_class("hidden")

    def action_copy(self) -> None:
        """Copy the path of the chosen image, or its key where it has none."""
        hit = self.query_one(HitGrid).chosen
        if hit is not None:
            self.copy_to_clipboard(str(hit.path or hit.key))
            self.notify(f"copied {escaped(str(hit.path or hit.key))}", markup=False)

    def action_open(self) -> None:
        """Open the chosen image in the program that the system has for it."""
        hit = self.query_one(HitGrid).chosen
        if hit is None:
            return
        if hit.path is None:
            self.notify("it lies inside a table or shard: wordsight search --extract writes it out")
        elif not webbrowser.open(hit.path.absolute().as_uri()):
            self.notify(f"no program here opens {escaped(str(hit.path))}", severity="warning", markup=False)
