"""How honest and how useful the probabilities of `wordsight search` are, on questions whose answers are known.

    python benchmarks/match.py DATA --work FOLDER [--model FOLDER] [--fit] [--sway 0.2]

DATA holds `flickr8k`, `fashion_products` and `ikea` (train, val), `seg_coco128`, `coco_retrieval`, `clothing` and
`flowers5`, as shards or tables with captions, the columns articleType and baseColour, or classes.  Only `--fit` reads
the train splits: it draws broad libraries of several sizes from them and narrow ones of a few kinds of things, asks,
and prints the coefficients to put into `wordsight/search/match.py`, and what a cut costs.  Otherwise the other splits
are asked with the coefficients that are there.  FOLDER keeps the libraries for the next time.  `--sway` measures a
model made of this one by random linear maps of that size behind its projections.

The first ten hits of every question count, but for those of which nobody can say whether they are right, and in the
calibration error those that have no probability (`match.is_everywhere`).
"""

import argparse
import json
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from match_questions import Described, Question, image_questions, kinds_of, questions
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings, unit
from wordsight.embeddings.model import Model, load
from wordsight.index.open import backend_of
from wordsight.search import match
from wordsight.search.background import Background, moments, usual_phrases
from wordsight.search.library import open_library
from wordsight.search.query import Part

HITS = 10
SIZES = (50, 100, 300, 1000, 3000)  # of the libraries that are drawn to fit
KINDS = (1, 2, 3, 5, 8, 12)  # of things, in the narrow libraries
DRAWN = 3  # libraries of each size, and with so many kinds
FEWEST = 35  # images of one
BROAD = 2.0  # weight of all broad libraries of a set, to all its narrow ones
EVERY = range(8)
IMAGE_FITTED = (("flickr", "fashion"), (0, 1, 2))  # sets and figures; more were not better for images
CUTS = (0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2)  # whose costs are printed
PRESENT = ("present", "caption", "image", "mixture-present")
PARTS = {"text": [Part(1.0, "a")], "image": [Part(1.0)], "mixture": [Part(1.0, "a"), Part(0.5)]}
VALIDATION = {
    "flickr": "flickr8k/val-0000.tar",
    "fashion": "fashion_products/val.parquet",
    "coco": "seg_coco128/val-0000.tar",
    "clothing": "clothing/val-0000.tar",
    "coco captions": "coco_retrieval/val-0000.tar",
    "clothing test": "clothing/test-0000.tar",
    "flowers": "flowers5/test-0000.tar",
    "furniture": "ikea/val-0000.tar",
}
TRAIN = {"flickr": "flickr8k", "fashion": "fashion_products/train.parquet", "furniture": "ikea"}
STYLES = {**{name: name for name in TRAIN}, "coco captions": "flickr"}  # of questions; others are about classes


@dataclass(frozen=True, slots=True)
class Collection:
    """Pictures with what is known of them; `style` says how questions are made."""

    style: str
    records: list[Described]
    embeddings: Embeddings

    def part(self, count: int, random: np.random.Generator) -> "Collection":
        """Return a collection of `count` of its images."""
        return self.chosen(random.choice(len(self.records), min(count, len(self.records)), replace=False))

    def chosen(self, numbers: NDArray[np.int64]) -> "Collection":
        """Return a collection of the images with these numbers."""
        return Collection(self.style, [self.records[i] for i in numbers], self.embeddings[numbers])

    def narrow(self, kinds: int, random: np.random.Generator) -> "Collection":
        """Return a collection of images of so many kinds of things, up to 60, 150 or 400 of them."""
        members = kinds_of(self.style, self.records)
        chosen = random.choice(len(members), min(kinds, len(members)), replace=False)
        numbers = random.permutation(np.flatnonzero(members[chosen].any(axis=0)))
        return self.chosen(numbers[: random.choice([60, 150, 400])])


@dataclass(frozen=True, slots=True)
class Answers:
    """Hits one after the other: of which question, at which rank, what is known; the kinds of the questions.

    `query`: text, image or mixture.
    """

    question: NDArray[np.int64]
    figures: NDArray[np.float64]  # (n, 8)
    scores: NDArray[np.float64]
    right: NDArray[np.int8]
    judged: NDArray[np.bool_]  # whether the hit has a probability
    kinds: list[str]
    query: str

    @property
    def coefficients(self) -> match.Coefficients:
        """Those that the program has for such queries."""
        return match.coefficients_of(PARTS[self.query])


