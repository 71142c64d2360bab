"""Runs an audit: every check that applies, recorded in a folder that pages and other programs read.

    audit = audit_model(ModelSubject(load()), Path("audit"))        # or audit_library(library("photos"), …)
    [claim.text for claim in audit.claims]

results.jsonl and details.jsonl as an evaluation records them, each line with its check in the setting; pictures/;
audit.jsonl, one claim a line; audit.json, what was audited, with what, which checks were made and which not and why;
card.md, a section for the model's card.  All are written whole when every check is done, audit.jsonl first and
audit.json last: without that it is no audit, and the next one replaces what is there.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from wordsight.audit.asked import given
from wordsight.audit.card import card
from wordsight.audit.finding import Claim, Finding, Skipped
from wordsight.audit.subject import ModelSubject, PlaceSubject, without_folders
from wordsight.audit.table import LEAST, MODEL_CHECKS, PLACE_CHECKS, Check
from wordsight.base.details import DETAILS
from wordsight.base.errors import StorageError, UsageError, WordsightError
from wordsight.base.files import JSON_ESCAPES, atomic_write, storage_errors, write_json
from wordsight.base.optional import resolve
from wordsight.base.processor import processor
from wordsight.base.progress import notice
from wordsight.base.records import environment
from wordsight.base.suggest import suggest
from wordsight.embeddings.kept import KeptModel
from wordsight.embeddings.model import Model
from wordsight.evaluate.building import build_from
from wordsight.evaluate.encode import image_embeddings
from wordsight.evaluate.measured import Measured
from wordsight.evaluate.recorder import RESULTS, stated, write_images

AUDIT, CLAIMS, CARD = "audit.json", "audit.jsonl", "card.md"
FORMAT, VERSION = "wordsight-audit", 1


@dataclass(frozen=True, slots=True)
class AuditFacts:
    """What was audited: `kind` is "model" or "library"; `setting` is what it was asked with."""

    kind: str
    name: str
    fingerprint: str
    setting: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Audit:
    """What came of an audit, in the order of the checks."""

    facts: AuditFacts
    findings: Sequence[Finding | Skipped]
    folder: Path

    @property
    def claims(self) -> list[Claim]:
        """All claims, in the order of the checks."""
        return [claim for one in self.findings if isinstance(one, Finding) for claim in one.claims]

    @property
    def skipped(self) -> list[Skipped]:
        """The checks that could not be made."""
        return [one for one in self.findings if isinstance(one, Skipped)]


def audit_model(subject: ModelSubject, folder: Path, *, checks: Sequence[str] = ()) -> Audit:
    """Audit a model by all of `MODEL_CHECKS`, or by those named, and record it in `folder`.

    The labelled sets are read and embedded first (`require_sets`).  A check that fails with a
    `WordsightError` is a `Skipped` that says so; other exceptions are mistakes of the check and fly.
    """
    chosen = choose(checks, MODEL_CHECKS)
    require_audit_folder(folder, audited=[*(one.spec.place for one in subject.data), *subject.captions])
    require_own_names(subject)
    if subject.images < LEAST:
        raise UsageError(f"{subject.images} images for each check", cure=f"give {LEAST} or more")
    setting = {
        "images": subject.images,
        "seed": subject.seed,
        "data": [without_folders(one.text or one.name) for one in subject.data],
        "captions": [without_folders(one) for one in subject.captions],
    }
    facts = AuditFacts("model", subject.name, subject.model.fingerprint, setting)
    if not isinstance(subject.model, Model):
        require_sets(subject)
        return record(Audit(facts, run_checks(chosen, subject), folder))
    with KeptModel(subject.model) as kept:
        subject = replace(subject, model=kept)
        require_sets(subject)
        return record(Audit(facts, run_checks(chosen, subject), folder))


def audit_library(subject: PlaceSubject, folder: Path, *, checks: Sequence[str] = ()) -> Audit:
    """Audit a library by all of `PLACE_CHECKS`, or by those named, and record it in `folder`; else as `audit_model`."""
    chosen = choose(checks, PLACE_CHECKS)
    require_audit_folder(folder, audited=[subject.text] if subject.text else [])
    if subject.images < LEAST:
        raise UsageError(f"{subject.images} images for each check", cure=f"give {LEAST} or more")
    setting = {
        "images": subject.images,
        "seed": subject.seed,
        "library": without_folders(subject.text) if subject.text else subject.place,
        "samples": len(subject.samples),
        "model": str(getattr(subject.model, "name", "")),
    }
    fingerprint = "" if subject.model is None else subject.model.fingerprint
    facts = AuditFacts("library", subject.place, fingerprint, setting)
    if not isinstance(subject.model, Model):
        return record(Audit(facts, run_checks(chosen, subject), folder))
    with KeptModel(subject.model) as kept:
        return record(Audit(facts, run_checks(chosen, replace(subject, model=kept)), folder))


def require_sets(subject: ModelSubject) -> None:
    """Embed the images of every labelled set; one without classes or groups, and a broken image, raise what is wrong.

    Otherwise each check would stumble over it again, and drawn scenes with it.
    """
    for one in subject.data:
        if one.groups:
            spec = one.task("bias", groups=one.groups)
            build_from(spec, subject.reader.sets(spec))
    for task in given(subject):
        image_embeddings(subject.model, task.images.images, name=task.spec.name)


def choose(names: Sequence[str], checks: Mapping[str, Check]) -> dict[str, Check]:
    """Return the named checks in the order of their table, all where none is named; others raise `UsageError`."""
    for name in names:
        if name not in checks:
            raise UsageError(f"no check {name!r}", cure=suggest(name, checks))
    return {name: check for name, check in checks.items() if name in names or not names}


def require_own_names(subject: ModelSubject) -> None:
    """Raise `UsageError` where two labelled sets have one name: their results could not be told apart."""
    for name, count in Counter(one.name for one in subject.data).items():
        if count > 1:
            raise UsageError(f"{count} sets are called {name}", cure="name them apart: --data 'PLACE?name=NAME'")


def require_audit_folder(folder: Path, *, audited: Sequence[str] = ()) -> None:
    """Raise `UsageError` where a folder lies in one that is `audited` ("PLACE?key=value"), or holds something else.

    Nothing is written into what is audited, and no other results are replaced.  A folder that cannot be written raises
    `StorageError`; nothing is left of the attempt.
    """
    for text in audited:
        inside = Path(text.partition("?")[0]).resolve()
        if inside.is_dir() and folder.resolve().is_relative_to(inside):
            problem = f"{folder} lies in {inside.name or inside}, which is audited"
            raise UsageError(problem, cure="give a folder outside of it as --out: nothing is written into it")
    others = [name for name in (RESULTS, DETAILS, CARD) if (folder / name).exists()]
    if others and not any((folder / name).exists() for name in (AUDIT, CLAIMS)):
        raise UsageError(f"{folder} holds {others[0]} of something else", cure="give another folder as --out")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is no folder", cure="give another one as --out")
    _require_writable(folder)


def _require_writable(folder: Path) -> None:
    """Raise `StorageError` where a folder cannot be made or written, and leave nothing of it that was not there."""
    new = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
    except OSError as error:
        raise StorageError(
            f"{folder} cannot be written: {error.strerror}", cure="give another folder as --out"
        ) from None
    finally:
        for one in new:
            if one.is_dir():
                one.rmdir()


def run_checks(checks: Mapping[str, Check], subject: Any) -> list[Finding | Skipped]:
    """Return what each check gives of a subject."""
    findings: list[Finding | Skipped] = []
    for number, (name, check) in enumerate(checks.items(), 1):
        notice(f"{number} of {len(checks)}: {check.title}")
        run: Callable[[Any], Finding | Skipped] = resolve(check.target)
        try:
            findings.append(run(subject))
        except WordsightError as error:
            findings.append(Skipped(name, check.title, error.problem, error.cure))
    return findings


def record(audit: Audit) -> Audit:
    """Write the folder of an audit; return it with all that its figures state."""
    measured_with = {**environment(), **_computed_by(audit)}
    state = partial(_stated, audit.facts, measured_with)
    audit = replace(audit, findings=[state(one) if isinstance(one, Finding) else one for one in audit.findings])
    done = [one for one in audit.findings if isinstance(one, Finding)]
    with storage_errors(audit.folder):
        audit.folder.mkdir(parents=True, exist_ok=True)
        (audit.folder / AUDIT).unlink(missing_ok=True)
    _write_lines(audit.folder / CLAIMS, [_line(claim) for claim in audit.claims])
    for one in done:
        write_images(audit.folder, one.measured.pictures)
    _write_lines(audit.folder / RESULTS, [result.to_json() for one in done for result in one.measured.results])
    _write_lines(audit.folder / DETAILS, [detail.to_json() for one in done for detail in one.measured.details])
    with atomic_write(audit.folder / CARD, "w") as handle:
        handle.write(card(audit.facts.name, audit.findings, str(measured_with["time"])[:10], audit.facts.setting))
    about = [{"check": one.check, "title": one.title, "lead": one.lead, "limits": one.limits} for one in done]
    fields = {"format": FORMAT, "version": VERSION, **asdict(audit.facts), "environment": measured_with}
    write_json(audit.folder / AUDIT, {**fields, "checks": about, "skipped": [asdict(one) for one in audit.skipped]})
    return audit


def _computed_by(audit: Audit) -> dict[str, Any]:
    """Return what of the processor matters for int8 figures."""
    known = processor()
    return {"int8_exact": known.int8, "avx512": known.avx512, "bf16": known.bf16}


def _stated(facts: AuditFacts, measured_with: Mapping[str, Any], finding: Finding) -> Finding:
    """Return a finding whose results and details name the check, the model and what they were measured with."""
    claims = [replace(claim, result=replace(claim.result, fingerprint=facts.fingerprint)) for claim in finding.claims]
    measured = stated(finding.measured, check=finding.check, model=facts.name, environment=dict(measured_with))
    return replace(
        finding,
        claims=claims,
        measured=Measured(
            [replace(result, fingerprint=result.fingerprint or facts.fingerprint) for result in measured.results],
            [replace(detail, fingerprint=detail.fingerprint or facts.fingerprint) for detail in measured.details],
            finding.measured.pictures,
        ),
    )


def _line(claim: Claim) -> str:
    return json.dumps(asdict(claim), ensure_ascii=False, sort_keys=True)


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    with atomic_write(path, "wb") as handle:
        handle.writelines(f"{line}\n".encode(errors=JSON_ESCAPES) for line in lines)
