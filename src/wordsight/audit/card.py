"""The section of a model card that an audit gives: what the model gets wrong, for whom, each line with n and interval.

card("bundled", findings, "2026-11-30", audit.facts.setting)     # Markdown

Knows no check and no page.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from wordsight.audit.finding import Claim, Finding, Judgement, Skipped

HEADINGS: dict[Judgement, str] = {
    "problem": "What is wrong",
    "unclear": "Not settled by so few images",
    "fine": "What the audit cleared",
}


def card(name: str, findings: Sequence[Finding | Skipped], day: str, setting: Mapping[str, Any]) -> str:
    """Return the section as Markdown; `setting` is that of `AuditFacts`."""
    done = [one for one in findings if isinstance(one, Finding)]
    skipped = [one for one in findings if isinstance(one, Skipped)]
    claims = [claim for one in done for claim in one.claims]
    lines = ["## Audit", "", f"Audit of {name}, {day}, {_on(setting)}. {_counts(claims)}", ""]
    for judgement, heading in HEADINGS.items():
        own = [(one, claim) for one in done for claim in one.claims if claim.judgement == judgement]
        if own:
            lines += [f"### {heading}", "", *(f"- {one.title}: {claim.text}" for one, claim in own), ""]
    if skipped:
        lines += ["### Not checked", "", *(f"- {one.title}: {one.reason}; {one.cure}" for one in skipped), ""]
    limits = [f"- {one.title}: {one.limits}" for one in done if one.limits]
    if limits:
        lines += ["### What these figures do not tell", "", *limits, ""]
    return "\n".join(lines)


def _on(setting: Mapping[str, Any]) -> str:
    """Return what was asked, as the user named it: enough to make the audit again."""
    given = setting.get("library") or ", ".join([*setting.get("data", ()), "drawn scenes"])
    captions = ", ".join(setting.get("captions", ()))
    learned = f"; training captions: {captions}" if captions else ""
    return f"on {given}{learned}; {setting.get('images')} images a check, seed {setting.get('seed')}"


def _counts(claims: Sequence[Claim]) -> str:
    counts = {judgement: sum(claim.judgement == judgement for claim in claims) for judgement in HEADINGS}
    plural = "" if counts["problem"] == 1 else "s"
    return (
        f"{counts['problem']} problem{plural}, {counts['unclear']} unclear, {counts['fine']} fine; intervals are 95 %, "
        "and a figure is a problem only where its whole interval is beyond what would be harmless."
    )
