"""A run's record of the shared space: what becomes of a few validated pairs (`wordsight.evaluate.space`).

They are embedded before the first step, at each validation and in the end.  As a run goes on, every second step is
dropped, then every second of the rest, and so on, so the steps stay evenly apart and few.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wordsight.evaluate.encode import Encoder
from wordsight.evaluate.space import SpacePair, SpaceRecord, forget
from wordsight.evaluate.tasks import captions_of
from wordsight.index.index import spread_evenly
from wordsight.train.config import ValidationConfig

MOST = 12  # steps kept, and the last


class SpaceWatch:
    """Records the pairs of a run that stands at `step`; what an earlier try recorded of later steps is dropped.

    At step 0 all is, as in metrics.jsonl.  Without pairs nothing is recorded.
    """

    def __init__(self, run: Path, pairs: Sequence[SpacePair], *, every: int, step: int) -> None:
        self._pairs, self._every = pairs, every
        self._record = SpaceRecord(run, pairs) if pairs else None
        if self._record:
            self._record.keep(lambda then: step > 0 and then <= step)

    def __call__(self, step: int, encoder: Encoder) -> None:
        """Record the pairs before the first step and at every validation, unless they are."""
        record, every = self._record, self._every
        if record is None or (step and not (every and step % every == 0)):
            return
        apart = distance(step, every)
        if every:
            record.keep(lambda then: then % apart == 0)
        if step not in record.steps and (not every or step % apart == 0):
            self.record(step, encoder)

    def record(self, step: int, encoder: Encoder) -> None:
        """Record the pairs at this step, in place of what is recorded of it."""
        if self._record:
            images = [pair.image for pair in self._pairs]
            captions = [pair.caption for pair in self._pairs]
            self._record.add(step, encoder.embed_images(images), encoder.embed_texts(captions))


def distance(step: int, every: int) -> int:
    """Return how far apart the kept steps are after so many: `every`, doubled until they are at most `MOST`."""
    apart = max(every, 1)
    while step // apart >= MOST:
        apart *= 2
    return apart


def open_space(run: Path, config: ValidationConfig, tasks: Sequence[Any], *, step: int) -> SpaceWatch:
    """Return what records up to `config.pairs` pairs of built tasks, evenly spread; without any, an old record goes."""
    pairs = [
        (image, caption)
        for task in tasks
        for image, caption in zip(task.images.images, captions_of(task), strict=False)
        if config.pairs
    ]
    chosen = [SpacePair(*pairs[row]) for row in spread_evenly(len(pairs), config.pairs)]
    if not chosen:
        forget(run)
    return SpaceWatch(run, chosen, every=config.every, step=step)
