"""From pairs to groups: around the image that is kept, which every member is a copy of.

    stars(edges, ranked)             # [(kept, {member: relation})]: every member has an edge to the kept one

Pairs are not followed from one to the next, so that no group drifts from what is kept to what only resembles a copy
of a copy.  The image to keep is taken first, then the next that is in no group.  Knows only numbers.
"""

from collections.abc import Iterable, Mapping, Sequence

from wordsight.search.duplicates.confirming import Relation

MOST = 500  # images of a group; what is left makes groups of its own

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
    near = {number: dict(others) for number, others in edges.items()}
    left = set(ranked)
    order = {number: at for at, number in enumerate(ranked)}
    groups = []
    for kept in ranked:
        if kept not in left:
            continue
        members = sorted((other for other in near.get(kept, {}) if other in left), key=order.__getitem__)
        if not members:
            continue
        members, rest = members[: MOST - 1], members[MOST - 1 :]
        equal = [one for one in rest if near[kept][one] == Relation.EXACT]
        if len(equal) == 1:  # it would be alone
            other = next((one for one in reversed(members) if near[kept][one] == Relation.EXACT), None)
            if other is not None:
                members.remove(other)
                equal.insert(0, other)
        for one in equal[1:]:  # what equals one image equals the others of it
            near[equal[0]][one] = near[one][equal[0]] = Relation.EXACT
        left.discard(kept)
        left.difference_update(members)
        groups.append((kept, {one: near[kept][one] for one in members}))
    return groups
