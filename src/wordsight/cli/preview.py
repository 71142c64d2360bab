"""Small pictures between the lines of a search, in terminals that show them.

protocol_of(os.environ)      # "kitty", "iterm", "sixel" or "" where it shows none, as far as can be told

Which way of showing pictures a terminal understands is told from its environment alone: nothing is asked of it.
"""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence

from wordsight.base.errors import InputError, UsageError
from wordsight.base.progress import notice
from wordsight.base.suggest import suggest
from wordsight.base.terminal import escaped
from wordsight.search.hits import Hit

ROWS = 8  # lines of text that a picture takes
SIDE = 160  # pixels: 8 lines of 20
VARIABLE = "WORDSIGHT_PREVIEW"  # names the protocol where the environment does not tell
PROTOCOLS = ("kitty", "iterm", "sixel")
_PROGRAMS = {  # TERM_PROGRAM, or LC_TERMINAL, which ssh passes on
    "kitty": "kitty",
    "ghostty": "kitty",
    "iterm.app": "iterm",
    "iterm2": "iterm",
    "wezterm": "iterm",
    "mintty": "iterm",
    "vscode": "iterm",
    "rio": "iterm",
}
_TERMS = {  # beginnings of TERM, which ssh passes on
    "xterm-kitty": "kitty",
    "xterm-ghostty": "kitty",
    "foot": "sixel",
    "mlterm": "sixel",
    "contour": "sixel",
    "yaft": "sixel",
}
_WITHIN = ("tmux", "screen")  # programs between us and the terminal that pass no pictures on


def protocol_of(environment: Mapping[str, str]) -> str:
    """Return the protocol of a terminal, "" for none; another name in `VARIABLE` than those raises `UsageError`."""
    named = environment.get(VARIABLE, "").lower()
    if named:
        if named not in PROTOCOLS:
            raise UsageError(f"{VARIABLE}={named}", cure=suggest(named, PROTOCOLS))
        return named
    term = environment.get("TERM", "").lower()
    if term.startswith(_WITHIN) or environment.get("TMUX"):
        return ""
    if environment.get("KITTY_WINDOW_ID"):
        return "kitty"
    programs = (environment.get(name, "").lower() for name in ("TERM_PROGRAM", "LC_TERMINAL"))
    protocol = next((_PROGRAMS[program] for program in programs if program in _PROGRAMS), "")
    beginning = next((_TERMS[start] for start in _TERMS if term.startswith(start)), "")
    return protocol or beginning or ("sixel" if "sixel" in term else "")


def previews(hits: Sequence[Hit]) -> Iterator[str] | None:
    """Return what shows the pictures of the hits, in order; None, with a notice, where standard output shows none."""
    if not sys.stdout.isatty():
        notice("--preview: standard output is no terminal, so there are no pictures")
        return None
    protocol = protocol_of(os.environ)
    if not protocol:
        term = os.environ.get("TERM", "")
        notice(
            f"--preview: this terminal (TERM={term}) shows no pictures as far as can be told; if it does, set "
            f"{VARIABLE} to {', '.join(PROTOCOLS[:-1])} or {PROTOCOLS[-1]}; --open shows them in the browser"
        )
        return None
    return _shown(hits, protocol)


def _shown(hits: Sequence[Hit], protocol: str) -> Iterator[str]:
    from functools import partial

    from wordsight.report import inline_images
    from wordsight.search.thumbnails import thumbnails

    encode = partial(inline_images.PROTOCOLS[protocol], rows=ROWS)
    for shown in thumbnails(hits, encode, side=SIDE):
        yield escaped(f"({shown.problem})") if isinstance(shown, InputError) else shown
