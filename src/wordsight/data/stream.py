"""Sets too large to keep decoded: samples of tar shards, read and decoded when they are drawn.

    images = ShardStream(open_source("big/{00000..00999}.tar"), size=112)

Any sample is reached through the index of its tar, so the order stays a pure function of the step as for a cache;
blocks are shards, and the loader's order keeps to a few of them at a time.
"""

from collections import OrderedDict
from dataclasses import replace

import numpy as np

from wordsight.base.arrays import Pixels, RowIds
from wordsight.base.errors import InputError, UsageError
from wordsight.base.nouns import Sample
from wordsight.base.threads import ordered_map
from wordsight.data.cache import Resize, read_pixels
from wordsight.data.image_set import Annotation, Caption
from wordsight.data.labels import Prompter
from wordsight.data.shards import ShardSource
from wordsight.data.source import Source
from wordsight.images.spec import PreprocessSpec

_ANNOTATIONS_KEPT = 65_536  # rows whose annotations are remembered between reading the image and drawing the caption


class ShardStream:
    """Images of tar shards by row; rows are counted over all shards in order."""

    def __init__(
        self,
        source: Source,
        *,
        size: int,
        resize: Resize = "shortest",
        preprocess: PreprocessSpec | None = None,
        workers: int | None = None,
    ) -> None:
        if not isinstance(source, ShardSource):
            raise UsageError(
                f"{source.name} is not of tar shards", cure="write shards with 'wordsight data pack' first"
            )
        self.name = source.name
        self._source = source
        self._spec = preprocess or PreprocessSpec(size=size, resize=resize)
        self.size = self._spec.size
        self._workers = workers
        self._starts = np.cumsum([0, *source.sizes()])
        self.failures = [str(problem) for problem in source.problems()]  # of whole tars: they show before any is drawn
        self._annotations: OrderedDict[int, Annotation] = OrderedDict()
        self._prompter = Prompter()

    def __len__(self) -> int:
        return int(self._starts[-1])

    def blocks(self) -> list[RowIds]:
        """Return the rows of each shard."""
        pairs = zip(self._starts[:-1], self._starts[1:], strict=True)
        return [np.arange(first, stop) for first, stop in pairs if stop > first]

    def pixels(self, rows: RowIds) -> tuple[Pixels, dict[int, InputError]]:
        """Return uint8 (len(rows), S, S, 3), decoded now in several threads, and the errors of the broken ones."""
        pixels = np.zeros((len(rows), self.size, self.size, 3), dtype=np.uint8)
        failed = {}
        for position, decoded in enumerate(ordered_map(self._decode, map(int, rows), threads=self._workers)):
            if isinstance(decoded, InputError):
                failed[position] = decoded
            else:
                pixels[position] = decoded
        return pixels, failed

    def _decode(self, row: int) -> Pixels | InputError:
        try:
            sample = self._sample(row)
            where = f"{self._source.paths[self._part(row)]}: {sample.key}"  # a key alone does not say in which shard
            return read_pixels(replace(sample, key=where), self._spec)
        except InputError as error:
            return error

    def _part(self, row: int) -> int:
        return int(np.searchsorted(self._starts, row, side="right")) - 1

    def _sample(self, row: int) -> Sample:
        part = self._part(row)
        sample = self._source.read(part, row - int(self._starts[part]))
        self._annotations[row] = Annotation(sample.texts, sample.label)
        while len(self._annotations) > _ANNOTATIONS_KEPT:
            self._annotations.popitem(last=False)
        return sample

    def annotation(self, row: int) -> Annotation:
        """Return the captions and class name of a row."""
        if row not in self._annotations:
            self._sample(row)
        return self._annotations[row]

    def draw(self, row: int, uniform: float) -> Caption:
        """Return one of the captions; without captions the class name."""
        return self._prompter.draw(self.annotation(row), uniform)
