"""A tower of the family that a format can hold, or the error that says which it is.

image = of_family(spec.image, VitSpec, "a Perception Encoder")
"""

from typing import TypeVar

from wordsight.base.errors import UsageError
from wordsight.towers.tower_spec import ImageTowerSpec, TextTowerSpec

ELSEWHERE = "choose another format"  # the cure that `table.write_as` replaces by the formats that have a place
S = TypeVar("S", bound=ImageTowerSpec | TextTowerSpec)


def of_family(tower: ImageTowerSpec | TextTowerSpec, spec: type[S], who: str) -> S:
    """Return the tower's spec; one of another family raises `UsageError`."""
    if isinstance(tower, spec):
        return tower
    part = "image" if isinstance(tower, ImageTowerSpec) else "text"
    raise UsageError(f'{who} has no place for {part}.kind = "{tower.kind}"', cure=ELSEWHERE)
