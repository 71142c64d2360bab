"""The cure for a misspelt name: the near ones, else all that are known."""

from collections.abc import Iterable


def suggest(name: str, known: Iterable[str], *, count: int = 2) -> str:
    """Return "did you mean A or B?", or "use A, B, C" where nothing known is near `name`."""
    import difflib  # only when something is wrong

    names = list(known)
    spelled = {_plain(one): one for one in names}
    near = [spelled[one] for one in difflib.get_close_matches(_plain(name), spelled, n=count, cutoff=0.6)]
    return f"did you mean {' or '.join(near)}?" if near else f"use {', '.join(names)}"


def _plain(name: str) -> str:
    return name.lower().lstrip("-")
