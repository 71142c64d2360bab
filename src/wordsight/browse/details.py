"""What is known of the chosen hit: its name, score and probability, and all its metadata."""

from rich.text import Text
from textual.widgets import Static

from wordsight.base.terminal import escaped
from wordsight.search.hits import Hit, one_line, percent

FIRST = ("text", "title", "taken", "camera", "tags", "keywords", "class", "width", "height", "mtime")
LEFT_OUT = {"path", "name", "folder"}


class Details(Static):
    """A column of text beside the grid."""

    def tell(self, hit: Hit | None, note: str = "", *, is_scored: bool = False) -> None:
        """Show a hit, and what else there is to say of it; `is_scored`: something was asked for."""
        text = Text() if hit is None else describe(hit, is_scored=is_scored)
        self.update(text if not note else Text(f"{escaped(note)}\n\n", style="bold") + text)


def describe(hit: Hit, *, is_scored: bool = True) -> Text:
    """Return what is known of a hit, for people."""
    text = Text()
    text.append(f"{escaped(hit.key)}\n", style="bold")
    likely = "" if hit.match is None else f"{percent(hit.match)} likely, "
    text.append(f"{likely}cosine {hit.score:.3f}\n" if is_scored else "")
    for words in (hit.why, f"nearly the same: {', '.join(hit.alike)}" if hit.alike else ""):
        if words:
            text.append(f"{escaped(words)}\n", style="italic")
    names = [*(name for name in FIRST if name in hit.meta), *(n for n in hit.meta if n not in FIRST)]
    for name in names:
        if name not in LEFT_OUT and (value := one_line(hit.meta[name])):
            text.append(f"\n{escaped(name)}  ", style="dim")
            text.append(escaped(value))
    return text