@dataclass(frozen=True, slots=True)
class Draw:
    """Answers about a library that was drawn from a set, and whether it was a narrow one."""

    name: str
    narrow: bool
    size: int
    answers: Answers


class Embedder:
    """Texts and images of a model, swayed where asked."""

    def __init__(self, model: Model, sway: float) -> None:
        self.model = model
        random = np.random.default_rng(11)
        width = model.spec.width
        self._maps = [np.eye(width) + sway * random.normal(size=(width, width)) / np.sqrt(width) for _ in range(2)]
        self._shifts = sway * unit(random.normal(size=(2, width)))
        self._texts: dict[str, NDArray[np.float32]] = {}

    def swayed(self, embeddings: Embeddings, tower: int) -> Embeddings:
        """Return embeddings as the swayed model would give them; tower 0 is that of the images."""
        return unit(embeddings @ self._maps[tower] + self._shifts[tower])

    def texts(self, texts: Sequence[str]) -> Embeddings:
        """Return the embeddings of texts, each computed once."""
        new = [text for text in dict.fromkeys(texts) if text not in self._texts]
        if new:
            self._texts.update(zip(new, self.swayed(self.model.embed_texts(new), 1), strict=True))
        return np.array([self._texts[text] for text in texts])


def collection(name: str, location: Path, embedder: Embedder, work: Path) -> Collection:
    """Return the images of a location with their embeddings, which are kept in a library in `work`."""
    model, original = embedder.model, location
    folder = work / f"{'-'.join(location.parts[-2:])}-{model.fingerprint}"
    if location.is_dir():
        location = _only_train(location, work)
    with open_library(location, model=model, library_dir=folder) as library:
        library.sync()
    index = backend_of(folder).open(folder, fingerprint=model.fingerprint, width=model.spec.width)
    entries = index.search(index.sample(1), len(index))[0]
    stated = _json_of(original) if original.suffix == ".tar" else {}
    records: list[Described] = [
        {**stated.get(one.key, {}), **one.meta, "captions": str(one.meta.get("text", "")).split("\n")}
        for one in entries
    ]
    return Collection(
        STYLES.get(name, "classes"), records, embedder.swayed(np.array([one.embedding for one in entries]), 0)
    )


def _json_of(shard: Path) -> dict[str, Described]:
    """Return what the JSON of each sample of a shard says; lists of classes are no metadata of a library."""
    with tarfile.open(shard) as archive:
        named = [(one.name, archive.extractfile(one)) for one in archive if one.name.endswith(".json")]
        return {name.removesuffix(".json"): json.load(file) for name, file in named if file is not None}


def _only_train(location: Path, work: Path) -> Path:
    """Return a folder with links to the train shards of a folder."""
    links = work / f"{location.name}-train"
    links.mkdir(parents=True, exist_ok=True)
    for shard in location.glob("train*"):
        if not (links / shard.name).is_symlink():
            (links / shard.name).symlink_to(shard.resolve())
    return links


def ask(gallery: Collection, asked: Sequence[Question], embeddings: Embeddings, texts: Embeddings) -> Answers:
    """Return the first hits of each question with their figures; `texts` are the phrases of the background."""
    background = Background(moments(gallery.embeddings), moments(texts), len(gallery.records))
    kind = asked[0].kind.partition("-")[0] if asked[0].kind.startswith(("image", "mixture")) else "text"
    like_it = match.asked_moments(background, PARTS[kind])
    rows: list[list[Any]] = [[], [], [], [], []]
    for number, (question, embedding) in enumerate(zip(asked, embeddings, strict=True)):
        cosines = gallery.embeddings @ embedding
        cosines[question.itself] = -1
        best = np.argsort(-cosines, kind="stable")[: min(HITS, len(cosines) - 1)]
        first = gallery.embeddings[best]
        figures = match.figures(background, like_it, embedding, scores=cosines[best], embeddings=first)
        known = question.right[best] >= 0
        judged = np.full(len(best), kind != "text" or not match.is_everywhere(background, embedding))
        values_of = (np.full(len(best), number), figures, cosines[best], question.right[best], judged)
        for column, values in zip(rows, values_of, strict=True):
            column.append(values[known])
    joined = [np.concatenate(column) for column in rows]
    return Answers(*joined, [one.kind for one in asked], kind)


