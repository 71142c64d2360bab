"""`wordsight audit MODEL|PLACE --out DIR`: what a model or a library gets wrong, counted, as a page and a card."""

import json
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wordsight.base.errors import UnknownModel, UsageError
from wordsight.base.optional import resolve
from wordsight.base.terminal import say

AUDITS = {  # of what is audited: the function that reads the arguments and audits it
    "model": "wordsight.cli.audit:audit_the_model",
    "library": "wordsight.cli.audit:audit_the_library",
}
SIGNS = {"problem": "✗", "unclear": "?", "fine": "✓"}


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "subject",
        metavar="MODEL|PLACE",
        help="a model's name or folder; any other place is audited as a library: a folder, shards or a table, with "
        "?key=value as in --data",
    )
    parser.add_argument("--out", metavar="DIR", required=True, help="the folder for page, card, claims and results")
    parser.add_argument(
        "--data",
        metavar="PLACE?…",
        action="append",
        default=[],
        help="labelled images: PLACE?key=value&key=value with keys such as label, split and groups; again for more",
    )
    parser.add_argument(
        "--captions",
        metavar="PLACE?…",
        action="append",
        default=[],
        help="the images with captions that it was trained on, with keys such as split; again for more",
    )
    parser.add_argument(
        "--images",
        metavar="N",
        type=int,
        default=resolve("wordsight.audit.table:IMAGES"),
        help="how many images each check draws, or takes where it changes them (200)",
    )
    parser.add_argument("--checks", metavar="A,B", help="only these checks, with commas")
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="settles what is drawn (0)")
    parser.add_argument("--json", action="store_true", help="one JSON line a claim")


def run(args: Namespace) -> int:
    """Audit, print a line for each claim, write the page and print its path."""
    _require_sensible(args)
    audit = resolve(AUDITS["model" if _is_model(args.subject) else "library"])(args)
    for claim in audit.claims:
        if args.json:
            say(json.dumps(asdict(claim), ensure_ascii=False))
        else:
            say(f"{SIGNS[claim.judgement]} {claim.judgement}: {claim.text}")
    if not args.json:
        for skipped in audit.skipped:
            say(f"- not checked: {skipped.title}: {skipped.reason}; {skipped.cure}")
    page = resolve("wordsight.report.audit_page:write_audit_page")(audit.folder, audit.folder / "report.html")
    if not args.json:
        say(str(page))
    return 0


def audit_the_model(args: Namespace) -> Any:
    """Return the audit of a model."""
    if args.model:
        raise UsageError(f"two models: {args.subject} and {args.model}", cure="name one")
    labelled = resolve("wordsight.audit.subject:labelled_set")
    data = tuple(labelled(text) for text in args.data)
    try:
        model = resolve("wordsight.embeddings.model:load")(args.subject, engine=args.engine, device=args.device)
    except UnknownModel as error:
        if Path(args.subject).exists():
            raise
        cure = f"{error.cure}; or name a folder, shards or a table that is there"
        raise UnknownModel(f"{error.problem}, and no place of that name", cure=cure) from None
    subject = resolve("wordsight.audit.subject:ModelSubject")(
        model, data=data, captions=tuple(args.captions), images=args.images, seed=args.seed
    )
    return resolve("wordsight.audit.running:audit_model")(subject, Path(args.out), checks=_names(args.checks or ""))


def audit_the_library(args: Namespace) -> Any:
    """Return the audit of a library."""
    given = [name for name in ("data", "captions") if getattr(args, name)]
    if given:
        problem = f"--{given[0]} with {args.subject}, which is no model"
        raise UsageError(problem, cure="leave it out: a library is tested on its own images, captions and classes")
    model = resolve("wordsight.embeddings.model:load")(args.model, engine=args.engine, device=args.device)
    library = resolve("wordsight.audit.subject:library")
    subject = library(args.subject, model=model, images=args.images, seed=args.seed)
    return resolve("wordsight.audit.running:audit_library")(subject, Path(args.out), checks=_names(args.checks or ""))


def _require_sensible(args: Namespace) -> None:
    """Raise what is wrong with the arguments alone, before anything is read."""
    least = resolve("wordsight.audit.table:LEAST")
    if args.images < least:
        raise UsageError(f"--images {args.images}", cure=f"give {least} or more")
    if args.seed < 0:
        raise UsageError(f"--seed {args.seed}", cure="give 0 or more")
    if not args.subject.partition("?")[0].strip():
        raise UsageError(f"{args.subject!r} names nothing", cure="name a model, or a folder, shards or a table")
    if not args.out.strip():
        raise UsageError("--out names no folder", cure="give --out DIR")
    if args.checks is not None and not _names(args.checks):
        raise UsageError(f"--checks {args.checks!r} names no check", cure="give some, with commas, or leave it out")
    for one in args.captions:
        if not one.strip():
            raise UsageError(
                "--captions names nothing", cure="name the place of the training captions, or leave it out"
            )
    named = [one for one in (args.subject, *args.data, *args.captions) if one.partition("?")[0].strip()]
    resolve("wordsight.audit.running:require_audit_folder")(Path(args.out), audited=named)


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _is_model(name: str) -> bool:
    """Say whether a name means a model: one that leads to nothing on the disk does, and what leads to a model."""
    if not resolve("wordsight.data.source_files:expand")(name.partition("?")[0]):
        return True
    try:
        resolve("wordsight.weights.find:locate")(name, fetch=False)
    except UnknownModel:
        return False
    return True
