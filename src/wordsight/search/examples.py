"""The images of a library that a search names, by key or by path: their stored embeddings, nothing is encoded again.

    example = Examples(index, contents, model).find("holiday/beach.jpg")
    example.key, example.embedding

A file that is not in the library is encoded.  Knows the protocol of an index, the contents and the model.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

from wordsight.base.arrays import Embeddings
from wordsight.base.errors import NotFound
from wordsight.embeddings.model import Model
from wordsight.images.fragments import check_form, existing
from wordsight.index.index import Index, IndexEntry
from wordsight.search.contents import Contents


@dataclass(frozen=True, slots=True)
class Example:
    """An image that was named; `key` is None where it is not in the library."""

    name: str
    key: str | None
    embedding: Embeddings = field(compare=False)  # (width,)


@dataclass(frozen=True, slots=True)
class Examples:
    """Where the images that a search names are looked for."""

    index: Index
    contents: Contents
    model: Model

    def find(self, name: str) -> Example:
        """Return the image with this key, else the one with this path; `NotFound` where there is neither."""
        entry = self._of_key(name) or self._of_path(name)
        if entry is not None:
            return Example(name, entry.key, entry.embedding)
        path = Path(name).expanduser()
        check_form(path)
        if not path.is_file() and not existing(path):
            raise NotFound(
                f"no image {name} in {self.contents.location}",
                cure="give its key, as --json prints it, or the path of an image",
            )
        return Example(name, None, self.model.embed_images([path])[0])

    def _of_key(self, key: str) -> IndexEntry | None:
        try:
            return self.index.entries([key])[0]
        except NotFound:
            return None

    def _of_path(self, name: str) -> IndexEntry | None:
        """Return the entry of the file that is meant: below the location, or in the column `path` of a table."""
        path = os.path.realpath(Path(name).expanduser())
        location = os.path.realpath(self.contents.location)
        if path.startswith(location + os.sep):
            entry = self._of_key(os.path.relpath(path, location).replace(os.sep, "/"))
            if entry is not None:
                return entry
        if "path" not in self.index.columns():
            return None
        from wordsight.index.where import Among

        same = Among("path", tuple({name, path, os.path.abspath(Path(name).expanduser())}), 1)
        for neighbour in self.index.search(self.index.sample(1), 1, same)[0] if len(self.index) else ():
            return IndexEntry(neighbour.key, neighbour.embedding, neighbour.meta)
        return None
