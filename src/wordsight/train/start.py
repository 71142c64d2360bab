"""What is printed of a run before its first step: what cannot be is refused, what will learn nothing is noticed."""

import time
from collections.abc import Callable

from wordsight.base.errors import FormatError
from wordsight.base.progress import notice
from wordsight.train.config import TrainConfig
from wordsight.train.pairs import Pairs, SourcePairs
from wordsight.train.schedule import WARMUP_SHARE


def check_pairs(config: TrainConfig, pairs: Pairs) -> None:
    """Raise `FormatError` for a source without pairs; notice what makes a run hopeless with these pairs."""
    for source in pairs.sources:
        if not source.count():
            raise FormatError(f"{source.source.name} has no image with a text", cure="give captions or class names")
    count, batch = sum(source.count() for source in pairs.sources), config.batch
    if count == 1:
        notice("1 image to learn from: there is nothing to tell it from, so nothing will be learned")
    elif _all_the_same(pairs):
        notice(f"all {count:,} images have the same text: there is nothing to tell apart, so nothing will be learned")
    elif batch > count:
        notice(
            f"batch = {batch} of {count:,} images: each batch repeats images, and repeated ones are no negatives; "
            f"set batch={count}, or give more pairs"
        )
    length = config.schedule.length(batch)
    if length is not None:
        notice_length(config, pairs, steps=length)


def notice_length(config: TrainConfig, pairs: Pairs, *, steps: int) -> None:
    """Notice a run that is shorter than its recipe expects: whose warm-up is cut, that sees few of the pairs."""
    count, warmup = sum(source.count() for source in pairs.sources), config.schedule.warmup
    if warmup > WARMUP_SHARE * steps:
        notice(f"schedule.warmup = {warmup:,} is more than a quarter of {steps:,} steps: the warm-up takes a quarter")
    if steps * config.batch < count:
        notice(
            f"{steps:,} steps of {config.batch} pairs see {steps * config.batch:,} of {count:,} images once: "
            "expect little, or make the run longer"
        )


def notice_budget(config: TrainConfig, pairs: Pairs, try_step: Callable[[], object]) -> None:
    """Time one step that changes nothing, and say how many fit in the time budget."""
    seconds = config.schedule.seconds
    assert seconds is not None
    started = time.monotonic()
    try_step()
    steps = max(1, int(seconds / (time.monotonic() - started)))
    notice(f"about {steps:,} steps of {config.batch} pairs fit in the budget of {config.schedule.budget}")
    notice_length(config, pairs, steps=steps)


def _all_the_same(pairs: Pairs) -> bool:
    """Say whether every image that is kept in memory has one and the same text; streamed ones are not looked at."""
    texts: set[str] = set()
    for source in pairs.sources:
        if not hasattr(source.images, "texts"):
            return False
        texts |= _texts_of(source)
        if len(texts) > 1:
            return False
    return len(texts) == 1


def _texts_of(source: SourcePairs) -> set[str]:
    """Return the texts, or class names, that an image of the source may be trained with, up to two."""
    texts: set[str] = set()
    for block in source.drawn.blocks():
        for row in block:
            annotation = source.images.annotation(int(row))
            label = {f"label {annotation.label}"} if annotation.label is not None else set()
            texts |= set(annotation.captions) or label
            if len(texts) > 1:
                return texts
    return texts
