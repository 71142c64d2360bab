"""`wordsight demo [DIR]`: the whole story from nothing: draw, learn, measure, classify, search, and a page about it."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.base.errors import UsageError
from wordsight.base.progress import notice
from wordsight.base.terminal import say
from wordsight.cli.train import add_changes

if TYPE_CHECKING:
    from wordsight.cli.story.notebook import Notebook

FOLDER = "wordsight-demo"
SCENES = 6000
LEAST_SCENES = 64  # each pair of colour and shape at least once


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "folder", metavar="DIR", nargs="?", type=Path, default=Path(FOLDER), help=f"default: ./{FOLDER}"
    )
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="other scenes, other towers (default: 0)")
    parser.add_argument(
        "--scenes", metavar="N", type=int, default=SCENES, help=f"scenes to train on (default: {SCENES})"
    )
    add_changes(parser, examples="budget=60s or batch=64")
    parser.add_argument("--fresh", action="store_true", help="start again where an earlier demo lies")


def run(args: Namespace) -> int:
    """Tell the story and print the path of the page."""
    from wordsight.base.optional import require
    from wordsight.cli.story.notebook import open_notebook

    if args.scenes < LEAST_SCENES or args.seed < 0:
        raise UsageError(
            f"--scenes {args.scenes} --seed {args.seed}", cure=f"give at least {LEAST_SCENES} scenes, seed 0 or more"
        )
    require("torch", extra="train")  # refused before anything is drawn
    settings = {"seed": args.seed, "scenes": args.scenes, "changes": args.changes}
    notebook = open_notebook(args.folder.absolute(), settings, fresh=args.fresh)
    try:
        _tell(notebook, args)
    except KeyboardInterrupt:
        _page(notebook)
        raise
    say(str(_page(notebook)))
    return 0


def _tell(notebook: "Notebook", args: Namespace) -> None:
    from wordsight.base.files import atomic_write
    from wordsight.cli.story.answer import classify, search
    from wordsight.cli.story.learn import draw_scenes, learn
    from wordsight.cli.story.measure import measure
    from wordsight.cli.story.photos import search_photos
    from wordsight.embeddings.model import load

    draw_scenes(notebook)
    model = load(learn(notebook, args.changes, device=args.device), engine="onnx")
    results = {result.name: result for result in measure(notebook, model)}
    main = results["unseen/zero-shot/top-1"]
    notice(
        f"never seen together, named among {main.setting['classes']}: {100 * main.value:.1f} % right "
        f"(chance {100 / int(main.setting['classes'] or 1):.1f} %, {main.count} scenes)"
    )
    answers = [*classify(notebook, model), *search(notebook, model), *search_photos(notebook, args.model)]
    with atomic_write(notebook.folder / "answers.jsonl", "w") as handle:
        handle.writelines(json.dumps(answer, ensure_ascii=False) + "\n" for answer in answers)


def _page(notebook: "Notebook") -> Path:
    from wordsight.report.demo_page import write_demo_page

    return write_demo_page(notebook.folder, notebook.folder / "report.html")
