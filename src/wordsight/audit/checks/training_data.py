"""What is known of the data a model was learned from: read from its folder and its run, nothing assumed.

Read are model.json (origin, assumptions), the card beside it (sections by their headings) and, where the model lies in
the folder of a training run, the recipe in config.json.  What none of them states is said as unknown.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from wordsight.audit.claims import Limit, claim, counted
from wordsight.audit.finding import Finding, Skipped
from wordsight.audit.subject import ModelSubject
from wordsight.base.details import Detail
from wordsight.base.errors import WordsightError
from wordsight.base.files import read_json
from wordsight.evaluate.measured import Measured
from wordsight.weights.licences import CARD, TOWER_LICENCES, WHOLE, of_card, of_name, terms_of
from wordsight.weights.manifest import read_model_manifest

CHECK, TITLE = "training-data", "What it was learned from"
LEAD = "The model's folder, its card and the recipe of its run were searched for what they state of the training data."
LIMITS = (
    "A statement is what somebody wrote; whether it is true, and whether it is all, cannot be seen from the folder."
)
RECIPE = "config.json"  # in the folder of a training run, above that of its model
SHOWN = 300  # letters of a statement
UNKNOWN = "unknown"
HEADINGS = {  # fact: headings of a card below which it is stated
    "sources": r"learned from|training data|trained on|data ?sets?\b|pre-?training data",
    "limits": r"limit|bias|out.of.scope|risks",
    "evaluation": r"results|evaluation|performance",
}
_HEADING = re.compile(r"^(#{1,6})[ \t]+(.*)$", re.MULTILINE)


class StatedFact(NamedTuple):
    """What is stated of one thing, and where; both empty where nothing is."""

    name: str
    text: str
    where: str


def run(subject: ModelSubject) -> Finding | Skipped:
    """Return what is stated and what is not."""
    model = subject.opened
    if model is None or model.folder is None:
        return Skipped(CHECK, TITLE, f"{subject.name} lies in no folder", "audit the folder of a model")
    facts = stated_facts(model.folder)
    known = [fact for fact in facts if fact.text]
    share = len(known) / len(facts)
    setting = {"unknown": ", ".join(fact.name for fact in facts if not fact.text)}
    result = counted("training-data/stated", share, len(facts), setting)
    missing = f"; unknown: {setting['unknown']}" if setting["unknown"] else ""
    text = f"{len(known)} of {len(facts)} things about its training are stated (n {len(facts)}, all counted){missing}."
    rows = [[fact.name, fact.text or UNKNOWN, fact.where] for fact in facts]
    table = Detail("training-data", "What is stated", "table", {"head": ["", "stated", "where"], "rows": rows})
    claims = [claim(CHECK, result, text, Limit(1.0, "below"))]
    return Finding(CHECK, TITLE, LEAD, claims, Measured([result], [table]), LIMITS)


def stated_facts(folder: Path) -> list[StatedFact]:
    """Return what the folder of a model states of its training, each thing once, unknown ones too."""
    manifest, card = read_model_manifest(folder), folder / CARD
    text = _text_of(card)
    origin = manifest.origin
    licence = origin.get("licence") or of_card(card) or of_name(manifest.spec.name)
    towers = "; ".join(f"{key}: {origin[key]}" for key in TOWER_LICENCES if key in origin)
    began = origin.get("began from", "")
    came = ", ".join(f"{key} {value}" for key, value in origin.items() if key in ("format", "file", "revision", "hub"))
    recipe = _recipe(folder.parent / RECIPE)
    sources = _sources(recipe)
    sections = {name: _section(text, pattern) for name, pattern in HEADINGS.items()}
    counts = re.search(
        r"[^\n|.]*\b\d[\d,.]*\d?\s*(?:million |billion )?(?:image|pair|caption)s?[^\n|.]*", sections["sources"]
    )
    counted = _counts(sections["sources"]) or (counts[0].strip() if counts else "")
    in_card, in_run = f"card ({CARD})", f"recipe ({RECIPE} of its run)"
    return [
        _fact("where the weights came from", (began, "model.json"), (came, "model.json")),
        _fact("licence of the weights", (licence, "model.json or card"), (towers, "model.json")),
        _fact("training sets", (sections["sources"], in_card), (sources, in_run)),
        _fact("number of training images or pairs", (counted, in_card)),
        _fact("licences of the training sets", (terms_of(card), in_card)),
        _fact("how it was trained", (_schedule(recipe), in_run), (_steps(text), in_card)),
        _fact("known limits", (sections["limits"], in_card)),
        _fact("measured results", (sections["evaluation"], in_card)),
    ]


def _fact(name: str, *candidates: tuple[str, str]) -> StatedFact:
    """Return the first statement of a thing that says something."""
    for text, where in candidates:
        if text.strip():
            return StatedFact(name, _shortened(text), where)
    return StatedFact(name, "", "")


def _shortened(text: str) -> str:
    """Return the first sentences of a statement; where it is a table alone, or a list, its first rows or entries."""
    lines = [line.strip().replace("**", "") for line in text.splitlines()]
    prose = " ".join(line for line in lines if line and not line.startswith(("|", "#", "- ", "* ")))
    if prose:
        return _first(re.split(r"(?<=[.!?]) +", prose), " ")
    entries = [line[2:] for line in lines if line.startswith(("- ", "* "))]
    return _first([*_rows(lines), *entries], "; ")


def _first(parts: Sequence[str], between: str) -> str:
    """Return as many parts, whole, as fit into a statement; of the first one, where it does not fit, whole words."""
    text = ""
    for number, part in enumerate(parts):
        longer = f"{text}{between if text else ''}{part}"
        if len(longer) > SHOWN:
            return f"{text}{between.rstrip()} …" if number else f"{part[:SHOWN].rpartition(' ')[0]} …"
        text = longer
    return text


def _rows(lines: Sequence[str]) -> list[str]:
    """Return the rows of a table as "first (column second, column third)"."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    rows = [row for row in rows if not all(re.fullmatch(":?-+:?", cell) for cell in row)]
    head, *body = rows or [[]]
    return [
        f"{first} ({', '.join(f'{name} {cell}' for name, cell in zip(head[1:], rest, strict=False) if cell)})"
        for first, *rest in body
    ]


