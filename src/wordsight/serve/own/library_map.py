"""The map of a library: where its images lie, how its clusters are called, and which image lies where.

A map is made when it is first asked for; until it is there the answer is 202, with how far it is.  Images are numbers
on a map of one version; their keys are asked for as they are needed.
"""

import base64
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray
from starlette.responses import Response

from wordsight.base.suggest import suggest
from wordsight.search.facets import count_values, facets
from wordsight.search.mapping.library_map import LibraryMap
from wordsight.serve.answering import JSON, encoded
from wordsight.serve.errors import Refused
from wordsight.serve.hosting.maps import MadeMap, MapInTheMaking
from wordsight.serve.route import HttpCall

MOST = 1000  # images of one answer
COLOURS = 11  # values of a column that have colours of their own; all others share one
_GROUP = 1024  # entries read at once
_AFTER = "1"  # seconds until it is worth asking again how far a map is


class MapClusterAnswer(msgspec.Struct):
    """A cluster of images on the map.

    `name`: the words that name it.  `x`: its middle across, -1 to 1.  `y`: its middle down or up, -1 to 1.  `size`: how
    many images it has.  `examples`: the keys of its most typical images.
    """

    name: str
    x: float
    y: float
    size: int
    examples: list[str]


class MapAnswer(msgspec.Struct):
    """A map of images that are numbered from 0.

    `version`: the version of the map, another when it changes.  `count`: how many images are on the map.  `positions`:
    base64 of uint16 pairs in little-endian order, x and y of each image from 0 (-1 on the map, left and bottom) to
    65535 (1).  `numbers`: the cluster of each image, base64 of one uint8 an image.  `clusters`: the clusters, in the
    order of their numbers.
    """

    library: str
    version: str
    count: int
    positions: str
    numbers: str
    clusters: list[MapClusterAnswer]


class MapProgressAnswer(msgspec.Struct):
    """How far a map is: what is being done, and which share of all, 0 to 1."""

    stage: str
    share: float


class MapNearRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A position, and how many images nearest to it are wanted.  `count`: how many images are wanted."""

    x: Annotated[float, msgspec.Meta(ge=-1, le=1)]
    y: Annotated[float, msgspec.Meta(ge=-1, le=1)]
    count: Annotated[int, msgspec.Meta(ge=1, le=MOST)] = 1


class MapPointsRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Images by their numbers.  `version`: the version of the map that they are on."""

    numbers: str
    version: str


class MapPoint(msgspec.Struct):
    """An image of a map."""

    number: int
    key: str
    x: float
    y: float
    cluster: int


class MapPointsAnswer(msgspec.Struct):
    """Images of the map.  `version`: the version of the map that they are on."""

    version: str
    points: list[MapPoint]


class MapColumnRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A metadata column, and the version of the map.

    `name`: the name of the metadata column.  `version`: the version of the map.
    """

    name: str
    version: str


class MapColumnValue(msgspec.Struct):
    """A value, or range of values, of a column.

    `label`: the value or range, as a person would read it.  `count`: how many images have it.  `where`: the condition
    for it, "" for all others.
    """

    label: str
    count: int
    where: str


class MapColumnAnswer(msgspec.Struct):
    """Which value of a column each image has.

    `name`: the name of the metadata column.  `version`: the version of the map.  `codes`: base64 of one uint8 an image,
    its place in `values`.  `values`: the values, those of most images first, all others last.
    """

    name: str
    version: str
    codes: str
    values: list[MapColumnValue]


async def library_map(call: HttpCall[None]) -> Response:
    """Return the map of a library, 304 where the asker has it, or 202 and how far it is."""
    made = await call.host.maps.of(call.path["library"])
    if isinstance(made, MapInTheMaking):
        progress = MapProgressAnswer(made.stage, round(made.share, 3))
        return Response(encoded(progress), status_code=202, headers={"retry-after": _AFTER}, media_type=JSON)
    headers = {"etag": f'"{made.version}"', "cache-control": "private, no-cache"}
    if call.request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    answer = await call.host.libraries.run(_answer, call.path["library"], made)
    return Response(answer, headers=headers, media_type=JSON)


async def near(call: HttpCall[MapNearRequest]) -> MapPointsAnswer:
    """Return the images nearest to a position, the nearest first."""
    made = await _made(call)
    asked = call.asked
    numbers = await call.host.libraries.run(made.map.nearest, asked.x, asked.y, asked.count)
    return MapPointsAnswer(made.version, _points(made.map, numbers))


async def points(call: HttpCall[MapPointsRequest]) -> MapPointsAnswer:
    """Return the keys of images by their numbers."""
    made = _of_version(call, call.asked.version)
    written = call.asked.numbers.split(",")
    if len(written) > MOST:
        raise Refused(413, f"{len(written):,} images in one request", cure=f"ask for at most {MOST:,}")
    numbers = [int(one) for one in written if one.isascii() and one.isdecimal() and int(one) < len(made.map)]
    if len(numbers) < len(written):
        wrong = next(one for one in written if not (one.isascii() and one.isdecimal()) or int(one) >= len(made.map))
        raise Refused(422, f"no image {wrong[:20]!r} on the map", cure=f"give numbers below {len(made.map):,}")
    return MapPointsAnswer(made.version, _points(made.map, numbers))


async def column(call: HttpCall[MapColumnRequest]) -> MapColumnAnswer:
    """Return which value of a column each image has, to colour the map by."""
    made = _of_version(call, call.asked.version)
    return await call.host.libraries.run(_column, call, made)


def _answer(name: str, made: MadeMap) -> bytes:
    clusters = [MapClusterAnswer(one.name, *one.centre, one.size, list(one.examples)) for one in made.map.clusters]
    positions = np.round((made.map.positions + 1) / 2 * 65535).astype("<u2")
    numbers = _base64(made.map.numbers.astype(np.uint8))
    return encoded(MapAnswer(name, made.version, len(made.map), _base64(positions), numbers, clusters))


def _column(call: HttpCall[MapColumnRequest], made: MadeMap) -> MapColumnAnswer:
    from wordsight.index.where import matches, parse

    library, name = call.host.libraries.named(call.path["library"]), call.asked.name
    if name not in library.columns():
        raise Refused(404, f"no column {name!r}", cure=suggest(name, library.columns()))
    known = set(made.map.keys)
    with library.reading() as index, index.one_look():
        there = known & set(index.files.states())  # others have gone since the map was made
        keys = [key for key in made.map.keys if key in there]
        values = {
            entry.key: entry.meta.get(name)
            for start in range(0, len(keys), _GROUP)
            for entry in index.entries(keys[start : start + _GROUP])
        }
    metas = [{name: value} for value in values.values()]
    listed = facets(count_values(lambda where: metas, None, [name]), named=True).get(name, [])[:COLOURS]
    conditions = [parse(one.where) for one in listed]
    codes = np.full(len(made.map), len(listed), np.uint8)
    for number, key in enumerate(made.map.keys):
        meta = {name: values.get(key)}
        codes[number] = next((at for at, one in enumerate(conditions) if matches(one, meta)), len(listed))
    counts = np.bincount(codes, minlength=len(listed) + 1).tolist()
    described = [MapColumnValue(one.label, count, one.where) for one, count in zip(listed, counts[:-1], strict=True)]
    return MapColumnAnswer(name, made.version, _base64(codes), [*described, MapColumnValue("other", counts[-1], "")])


async def _made(call: HttpCall[MapNearRequest]) -> MadeMap:
    made = await call.host.maps.of(call.path["library"])
    if isinstance(made, MapInTheMaking):
        raise Refused(503, f"the map is being made: {made.stage}, {made.share:.0%}", cure="ask again later", after=1)
    return made


def _of_version(call: HttpCall[MapPointsRequest] | HttpCall[MapColumnRequest], version: str) -> MadeMap:
    name = call.path["library"]
    call.host.libraries.named(name)
    made = call.host.maps.known(name, version)
    if made is None:
        raise Refused(409, f"no map of version {version[:40]!r}", cure="ask for the map again: it has changed")
    return made


def _points(made: LibraryMap, numbers: list[int]) -> list[MapPoint]:
    return [
        MapPoint(number, made.keys[number], float(x), float(y), int(made.numbers[number]))
        for number, (x, y) in zip(numbers, made.positions[numbers].tolist(), strict=True)
    ]


def _base64(array: NDArray[np.unsignedinteger]) -> str:
    return base64.b64encode(array.tobytes()).decode("ascii")