def asked_of(gallery: Collection, others: Collection, embedder: Embedder) -> Iterator[Answers]:
    """Yield the answers to texts, and to images of this collection, and of `others`, of which none is here."""
    phrases = embedder.texts(usual_phrases())
    every = max(5, len(gallery.records) // 60)
    texts = questions(gallery.style, gallery.records, every)
    yield ask(gallery, texts, embedder.texts([one.text for one in texts]), phrases)
    shown = image_questions(gallery.style, gallery.records, every)
    if shown:
        absent_ones = others.embeddings[:: max(1, len(others.embeddings) // len(shown))][: len(shown)]
        nothing = Question("", "image-absent", np.zeros(len(gallery.records), np.int8))
        embeddings = np.concatenate([gallery.embeddings[[one.itself[0] for one in shown]], absent_ones])
        yield ask(gallery, [*shown, *[nothing] * len(absent_ones)], embeddings, phrases)
    yield ask(
        gallery, *mixtures(gallery, [one for one in texts if one.kind in ("present", "absent")], embedder), phrases
    )


def mixtures(gallery: Collection, texts: Sequence[Question], embedder: Embedder) -> tuple[list[Question], Embeddings]:
    """Return questions of a text and half an image that shows it, or any where none does, and their embeddings."""
    random = np.random.default_rng(3)
    shown = [int(random.choice(np.flatnonzero(one.right == one.right.max()))) for one in texts]
    weight = PARTS["mixture"][1].weight
    embeddings = unit(embedder.texts([one.text for one in texts]) + weight * gallery.embeddings[shown])
    pairs = zip(texts, shown, strict=True)
    return [Question(one.text, f"mixture-{one.kind}", one.right, [i]) for one, i in pairs], embeddings


def fitted(draws: Sequence[Draw], used: Sequence[int]) -> NDArray[np.float64]:
    """Return the coefficients of a logistic regression on these figures, and the constant.

    Hits without probability do not count.  Every set has the same weight, its libraries of a breadth have, and its
    broad ones together have `BROAD` times that of its narrow ones; Newton's method.
    """
    alike = Counter((one.name, one.narrow) for one in draws)
    answers = [one.answers for one in draws]
    figures = np.concatenate([one.figures[:, used] for one in answers])
    right = np.concatenate([one.right for one in answers]).astype(np.float64)
    each = [(1.0 if one.narrow else BROAD) / alike[one.name, one.narrow] / len(one.answers.right) for one in draws]
    weights = np.concatenate([weight * one.judged for weight, one in zip(each, answers, strict=True)])
    weights /= weights.sum()
    design = np.c_[figures, np.ones(len(figures))]
    ridge = 1e-5 * np.diag([*[1.0] * figures.shape[1], 0.0])
    beta = np.zeros(design.shape[1])
    for _ in range(30):
        expected = 1 / (1 + np.exp(-design @ beta))
        slope = design.T @ (weights * (right - expected)) - ridge @ beta
        curve = (design * (weights * expected * (1 - expected))[:, None]).T @ design + ridge
        beta += np.linalg.solve(curve, slope)
    return beta


def calibration_error(likely: NDArray[np.float64], right: NDArray[np.int8], bins: int = 10) -> float:
    """Return the expected calibration error over equal-width bins."""
    cells = np.minimum((likely * bins).astype(int), bins - 1)
    gaps = [abs(likely[cells == i].sum() - right[cells == i].sum()) for i in range(bins)]
    return float(np.sum(gaps) / len(right))


def cut_at(values: NDArray[np.float64], right: NDArray[np.int8], cut: float) -> tuple[float, float]:
    """Return precision and recall of the hits whose value is at least `cut`."""
    kept = values >= cut
    return float(right[kept].mean()) if kept.any() else 1.0, float(right[kept].sum() / max(right.sum(), 1))


def best_cut(values: NDArray[np.float64], right: NDArray[np.int8]) -> float:
    """Return the cut with the greatest F1."""

    def score(cut: float) -> float:
        precision, recall = cut_at(values, right, cut)
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0

    return float(max(np.quantile(values, np.linspace(0, 0.999, 400)), key=score))


def empty_share(answers: Answers, kept: NDArray[np.bool_], *, absent: bool) -> float:
    """Return the share of the questions of which no hit is kept, among absent ones or among those with a right hit."""
    answered = set(answers.question[kept].tolist())
    with_right = set(answers.question[answers.right == 1].tolist())
    nothing = {i for i, kind in enumerate(answers.kinds) if kind not in PRESENT}
    asked = nothing if absent else with_right
    return float(np.mean([i not in answered for i in asked])) if asked else float("nan")


def shown(answers: Answers) -> NDArray[np.float64]:
    """Return the probability of each hit; 1 where there is none, for such hits are shown whatever the cut."""
    return np.where(answers.judged, match.probabilities(answers.figures, answers.coefficients), 1.0)


def report(name: str, answers: Answers, cut: float) -> str:
    """Return one line of the table: how honest, and what the default cut and the best fixed cosine keep."""
    likely, judged = shown(answers), answers.judged
    fixed = best_cut(answers.scores, answers.right)
    honest = calibration_error(likely[judged], answers.right[judged])
    cells = [name, f"{len(judged)}", f"{answers.right.mean():.3f}", f"{1 - judged.mean():.2f}", f"{honest:.3f}"]
    for values, least in ((likely, cut), (likely, best_cut(likely, answers.right)), (answers.scores, fixed)):
        precision, recall = cut_at(values, answers.right, least)
        middle = 2 * precision * recall / max(precision + recall, 1e-9)
        silent = [empty_share(answers, values >= least, absent=absent) for absent in (True, False)]
        cells += [f"{value:.2f}" for value in (least, precision, recall, middle, *silent)]
    return "| " + " | ".join(cells) + " |"


def drawn_from(sets: dict[str, Collection], embedder: Embedder) -> list[Draw]:
    """Return answers about broad and narrow libraries that are drawn from sets."""
    random = np.random.default_rng(0)
    drawn = []
    for name, gallery in sets.items():
        libraries = [(False, gallery.part(size, random)) for size in SIZES for _ in range(DRAWN)]
        libraries += [(True, gallery.narrow(kinds, random)) for kinds in KINDS for _ in range(DRAWN)]
        for narrow, library in libraries:
            if len(library.records) >= FEWEST:
                others = sets["fashion" if name != "fashion" else "flickr"].part(600, random)
                asked = asked_of(library, others, embedder)
                drawn += [Draw(name, narrow, len(library.records), answers) for answers in asked]
    return drawn


def fit(sets: dict[str, Collection], embedder: Embedder) -> None:
    """Print the coefficients for texts, mixtures and images, and what cuts cost in libraries that are large enough."""
    drawn = drawn_from(sets, embedder)
    for query in ("text", "mixture"):
        print(query.upper(), np.round(fitted([one for one in drawn if one.answers.query == query], EVERY), 3).tolist())
    names, used = IMAGE_FITTED
    images = [one for one in drawn if one.answers.query == "image" and one.name in names and not one.narrow]
    print("IMAGE", np.round(fitted(images, used), 3).tolist())
    print("cut; silent of absent, silent of present, with the coefficients that are there")
    large = [one for one in drawn if one.answers.query == "text" and one.size >= match.CUT_LEAST]
    for cut in CUTS:
        cells = [f"{cut:.2f}"]
        for name in sets:
            mine = [one.answers for one in large if one.name == name]
            kept = [(one, shown(one) >= cut) for one in mine]
            for absent in (True, False):
                cells.append(f"{np.nanmean([empty_share(one, left, absent=absent) for one, left in kept]):.3f}")
        print("| " + " | ".join(cells) + " |")


def main() -> None:
    """Fit, or measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--model")
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--sway", type=float, default=0.0)
    args = parser.parse_args()
    embedder = Embedder(load(args.model), args.sway)
    paths = TRAIN if args.fit else VALIDATION
    sets = {name: collection(name, args.data / path, embedder, args.work) for name, path in paths.items()}
    if args.fit:
        fit(sets, embedder)
        return
    cuts = "cut, precision, recall, F1, silent of absent, silent of present"
    print("set, hits, right, without probability, calibration error;", end=" ")
    print(f"at the default: {cuts}; at the best probability; at the best cosine")
    for name, gallery in sets.items():
        others = sets["fashion" if name != "fashion" else "flickr"]
        for answers in asked_of(gallery, others, embedder):
            print(report(f"{name}, {answers.query}", answers, match.CUT))
            print("   ", dict(Counter(answers.kinds)))


if __name__ == "__main__":
    main()