def _text_of(card: Path) -> str:
    if not card.is_file():
        return ""
    with card.open("rb") as handle:
        return handle.read(WHOLE).decode("utf-8", errors="replace").replace("\r\n", "\n")


def _section(text: str, pattern: str) -> str:
    """Return what stands below the first heading of a card that a pattern fits, to the next heading."""
    headings = list(_HEADING.finditer(text))
    for number, heading in enumerate(headings):
        if re.search(pattern, heading[2], re.IGNORECASE):
            end = headings[number + 1].start() if number + 1 < len(headings) else len(text)
            return text[heading.end() : end].strip()
    return ""


def _counts(section: str) -> str:
    """Return the columns "source" and "images" of a table, as our own cards have it: "flickr8k 6,091, …"."""
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in section.splitlines() if "|" in line]
    head = rows[0] if rows else []
    if "images" not in head:
        return ""
    column = head.index("images")
    return ", ".join(f"{row[0]} {row[column]}" for row in rows[2:] if len(row) > column)


def _steps(text: str) -> str:
    sentence = re.search(r"[^.|]*\b[\d,]+ steps\b[^.|]*", " ".join(text.split()))
    return sentence[0].strip() if sentence else ""


def _recipe(path: Path) -> Mapping[str, Any]:
    """Return the recipe of a run, empty where there is none or another file is called so."""
    if not path.is_file():
        return {}
    try:
        values = read_json(path)
    except WordsightError:  # a file of another program that has this name
        return {}
    return values if isinstance(values, dict) else {}


def _sources(recipe: Mapping[str, Any]) -> str:
    data = recipe.get("data")
    sources = data.get("sources") if isinstance(data, dict) else None
    if not isinstance(sources, dict):
        return ""
    return ", ".join(
        f"{name} ({one.get('place')})" if isinstance(one, dict) else str(name) for name, one in sources.items()
    )


def _schedule(recipe: Mapping[str, Any]) -> str:
    known = {key: recipe[key] for key in ("schedule", "batch", "seed") if key in recipe}
    return json.dumps(known) if known else ""
