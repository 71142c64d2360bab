"""How likely is it that an image shows each label, whatever other labels there are?

    rating = matching(index, background, model, labels)
    rating.rate(embeddings)                 # float32 (n, labels), each for itself: all may be near 0, or near 1

`matching`: the probability that a search for the label's phrase gives a hit (`match.py`); of several phrases the
likeliest counts.  Within one library its logit is a straight line over the cosine: a label costs a dot product.
`watching`: the labels compete, watched ones with everyday ones (`evaluate/watched.py`).  `by_cosine`: the cosine
itself, which means something else for each model and label.  Knows no library; a `Rating` knows no index.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings
from wordsight.base.progress import bar
from wordsight.search import match
from wordsight.search.query import Part

if TYPE_CHECKING:
    from wordsight.embeddings.model import Model
    from wordsight.evaluate.watched import Competition
    from wordsight.index.index import Index
    from wordsight.search.background import Background
    from wordsight.text.label_sets import Label, LabelSet

Ratings = NDArray[np.float32]  # (n, labels): probabilities, or cosines where `is_cosine`
Untold = Literal["everywhere", "few"]

PHRASES = 128  # embedded and asked for at once
EVIDENCE = 0.1  # of a watched label: settled on train splits, docs/tagging.md
CELLS = 1 << 22  # cosines of one block: 16 MiB


@dataclass(frozen=True, slots=True)
class LabelMatches:
    """Labels each for itself: `slopes`, `constants` (phrases,) give logits, `starts` (labels,) where phrases begin.

    `everywhere` (labels,) marks those that say what all images of the library show: what is usual there tells nothing.
    `shifts` (labels,) are added to the logits, learned from examples.
    """

    texts: Embeddings
    slopes: NDArray[np.float32]
    constants: NDArray[np.float32]
    starts: NDArray[np.int64]
    everywhere: NDArray[np.bool_]
    shifts: NDArray[np.float32]
    is_cosine = False

    def logits(self, embeddings: Embeddings) -> Ratings:
        """Return the logit of each label for images (n, D), also of labels that are everywhere, (n, labels)."""
        each = embeddings @ self.texts.T * self.slopes + self.constants
        return np.maximum.reduceat(each, self.starts, axis=1) + self.shifts

    def rate(self, embeddings: Embeddings) -> Ratings:
        """Return the probability of each label, (n, labels); 0 of those that are everywhere."""
        likely = match.sigmoid(self.logits(embeddings).astype(np.float64))
        return np.where(self.everywhere, 0.0, likely).astype(np.float32)

    def shifted(self, shifts: NDArray[np.float32], stated: NDArray[np.bool_]) -> "LabelMatches":
        """Return the same with logits shifted; labels that examples have `stated` of (labels,) are no more untold."""
        return replace(self, shifts=self.shifts + shifts, everywhere=self.everywhere & ~stated)


@dataclass(frozen=True, slots=True)
class LabelCosines:
    """The cosine with the likeliest phrase of each label."""

    texts: Embeddings
    starts: NDArray[np.int64]
    everywhere: NDArray[np.bool_]
    is_cosine = True

    def rate(self, embeddings: Embeddings) -> Ratings:
        """Return the cosines (n, labels)."""
        return np.maximum.reduceat(embeddings @ self.texts.T, self.starts, axis=1)


@dataclass(frozen=True, slots=True)
class WatchedLabels:
    """Watched labels in competition with everyday ones; `least` is the probability from which there is an alarm.

    Something has to win a competition, also where no label fits: with `matches` an alarm needs a watched label
    whose match for itself is at least `EVIDENCE`, too.
    """

    watch: "Competition"
    least: float
    matches: LabelMatches | None
    is_cosine = False

    @property
    def everywhere(self) -> NDArray[np.bool_]:
        """Competing labels are never untold."""
        return np.zeros(int(self.watch.is_watched.sum()), np.bool_)

    def rate(self, embeddings: Embeddings) -> Ratings:
        """Return the shares (n, watched labels); where there is an alarm, the likeliest has that of all together."""
        shares = self.watch.shares(embeddings)
        together, rows = self.watch.watched(shares), np.arange(len(shares))
        likeliest = self.watch.likeliest(shares)
        alarm = (together >= self.least) & self._evident(embeddings)
        ratings = np.where(alarm[:, None], shares, 0.0).astype(np.float32)
        ratings[rows[alarm], likeliest[alarm]] = together[alarm]
        return ratings[:, self.watch.is_watched]

    def _evident(self, embeddings: Embeddings) -> NDArray[np.bool_]:
        """Return for which images (n,) a watched label is likely enough for itself, everywhere or not."""
        if self.matches is None:
            return np.ones(len(embeddings), np.bool_)
        likely = match.sigmoid(self.matches.logits(embeddings).max(axis=1).astype(np.float64))
        return np.asarray(likely >= EVIDENCE)


Rating = LabelMatches | LabelCosines | WatchedLabels


def matching(index: "Index", background: "Background", model: "Model", labels: Sequence["Label"]) -> LabelMatches:
    """Return the rating of labels in a library by the calibrated match of their phrases."""
    texts = _embedded(model, labels)
    asked = match.asked_moments(background, [Part(1.0, "a")])
    lines: list[tuple[float, float]] = []
    everywhere = np.zeros(len(texts), np.bool_)
    for start in range(0, len(texts), PHRASES):
        some = texts[start : start + PHRASES]
        for number, near in enumerate(index.search(some, match.FIRST), start):
            query = texts[number]
            everywhere[number] = match.is_everywhere(background, query) or len(near) < match.FIRST
            if len(near) < match.FIRST:
                lines.append((0.0, 0.0))
                continue
            scores = np.array([one.score for one in near], np.float64)
            first = np.array([one.embedding for one in near])
            lines.append(match.line(background, asked, query, scores=scores, embeddings=first))
    slopes, constants = np.array(lines, np.float32).T
    starts = _starts(labels)
    untold = np.asarray(np.logical_or.reduceat(everywhere, starts))
    return LabelMatches(texts, slopes, constants, starts, untold, np.zeros(len(labels), np.float32))


def by_cosine(model: "Model", labels: Sequence["Label"]) -> LabelCosines:
    """Return the rating of labels by cosine."""
    return LabelCosines(_embedded(model, labels), _starts(labels), np.zeros(len(labels), np.bool_))


def watching(model: "Model", labels: "LabelSet", least: float, *, matches: LabelMatches | None) -> WatchedLabels:
    """Return the rating of the watched labels of a set; `matches` are those of these labels, each for itself."""
    from wordsight.evaluate.watched import watch_for

    return WatchedLabels(watch_for(labels, model), least, matches)


def block_of(labels: Sequence["Label"]) -> int:
    """Return of how many images the cosines with all phrases are computed at once."""
    phrases = sum(len(label.phrases) for label in labels)
    return int(np.clip(CELLS // max(phrases, 1), 16, 4096))


def _starts(labels: Sequence["Label"]) -> NDArray[np.int64]:
    return np.cumsum([0, *(len(label.phrases) for label in labels[:-1])]).astype(np.int64)


def _embedded(model: "Model", labels: Sequence["Label"]) -> Embeddings:
    """Return the embeddings of all phrases, label by label; each different one is computed once."""
    phrases = [phrase for label in labels for phrase in label.phrases]
    different = list(dict.fromkeys(phrases))
    parts = []
    with bar(len(different), unit="phrase", desc="reading the labels") as progress:
        for start in range(0, len(different), PHRASES):
            parts.append(model.embed_texts(different[start : start + PHRASES]))
            progress.update(len(parts[-1]))
    row = {phrase: number for number, phrase in enumerate(different)}
    return np.concatenate(parts)[[row[phrase] for phrase in phrases]]
