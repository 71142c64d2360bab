"""The cure for a misspelt name: the near ones, else all that are known."""

from collections.abc import Iterable

CAPTIONS = {"title", "caption", "captions", "name", "description"}  # columns that come as `text` out of tables
_LEAST = 3  # letters of a name that others may hold
_MOST = 40  # columns that are listed


def suggest(name: str, known: Iterable[str], *, count: int = 2) -> str:
    """Return "did you mean A or B?", or "use A, B, C" where nothing known is near `name`."""
    import difflib  # only when something is wrong

    names = list(known)
    spelled = {_plain(one): one for one in names}
    near = [spelled[one] for one in difflib.get_close_matches(_plain(name), spelled, n=count, cutoff=0.6)]
    return f"did you mean {' or '.join(near)}?" if near else f"use {', '.join(names)}"


def suggest_column(name: str, columns: Iterable[str]) -> str:
    """Return "did you mean A or B? columns: A, B, C", or the columns alone where none is near `name`."""
    import difflib

    names = list(columns)
    plain = name.lower()
    near = [one for one in names if one.lower() == plain]
    near += ["text"] if plain in CAPTIONS and "text" in names else []
    spelled = {one: one.lower() for one in names}
    close = difflib.get_close_matches(plain, list(spelled.values()), n=3, cutoff=0.5)
    near += [one for word in close for one in names if spelled[one] == word]
    near += [one for one in names if len(plain) >= _LEAST and plain in spelled[one]]
    more = len(names) - _MOST
    known = ", ".join([*names[:_MOST], *([f"and {more} more"] if more > 0 else [])]) or "none"
    meant = f"did you mean {' or '.join(dict.fromkeys(near))}? " if near else ""
    return f"{meant}columns: {known}"


def _plain(name: str) -> str:
    return name.lower().lstrip("-")
