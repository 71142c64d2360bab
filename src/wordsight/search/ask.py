"""Questions about images, answered by ranking: each answer becomes a statement, and the towers say which fits best.

    replies = ask(model, ["car.jpg"], "What colour is the car?")
    replies[0].answers[0]                # RankedAnswer("red", 0.81, 0.31, ("a photo of a red car.",))
    replies[0].margin                    # how far its probability is ahead of the next one's

Probabilities are the softmax of the model's scaled cosines over these answers: they sum to 1 whether any of them is
right or not, and are as sure as the model is, which is not how often it is right (docs/search.md).  Knows a model and
the form of questions (`text/visual_questions.py`), and no library.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from wordsight.base.arrays import Embeddings, unit
from wordsight.text.visual_questions import VisualQuestion, visual_question

if TYPE_CHECKING:
    from wordsight.embeddings.model import Model
    from wordsight.text.label_sets import Label


class RankedAnswer(NamedTuple):
    """An answer with its share of the probability, the cosine of its statements, and these."""

    text: str
    probability: float
    cosine: float
    statements: tuple[str, ...]


class AnsweredImage(NamedTuple):
    """What the model says of one image: all answers, best first."""

    answers: tuple[RankedAnswer, ...]

    @property
    def margin(self) -> float:
        """How far the first answer's probability is above the second's: near 0, the model does not decide."""
        return self.answers[0].probability - self.answers[1].probability


class Ballot:
    """A question made ready for a model: its statements are embedded once, for any number of images."""

    def __init__(self, model: "Model", question: VisualQuestion) -> None:
        self.question = question
        self._model = model
        ways = [way for one in question.candidates for way in one.ways]
        texts = sorted({text for way in ways for text in way}, key=lambda text: (len(text), text))
        embedded = dict(zip(texts, model.embed_texts(texts), strict=True))
        self._embeddings = unit(np.array([np.mean([embedded[text] for text in way], axis=0) for way in ways]))
        self._counts = np.array([len(one.ways) for one in question.candidates])

    def answers(self, image: Embeddings) -> AnsweredImage:
        """Return the answers for an image embedding (D,).

        Each answer is as likely as the others before the image is seen, and so are the ways in which it may be true.
        """
        cosines = (image[None] @ self._embeddings.T).astype(np.float32)
        starts = np.cumsum([0, *self._counts[:-1]])
        shares = np.add.reduceat(self._model.probabilities(cosines)[0].astype(np.float64), starts) / self._counts
        best = np.maximum.reduceat(cosines[0], starts)
        made = [
            RankedAnswer(one.answer, float(share), float(cosine), one.ways[0])
            for one, share, cosine in zip(self.question.candidates, shares / shares.sum(), best, strict=True)
        ]
        return AnsweredImage(tuple(sorted(made, key=lambda one: -one.probability)))


def record(question: VisualQuestion, answered: AnsweredImage, *, top: int | None = None) -> dict[str, Any]:
    """Return what programs are given of one image: question, kind, answers best first, margin, note (or None)."""
    answers = [
        {
            "answer": one.text,
            "probability": round(one.probability, 6),
            "cosine": round(one.cosine, 6),
            "statements": list(one.statements),
        }
        for one in answered.answers[:top]
    ]
    return {
        "question": question.text,
        "kind": question.kind,
        "answers": answers,
        "margin": round(answered.margin, 6),
        "note": question.note or None,
    }


def ask(
    model: "Model", images: Iterable[Any], question: str, answers: "Sequence[str | Label] | None" = None
) -> list[AnsweredImage]:
    """Return the answers for each image: paths, bytes, Pillow images or uint8 (H, W, 3) arrays.

    `answers`: what to choose from, instead of the list that the question asks for.  A question that no template fits
    raises `UsageError`, an image that cannot be read `BrokenImage`.
    """
    ballot = Ballot(model, visual_question(question, answers))
    return [ballot.answers(embedding) for embedding in model.embed_images(images)]
