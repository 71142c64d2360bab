"""Distances on the globe: what `within 5 km of 52.52, 13.40` means, for one entry and for all as arrays.

    distance((52.52, 13.4), (48.14, 11.58))         # 504,000 metres, about
    is_near(52.5, 13.4, near)                       # of values of metadata, which may be none
    near_mask(latitudes, longitudes, near)          # bool (N,), the same for arrays

The globe is a sphere of the mean radius of the earth; that is wrong by up to half a percent, as the earth is no sphere.
Nothing is special at the poles or where 180 degrees east meet 180 degrees west.
Source: Sinnott 1984, "Virtues of the Haversine".
"""

import math
import re
from typing import TYPE_CHECKING

from wordsight.base.value import Value
from wordsight.index.conditions import Near

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RADIUS = 6_371_008.8  # metres: the mean radius of the earth (IUGG)
UNITS = {"m": 1.0, "km": 1000.0, "mi": 1609.344}
_DISTANCE = re.compile(r"\+?(\d{1,12}(?:\.\d{0,12})?|\.\d{1,12})\s*(m|km|mi)", re.ASCII | re.IGNORECASE)
_UNSURE = 1e-9  # of a distance: what arrays and single numbers may differ by is far less


def metres_of(stated: str) -> float | None:
    """Return the metres of `5km`, `200 m` or `3 mi`; None for anything else."""
    match = _DISTANCE.fullmatch(stated)
    return float(match[1]) * UNITS[match[2].lower()] if match else None


def distance(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Return the metres between two points, each degrees north and degrees east."""
    north, south = math.radians(one[0]), math.radians(other[0])
    across, along = math.sin((south - north) / 2), math.sin(math.radians(other[1] - one[1]) / 2)
    half = across * across + math.cos(north) * math.cos(south) * along * along
    return 2 * RADIUS * math.asin(math.sqrt(min(half, 1.0)))


def is_near(latitude: Value, longitude: Value, near: Near) -> bool:
    """Return whether the position that two values are is near; what is no position is not."""
    if not isinstance(latitude, int | float) or not isinstance(longitude, int | float):
        return False
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        return False
    return distance((latitude, longitude), (near.latitude, near.longitude)) <= near.metres


def latitudes_of(near: Near) -> tuple[float, float]:
    """Return degrees north between which all lies that is near, and a little more."""
    reach = math.degrees(near.metres / RADIUS) * (1 + _UNSURE) + _UNSURE
    return near.latitude - reach, near.latitude + reach


def near_mask(latitudes: "NDArray[np.float64]", longitudes: "NDArray[np.float64]", near: Near) -> "NDArray[np.bool_]":
    """Return which of N positions are near, bool (N,): exactly those of `is_near`; NaN stands for none."""
    import numpy as np

    lowest, highest = latitudes_of(near)
    inside = (latitudes >= max(lowest, -90)) & (latitudes <= min(highest, 90)) & (np.abs(longitudes) <= 180)
    rows = np.flatnonzero(inside)
    north, south = np.radians(latitudes[rows]), math.radians(near.latitude)
    across, along = np.sin((south - north) / 2), np.sin(np.radians(near.longitude - longitudes[rows]) / 2)
    metres = 2 * RADIUS * np.arcsin(np.sqrt(np.minimum(across**2 + np.cos(north) * math.cos(south) * along**2, 1)))
    mask = np.zeros(len(latitudes), np.bool_)
    mask[rows] = metres <= near.metres
    unsure = rows[np.abs(metres - near.metres) <= _UNSURE * near.metres + 0.5]
    for row in unsure.tolist():
        mask[row] = is_near(float(latitudes[row]), float(longitudes[row]), near)
    return mask
