"""The licences of models: what a card states, which allow commercial use, and the line that is printed of others.

    checkpoint = with_licence(checkpoint, files.folder)      # origin["licence"], from the card's head
    mention(folder)                                          # when a model is opened
    chosen("commercial,apple-amlr")                          # what `models --licence` keeps

Knows what publishers state, no law.  Free of PyTorch.
"""

import contextlib
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from wordsight.base.errors import UsageError, WordsightError
from wordsight.base.files import read_json
from wordsight.base.progress import notice
from wordsight.base.suggest import suggest
from wordsight.weights.checkpoint import Checkpoint
from wordsight.weights.find import MANIFEST
from wordsight.weights.names import catalogue

COMMERCIAL = "commercial"  # a value of `--licence`: all but those for research and private use
TOWER_LICENCES = ("image licence", "text licence")  # of an origin whose towers are not under one licence
CARD, HEAD = "README.md", 10_000  # bytes of a card in which its head ends
WHOLE = 200_000  # bytes of a card that are read
_HEADING = re.compile(r"^(#{1,6})[ \t]+(.*)$", re.MULTILINE)
RESEARCH = ("apple-amlr", "apple-amlr-research")  # "exclusively for Research Purposes"
# a card's head is YAML between two lines of dashes (huggingface.co/docs/hub/model-cards)
_FIELD = re.compile(r"^(license|license_name):[ \t]*['\"]?([\w.+-]+)", re.MULTILINE)


def non_commercial(licence: str) -> bool:
    """Say whether a licence excludes commercial use: Creative Commons' "nc", Apple's for research."""
    return licence in RESEARCH or "nc" in licence.split("-") or "non-commercial" in licence


def with_licence(checkpoint: Checkpoint, folder: Path) -> Checkpoint:
    """Return a checkpoint whose origin states the licence of the card beside its weights, where there is one."""
    stated = of_card(folder / CARD)
    return replace(checkpoint, origin={**checkpoint.origin, "licence": stated}) if stated else checkpoint


def mention(folder: Path) -> None:
    """Print one line when the model in a folder may not be used commercially; wrong files are left to others."""
    with contextlib.suppress(WordsightError, AttributeError):
        values = read_json(folder / MANIFEST)
        mention_of(str(values.get("spec", {}).get("name", "")), values.get("origin", {}))


def mention_of(name: str, origin: Mapping[str, str]) -> None:
    """Print one line when the model of a name and an origin may not be used commercially."""
    stated = {key: str(origin.get(key) or "") for key in ("licence", *TOWER_LICENCES)}
    if not any(stated.values()):
        stated["licence"] = of_name(name)
    for key, licence in stated.items():
        if non_commercial(licence):
            whose = "its licence" if key == "licence" else f"the licence of its {key.split()[0]} tower"
            notice(f"{name}: {whose}, {licence}, does not allow commercial use", once=True)


def of_name(name: str) -> str:
    """Return the licence of a model of the catalogue, "" for any other."""
    if "/" not in name:  # as all names there have one
        return ""
    return next((model.licence for model in catalogue() if name in (model.name, model.hub)), "")


def chosen(text: str) -> set[str]:
    """Return the licences that a list with commas names; an unknown one is a `UsageError` that names those known."""
    known = sorted({model.licence for model in catalogue()})
    keep: set[str] = set()
    for part in (part.strip().lower() for part in text.split(",")):
        if part == COMMERCIAL:
            keep |= {licence for licence in known if not non_commercial(licence)}
        elif part in known:
            keep.add(part)
        else:
            raise UsageError(f"no licence {part!r} in the catalogue", cure=suggest(part, [COMMERCIAL, *known]))
    return keep


def of_card(card: Path) -> str:
    """Return the licence that a card's head states, "" where there is none."""
    if not card.is_file():
        return ""
    with card.open("rb") as handle:
        head = handle.read(HEAD).decode("utf-8", errors="replace").replace("\r\n", "\n")
    if not head.startswith("---\n"):
        return ""
    fields = dict(_FIELD.findall(head[4:].partition("\n---")[0]))
    named: str = fields.get("license_name", "") if fields.get("license") == "other" else fields.get("license", "")
    return named.lower()


def terms_of(card: Path) -> str:
    """Return what the sections of a card whose headings name licences say, "" where there are none.

    Headings within become bold, so that the text fits below another heading.
    """
    if not card.is_file():
        return ""
    with card.open("rb") as handle:
        text = handle.read(WHOLE).decode("utf-8", errors="replace").replace("\r\n", "\n")
    headings, sections, end = list(_HEADING.finditer(text)), [], 0
    for number, heading in enumerate(headings):
        if heading.start() < end or not re.search("licen[cs]e", heading[2], re.IGNORECASE):
            continue
        after = (later.start() for later in headings[number + 1 :] if len(later[1]) <= len(heading[1]))
        end = next(after, len(text))
        sections.append(_HEADING.sub(r"**\2**", text[heading.end() : end]).strip())
    return "\n\n".join(section for section in sections if section)
