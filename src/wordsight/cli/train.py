"""`wordsight train RECIPE [--set a.b=c]… [--resume]`: learn two towers, or classes on the features of a model."""

import os
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter

from wordsight.base.errors import UsageError
from wordsight.base.optional import resolve
from wordsight.base.progress import notice
from wordsight.base.terminal import say, shown


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("recipe", metavar="RECIPE", help="a .toml file, a .py file with recipe(), or a packaged recipe")
    packaged = resolve("wordsight.train.packaged:recipe_summaries")()
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = "packaged recipes:\n" + "\n".join(f"  {name:12}{what}" for name, what in packaged.items())
    add_changes(parser, examples="optimiser.lr=0.001 or budget=20m")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="continue the run in its folder from the last checkpoint, or longer than it was",
    )


def add_changes(parser: ArgumentParser, *, examples: str) -> None:
    """Declare --set, which changes values of the recipe."""
    parser.add_argument(
        "--set",
        metavar="A.B=C",
        action="append",
        default=[],
        dest="changes",
        help=f"change a value of the recipe, for example {examples}; again for more",
    )


def run(args: Namespace) -> int:
    """Train, then print the model's folder and its results."""
    rank = os.environ.get("RANK", "0")  # torchrun's; its other processes may start beside the one that learns
    if rank != "0":
        notice(
            f"process {rank} of {os.environ.get('WORLD_SIZE', '?')} has nothing to do: training uses one process so far"
        )
        return 0
    if resolve("wordsight.train.probe_recipe:is_probe")(args.recipe):
        return _probe(args)
    if args.engine != "auto":
        notice(f"train with --engine {args.engine}: towers learn with PyTorch, so --engine changes nothing")
    config = resolve("wordsight.train.recipe:read_recipe")(args.recipe, args.changes, model=args.model)
    done = resolve("wordsight.train.loop:train", extra="train")(config, device=args.device, resume=args.resume)
    say(str(done.model))
    for result in done.results:
        print(f"{shown(result.name, sys.stdout)}\t{result.value:.4f}")
    return 0


def _probe(args: Namespace) -> int:
    """Learn classes on the features of a model, then print their file and the results; the table on standard error."""
    config = resolve("wordsight.train.probe_recipe:read_probe")(args.recipe, args.changes)
    if args.resume:
        raise UsageError("--resume with a probe", cure="leave it out: embeddings that were computed are kept anyway")
    model = resolve("wordsight.embeddings.model:load")(args.model, engine=args.engine, device=args.device)
    done = resolve("wordsight.train.probe:learn_probe")(model, config)
    for line in resolve("wordsight.evaluate.table:table")(done.results):
        notice(line)
    say(str(done.classes))
    for result in done.results:
        print(f"{shown(result.name, sys.stdout)}\t{result.value:.4f}")
    return 0
