"""`wordsight evaluate MODEL --tasks T,… [--out DIR]`: a table on a terminal, else one JSON line a result."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from wordsight.base.errors import UsageError, WordsightError
from wordsight.base.failures import in_cache, list_failures
from wordsight.base.optional import resolve
from wordsight.base.progress import notice, print_error
from wordsight.base.terminal import say
from wordsight.cli.source_options import ROLES, add_columns


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("name", metavar="MODEL", nargs="?", help="name or folder (default: as --model)")
    parser.add_argument(
        "--tasks",
        metavar="T,…",
        action="append",
        default=[],
        help="KIND:PLACE?key=value&key=value, or a .toml file; several with commas, or --tasks again.  Kinds: "
        f"{', '.join(resolve('wordsight.evaluate.tasks:TASKS'))}",
    )
    parser.add_argument("--keys", metavar="KIND", help="say what a kind of task measures and what its keys are")
    parser.add_argument("--suite", metavar="FILE", type=Path, help="models and tasks in a TOML file")
    add_columns(parser)
    parser.add_argument(
        "--out", metavar="DIR", type=_folder, help="record results and details there; what it has is not measured again"
    )
    parser.add_argument("--again", action="store_true", help="measure again what --out has")
    parser.add_argument("--processes", metavar="N", type=int, default=1, help="measure in N processes (1)")
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
    parser.add_argument(
        "--pixels",
        choices=("fast", "exact"),
        default="fast",
        help="how images are prepared: fast (default), or exact, pixel for pixel as the model's authors do",
    )


def _folder(text: str) -> Path:
    """Return the folder that is named; nothing names none, not the one that the shell is in."""
    if not text:
        raise UsageError("--out names no folder", cure="give --out DIR, or leave it out")
    return Path(text)


def run(args: Namespace) -> int:
    """Measure the models on every task and print the results; a task that fails is one line, and the others go on."""
    if args.keys:
        for line in resolve("wordsight.evaluate.tasks:keys_of")(args.keys):
            say(line)
        return 0
    if args.name and args.model:
        raise UsageError(f"two models: {args.name} and {args.model}", cure="name one")
    if args.processes < 1:
        raise UsageError(f"--processes {args.processes}", cure="give 1 or more")
    models, specs, problems = _wanted(args)
    if not specs:
        raise problems[0]
    _check_names(specs)
    if args.per_class and not any(_has_classes(spec) for spec in specs):
        raise UsageError("--per-class without a task that has classes", cure="leave it out, or add zero-shot:PLACE")
    for problem in problems:
        print_error(str(problem))
    return _measure(args, models, specs, problems)


def _measure(
    args: Namespace, models: Sequence[str | None], specs: Sequence[Any], problems: Sequence[WordsightError]
) -> int:
    """Print what comes of each task and return the exit status."""
    outcomes, failed = [], list(problems)
    for outcome in _outcomes(args, models, specs):
        outcomes.append(outcome)
        if outcome.measured is not None:
            _print(outcome, args, several=len(models) > 1)
        if outcome.error is not None:
            if len(specs) * len(models) == 1 and not problems:
                raise outcome.error
            if outcome.error not in failed:  # that of a model is one for all of its tasks
                print_error(f"{outcome.spec.kind}:{outcome.spec.place}: {outcome.error}")
            failed.append(outcome.error)
    if all(outcome.measured is None for outcome in outcomes):
        return max(error.exit_status for error in failed)
    return max(_list_failures(outcomes), 1 if failed else 0)


def _wanted(args: Namespace) -> tuple[list[str | None], list[Any], list[WordsightError]]:
    """Return the models, the tasks, and what is wrong with the tasks that are none."""
    read = resolve("wordsight.evaluate.tasks:read_task")
    texts = [text for group in args.tasks for text in split_tasks(group)]
    if not texts and not args.suite:
        raise UsageError("nothing to measure", cure="give --tasks zero-shot:PLACE, or --suite FILE")
    specs, problems, models = [], [], []
    for text in texts:
        try:
            specs.append(read(text))
        except WordsightError as error:
            problems.append(error)
    if args.suite:
        suite = resolve("wordsight.evaluate.suite:read_suite")(args.suite)
        specs += suite.tasks
        problems += suite.problems
        models = list(suite.models)
    if args.name or args.model or not models:
        models = [args.name or args.model]
    return models, [_with_arguments(spec, args) for spec in specs], problems


def _with_arguments(spec: Any, args: Namespace) -> Any:
    columns = {role: getattr(spec, role) or getattr(args, role) for role in ROLES}
    return replace(spec, per_class=spec.per_class or args.per_class, **columns)


def _has_classes(spec: Any) -> bool:
    return bool(spec.kind == "zero-shot")


def _check_names(specs: Sequence[Any]) -> None:
    """Refuse two tasks whose results nobody could tell apart."""
    without_suffix = resolve("wordsight.data.kinds:without_suffix")
    known: dict[Any, Any] = {}
    for spec in specs:
        name = spec.name or without_suffix(Path(spec.place).name)
        same = replace(spec, name=name, place="", train=None, val=None, classes=None, per_class=False)
        if same in known:
            problem = f"two tasks are called {name}: {known[same].place} and {spec.place}"
            raise UsageError(problem, cure=f"name one of them: {spec.kind}:{spec.place}?name=NAME")
        known[same] = spec


def _outcomes(args: Namespace, models: Sequence[str | None], specs: Sequence[Any]) -> Iterator[Any]:
    """Yield what comes of every task on every model; a model that cannot be loaded fails all of its tasks."""
    order, measure, apart, outcome = (
        resolve(f"wordsight.evaluate.session:{name}") for name in ("Measurement", "measure", "measure_apart", "Outcome")
    )
    orders = [
        order(
            model=model,
            engine=args.engine,
            device=args.device,
            precision=args.precision,
            pixels=args.pixels,
            out=args.out,
            skip_failed=args.skip_failed,
            again=args.again,
        )
        for model in models
    ]
    if args.processes > 1:
        yield from apart(orders, specs, processes=args.processes)
        return
    for one in orders:
        try:
            yield from measure(one, specs)
        except WordsightError as error:
            if len(orders) == 1:
                raise
            yield from (outcome(spec, error=error) for spec in specs)


def _print(outcome: Any, args: Namespace, *, several: bool) -> None:
    if outcome.known:
        notice(f"{outcome.spec.kind}:{outcome.spec.name} was measured before ({args.out}); --again measures it anew")
    results = outcome.measured.results
    if args.json or not sys.stdout.isatty():
        print("\n".join(result.to_json() for result in results), flush=True)
    else:
        if several:
            say(f"{results[0].setting.get('model')}:")
        for line in resolve("wordsight.evaluate.table:table")(results):
            say(line)


def _list_failures(outcomes: Sequence[Any]) -> int:
    """List what was left out and return the exit status."""
    reasons: dict[str, None] = {}
    for outcome in outcomes:
        if outcome.failures:
            count = len(outcome.failures)
            inputs = f"{count:,} input{'' if count == 1 else 's'}"
            print_error(f"{outcome.spec.name}: measured without {inputs} that failed")
            reasons |= dict.fromkeys(str(failure) for failure in outcome.failures)
    if reasons:
        list_failures(list(reasons), in_cache("evaluate"))
    return 1 if reasons else 0


def split_tasks(text: str) -> list[str]:
    """Split "T,T" at the commas that begin a task; those inside one (`classes=a,b`) stay.

    What begins like a task of a kind that is none stands alone too, so that it is named.
    """
    tasks: list[str] = []
    for part in text.split(","):
        kind, colon, _ = part.partition(":")
        begins = part.endswith(".toml") or (bool(colon) and kind.replace("-", "").isalpha() and kind.islower())
        if tasks and not begins:
            tasks[-1] += f",{part}"
        else:
            tasks.append(part)
    return tasks
