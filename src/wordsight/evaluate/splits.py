"""The images that a classifier learns from, those it is chosen by, and those it is measured on.

    splits = splits_of(spec, sets)                 # of the places that the task names, else of one set
    learned = embedded(encoder, splits)            # their embeddings

Where a task names no images to learn from, a share of each class of the measured ones is held out for measuring, and
the same share of the rest for choosing, by the hashes of their keys: the same images in every task and every run.
Shapes: N images, E width of an embedding, C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings
from wordsight.base.errors import FormatError
from wordsight.base.files import sha256_bytes
from wordsight.base.progress import notice
from wordsight.evaluate.building import TaskSets, notice_no_val
from wordsight.evaluate.classified import MOST_NAMED, Classified, classes_of
from wordsight.evaluate.encode import Encoder, image_embeddings
from wordsight.evaluate.linear import Labelled
from wordsight.evaluate.sample_set import SampleSet, rows_of_others
from wordsight.evaluate.tasks import TaskSpec

SAME = 1e-5  # difference of numbers of one image's embeddings, computed among other images
SALT = b"measured "  # else the lowest hashes would be the images of `data.portion`, which a model may have learned from
SHARES = (0.2, 0.3, 0.4, 0.5)  # that are proposed where another is too small or too large
BLOCK = 1024  # test images compared together


@dataclass(frozen=True, slots=True)
class Splits:
    """Three disjoint sets of images of the same classes (C)."""

    names: tuple[str, ...]
    train: Classified
    val: Classified
    test: Classified


@dataclass(frozen=True, slots=True)
class EmbeddedSplits:
    """The embeddings of three sets with their classes."""

    names: tuple[str, ...]
    train: Labelled
    val: Labelled
    test: Labelled


def splits_of(spec: TaskSpec, sets: TaskSets, *, held_out: float) -> Splits:
    """Return the images to learn from, to choose by and to measure on; `held_out` is the share where none are named.

    Images of classes that none is learned from are left out, and noticed.  Images that are chosen by are not learned
    from too; where that leaves none, val counts as not named.
    """
    if sets.train is None:
        left, measured = apart(classes_of(spec, sets.test), held_out)
    else:
        left = classes_of(spec, sets.train)
        measured = _of_classes(spec, sets.test, left.names)
    kept = left if sets.val is None else _without_val(spec, left, sets.val)
    if sets.val is None or kept is None:
        train, val = apart(left, held_out)
    else:
        train, val = kept, _of_classes(spec, sets.val, left.names)
    if not len(val.labels) or not len(measured.labels):
        whole = left if sets.train else classes_of(spec, sets.test)
        raise _too_few(spec, whole, held_out, times=1 if sets.train or sets.val else 2)
    return Splits(left.names, train, val, measured)


def _without_val(spec: TaskSpec, left: Classified, val: SampleSet) -> Classified | None:
    """Return the images to learn from that are not chosen by, None where that is none; both are noticed."""
    rows = rows_of_others(left.images, val)
    if not rows:
        notice_no_val(spec.name)
        return None
    if shared := len(left.labels) - len(rows):
        notice(
            f"{spec.name}: {shared:,} of {len(left.labels):,} images to learn from are val images too: "
            "they count as val images alone"
        )
    return left.of(np.array(rows))


def _too_few(spec: TaskSpec, images: Classified, held_out: float, times: int) -> FormatError:
    """Return the error of images of which too few are of one class to hold some out, once or twice."""
    most = int(np.bincount(images.labels).max())
    enough = 1 + max(count for count in range(1, 100) if not _suffice(count, held_out, times))
    share = next((share for share in SHARES if _suffice(most, share, times)), None)
    return FormatError(
        f"{spec.name} has {len(images.labels)} images of {len(images.names)} classes: too few to hold some out",
        cure=f"give {enough} or more images of each class" + (f", or held_out={share}" if share else ""),
    )


def _suffice(count: int, share: float, times: int) -> bool:
    """Say whether of so many images of a class some are held out, and of the others again, if `times` is 2."""
    for _ in range(times):
        held_out = _held_out(count, share)
        count -= held_out
    return held_out > 0


def _held_out(count: int, share: float) -> int:
    """Return how many of so many images of a class are held out; one stays."""
    return min(round(share * count), count - 1)


def _of_classes(spec: TaskSpec, images: SampleSet, names: Sequence[str]) -> Classified:
    """Return the images of a set whose class is one of `names`; others are left out, with a notice of how many."""
    known = set(names)
    rows = [row for row, one in enumerate(images.samples) if one.label is None or one.label in known]
    if lost := sorted({str(images.samples[row].label) for row in set(range(len(images))) - set(rows)}):
        more = f" and {len(lost) - MOST_NAMED} more" if len(lost) > MOST_NAMED else ""
        left_out = f"{len(images) - len(rows)} of {len(images)} images are left out"
        notice(f"{spec.name}: {left_out}, of classes that its other images lack: {', '.join(lost[:MOST_NAMED])}{more}")
    if not any(images.samples[row].label is not None for row in rows):
        raise FormatError(f"{spec.name} has no images of the same classes", cure="name sets of the same classes")
    return classes_of(spec, images.of(rows), names=names)


def val_and_test(spec: TaskSpec, sets: TaskSets, *, held_out: float) -> tuple[Classified, Classified]:
    """Return the images that something is fitted or chosen by, and those that are measured on, of the same classes.

    They are those that the task names: val, else train; without both, a share of the one set is measured on.
    """
    measured = classes_of(spec, sets.test)
    by = sets.val or sets.train
    if by is None:
        left, measured = apart(measured, held_out)
        if not len(measured.labels):
            raise _too_few(spec, left, held_out, 1)
        return left, measured
    return _of_classes(spec, by, measured.names), measured


def apart(images: Classified, share: float) -> tuple[Classified, Classified]:
    """Return the images without a share of each class, and that share: those whose keys have the lowest hashes."""
    held_out = held_out_rows(images.labels, images.keys, share)
    stay = np.setdiff1d(np.arange(len(images.labels)), held_out)
    return images.of(stay), images.of(held_out)


def held_out_rows(labels: NDArray[np.int64], keys: Sequence[str], share: float) -> NDArray[np.int64]:
    """Return the rows that are held out: of each class a share, at least one image staying."""
    rows: list[int] = []
    for label in np.unique(labels):
        own: list[int] = np.flatnonzero(labels == label).tolist()
        own.sort(key=lambda row: sha256_bytes(SALT, keys[row].encode(errors="replace")))
        rows += own[: _held_out(len(own), share)]
    return np.array(sorted(rows), dtype=np.int64)


def embedded(encoder: Encoder, splits: Splits, *, name: str) -> EmbeddedSplits:
    """Return the embeddings of all three sets; images that are measured on and learned from are noticed."""
    train, val, test = (
        Labelled(image_embeddings(encoder, part.images.images, name=name), part.labels)
        for part in (splits.train, splits.val, splits.test)
    )
    notice_seen(train.also(val).embeddings, test.embeddings, name)
    return EmbeddedSplits(splits.names, train, val, test)


def notice_seen(learned: Embeddings, measured: Embeddings, name: str, *, way: str = "learned from") -> None:
    """Say how many measured images have the embedding of one that is learned from, and so are the same.

    `way` says what else is done with those images.
    """
    count = 0
    for start in range(0, len(measured), BLOCK):
        block = measured[start : start + BLOCK]
        nearest = learned[(block @ learned.T).argmax(axis=1)]
        count += int((np.abs(block - nearest).max(axis=1) < SAME).sum())
    if count:
        notice(
            f"{count:,} of {len(measured):,} measured images of {name} are also {way}, "
            "so the results say little about new images"
        )


def notice_fewer(labels: NDArray[np.int64], names: Sequence[str], shots: int, *, name: str) -> None:
    """Say of which classes there are fewer images than `shots`; `name` says of what, `few-shot-16`."""
    counts = np.bincount(labels, minlength=len(names))
    fewer = [row for row in np.argsort(counts, kind="stable").tolist() if 0 < counts[row] < shots]
    if fewer:
        named = ", ".join(f"{names[row]} {counts[row]}" for row in fewer[:MOST_NAMED])
        more = f" (and {len(fewer) - MOST_NAMED} more)" if len(fewer) > MOST_NAMED else ""
        verb = "has" if len(fewer) == 1 else "have"
        notice(f"{name}: {named}{more} {verb} fewer images: all of theirs are taken")


def drawn(labels: NDArray[np.int64], shots: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return `shots` rows of each class, all of a class with fewer."""
    rows = [generator.permutation(np.flatnonzero(labels == label))[:shots] for label in np.unique(labels)]
    return np.concatenate(rows)
