"""The images of hits as they were given: their files, or their bytes out of tables and shards.

    originals = Originals(Path("shards"), None)
    originals.image("train/0001")                     # bytes, or a path
    for position, image in images_of(hits): ...          # of many hits in the order that is quickest to read

Opens nothing before an image is asked for, reads no more of a table or shard than it has to, and travels in pickles.
Knows neither index nor model.
"""

import threading
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wordsight.base.errors import InputError

if TYPE_CHECKING:
    from wordsight.data.by_key import ImageOrError
    from wordsight.data.source import Columns, Source
    from wordsight.search.hits import Hit


class Originals:
    """The images inside the tables or shards at `location`, read with these columns.

    `missing` is why none is there, where nothing but their embeddings is.
    """

    def __init__(self, location: Path, columns: "Columns | None", *, missing: InputError | None = None) -> None:
        self.location = location
        self._missing = missing
        self._columns = columns
        self._source: Source | None = None
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(Originals, missing=self._missing), (self.location.absolute(), self._columns)

    def image(self, key: str) -> Path | bytes:
        """Return the bytes of an image, or its path where a table names it; `InputError` where it is not there."""
        for _, image in self.images([key]):
            if isinstance(image, InputError):
                raise image
            return image
        raise AssertionError("every key is answered")

    def images(self, keys: Collection[str]) -> "Iterator[tuple[str, ImageOrError]]":
        """Yield each key once with its image or why there is none, in the order of the source."""
        if self._missing is not None:
            why = self._missing
            return iter([(key, InputError(f"no image of {key}: {why.problem}", cure=why.cure)) for key in keys])
        from wordsight.data.by_key import images_by_key

        return images_by_key(self._opened(), keys)

    def _opened(self) -> "Source":
        from wordsight.data.kinds import AUTO
        from wordsight.data.source import open_files
        from wordsight.data.source_files import find

        with self._lock:
            if self._source is None:
                split = "all" if self.location.is_dir() else None
                self._source = open_files(find([self.location], split=split, kind=AUTO), self._columns)
            return self._source


def images_of(hits: "Sequence[Hit]") -> "Iterator[tuple[int, ImageOrError]]":
    """Yield position and image of every hit: those with files first, then source by source in the order of each."""
    inside: dict[int, tuple[Originals, dict[str, list[int]]]] = {}
    for position, hit in enumerate(hits):
        if hit.path is not None or hit.origin is None:
            yield position, _image(hit)
        else:
            _, positions = inside.setdefault(id(hit.origin), (hit.origin, {}))
            positions.setdefault(hit.key, []).append(position)
    for origin, positions in inside.values():
        for key, image in origin.images(positions):
            yield from ((position, image) for position in positions[key])


def _image(hit: "Hit") -> "ImageOrError":
    try:
        return hit.image()
    except InputError as error:
        return error
