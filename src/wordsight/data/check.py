"""The audit of a source: what is broken, doubled, tiny, without text, too long, lopsided, stretched.

    report = check(open_source("photos"))
    report.broken, report.lines(), report.as_dict()

Every image is decoded once.  Only what cannot be read (`broken`) is a failure; the rest is for the owner to judge.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from wordsight.base.errors import InputError
from wordsight.base.nouns import Sample
from wordsight.base.progress import bar
from wordsight.base.threads import ordered_map
from wordsight.data.near_duplicates import PerceptualHash, equal_groups, near_groups, perceptual_hash
from wordsight.data.shards import name_in_shard
from wordsight.data.source import Source
from wordsight.images.decode import Wanted, opened
from wordsight.images.failures import reading
from wordsight.images.files import image_hash
from wordsight.text.spec import TokenizerSpec
from wordsight.text.tokenizer import ClipTokenizer


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on something is listed.

    `side`: shorter side in pixels below which an image is tiny; `aspect`: longer over shorter side;
    `tokens`: of a caption, start and end included (CLIP's context); `skew`: largest class over smallest.
    """

    side: int = 32
    aspect: float = 4.0
    tokens: int = 77
    skew: float = 10.0


@dataclass(slots=True)
class CheckReport:
    """Counts and lists.  `broken` holds messages, the duplicates groups of keys, the others keys or classes."""

    source: str
    pictures: int = 0
    broken: list[str] = field(default_factory=list)
    duplicates: list[list[str]] = field(default_factory=list)
    near_duplicates: list[list[str]] = field(default_factory=list)
    tiny: list[str] = field(default_factory=list)
    stretched: list[str] = field(default_factory=list)
    without_words: list[str] = field(default_factory=list)
    long_captions: list[str] = field(default_factory=list)
    skewed_classes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return counts first, then the lists."""
        return {"source": self.source, "pictures": self.pictures, "counts": self.counts(), **self._lists()}

    def counts(self) -> dict[str, int]:
        """Return how many there are of each finding (groups for duplicates)."""
        return {name: len(keys) for name, keys in self._lists().items()}

    def _lists(self) -> dict[str, list[Any]]:
        return {name: getattr(self, name) for name in FINDINGS}

    def lines(self, *, most: int = 20) -> list[str]:
        """Return the report as lines; of each finding at most `most` are listed, of what is broken only the number."""
        lines = [f"{self.source}: {self.pictures} pictures"]
        for name, keys in self._lists().items():
            lines.append(f"{len(keys):8}  {FINDINGS[name]}")
            if name == "broken":
                continue
            lines.extend(f"          {_one_line(item)}" for item in keys[:most])
            if len(keys) > most:
                lines.append(f"          ... and {len(keys) - most} more (--json lists all)")
        return lines


FINDINGS = {
    "broken": "broken",
    "duplicates": "groups of the same file",
    "near_duplicates": "groups of nearly the same image",
    "tiny": "tiny",
    "stretched": "of extreme aspect",
    "without_words": "without caption and class",
    "long_captions": "with a caption longer than a text tower reads",
    "skewed_classes": "classes far smaller than the largest",
}


def _one_line(item: str | list[str]) -> str:
    return item if isinstance(item, str) else "  =  ".join(item)


class _Seen(NamedTuple):
    sample: Sample
    digest: str
    sides: tuple[int, int]
    perceptual_hash: PerceptualHash


def check(source: Source, *, limits: Limits = Limits(), workers: int | None = None) -> CheckReport:
    """Read the whole source and report what is wrong or strange in it."""
    report = CheckReport(source.name)
    tokenizer = ClipTokenizer.from_spec(TokenizerSpec(context_length=limits.tokens), None)
    keys, digests, hashes = [], [], []
    classes: Counter[str] = Counter()
    walk = source.samples()
    with bar(source.count(), unit="img", desc=f"checking {source.name}") as progress:
        named = ((sample, name_in_shard(source, walk, sample)) for sample in walk)
        for seen in ordered_map(_see, named, threads=workers):
            progress.update(1)
            if isinstance(seen, InputError):
                report.broken.append(str(seen))
                continue
            keys.append(seen.sample.key)
            digests.append(seen.digest)
            hashes.append(seen.perceptual_hash)
            classes.update([seen.sample.label] if seen.sample.label else seen.sample.labels)
            _note(report, seen, limits, tokenizer)
    report.pictures = len(keys)
    report.broken[:0] = [str(failure) for failure in walk.failures]
    report.duplicates = equal_groups(keys, digests)
    copies = {key for group in report.duplicates for key in group[1:]}
    fresh = [i for i, key in enumerate(keys) if key not in copies]
    report.near_duplicates = near_groups([keys[i] for i in fresh], [hashes[i] for i in fresh])
    report.skewed_classes = _skewed(classes, limits.skew)
    return report


_WANTED = Wanted(further=lambda width, height: width * height)  # it is also made grey


def _see(named: tuple[Sample, str]) -> _Seen | InputError:
    sample, name = named
    try:
        digest = image_hash(sample.image, key=name)
        with opened(sample.image, name=name, wanted=_WANTED) as image, reading(name):
            sides, looks = (image.height, image.width), perceptual_hash(image)
    except InputError as error:
        return error
    known = Sample(sample.key, None, sample.texts, sample.label, labels=sample.labels)
    return _Seen(known, digest, sides, looks)


def _note(report: CheckReport, seen: _Seen, limits: Limits, tokenizer: ClipTokenizer) -> None:
    sample = seen.sample
    short, long = sorted(seen.sides)
    if short < limits.side:
        report.tiny.append(f"{sample.key} ({seen.sides[1]} x {seen.sides[0]})")
    if long > limits.aspect * short:
        report.stretched.append(f"{sample.key} ({seen.sides[1]} x {seen.sides[0]})")
    if not sample.texts and sample.label is None and not sample.labels:
        report.without_words.append(sample.key)
    # A token is at least one byte, so most captions need not be tokenised to know that they are short enough.
    doubtful = [text for text in sample.texts if len(text.encode(errors="surrogatepass")) > limits.tokens - 2]
    longest = max((len(tokenizer.encode(text)) + 2 for text in doubtful), default=0)
    if longest > limits.tokens:
        report.long_captions.append(f"{sample.key} ({longest} tokens)")


def _skewed(classes: Counter[str], skew: float) -> list[str]:
    if not classes:
        return []
    largest = max(classes.values())
    return [
        f"{name} ({number}, the largest has {largest})"
        for name, number in sorted(classes.items(), key=lambda pair: (pair[1], pair[0]))
        if largest > skew * number
    ]
