"""What the matches of a query can be narrowed to: columns, their values, and how many matches have each."""

from typing import TYPE_CHECKING

import msgspec

from wordsight.search.facets import FacetValue, in_force
from wordsight.search.facets import facets as narrowed
from wordsight.search.query import Query
from wordsight.search.unasked import condition_of, count_all
from wordsight.serve.answering import encoded
from wordsight.serve.errors import Refused
from wordsight.serve.hosting.heard import listened
from wordsight.serve.own.hits import is_private
from wordsight.serve.own.querying import QueryRequest, mark_of, query_of
from wordsight.serve.route import HttpCall

if TYPE_CHECKING:
    from wordsight.index.where import Condition
    from wordsight.search.library import Library

COLUMNS = 256  # of one request


class FacetsRequest(QueryRequest, forbid_unknown_fields=True):
    """A query, and which columns are counted.

    `columns`: the columns that are counted (default: all in which few values are shared by many).
    """

    columns: list[str] = msgspec.field(default_factory=list)


class FacetValueAnswer(msgspec.Struct):
    """A value of a column, and how many matches have it.

    `count`: how many matches have it.  `where`: the condition for it.  `chosen`: whether that condition is in force in
    `where` of the query.
    """

    value: str
    count: int
    where: str
    chosen: bool


class FacetColumn(msgspec.Struct):
    """A column with its values.  `name`: the name of the column."""

    name: str
    values: list[FacetValueAnswer]


class FacetsAnswer(msgspec.Struct):
    """What the matches can be narrowed to; a column that `where` restricts is counted without that restriction."""

    columns: list[FacetColumn]
    notices: list[str] = []


async def facets(call: HttpCall[FacetsRequest]) -> FacetsAnswer:
    """Count the values that the matches of a query have."""
    asked = call.asked
    if len(asked.columns) > COLUMNS:
        raise Refused(422, f"{len(asked.columns)} columns", cure=f"name at most {COLUMNS}")
    library = call.host.libraries.named(call.path["library"])
    query = await query_of(asked, call.host, library)
    mark = (call.path["library"], mark_of(asked), *asked.columns)

    def make() -> tuple[FacetsAnswer, int]:
        answer, notices = listened(lambda: _counted(library, query, asked))
        answer.notices = [call.host.libraries.public(one) for one in notices]
        return answer, len(encoded(answer))

    answer: FacetsAnswer = await call.host.counts.of(lambda: (*mark, library.state()), make)
    return answer


def _answer(one: FacetValue, where: "Condition | None") -> FacetValueAnswer:
    return FacetValueAnswer(one.label, one.count, one.where, in_force(where, one))


def _counted(library: "Library", query: Query | None, asked: FacetsRequest) -> FacetsAnswer:
    columns, where = asked.columns or None, condition_of(asked.where)
    if query is None:
        counts = count_all(library, columns, asked.where)
    else:
        counts = library.count(query, columns, min_match=asked.min_match, min_cosine=asked.min_cosine)
    return FacetsAnswer(
        [
            FacetColumn(name, [_answer(one, where) for one in values if not is_private(name, one.label)])
            for name, values in narrowed(counts, named=columns is not None).items()
        ]
    )
