"""`wordsight evaluate MODEL --tasks T,… [--out DIR]`: a table on a terminal, else one JSON line a result."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wordsight.base.errors import InputError, UsageError
from wordsight.base.failures import in_cache, list_failures
from wordsight.base.files import storage_errors
from wordsight.base.optional import resolve
from wordsight.base.progress import print_error
from wordsight.base.records import environment
from wordsight.base.terminal import say
from wordsight.cli.source_options import ROLES, add_columns


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
    add_columns(parser)
    parser.add_argument("--out", metavar="DIR", type=Path, help="append the results to DIR/results.jsonl, too")
    parser.add_argument("--json", action="store_true", help="one JSON line a result, on a terminal, too")
    parser.add_argument("--per-class", action="store_true", help="also the accuracy and number of images of each class")
    parser.add_argument(
        "--skip-failed", action="store_true", help="measure without what cannot be read, and list it (exit status 1)"
    )
    parser.add_argument(
        "--precision",
        metavar="NAME",
        default="auto",
        help="auto (default), int8, fp16, bf16, fp32: as the engine has them",
    )


def run(args: Namespace) -> int:
    """Measure the model on every task and print the results."""
    if args.name and args.model:
        raise UsageError(f"two models: {args.name} and {args.model}", cure="name one")
    tasks = [_build(text, args) for group in args.tasks for text in split_tasks(group)]
    _check_names([built.task.spec for built in tasks])
    if args.per_class and not any(hasattr(built.task, "classes") for built in tasks):
        raise UsageError("--per-class without a task that has classes", cure="leave it out, or add zero-shot:PLACE")
    if args.out:
        with storage_errors(args.out):  # before anything is measured
            args.out.mkdir(parents=True, exist_ok=True)
    load = resolve("wordsight.embeddings.model:load")
    model = load(args.name or args.model, engine=args.engine, device=args.device, precision=args.precision)
    facts, measure = environment(), resolve("wordsight.evaluate.tasks:run_task")
    for built in tasks:
        try:
            results = measure(model, built.task, missing=len(built.failures))
        except InputError as error:
            raise InputError(error.problem, cure=resolve("wordsight.evaluate.tasks:OR_SKIP")) from error
        _print(results, facts, args)
    return _list_failures(tasks)


@dataclass(frozen=True, slots=True)
class _Built:
    """A task in memory, and what of its source could not be read."""

    task: Any
    failures: list[InputError]


def _build(text: str, args: Namespace) -> _Built:
    read, build = (resolve(f"wordsight.evaluate.tasks:{name}") for name in ("read_task", "build_task"))
    spec = read(text)
    failures: list[InputError] = []
    columns = {role: getattr(spec, role) or getattr(args, role) for role in ROLES}
    spec = replace(spec, per_class=spec.per_class or args.per_class, **columns)
    return _Built(build(spec, failures=failures if args.skip_failed else None), failures)


def _check_names(specs: Sequence[Any]) -> None:
    """Refuse two tasks whose results nobody could tell apart."""
    known: dict[Any, Any] = {}
    for spec in specs:
        same = replace(spec, place="", classes=None, per_class=False)
        if same in known:
            problem = f"two tasks are called {spec.name}: {known[same].place} and {spec.place}"
            raise UsageError(problem, cure=f"name one of them: {spec.kind}:{spec.place}?name=NAME")
        known[same] = spec


def _print(results: Sequence[Any], facts: Mapping[str, Any], args: Namespace) -> None:
    lines = [replace(result, environment=facts).to_json() for result in results]
    if args.json or not sys.stdout.isatty():
        print("\n".join(lines), flush=True)
    else:
        for line in resolve("wordsight.evaluate.table:table")(results):
            say(line)
    if args.out:
        _append(args.out / "results.jsonl", lines)


def _list_failures(tasks: Sequence[_Built]) -> int:
    """List what was left out and return the exit status."""
    for built in tasks:
        if built.failures:
            measured = f"{built.task.spec.name}: measured on {len(built.task.images):,} images"
            print_error(f"{measured}, without {len(built.failures):,} inputs that failed")
    reasons = list(dict.fromkeys(str(failure) for built in tasks for failure in built.failures))
    if reasons:
        list_failures(reasons, in_cache("evaluate"))
    return 1 if reasons else 0


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
