"""What could follow the first letters of a query."""

from typing import TYPE_CHECKING

import msgspec

from wordsight.search.suggesting import Suggestions, gathered
from wordsight.serve.own.embedding import check_counts
from wordsight.serve.route import HttpCall

if TYPE_CHECKING:
    from wordsight.search.library import Library
    from wordsight.serve.hosting.host import Host

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
    suggestions = await call.host.libraries.run(_gathered, call.host, library, call.path["library"])
    prefix = call.asked.prefix
    conditions = [SuggestedCondition(*one) for one in suggestions.conditions_after(prefix, COUNT)]
    return SuggestAnswer(suggestions.after(prefix, COUNT), conditions)


def _gathered(host: "Host", library: "Library", name: str) -> Suggestions:
    def make() -> tuple[Suggestions, int]:
        suggestions = gathered(library)
        return suggestions, suggestions.size

    return host.suggestions.of((name, library.state()), make)
