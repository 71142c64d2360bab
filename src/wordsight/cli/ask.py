"""`wordsight ask`: a question about images, answered by ranking possible answers."""

import json
import os
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from wordsight.base.errors import UsageError
from wordsight.base.terminal import say

if TYPE_CHECKING:
    from wordsight.text.label_sets import Label

MOST_LETTERS = 1000  # of a question: what follows is no question, and models read a few dozen tokens


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="files, folders (with all below) or globs")
    parser.add_argument("question", metavar="QUESTION", help='for example "What colour is the car?"; it comes last')
    answers = parser.add_mutually_exclusive_group()
    answers.add_argument(
        "--answers", metavar="A,B,…", help="the answers to choose from (default: the list that the question asks for)"
    )
    answers.add_argument(
        "--answers-file",
        metavar="FILE|NAME",
        help='one answer a line, or "answer: phrase | phrase"; or the name of a shipped list, such as colours',
    )
    parser.add_argument(
        "--top", type=int, metavar="N", help="how many answers of each image (default: 3, with --json all)"
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="one JSON object an image: path, question, kind, answers with probability, cosine and statements, margin",
    )


def run(args: Namespace) -> int:
    """Ask; 1 when images failed."""
    from wordsight.base.progress import notice
    from wordsight.cli.image_arguments import ImageArguments
    from wordsight.embeddings.model import load
    from wordsight.search.ask import Ballot, record
    from wordsight.text.visual_questions import visual_question

    if args.top is not None and args.top < 1:
        raise UsageError(f"--top {args.top}", cure="ask for at least one answer")
    if len(args.question) > MOST_LETTERS:
        problem = f"a question of {len(args.question):,} letters"
        raise UsageError(problem, cure=f"ask in {MOST_LETTERS:,} at most")
    if os.path.isfile(args.question):
        raise UsageError(f"{args.question} is a file where the question is needed", cure="write the question last")
    question = visual_question(args.question, _answers(args))
    if question.note:
        notice(question.note)
    images = ImageArguments(args.images, verb="ask", doing="asking")
    model = load(args.model, engine=args.engine, device=args.device)
    ballot = Ballot(model, question)
    for path, embedding in images.embedded(model):
        answers = ballot.answers(embedding)
        if args.json:
            print(json.dumps({"path": str(path), **record(question, answers, top=args.top)}, ensure_ascii=True))
        else:
            shown = "  ".join(f"{one.text} {one.probability:.3f}" for one in answers.answers[: args.top or 3])
            say(f"{path}  {shown}  margin {answers.margin:.3f}")
    return images.finish()


def _answers(args: Namespace) -> "list[str | Label] | None":
    """Return the answers that were given; None where the question's own list is to be taken."""
    if args.answers is not None:
        given = [one.strip() for one in args.answers.split(",")]
        if len(given) == 1 and os.path.isfile(given[0]):
            raise UsageError(f"--answers {given[0]} is a file", cure=f"write --answers-file {given[0]}")
        return list(given)
    if args.answers_file is None:
        return None
    from wordsight.text.visual_questions import answer_list

    return list(answer_list(args.answers_file))
