"""Are stored embeddings still what the model gives now?  A sample is embedded again and compared.

    checkup = examine(library)
    checkup.verdict                 # Verdict.SAME: an upgrade of any package changed nothing

An embedding depends on the packages that decode and compute as well as on the model, and an upgrade of one may change
it.  Which versions were in use when the library was made is among its facts.
"""

import json
from dataclasses import dataclass
from enum import Enum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wordsight.base.errors import InputError
from wordsight.images.fragments import split
from wordsight.index.index import IndexEntry, spread_evenly

if TYPE_CHECKING:
    from wordsight.search.hits import Hit
    from wordsight.search.library import Library

PACKAGES = ("wordsight", "numpy", "pillow", "onnxruntime", "openvino", "torch")  # that take part in an embedding
VERSIONS = "versions"  # the fact that keeps their versions
COMPARED = 32  # images: half a second with the bundled model
SAME = 0.9999  # cosine: half precision alone takes less than 1e-6 off, another order of sums as little
ALIKE = 0.99  # cosine: large JPEGs that were decoded whole before are within 0.995 of those decoded at a fraction


class Verdict(Enum):
    """What a comparison says, in words for people."""

    SAME = "they are the same"
    ALIKE = "they are nearly the same: answers hold; wordsight index PLACE --rebuild makes them the same"
    OTHER = "they are not the same: make the library again with wordsight index PLACE --rebuild"
    UNKNOWN = "no image could be compared"


@dataclass(frozen=True, slots=True)
class Checkup:
    """Cosines (n,) of stored with fresh embeddings, why images could not be compared, and versions then and now."""

    cosines: tuple[float, ...]
    failed: tuple[str, ...]
    then: dict[str, str]
    now: dict[str, str]

    @property
    def verdict(self) -> Verdict:
        """What the least cosine says."""
        if not self.cosines:
            return Verdict.UNKNOWN
        least = min(self.cosines)
        return Verdict.SAME if least >= SAME else Verdict.ALIKE if least >= ALIKE else Verdict.OTHER

    def changes(self) -> list[str]:
        """Return which packages have another version than when the library was made."""
        names = [name for name in PACKAGES if self.then and self.then.get(name) != self.now.get(name)]
        return [f"{name} {self.then.get(name, 'none')} -> {self.now.get(name, 'none')}" for name in names]


def versions() -> dict[str, str]:
    """Return the versions of the packages that take part in an embedding, of those that are installed."""
    there = {}
    for name in PACKAGES:
        try:
            there[name] = version(name)
        except PackageNotFoundError:
            continue
    return there


def examine(library: "Library", count: int = COMPARED) -> Checkup:
    """Embed up to `count` images, spread evenly over the library, again, and compare; raises what `search` does."""
    with library.reading() as index, index.one_look():
        there = [key for key, state in index.files.states().items() if not state.error and not state.absent]
        entries = index.entries([there[i] for i in spread_evenly(len(there), count)])
        then = json.loads(index.facts().get(VERSIONS, "{}"))
    cosines, failed = [], []
    for entry in entries:
        try:
            fresh = library.model.embed_images([_image(library.hit_of(entry))])[0]
        except InputError as error:
            failed.append(str(error))
            continue
        cosines.append(_cosine(entry, fresh))
    return Checkup(tuple(cosines), tuple(failed), then, versions())


def _image(hit: "Hit") -> Path | bytes:
    """Return the image of a hit; one inside a file by its name, for that is read as it was when it was embedded."""
    fragment = split(hit.key)[1]
    return hit.path.with_name(f"{hit.path.name}#{fragment}") if fragment and hit.path else hit.image()


def _cosine(entry: IndexEntry, fresh: "np.ndarray[tuple[int], np.dtype[np.float32]]") -> float:
    return float(entry.embedding @ fresh / max(float(np.linalg.norm(entry.embedding)), 1e-9))
