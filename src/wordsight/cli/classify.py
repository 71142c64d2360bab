"""`wordsight classify`: which of the given classes each image shows."""

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.base.errors import FormatError, UsageError
from wordsight.base.terminal import say

if TYPE_CHECKING:
    from wordsight.base.arrays import Embeddings
    from wordsight.embeddings.model import Model, Scores
    from wordsight.evaluate.classes_file import LearnedClasses

    Probabilities = Callable[[Embeddings], Scores]


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("pictures", nargs="+", metavar="PICTURES", help="files, folders (with all below) or globs")
    classes = parser.add_mutually_exclusive_group(required=True)
    classes.add_argument("--classes", metavar="A,B,…", help='class names, for example "cat,dog"')
    classes.add_argument(
        "--classes-file",
        type=Path,
        metavar="FILE",
        help="one class a line, synonyms with commas between; lines that begin with # are left out; "
        "the classes.json of wordsight train probe; or the name of a published list, such as imagenet",
    )
    parser.add_argument(
        "--templates",
        metavar="NAME|FILE",
        help="none, photo (default), clip, product, the name of a published set (docs/text.md), or a file: templates, "
        "or JSON with prompts for each class",
    )
    parser.add_argument(
        "--top", type=int, metavar="N", help="how many classes of each image (default: 1, with --json all)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line: path and probabilities")


def run(args: Namespace) -> int:
    """Classify; 1 when images failed."""
    from wordsight.cli.image_arguments import ImageArguments
    from wordsight.embeddings.model import load

    if args.top is not None and args.top < 1:
        raise UsageError(f"--top {args.top}", cure="ask for at least one class")
    learned = _learned(args)
    classes = list(learned.names) if learned else _classes(args)
    most = args.top or (len(classes) if args.json else 1)
    images = ImageArguments(args.pictures, verb="classify", doing="classifying")
    model = load(args.model, engine=args.engine, device=args.device)
    probabilities = _probabilities(model, classes, learned, args)
    for path, embedding in images.embedded(model):
        shares = probabilities(embedding[None])[0]
        best = sorted(zip(map(float, shares), classes, strict=True), key=lambda pair: -pair[0])[:most]
        _print(path, best, as_json=args.json)
    return images.finish()


def _probabilities(
    model: "Model", classes: list[str], learned: "LearnedClasses | None", args: Namespace
) -> "Probabilities":
    """Return what turns embeddings into probabilities: the learned classes, or those of the names."""
    if learned:
        learned.require_model(model.fingerprint, args.classes_file)
        return learned.probabilities
    class_embeddings = model.embed_classes(classes, args.templates)
    return lambda embeddings: model.probabilities(embeddings @ class_embeddings.T)


def _learned(args: Namespace) -> "LearnedClasses | None":
    """Return the classes of a file that `wordsight train probe` wrote; None where names are given."""
    if args.classes_file is None or args.classes_file.suffix != ".json":
        return None
    from wordsight.evaluate.classes_file import read_classes

    if args.templates is not None:
        problem = f"--templates {args.templates} with classes that were learned from images"
        raise UsageError(problem, cure="leave out --templates")
    return read_classes(args.classes_file)


def _classes(args: Namespace) -> list[str]:
    if args.classes is not None:
        names = [name.strip() for name in args.classes.split(",")]
        if len(names) == 1 and os.path.isfile(names[0]):
            raise UsageError(f"--classes {names[0]} is a file", cure=f"write --classes-file {names[0]}")
    else:
        names = _listed_classes(args.classes_file)
    if not all(names):
        raise UsageError("an empty class name", cure="give names with commas between, for example --classes cat,dog")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"the class {twice[0]} is given twice", cure="give every class once")
    return names


def _listed_classes(path: Path) -> list[str]:
    """Return the classes of a file, or of a published list where no file is called so."""
    from wordsight.text.class_names import LISTS, class_names
    from wordsight.text.lines import listed_lines

    if str(path) in LISTS and not path.is_file():
        return list(dict.fromkeys(class_names(str(path))))  # two pairs of ImageNet's classes share a name
    names = [line for _, line in listed_lines(path)]
    if not names:
        raise FormatError(f"{path} holds no class", cure="write one class a line")
    return names


def _print(path: Path, best: list[tuple[float, str]], *, as_json: bool) -> None:
    if as_json:
        import json

        shares = {name: round(share, 6) for share, name in best}
        print(json.dumps({"path": str(path), "probabilities": shares}, ensure_ascii=True))
    else:
        say(f"{path}  " + "  ".join(f"{name} {share:.3f}" for share, name in best))
