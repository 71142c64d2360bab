"""The files of a library: how many cannot be read, how many are the same, or nearly, as another."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from wordsight.audit.claims import Limit, claim, counted
from wordsight.audit.finding import Claim, Finding
from wordsight.audit.subject import PlaceSubject
from wordsight.base.details import Detail
from wordsight.base.nouns import Sample
from wordsight.data.check import CheckReport, check
from wordsight.data.source import START, Position, Step, Walk
from wordsight.evaluate.measured import Measured
from wordsight.evaluate.sample_set import SampleSet

CHECK, TITLE = "files", "Files"
LEAD = "Every image is opened once; equal files and images that look alike when very small are grouped."
LIMITS = (
    "A near-duplicate is an image saved again in another size or quality; crops and retouched copies are not seen. "
    "An entry that gives no image at all counts as a file that cannot be read."
)
UNREADABLE = 0.01  # share of images up to which broken files are an accident; a convention
DOUBLED = 0.05  # share of images that may be copies before counts and retrieval mislead; a convention
SHOWN = 20


class HeldSource:
    """Samples that were read already, as a source."""

    def __init__(self, name: str, held: Sequence[Sample]) -> None:
        self.name = name
        self._held = held

    def samples(self, start: Position = START) -> Walk:
        """Walk over the samples."""
        return Walk(self._steps(), start)

    def _steps(self) -> Iterator[Step]:
        return ((sample, Position(0, row + 1)) for row, sample in enumerate(self._held))

    def parts(self) -> int:
        """Return 1."""
        return 1

    def count(self) -> int:
        """Return the number of samples."""
        return len(self._held)

    def fingerprint(self) -> str:
        """Return an empty text: nothing is kept of this source."""
        return ""


def run(subject: PlaceSubject) -> Finding:
    """Return the shares of images that cannot be read, that are copies and that are near-duplicates."""
    samples = with_images(subject.samples)
    report = check(HeldSource(subject.place, samples))
    unread = [*subject.unread, *report.broken]
    broken, copies, near = len(unread), _extra(report.duplicates), _extra(report.near_duplicates)
    whole = len(samples) + len(subject.unread)
    figures = (
        ("broken", broken, UNREADABLE, "{count:,} of {whole:,} files cannot be read as images: {{}}."),
        ("copies", copies, DOUBLED, "{count:,} of {whole:,} images are the same file as another one: {{}}."),
        ("near-duplicates", near, DOUBLED, "{count:,} of {whole:,} images look nearly the same as another one: {{}}."),
    )
    claims: list[Claim] = []
    for name, count, limit, text in figures:
        result = counted(f"library/{name}", count / whole, whole, {"images": count})
        sentence = text.format(count=count, whole=whole)
        claims.append(claim(CHECK, result, sentence, Limit(limit, "above"), about=name))
    return Finding(
        CHECK, TITLE, LEAD, claims, Measured([one.result for one in claims], _tables(report, unread)), LIMITS
    )


def with_images(images: SampleSet) -> list[Sample]:
    """Return the samples of a library, each with its image (encoded, or its path)."""
    return [replace(sample, image=image) for sample, image in zip(images.samples, images.images, strict=True)]


def _extra(groups: Sequence[Sequence[str]]) -> int:
    """Return how many images of the groups are too many, one of each being enough."""
    return sum(len(group) - 1 for group in groups)


def _tables(report: CheckReport, unread: Sequence[str]) -> list[Detail]:
    lists = (
        ("broken", "Files that cannot be read", ["file"], [[line] for line in unread]),
        ("copies", "The same file", ["images"], [[" = ".join(group)] for group in report.duplicates]),
        ("near", "Nearly the same image", ["images"], [[" = ".join(group)] for group in report.near_duplicates]),
    )
    return [
        Detail(f"library/{name}", f"{title} ({len(rows)})", "table", {"head": head, "rows": rows[:SHOWN]})
        for name, title, head, rows in lists
        if rows
    ]
