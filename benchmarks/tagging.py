"""How right are tags?  Precision, recall and calibration of tags against fixed cosines and the best label alone.

    python benchmarks/tagging.py DATA --work FOLDER            # held-out splits: the table of docs/tagging.md
    python benchmarks/tagging.py DATA --work FOLDER --train    # what the default threshold was chosen on
    python benchmarks/tagging.py DATA --work FOLDER --shipped  # tags of the shipped sets on images

DATA holds the folders of labelled images that `match.py` beside this file names; its questions of one or two words are
the labels: things that some images show, by captions, attributes or classes, and things that none shows.  An image of
which nobody can say whether it has a label is left out for that label.  FOLDER keeps the libraries for the next time.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from match import TRAIN, VALIDATION, Embedder, collection
from match_questions import questions
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings
from wordsight.embeddings.model import Model, load
from wordsight.index.open import backend_of
from wordsight.search.background import read
from wordsight.search.library import open_library
from wordsight.search.tagging.examples import learned
from wordsight.search.tagging.rating import LabelMatches, by_cosine, matching
from wordsight.text.label_sets import Label, label_set

LIMITS = (0.5, 0.3, 0.2)
FIXED = 0.28  # of another program, for another model
EXAMPLES = 50  # labelled images, drawn from the library and not counted
HARMLESS = ("flickr", "fashion", "clothing", "clothing test", "coco captions", "furniture")


@dataclass(frozen=True, slots=True)
class Labelled:
    """A library with labels: `right` (images, labels) is 1, 0 or -1, `absent` (labels,) those that no image has."""

    name: str
    embeddings: Embeddings
    labels: list[Label]
    right: NDArray[np.int8]
    absent: NDArray[np.bool_]
    rating: LabelMatches
    cosines: NDArray[np.float32]


def labelled(name: str, location: Path, embedder: Embedder, work: Path) -> Labelled:
    """Return a set with its labels and what the program says of them."""
    images, model = collection(name, location, embedder, work), embedder.model
    asked = [one for one in questions(images.style, images.records, 10**9) if one.kind in ("present", "absent")]
    short = list({one.text: one for one in asked if len(one.text.split()) <= 2}.values())
    labels = [Label(one.text, (one.text,)) for one in short]
    folder = work / f"{'-'.join(location.parts[-2:])}-{model.fingerprint}"
    index = backend_of(folder).open(folder, fingerprint=model.fingerprint, width=model.spec.width)
    background = read(folder, model.fingerprint)
    assert background is not None
    rating = matching(index, background, model, labels)
    cosines = by_cosine(model, labels).rate(images.embeddings)
    right = np.array([one.right for one in short]).T
    return Labelled(
        name, images.embeddings, labels, right, np.array([one.kind == "absent" for one in short]), rating, cosines
    )


def figures(tagged: NDArray[np.bool_], one: Labelled) -> list[str]:
    """Return precision, recall, F1, mean F1 of labels that are there, and tags an image of labels that none has."""
    right = one.right == 1
    known = one.right >= 0
    hits = (tagged & right).sum(axis=0)
    given = (tagged & known).sum(axis=0)
    there = right.sum(axis=0)
    precision, recall = hits.sum() / max(given.sum(), 1), hits.sum() / there.sum()
    each = 2 * hits / np.maximum(given + there, 1)
    alarms = tagged[:, one.absent].sum() / len(tagged)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    return [f"{value:.2f}" for value in (precision, recall, f1, each[there > 0].mean())] + [f"{alarms:.3f}"]


def calibration(likely: NDArray[np.floating], one: Labelled) -> str:
    """Return the expected calibration error of probabilities from 0.1 on; of all pairs nearly all are near 0."""
    stated = (one.right >= 0) & (likely >= 0.1)
    values, right = likely[stated], one.right[stated] == 1
    cells = np.minimum((values * 10).astype(int), 9)
    gaps = [abs(values[cells == i].sum() - right[cells == i].sum()) for i in range(10)]
    return f"{np.sum(gaps) / max(len(values), 1):.3f}"


def softmax(one: Labelled, scale: float) -> NDArray[np.floating]:
    """Return the probabilities of labels that compete."""
    logits = one.cosines * scale
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def best_cosine(one: Labelled) -> float:
    """Return the cosine from which on the F1 over all pairs is the greatest."""
    known = one.right >= 0
    scores, right = one.cosines[known], one.right[known] == 1
    order = np.argsort(-scores)
    hits = np.cumsum(right[order])
    return float(scores[order][(2 * hits / (np.arange(1, len(hits) + 1) + right.sum())).argmax()])


def table(sets: list[Labelled], cosines: dict[str, float], scale: float) -> None:
    """Print the table."""
    print("| set | images, labels (of none) | tags by | precision | recall | F1 | mean F1 | alarms an image | ECE |")
    print("|---|---|---|---|---|---|---|---|---|")
    for one in sets:
        size = f"{len(one.right):,}, {len(one.labels)} ({one.absent.sum()})"
        likely, shares = one.rating.rate(one.embeddings), softmax(one, scale)
        rows = [(f"match ≥ {limit}", likely >= limit, calibration(likely, one)) for limit in LIMITS]
        rows.append((f"cosine ≥ {FIXED}", one.cosines >= FIXED, ""))
        for other, cosine in cosines.items():
            if other not in one.name:
                rows.append((f"cosine ≥ {cosine:.3f}, best for {other} train", one.cosines >= cosine, ""))
        rows.append(
            ("likeliest label", one.cosines >= one.cosines.max(axis=1, keepdims=True), calibration(shares, one))
        )
        for what, tagged, error in rows:
            print("| " + " | ".join([one.name, size, what, *figures(tagged, one), error]) + " |")
        drawn = np.random.default_rng(0).permutation(len(one.right))
        mine, rest = drawn[:EXAMPLES], drawn[EXAMPLES:]
        if len(rest) >= EXAMPLES:
            shifted = one.rating.shifted(*learned(one.rating, one.embeddings[mine], one.right[mine] == 1))
            left = Labelled(
                one.name, one.embeddings[rest], one.labels, one.right[rest], one.absent, shifted, one.cosines[rest]
            )
            for rating, name in ((one.rating, "without"), (shifted, f"with {EXAMPLES}")):
                likely = rating.rate(left.embeddings)
                cells = [one.name, size, f"match ≥ 0.3, {name} examples", *figures(likely >= 0.3, left)]
                print("| " + " | ".join([*cells, calibration(likely, left)]) + " |")


def shipped(data: Path, work: Path, model: Model) -> None:
    """Print what the shipped sets tag images with; of watched labels every tag is counted as a false alarm."""
    for labels in ("moderation", "everyday", "products", "colours"):
        for name in HARMLESS:
            location = data / VALIDATION[name]
            folder = work / f"{'-'.join(location.parts[-2:])}-{model.fingerprint}"
            with open_library(location, model=model, library_dir=folder) as library:
                report = library.tag(labels, dry_run=True)
            first = sorted(report.counts.items(), key=lambda pair: -pair[1].images)[:12]
            given = sum(count.images for count in report.counts.values())
            each = ", ".join(f"{label} {count.images}" for label, count in first)
            print(f"{labels} on {name}: {report.tagged} of {report.considered} images, {given} tags: {each}")
            if labels == "everyday":
                every = [label.name for label in label_set(labels).labels]
                print(f"    of {len(every)} labels {len(report.counts)} were given")


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--model")
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--shipped", action="store_true")
    args = parser.parse_args()
    model = load(args.model)
    embedder = Embedder(model, 0.0)
    if args.shipped:
        shipped(args.data, args.work, model)
        return
    train = [labelled(name, args.data / TRAIN[name], embedder, args.work) for name in ("flickr", "fashion")]
    cosines = {one.name: best_cosine(one) for one in train}
    if args.train:
        table(train, cosines, model.scale)
        return
    sets = [labelled(name, args.data / location, embedder, args.work) for name, location in VALIDATION.items()]
    table(sets, cosines, model.scale)


if __name__ == "__main__":
    main()
