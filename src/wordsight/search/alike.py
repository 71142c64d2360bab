"""More like these: from images that were chosen to one direction that an index can search along.

    direction_of(members, background)          # (width,): what the members have and the library has not
    moved(query, liked, disliked)              # (width,): a query after thumbs up and down

One member is a query by image: its direction is its embedding.  Several are compared with the library's own background
by a linear discriminant (Fisher 1936): the difference of the means, whitened by the background's covariance, which is
drawn towards a sphere the more the fewer images it comes from.  Thumbs follow Rocchio 1971.  Weights and drawing were
measured by benchmarks/asking.py.  Knows only arrays and neighbours.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from wordsight.base.arrays import Embeddings, unit
from wordsight.base.errors import UsageError
from wordsight.base.value import Value
from wordsight.index.index import Neighbour
from wordsight.index.keywords import is_worded

BACKGROUND = 2048  # images of the library that members are compared with
SPHERE = 2.0  # times the mean variance is added to every variance,
SPHERE_OF_FEW = 20.0  # and so much more times width / images
LONGEST = 40  # letters of a shared value that is named
LIKED, DISLIKED = 2.0, 1.0  # weights of the means beside a query's weight 1


def direction_of(members: Embeddings, background: Embeddings) -> Embeddings:
    """Return the direction (width,) along which `members` (n, width) stand out from `background` (N, width)."""
    if len(members) == 1 or len(background) < 2:
        return checked(members.mean(axis=0))
    mean = background.mean(axis=0)
    centred = np.asarray(background - mean, np.float64)
    covariance = centred.T @ centred / len(background)
    width = len(mean)
    sphere = (SPHERE + SPHERE_OF_FEW * width / len(background)) * np.trace(covariance) / width
    if not sphere > 1e-9:  # a library of one image, copied
        return checked(members.mean(axis=0))
    difference = np.asarray(members.mean(axis=0) - mean, np.float64)
    return checked(np.linalg.solve(covariance + sphere * np.eye(width), difference))


def moved(query: Embeddings, liked: Embeddings, disliked: Embeddings) -> Embeddings:
    """Return a query (width,) moved towards liked (n, width) and away from disliked (m, width) images."""
    total = np.asarray(query, np.float64).copy()
    if len(liked):
        total += LIKED * liked.mean(axis=0)
    if len(disliked):
        total -= DISLIKED * disliked.mean(axis=0)
    return checked(total)


def checked(direction: "np.ndarray[tuple[int], np.dtype[np.floating]]") -> Embeddings:
    """Return a direction (width,) at length 1; one that is none raises `UsageError`."""
    if not np.linalg.norm(direction) > 1e-6:
        raise UsageError("what is liked and disliked cancel each other", cure="leave some of it out")
    embedding: Embeddings = unit(direction[None])[0]
    return embedding


def shared_values(metas: Sequence[Mapping[str, Value]]) -> dict[str, str]:
    """Return the short text that most of several images have in a column: column -> value, each value once."""
    shared: dict[str, str] = {}
    for column in dict.fromkeys(column for meta in metas for column in meta if is_worded(column)):
        values = Counter(str(meta[column]) for meta in metas if isinstance(meta.get(column), str))
        for value, count in values.most_common(1):
            if count > max(len(metas) / 2, 1) and len(value) < LONGEST and value not in shared.values():
                shared[column] = value
    return shared


def why(hit: Neighbour, members: Mapping[str, Embeddings], shared: Mapping[str, str]) -> str:
    """Return which member an image is nearest to, and what it shares with most of them, in words."""
    cosines = {name: float(member @ hit.embedding) for name, member in members.items()}
    nearest = max(cosines, key=cosines.__getitem__)
    same = [f"{column} {value}" for column, value in shared.items() if hit.meta.get(column) == value]
    return "; ".join([f"near {nearest} ({cosines[nearest]:.2f})", *same])
