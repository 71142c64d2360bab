"""What a query is answered with, before it is known where its images lie.

    reply.as_hits(contents)

Knows neighbours and the contents of a location.
"""

from typing import NamedTuple

from wordsight.index.index import Neighbour
from wordsight.search.contents import Contents
from wordsight.search.hits import Hit, Hits
from wordsight.search.matching import Matching


class Answered(NamedTuple):
    """A hit: how likely it is, which keys show nearly the same, why an example led to it, whether it has all words."""

    neighbour: Neighbour
    match: float | None = None
    alike: tuple[str, ...] = ()
    why: str = ""
    named: bool = False

    def as_hit(self, contents: Contents) -> Hit:
        """Return the hit, with the file that the contents say it has."""
        near = self.neighbour
        return Hit(
            near.score,
            near.key,
            contents.path(near.key, near.meta),
            near.meta,
            self.match,
            origin=contents.originals,
            alike=self.alike,
            why=self.why,
            named=self.named,
        )


class Reply(NamedTuple):
    """Hits, best first or in the order asked for.

    `matching`: all matches, where they had to be known; `least`: the probability below which people see none.
    """

    hits: list[Answered]
    matching: Matching | None = None
    least: float | None = None

    def as_hits(self, contents: Contents) -> Hits:
        """Return the list that a search answers with."""
        hits = Hits((one.as_hit(contents) for one in self.hits), least=self.least)
        if self.matching is not None:
            hits.matching, hits.is_cut = len(self.matching.neighbours), self.matching.is_cut
        return hits
