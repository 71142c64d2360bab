"""An image of a library by its key: where it lies, and a mark of its content.

image = located(library, "holiday/beach.jpg")     # NotFound for a key that is not in the library
image.mark, image.hit, image.is_as_known()
require_own(image.hit, library)                   # before its file is read: NotFound for a link that leads out
"""

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wordsight.base.arrays import Embeddings
from wordsight.base.errors import NotFound
from wordsight.images.fragments import file_of
from wordsight.index.index import FileState

if TYPE_CHECKING:
    from wordsight.search.hits import Hit
    from wordsight.search.library import Library

MARK = 32  # letters of a mark


@dataclass(frozen=True, slots=True, eq=False)
class LocatedImage:
    """`embedding` (width,); `mark` is another one when the content is; `state` is what is known of the file, if any."""

    hit: "Hit"
    embedding: Embeddings
    mark: str
    state: FileState | None

    def is_as_known(self) -> bool:
        """Return whether the file is the one that was read when the library was brought up to date."""
        if self.hit.path is None or self.state is None:
            return True
        try:
            facts = type(self.hit.path)(file_of(str(self.hit.path))).stat()
        except OSError:
            return False
        return self.state.size == 0 or (facts.st_size, facts.st_mtime_ns) == (self.state.size, self.state.mtime_ns)


def located(library: "Library", key: str) -> LocatedImage:
    """Return an image of a library by its key."""
    with library.reading() as index, index.one_look():
        try:
            entry = index.entries([key])[0]
        except NotFound:
            raise NotFound(f"no image {key!r} in the library", cure="give the key of a hit") from None
        state = index.files.of([key]).get(key)
    content = state.digest if state is not None and state.sha256 else f"{library.folder}/{key} {state}".encode()
    return LocatedImage(library.hit_of(entry), entry.embedding, hashlib.sha256(content).hexdigest()[:MARK], state)


def is_own(hit: "Hit", library: "Library") -> bool:
    """Return whether `require_own` lets the file of an image be read."""
    try:
        require_own(hit, library)
    except NotFound:
        return False
    return True


def require_own(hit: "Hit", library: "Library") -> None:
    """Raise `NotFound` where the file of an image lies outside the location by a link; a table may name files anywhere.

    Every request that has a file read by its key asks this first.  A file that is not there passes: whoever reads it
    says so.
    """
    if hit.path is None:
        return  # inside a table or shard
    path = file_of(str(hit.path))
    location = os.path.abspath(library.location) + os.sep
    if os.path.abspath(path).startswith(location):
        if not os.path.realpath(path).startswith(os.path.realpath(location) + os.sep):
            raise NotFound("a link that leads out of the location", cure="only files of the location are given out")
    elif os.path.islink(path):
        raise NotFound("a link that leads elsewhere", cure="only files themselves are given out")
