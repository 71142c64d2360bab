"""From pairs to groups: around the image that is kept, which every member is a copy of.

    stars(edges, ranked)             # [(kept, {member: relation})]: every member has an edge to the kept one

Pairs are not followed from one to the next, so that no group drifts from what is kept to what only resembles a copy
of a copy.  The image to keep is taken first, then the next that is in no group.  Knows only numbers.
"""

from collections.abc import Iterable, Mapping, Sequence

from wordsight.search.duplicates.confirming import Relation

MOST = 500  # members of a group; what is left makes groups of its own

Edges = Mapping[int, Mapping[int, Relation]]


def edges_of(pairs: Iterable[tuple[int, int, Relation]]) -> dict[int, dict[int, Relation]]:
    """Return for each number its neighbours; of several relations of two the surest."""
    edges: dict[int, dict[int, Relation]] = {}
    for one, other, relation in pairs:
        for start, end in ((one, other), (other, one)):
            before = edges.setdefault(start, {}).get(end, relation)
            edges[start][end] = min(before, relation)
    return edges


def stars(edges: Edges, ranked: Sequence[int]) -> list[tuple[int, dict[int, Relation]]]:
    """Return the groups, numbers in the order of `ranked`, the one to keep first; none of them alone."""
    left = set(ranked)
    order = {number: at for at, number in enumerate(ranked)}
    groups = []
    for kept in ranked:
        if kept not in left:
            continue
        members = sorted((other for other in edges.get(kept, {}) if other in left), key=order.__getitem__)[:MOST]
        if not members:
            continue
        left.discard(kept)
        left.difference_update(members)
        groups.append((kept, {one: edges[kept][one] for one in members}))
    return groups
