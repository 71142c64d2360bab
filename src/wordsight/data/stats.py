"""The figures of a source: how many images of what size, how many captions of what length, which words and classes.

    figures = stats(open_source("photos"))
    figures.lines(), figures.failures

Images are not decoded: their size is read from the header.
"""

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

from wordsight.base.errors import InputError
from wordsight.base.nouns import Sample
from wordsight.base.progress import bar
from wordsight.data.shards import name_in_shard
from wordsight.data.source import Source
from wordsight.images.decode import sides

_TOP = 20


@dataclass(frozen=True, slots=True)
class Spread:
    """Least, mean, median and greatest of a set of numbers."""

    least: float
    mean: float
    median: float
    greatest: float

    def __str__(self) -> str:
        return f"{self.least:g} to {self.greatest:g}, mean {self.mean:.1f}, median {self.median:g}"


@dataclass(frozen=True, slots=True)
class Stats:
    """See the names; `words` counts each word of each caption, `caption_words` are words a caption."""

    source: str
    parts: int
    pictures: int
    failures: tuple[str, ...]
    megabytes: float
    widths: Spread | None
    heights: Spread | None
    captions: int
    captions_a_picture: Spread | None
    caption_words: Spread | None
    vocabulary: int
    top_words: tuple[tuple[str, int], ...]
    classes: int
    top_classes: tuple[tuple[str, int], ...]
    columns: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain dicts and lists."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Return the figures as lines; of what failed only the number."""
        pairs = [
            (
                "pictures",
                f"{self.pictures} in {self.parts} part{'s' if self.parts != 1 else ''}, {self.megabytes:.1f} MB",
            ),
            ("failed", str(len(self.failures))),
            ("width", self.widths),
            ("height", self.heights),
            ("captions", self.captions),
            ("a picture", self.captions_a_picture),
            ("words each", self.caption_words),
            ("vocabulary", f"{self.vocabulary} different words"),
            ("top words", ", ".join(f"{word} {number}" for word, number in self.top_words)),
            ("classes", self.classes),
            ("top classes", ", ".join(f"{name} {number}" for name, number in self.top_classes)),
            ("columns", ", ".join(self.columns)),
        ]
        lines = [f"{name:12} {value}" for name, value in pairs if value not in (None, "")]
        return [self.source, *lines]


class _Tally:
    """What is counted on the way."""

    def __init__(self) -> None:
        self.bytes = 0
        self.widths: list[int] = []
        self.heights: list[int] = []
        self.captions: list[int] = []
        self.lengths: list[int] = []
        self.words: Counter[str] = Counter()
        self.classes: Counter[str] = Counter()
        self.columns: dict[str, None] = {}
        self.failures: list[str] = []

    def add(self, sample: Sample, name: str) -> None:
        """Count one sample; messages call it by `name`."""
        try:
            width, height = sides(sample.image, name=name)
            size = sample.image.stat().st_size if isinstance(sample.image, Path) else len(sample.image or b"")
        except InputError as error:
            self.failures.append(str(error))
            return
        except OSError as error:
            self.failures.append(f"{name} cannot be opened: {error.strerror}")
            return
        self.bytes += size
        self.widths.append(width)
        self.heights.append(height)
        self.captions.append(len(sample.texts))
        for text in sample.texts:
            words = [word for word in text.lower().split() if any(letter.isalnum() for letter in word)]
            self.lengths.append(len(words))
            self.words.update(word.strip(".,;:!?\"'()[]") for word in words)
        self.classes.update([sample.label] if sample.label else sample.labels)
        self.columns.update(dict.fromkeys(sample.meta))


def stats(source: Source) -> Stats:
    """Read the whole source and count."""
    tally = _Tally()
    walk = source.samples()
    with bar(source.count(), unit="img", desc=f"counting {source.name}") as progress:
        for sample in walk:
            tally.add(sample, name_in_shard(source, walk, sample))
            progress.update(1)
    return Stats(
        source=source.name,
        parts=source.parts(),
        pictures=len(tally.widths),
        failures=(*map(str, walk.failures), *tally.failures),
        megabytes=round(tally.bytes / 1e6, 3),
        widths=_spread(tally.widths),
        heights=_spread(tally.heights),
        captions=len(tally.lengths),
        captions_a_picture=_spread(tally.captions),
        caption_words=_spread(tally.lengths),
        vocabulary=len(tally.words),
        top_words=tuple(tally.words.most_common(_TOP)),
        classes=len(tally.classes),
        top_classes=tuple(tally.classes.most_common(_TOP)),
        columns=tuple(tally.columns),
    )


def _spread(numbers: list[int]) -> Spread | None:
    return Spread(min(numbers), round(fmean(numbers), 3), median(numbers), max(numbers)) if numbers else None
