"""What could follow the first letters of a query."""

from typing import TYPE_CHECKING

import msgspec

from wordsight.search.suggesting import Suggestions, gathered
from wordsight.serve.own.embedding import check_counts
from wordsight.serve.route import HttpCall

if TYPE_CHECKING:
    from wordsight.search.library import Library

COUNT = 10  # of each kind


class SuggestRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The first letters of a query."""

    prefix: str = ""


class SuggestedCondition(msgspec.Struct):
    """A value of a column, the condition for it, and how many images have it.

    `text`: the value, as a person would read it.  `where`: the condition for the value.  `count`: how many images have
    it.
    """

    text: str
    where: str
    count: int


class SuggestAnswer(msgspec.Struct):
    """Texts that begin so, and conditions for values that do.

    `texts`: texts that begin so.  `conditions`: conditions for values that begin so.
    """

    texts: list[str]
    conditions: list[SuggestedCondition]


async def suggest(call: HttpCall[SuggestRequest]) -> SuggestAnswer:
    """Return what could follow the first letters of a query."""
    check_counts(call.host, texts=[call.asked.prefix])
    library = call.host.libraries.named(call.path["library"])
    name, prefix = call.path["library"], call.asked.prefix
    suggestions = await call.host.suggestions.of(lambda: (name, library.state()), lambda: _gathered(library))
    conditions = [SuggestedCondition(*one) for one in suggestions.conditions_after(prefix, COUNT)]
    return SuggestAnswer(suggestions.after(prefix, COUNT), conditions)


def _gathered(library: "Library") -> tuple[Suggestions, int]:
    suggestions = gathered(library)
    return suggestions, suggestions.size
