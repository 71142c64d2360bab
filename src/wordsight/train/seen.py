"""Tasks that measure on images which are trained on are named before the first step: their figures flatter.

    notice_seen(config, pairs, preprocess)           # one line for each such task and source

Decoded images are compared by their pixels, as the cache holds them; streamed ones by the files of their shards.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wordsight.base.arrays import Pixels
from wordsight.base.progress import notice
from wordsight.base.threads import ordered_map
from wordsight.data.cache import ImageCache
from wordsight.data.shards import ShardSource
from wordsight.data.source import open_source
from wordsight.evaluate.building import build_task
from wordsight.evaluate.tasks import TaskSpec
from wordsight.images.spec import PreprocessSpec
from wordsight.images.transform import load_pixels
from wordsight.train.config import TrainConfig
from wordsight.train.pairs import Pairs, SourcePairs


def notice_seen(config: TrainConfig, pairs: Pairs, preprocess: PreprocessSpec | None) -> None:
    """Say of each task in `validation.tasks` and `guard.tasks` how many of its images are trained on.

    `preprocess` is what the cached images were prepared with, None for that of `config.data`.
    """
    spec = preprocess or PreprocessSpec(size=config.data.side, resize=config.data.resize)
    tables = {
        "validation": config.validation.tasks,
        "guard": config.guard.tasks if config.guard.action != "off" else {},
    }
    for table, tasks in tables.items():
        for name, task in tasks.items():
            for source, count in _counts(task, Path(config.data.root), pairs, spec):
                notice(
                    f"{table}.tasks.{name}: {count} are also trained on, in data.sources.{source}, "
                    "so its figures say little about new images"
                )


def _counts(task: TaskSpec, root: Path, pairs: Pairs, spec: PreprocessSpec) -> Iterator[tuple[str, str]]:
    """Yield the name of each source that a task shares images with, and how many they are, in words."""
    cached = [source for source in pairs.sources if isinstance(source.images, ImageCache)]
    images = list(build_task(task, root=root).images.images) if cached else []
    decoded = list(ordered_map(lambda image: load_pixels(image, spec), images))
    for source in pairs.sources:
        if source in cached:
            count = len(seen(source.images.array, _learned(source), decoded))
            if count:
                yield source.name, f"{count:,} of {len(images):,} images"
        elif isinstance(source.source, ShardSource):
            own = _shards(open_source(root / task.place, split=task.split))
            count = len(own & _shards(source.source))
            if count:
                yield source.name, f"{count:,} of {len(own):,} shards"


def _learned(source: SourcePairs) -> Any:
    return np.concatenate([np.empty(0, np.int64), *source.drawn.blocks()])


def seen(array: Pixels, rows: Any, images: Sequence[Pixels]) -> set[int]:
    """Return the numbers of the images that are among the given rows of (N, S, S, 3), pixel for pixel.

    Of each row one line is read, and all of it only where an image has the same line.
    """
    line = array.shape[1] // 2
    by_line: dict[bytes, list[int]] = {}
    for number, image in enumerate(images):
        by_line.setdefault(image[line].tobytes(), []).append(number)
    matches: set[int] = set()
    for row in rows if by_line else ():
        for number in by_line.get(array[row, line].tobytes(), ()):
            if number not in matches and np.array_equal(array[row], images[number]):
                matches.add(number)
    return matches


def _shards(source: Any) -> set[Path]:
    return {path.resolve() for path in source.paths} if isinstance(source, ShardSource) else set()
