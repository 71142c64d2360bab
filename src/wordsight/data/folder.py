"""A folder of images as a source: class folders, images with captions beside them or in tables, or just images.

What is known of an image is the business of `image_folder`; where images and classes lie that of `listing`.  Keys are
paths below the root.
"""

from collections.abc import Iterator

from wordsight.base.errors import FormatError
from wordsight.base.files import sha256_bytes
from wordsight.base.nouns import Sample
from wordsight.base.progress import notice
from wordsight.data.image_folder import ImageFolder
from wordsight.data.listing import list_folder, no_images
from wordsight.data.mask_paths import MaskPaths
from wordsight.data.source import START, Columns, Position, Step, Walk
from wordsight.data.source_files import SourceFiles


class FolderSource:
    """The images below a folder, sorted by path.  One part."""

    def __init__(self, files: SourceFiles, columns: Columns) -> None:
        self.name = files.name
        self.root = files.paths[0]
        self._columns = columns
        listing = list_folder(self.root, files.above)
        if not listing.images:
            raise FormatError(no_images(listing), cure="give a folder with images, shards or a table")
        self._masks = MaskPaths(self.root, columns.masks)
        self._images = [image for image in listing.sorted_images() if not self._masks.holds(image)]
        self._folder = ImageFolder(listing, columns)
        if columns != Columns():
            self._folder.read()  # a column that no table has is refused at once

    def samples(self, start: Position = START) -> Walk:
        """Walk over the images from `start` on; what could not be read beside them comes first."""
        for remark in self._folder.remarks:
            notice(remark, once=True)
        return Walk(self._steps(start), start)

    def _steps(self, start: Position) -> Iterator[Step]:
        if start == START:
            yield from ((problem, start) for problem in self._folder.problems)
        for entry in range(start.entry, len(self._images) if start.part == 0 else 0):
            image = self._images[entry]
            facts, problems = self._folder.facts(image)
            yield from ((problem, Position(0, entry)) for problem in problems)
            path, mask = self.root / image, self._masks.of(image)
            sample = Sample(image, path, facts.texts, facts.label, facts.meta, facts.labels, mask)
            yield sample, Position(0, entry + 1)

    def parts(self) -> int:
        """Return 1."""
        return 1

    def count(self) -> int:
        """Return the number of images, and of the rows and folders that cannot be read."""
        return len(self._images) + len(self._folder.problems)

    def fingerprint(self) -> str:
        """Return a hash of the names, sizes and times of the images and of what tells of them."""
        listing = self._folder.listing
        stamps = ((image, listing.images[image]) for image in self._images)
        facts = ["folder", *(f"{image} {stamp[0]} {stamp[1]}" for image, stamp in stamps if stamp)]
        if signature := listing.signature():
            facts += [signature, repr(self._columns)]
        return sha256_bytes("\n".join(facts).encode(errors="surrogateescape"))[:16]
