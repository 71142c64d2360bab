"""What a trained model says of those it began from: each tower's start with its licence, and the terms of its data.

    origin(began)                # for model.json
    card_of(began), terms(began) # for the card

`began` are the facts of each start (`wordsight.train.init`) by "model", "image" and "text".  A licence is one tower's
where the other has another or none.  Free of PyTorch.
"""

from collections.abc import Mapping

StartFacts = Mapping[str, str]
Began = Mapping[str, StartFacts]
TOWERS = ("image", "text")
SAID = "As the card of "  # begins terms that were carried on; they are carried on as they are


def origin(began: Began) -> dict[str, str]:
    """Return what a model's origin states: what it began from, and under which licence, or which for each tower."""
    if not began:
        return {}
    stated = {"began from": "; ".join(f"{part}: {_named(facts)}{_before(facts)}" for part, facts in began.items())}
    if set(began) == {"model"} and "licence" in began["model"]:
        return stated | {"licence": began["model"]["licence"]}
    licences = {part: _licence(began, part) for part in TOWERS}
    return stated | {f"{part} licence": licence for part, licence in licences.items() if licence}


def card_of(began: Began) -> list[str]:
    """Return the lines of a card that say what each tower began from, under which licence."""
    towers = {part: began.get(part) or began.get("model") for part in TOWERS}
    if "model" in began and towers["image"] is towers["text"]:
        return _lines("both towers", began["model"], {part: _licence(began, part) for part in TOWERS})
    lines: list[str] = []
    for part, facts in towers.items():
        if facts is None:
            lines.append(f"- {part} tower: random weights")
        else:
            lines += _lines(f"{part} tower", facts, {part: _licence(began, part)})
    return lines


def terms(began: Began) -> list[str]:
    """Return the section of a card on the licences of what was begun from, as the cards of those state them."""
    carried = dict.fromkeys(
        facts["terms"] if facts["terms"].startswith(SAID) else f"{SAID}{facts['name']} says:\n\n{facts['terms']}"
        for facts in began.values()
        if facts.get("terms")
    )
    return (
        ["## Licences of what it began from", "", *(line for text in carried for line in (text, ""))] if carried else []
    )


def _lines(what: str, facts: StartFacts, licences: Mapping[str, str]) -> list[str]:
    """Return a line on a start, and one on what that began from."""
    stated = f"licence {next(iter(licences.values())) or 'not stated'}"
    if len(licences) > 1 and "licence" not in facts and any(licences.values()):
        stated = ", ".join(f"{part} tower's licence {licence or 'not stated'}" for part, licence in licences.items())
    before = [f"  - which began from {facts['began from']}"] if "began from" in facts else []
    return [f"- {what}: {_named(facts, stated)}", *before]


def _named(facts: StartFacts, licence: str = "") -> str:
    stated = licence or (f"licence {facts['licence']}" if "licence" in facts else "")
    known = [f"{key} {facts[key]}" for key in ("fingerprint", "sha256") if key in facts]
    return f"{facts['name']} ({', '.join([*known, *([stated] if stated else [])])})"


def _before(facts: StartFacts) -> str:
    return f" [which began from {facts['began from']}]" if "began from" in facts else ""


def _licence(began: Began, part: str) -> str:
    """Return the licence of what a tower began from, "" where none is known."""
    facts = began.get(part) or began.get("model") or {}
    return facts.get(f"{part} licence") or facts.get("licence", "")
