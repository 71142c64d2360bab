"""`wordsight evaluate MODEL --tasks T,… [--out DIR]`: one JSON line a result."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from wordsight.base.errors import UsageError
from wordsight.base.optional import resolve
from wordsight.base.records import environment


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("name", metavar="MODEL", nargs="?", help="name or folder (default: as --model)")
    parser.add_argument(
        "--tasks",
        metavar="T,…",
        action="append",
        required=True,
        help="retrieval:PLACE, zero-shot:PLACE?label=COLUMN&templates=NAME&split=val, or a .toml file; "
        "several with commas, or --tasks again",
    )
    parser.add_argument("--out", metavar="DIR", type=Path, help="append the results to DIR/results.jsonl, too")
    parser.add_argument("--precision", metavar="NAME", default="auto", help="auto, int8, bf16, fp32 (default: auto)")


def run(args: Namespace) -> int:
    """Measure the model on every task and print the results."""
    if args.name and args.model:
        raise UsageError(f"two models: {args.name} and {args.model}", cure="name one")
    texts = [text for group in args.tasks for text in split_tasks(group)]
    read, build, measure = (
        resolve(f"wordsight.evaluate.tasks:{name}") for name in ("read_task", "build_task", "run_task")
    )
    tasks = [build(read(text)) for text in texts]
    load = resolve("wordsight.embeddings.model:load")
    model = load(args.name or args.model, engine=args.engine, device=args.device, precision=args.precision)
    facts = environment()
    for task in tasks:
        lines = [replace(result, environment=facts).to_json() for result in measure(model, task)]
        print("\n".join(lines), flush=True)
        if args.out:
            _append(args.out / "results.jsonl", lines)
    return 0


def split_tasks(text: str) -> list[str]:
    """Split "T,T" at the commas that begin a task; those inside one (`classes=a,b`) stay."""
    kinds = tuple(f"{kind}:" for kind in resolve("wordsight.evaluate.tasks:TASKS"))
    tasks: list[str] = []
    for part in text.split(","):
        if tasks and not part.startswith(kinds) and not part.endswith(".toml"):
            tasks[-1] += f",{part}"
        else:
            tasks.append(part)
    return tasks


def _append(path: Path, lines: Iterable[str]) -> None:
    import json

    from wordsight.base.records import append_line

    for line in lines:
        append_line(path, json.loads(line))
