"""The page of an audit, made again from its folder: how many problems, each claim with its judgement, the figures.

    write_audit_page(Path("audit"), Path("audit/report.html"))

Reads audit.json, audit.jsonl, details.jsonl and the pictures that they name (docs/audit.md describes them).  Judgements
are words with a sign, so nothing hangs on colours alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from wordsight.base.details import Detail
from wordsight.base.errors import FormatError
from wordsight.base.files import atomic_write, read_json
from wordsight.report.canvas import brief, plain
from wordsight.report.forms import Drawing, checked, drawn
from wordsight.report.page import anchored, box, contents, facts, note, page_end, page_top, table
from wordsight.report.runs import CURE, numbered_lines, read_details

AUDIT, CLAIMS = "audit.json", "audit.jsonl"
STYLE = Path(__file__).parent / "audit.css"
JUDGEMENTS = {"problem": ("✗", "problems"), "unclear": ("?", "unclear"), "fine": ("✓", "fine")}
MADE = {  # what the keys of a setting and of the machine are called
    "fingerprint": "fingerprint of the model",
    "images": "images a check draws or takes",
    "seed": "seed of what is drawn",
    "data": "labelled sets",
    "captions": "training captions",
    "library": "library",
    "samples": "entries of the library",
    "model": "model that was asked",
    "time": "finished at",
    "wordsight": "version of wordsight",
    "python": "version of Python",
    "int8_exact": "int8 products are exact",
    "avx512": "processor has AVX-512",
    "bf16": "processor has bfloat16",
}
OPEN = 1  # details of a check that are not folded, where not all of them are images
TITLE = 200  # letters of a title, at most
READING = (
    "A figure is a problem only where its whole interval lies beyond what would be harmless, fine only where its whole "
    "interval lies within, and unclear where it has both. Intervals are 95 %; where several figures are judged "
    "together each is judged by a wider one, so that a false problem is among them in at most 5 of 100 audits. What "
    "was counted over everything there is has no interval and is judged by its value."
)


@dataclass(frozen=True, slots=True)
class RecordedClaim:
    """A claim as it was recorded; `basis` says in small print what it was judged by."""

    check: str
    judgement: str
    text: str
    basis: str


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """What the folder of an audit holds: `facts` are those of audit.json."""

    folder: Path
    facts: Mapping[str, Any]
    claims: Sequence[RecordedClaim]
    details: Sequence[tuple[Detail, Any]]


def write_audit_page(folder: Path, out: Path) -> Path:
    """Write the page of the audit in a folder to `out`; return it.  What is no audit raises `FormatError`."""
    record = read_audit(folder)
    parts = {str(check["title"]): _check(record, check) for check in record.facts["checks"]}
    parts["Not checked"] = _skipped(record.facts["skipped"])
    parts["Limits"] = _limits(record.facts["checks"])
    parts["How it was made"] = _made(record.facts)
    shown = {heading: block for heading, block in parts.items() if block}
    counts = {name: sum(claim.judgement == name for claim in record.claims) for name in JUDGEMENTS}
    cards = [(f"{sign} {counts[name]}", words) for name, (sign, words) in JUDGEMENTS.items()]
    name = str(record.facts["name"])
    with atomic_write(out, "w") as handle:
        handle.write(page_top(f"Audit of {brief(name)}", lead=_lead(record.facts), style=STYLE))
        handle.write(facts(cards) + note(READING) + contents({heading: [] for heading in shown}))
        handle.writelines(f"{anchored(heading, block)}\n" for heading, block in shown.items())
        handle.write(page_end(_foot(record.facts)))
    return out


def read_audit(folder: Path) -> AuditRecord:
    """Return what a folder holds of an audit; a damaged or another file raises `FormatError` that names it."""
    path = folder / AUDIT
    values = read_json(path)
    problem = _problem(values)
    if problem:
        raise FormatError(f"{path} is no audit: {problem}", cure=CURE)
    claims = [_claim(line, f"{folder / CLAIMS} line {number}") for number, line in numbered_lines(folder / CLAIMS)]
    return AuditRecord(folder, values, claims, read_details(folder, checked))


def _problem(values: Any) -> str:
    """Return what is wrong with the facts of an audit, "" where nothing is."""
    if not isinstance(values, dict) or values.get("format") != "wordsight-audit":
        return "it does not say so"
    if values.get("version") != 1:
        return f"version {str(values.get('version'))[:20]!r} of the format, and this program reads 1"
    for key, needed in (("checks", ("check", "title", "lead", "limits")), ("skipped", ("title", "reason", "cure"))):
        rows = values.get(key)
        if not isinstance(rows, list) or not all(isinstance(row, dict) and set(needed) <= set(row) for row in rows):
            return f"its {key} are damaged"
    if not all(isinstance(values.get(key), dict) for key in ("setting", "environment")):
        return "its setting or environment is damaged"
    return "" if isinstance(values.get("name"), str) else "it has no name"


def _claim(line: Mapping[str, Any], where: str) -> RecordedClaim:
    texts = [line.get(key) for key in ("check", "judgement", "text")]
    result = line.get("result")
    if not all(isinstance(text, str) for text in texts) or texts[1] not in JUDGEMENTS or not isinstance(result, dict):
        raise FormatError(f"{where} is no claim", cure=CURE)
    return RecordedClaim(str(texts[0]), str(texts[1]), str(texts[2]), _basis(result.get("setting")))


def _basis(setting: Any) -> str:
    """Return what a claim was judged by: its limit, and how many were judged together."""
    if not isinstance(setting, dict) or not isinstance(setting.get("limit"), int | float):
        return ""
    is_number = setting.get("unit") == "number"
    scale, mark = (1, "") if is_number else (100, " points" if setting.get("unit") else " %")
    end = f"{scale * setting['limit']:.3g}{mark}"
    words = f"It would be harmless {f'up to {end}' if setting.get('worse') == 'above' else f'from {end} on'}"
    judged = [setting.get(key) for key in ("judged_low", "judged_high", "judged_together")]
    low, high, together = (one if isinstance(one, int | float) else None for one in judged)
    if low is not None and high is not None and together is not None and not setting.get("all_counted"):
        ends = f"{scale * low:.{2 if is_number else 1}f} to {scale * high:.{2 if is_number else 1}f}{mark}"
        others = f"{together - 1} other{'' if together == 2 else 's'}"
        words += f"; judged with {others}, so by the wider interval {ends}"
    return f"{words}."


def _check(record: AuditRecord, check: Mapping[str, Any]) -> str:
    """Return a check: what was done, its claims, its figures."""
    name = check["check"]
    order = list(JUDGEMENTS)
    claims = sorted((one for one in record.claims if one.check == name), key=lambda one: order.index(one.judgement))
    rows = "".join(_row(claim) for claim in claims)
    details = [(detail, value) for detail, value in record.details if detail.setting.get("check") == name]
    blocks = [block for detail, value in details if (block := _detail(record.folder, detail, value))]
    images = all(detail.form == "pictures" for detail, _ in details)
    count = len(blocks) if images else OPEN
    folded = "".join(blocks[count:])
    left = len(blocks) - count
    summary = f"<summary>{left} more figure{'' if left == 1 else 's'}</summary>"
    more = f"<details>{summary}{folded}</details>" if folded else ""
    claimed = box(f'<ul class="claims">{rows}</ul>') if rows else ""
    return f"<p>{escape(str(check['lead']))}</p>{claimed}{''.join(blocks[:count])}{more}"


def _row(claim: RecordedClaim) -> str:
    sign, _ = JUDGEMENTS[claim.judgement]
    badge = f'<span class="badge {claim.judgement}">{sign} {claim.judgement}</span>'
    basis = f' <span class="soft">{escape(claim.basis)}</span>' if claim.basis else ""
    return f"<li>{badge}<p>{escape(plain(claim.text))}{basis}</p></li>"


def _detail(folder: Path, detail: Detail, value: Any) -> str:
    """Return a detail under its title and the name of its measure, nothing where there is nothing to see."""
    block = drawn(detail, value, Drawing(folder, f"{detail.name}-{detail.title}", f"{detail.name}: {detail.title}"))
    aside = f' <span class="soft">{escape(plain(detail.name))}</span>'
    return f"<h3>{escape(brief(detail.title, TITLE))}{aside}</h3>{block}" if block else ""


def _skipped(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = "".join(
        f"<li><b>{escape(str(row['title']))}</b>: {escape(str(row['reason']))}; {escape(str(row['cure']))}.</li>"
        for row in rows
    )
    return f"<ul>{lines}</ul>" if lines else ""


def _limits(checks: Sequence[Mapping[str, Any]]) -> str:
    lines = "".join(
        f"<li><b>{escape(str(check['title']))}</b>: {escape(str(check['limits']))}</li>"
        for check in checks
        if check["limits"]
    )
    return f"<ul>{lines}</ul>" if lines else ""


def _made(values: Mapping[str, Any]) -> str:
    """Return the settings and the machine as tables."""
    about = {"fingerprint": values.get("fingerprint", ""), **values["setting"], **values["environment"]}
    rows = [[MADE.get(str(key), str(key).replace("_", " ")), _made_value(one)] for key, one in about.items()]
    return box(table(["", ""], [row for row in rows if row[1]]))


def _made_value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _lead(values: Mapping[str, Any]) -> str:
    sets = values["setting"].get("data") or []
    on = f" on {', '.join(map(str, [*sets, 'drawn scenes']))}"
    day = str(values["environment"].get("time", ""))[:10]
    when = f", {day}" if day else ""
    if values.get("kind") == "library":
        given = values["setting"].get("library")
        on = f" on {given}" if given else ""
        return f"What the library lacks, and how far its answers can be trusted: counted{on}{when}."
    captions = ", ".join(map(str, values["setting"].get("captions") or []))
    learned = f" Training captions: {captions}." if captions else ""
    return f"What the model gets wrong, and for whom: counted{on}{when}.{learned}"


def _foot(values: Mapping[str, Any]) -> str:
    made = values["environment"]
    return f"Made by wordsight {made.get('wordsight', '')} on {made.get('processor', 'an unknown processor')}."
