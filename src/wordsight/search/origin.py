"""What a library remembers of its location as facts of its index: how it was made, and what the last sync saw.

Knows the protocol of an index.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from wordsight.embeddings.model import Model
from wordsight.index.index import Index
from wordsight.search.contents import READER, SIGNATURE, Contents, Listing, reader
from wordsight.search.open_index import PLACE

if TYPE_CHECKING:
    from wordsight.data.source import Columns

COLUMNS = "columns"  # the fact that keeps which columns the library was made with
EXCLUDE = "exclude"  # the fact that keeps which patterns its images were chosen by
PROBLEMS = "problems"  # the fact that keeps what failed when last looked and is no state of an image
MOST_PROBLEMS = 1000  # kept: facts are read by every search


def origin(contents: Contents, exclude: Sequence[str], model: Model, facts: Mapping[str, str]) -> dict[str, str]:
    """Return what an index with these facts has to know of where it comes from."""
    from wordsight.search.doctor import VERSIONS, versions
    from wordsight.search.other_model import MODEL_FOLDER

    columns = "" if contents.columns is None else json.dumps(asdict(contents.columns))
    return {
        "model": model.name,
        PLACE: str(contents.location.absolute()),
        COLUMNS: columns,
        EXCLUDE: json.dumps(list(exclude)),
        VERSIONS: facts.get(VERSIONS) or json.dumps(versions()),
        MODEL_FOLDER: str(model.folder or ""),
    }


def columns_of(facts: Mapping[str, str]) -> "Columns | None":
    """Return the columns that a library with these facts was made with."""
    if not facts.get(COLUMNS):
        return None
    from wordsight.data.source import Columns

    return Columns(**json.loads(facts[COLUMNS]))


def excluded_of(facts: Mapping[str, str]) -> list[str]:
    """Return the patterns of what a library with these facts leaves alone."""
    patterns: list[str] = json.loads(facts.get(EXCLUDE, "[]"))
    return patterns


def problems_of(facts: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return key ("" for none) and reason of what failed when last looked, but for images whose states tell."""
    return [(key, reason) for key, reason in json.loads(facts.get(PROBLEMS, "[]"))]


def problems_fact(problems: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return the fact that `problems_of` reads."""
    more = len(problems) - MOST_PROBLEMS
    counted = [("", f"and {more:,} more")] if more > 0 else []
    return {PROBLEMS: json.dumps([*problems[:MOST_PROBLEMS], *counted])}


def last_listing(index: Index, listing: Listing) -> Listing:
    """Return how the location looked when the library was last in step with it, as far as `listing` can be compared.

    What could not be read then, and may be read now that more can be, counts as not seen.
    """
    facts = index.facts()
    if facts.get(READER) != reader():
        states = index.files.states()
        failed = {key for key, state in states.items() if state.error}
        if failed:
            return Listing({key: (s.size, s.mtime_ns) for key, s in states.items() if key not in failed}, None)
    return Listing(None if listing.stamps is None else index.files.stamps(), facts.get(SIGNATURE))
