"""Questions about images, of a library or brought along, answered by ranking answers."""

from typing import Any

import msgspec

from wordsight.base.arrays import Embeddings
from wordsight.search.ask import Ballot, record
from wordsight.serve.errors import Refused
from wordsight.serve.hosting.located import located
from wordsight.serve.own.embedding import check_counts, image_file
from wordsight.serve.route import HttpCall
from wordsight.text.visual_questions import visual_question

ANSWERS = 1000  # of one question


class AskLibraryRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A question about an image of the library; `answers`: what to choose from, else a list that fits the question."""

    key: str
    question: str
    answers: list[str] = []


class AskRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A question about an image, a file in base64.

    `answers`: what to choose from, else a list that fits the question.
    """

    image: str
    question: str
    answers: list[str] = []
    model: str = ""


class RankedAnswerEntry(msgspec.Struct):
    """An answer with its share of the probability, the cosine of its statements, and these."""

    answer: str
    probability: float
    cosine: float
    statements: list[str]


class AskAnswer(msgspec.Struct):
    """Answers, best first.

    `kind`: the kind of the question.  `answers`: the answers, best first.  `margin`: how far the first is before the
    second; near 0 the model does not decide.  `note`: what the model cannot know.
    """

    question: str
    kind: str
    answers: list[RankedAnswerEntry]
    margin: float
    note: str | None


async def ask_library(call: HttpCall[AskLibraryRequest]) -> AskAnswer:
    """Answer a question about an image of a library."""
    asked = call.asked
    _check(call, asked.question, asked.answers)
    library = call.host.libraries.named(call.path["library"])

    def work() -> AskAnswer:
        embedding = located(library, asked.key).embedding
        return _answered(library.model, embedding, asked.question, asked.answers)

    return await call.host.libraries.run(work)


async def ask(call: HttpCall[AskRequest]) -> AskAnswer:
    """Answer a question about an image that the request brings."""
    asked = call.asked
    _check(call, asked.question, asked.answers)
    hosted = await call.host.models.named(asked.model)
    (embedding,) = await hosted.embed_images([await image_file(asked.image, call.host)], names=["image"])
    return await call.host.libraries.run(_answered, hosted.model, embedding, asked.question, asked.answers)


def _check(call: HttpCall[Any], question: str, answers: list[str]) -> None:
    check_counts(call.host, texts=[question, *answers])
    if len(answers) > ANSWERS:
        raise Refused(422, f"{len(answers)} answers", cure=f"give at most {ANSWERS}")


def _answered(model: Any, image: Embeddings, question: str, answers: list[str]) -> AskAnswer:
    asked = visual_question(question, answers or None)
    return msgspec.convert(record(asked, Ballot(model, asked).answers(image)), AskAnswer)
