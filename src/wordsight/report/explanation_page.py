"""The page of one explained image: the image, its map under the true description, how it shifts under a misleading one.

    write_explanation_page(path, explained_of(record, files.__getitem__))

Beside each map stands whether it can be trusted, and a map that fails is marked.  Knows records and encoded images;
where they come from is not its business.  `explanation_grid` shows many of them.
"""

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from wordsight.base.files import atomic_write
from wordsight.explain.in_words import ANOTHER, HIDING, RANDOM, SIGNS, shift_in_words, verdict_in_words
from wordsight.report.canvas import brief, percent, plain
from wordsight.report.page import anchored, box, note, page

STYLE = Path(__file__).parent / "explanations.css"
MAP = (
    "Map: how much each part of the image speaks for a text, each map by its own weakest and strongest part. Grey and "
    "darker: cut off before the model saw it."
)
SHIFT = (
    "The first text counts as the true description, the others as misleading ones. Shift: blue where the first text's "
    "map is stronger, orange where the other's."
)
CONDITIONS = {  # what it means that a map stands a check
    HIDING: "hiding and showing its strongest parts changes the cosine more than with each of the random maps",
    RANDOM: "it differs from the map of the same towers with random weights",
    ANOTHER: "it differs from another text's map",
}
WORDS = (
    "Words: how much of the match between image and text goes back to each, from the text tower's last attention "
    "weighted by its gradient (Chefer et al. 2021). The number has no unit: compare the words of one text."
)
COSINE_LIMIT = 1.01  # a cosine is at most 1, but for rounding
MAP_SCALE = '<span>map: weak <i class="heat"></i> strong</span>'
SHIFT_SCALE = '<span>shift: first text <i class="shift"></i> other text</span>'


@dataclass(frozen=True, slots=True)
class ExplainedText:
    """One text: the map over the image and its shift from the first text's (PNG or JPEG, b"" for none).

    `figure` stands beside the map, `trust` are sentences on how far to trust it; `verdict` is a key of `SIGNS`, and
    `checks` say by name which of those that were made it stood.  `words` are those of the text with their relevance.
    """

    text: str
    cosine: float
    probability: float | None
    overlay: bytes
    difference: bytes
    words: Sequence[tuple[str, float]]
    trust: Sequence[str]
    figure: str
    verdict: str
    checks: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class Explained:
    """An image with its texts; `image` is encoded, `answer` says what the model makes of it."""

    name: str
    path: str
    answer: str
    method: str
    model: str
    image: bytes
    texts: Sequence[ExplainedText]


def explained_of(record: Mapping[str, Any], load: Callable[[str], bytes]) -> Explained:
    """Return what a record of `wordsight.explain.recorded` says; `load` gives the images that it names.

    What it should not hold raises `KeyError`, `TypeError` or `ValueError`.
    """
    texts = [
        ExplainedText(
            text=_text(one["text"], "text"),
            cosine=_number(one["cosine"], "cosine", -COSINE_LIMIT, COSINE_LIMIT),
            probability=None if one["probability"] is None else _number(one["probability"], "probability", 0, 1),
            overlay=_image(load, one["overlay"]),
            difference=_image(load, one["difference"]) if one["difference"] else b"",
            words=[(str(token), float(value)) for token, value in one["words"]],
            trust=[str(line) for line in one["trust"]],
            figure=str(one["figure"]),
            verdict=one["verdict"],
            checks={str(name): bool(passes) for name, passes in one.get("checks", {}).items()},
        )
        for one in record["texts"]
    ]
    if not texts or any(one.verdict not in SIGNS for one in texts):
        raise ValueError("it has no texts, or a verdict that is none")
    name = str(record["name"])
    return Explained(
        name=name,
        path=str(record.get("path", name)),
        answer=str(record.get("answer", "")),
        method=str(record["method"]),
        model=str(record["model"]),
        image=_image(load, record["image"]),
        texts=texts,
    )


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"its {what} is {brief(repr(value))}, which is no text")
    return value


def _number(value: Any, what: str, least: float, most: float) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:  # nor NaN
        raise ValueError(f"its {what} is {brief(_shortest(value))}, not a number from {least:g} to {most:g}")
    return float(value)


def _shortest(value: object) -> str:
    if isinstance(value, int) and value.bit_length() > 1_000:  # Python refuses to write very long ones
        return "an integer of hundreds of digits"
    return repr(value)


def _image(load: Callable[[str], bytes], name: object) -> bytes:
    data = load(_text(name, "image"))
    if not data.startswith((b"\x89PNG", b"\xff\xd8\xff")):
        raise ValueError(f"{brief(repr(name))} is no JPEG and no PNG")
    return data


def write_explanation_page(out: Path, explained: Explained) -> Path:
    """Write the page of one image to `out`; return it."""
    first, *others = explained.texts
    shown = [image_figure(explained.image, "the image"), map_figure(first, "true")]
    blocks = [styles(), answer_of(explained), scales(explained.texts)]
    if others:
        shown.append(shift_figure(first, others[0]))
    blocks.append(box(f'<div class="maps">{"".join(shown)}</div>{_details(first)}'))
    for number, one in enumerate(others):
        figures = [map_figure(one, "misleading"), *([shift_figure(first, one)] if number else [])]
        blocks.append(
            anchored(
                f"Under “{brief(one.text, 90)}”",
                box(f'<div class="maps">{"".join(figures)}<div class="beside">{_details(one)}</div></div>'),
            )
        )
    if others:
        lead = f"What {brief(explained.model)} sees of “{brief(first.text, 80)}”, and of what may mislead it."
    else:
        lead = f"What {brief(explained.model)} sees of “{brief(first.text, 80)}”."
    with atomic_write(out, "w") as handle:
        words = f" {WORDS}" if any(words_of(one.words) for one in explained.texts) else ""
        how = f"Maps by {brief(explained.method)}. {reading(explained.texts)}{words}"
        foot = f"{how} The page loads nothing from anywhere."
        handle.write(page(brief(explained.name), lead=lead, blocks=blocks, foot=foot))
    return out


def reading(texts: Sequence[ExplainedText]) -> str:
    """Return how the maps of a page are read, and which checks were made of them."""
    parts = [MAP]
    if any(one.difference for one in texts):
        parts.append(SHIFT)
    checked = [one for one in texts if one.verdict in ("stands", "fails")]
    made = {name: sum(name in one.checks for one in checked) for name in CONDITIONS}
    conditions = [
        stated if made[name] == len(checked) else f"{stated} (checked of {made[name]} of {len(checked)} maps)"
        for name, stated in CONDITIONS.items()
        if made[name]
    ]
    if conditions:
        parts.append(f"A map stands if {', and '.join(conditions)}.")
        if not made[ANOTHER]:
            parts.append("No other text was compared.")
    if any(one.verdict == "fails" for one in texts):
        parts.append("A map that fails has a frame and the sign ✗: do not read it.")
    if any(one.verdict == "not checked" for one in texts):
        parts.append("How far to trust a map that is not checked is not known.")
    return " ".join(parts)


def styles() -> str:
    """Return the style sheet of explanations, for the body of a page."""
    return f"<style>{STYLE.read_text(encoding='utf-8')}</style>"


def scales(texts: Sequence[ExplainedText]) -> str:
    """Return the legend of the colours that a page shows."""
    shift = f" {SHIFT_SCALE}" if any(one.difference for one in texts) else ""
    return f'<p class="scales">{MAP_SCALE}{shift}</p>'


def answer_of(explained: Explained) -> str:
    """Return what the model makes of the image; "" where an older record does not say it."""
    return f'<p class="answer">{escape(plain(explained.answer))}</p>' if explained.answer else ""


def image_figure(image: bytes, caption: str) -> str:
    """Return the image itself."""
    return _figure(image, caption, f"<b>{escape(plain(caption))}</b>")


def map_figure(one: ExplainedText, kind: str) -> str:
    """Return a map with its text, scores and verdict; one that fails has a mark besides its colour."""
    return _figure(one.overlay, f"map under “{brief(one.text, 80)}”", "".join(_said_of(one, kind)), one.verdict)


def shift_figure(first: ExplainedText, other: ExplainedText) -> str:
    """Return how the map shifts from the first text to another; it stands no better than the worse of the two maps."""
    caption = (
        f"<b>how it shifts</b><span>blue: “{escape(brief(first.text, 40))}”; orange: "
        f"“{escape(brief(other.text, 40))}”</span>"
    )
    verdict = "fails" if "fails" in (first.verdict, other.verdict) else other.verdict
    if stated := shift_in_words(first.verdict, other.verdict):
        caption += f'<span class="{"fails" if verdict == "fails" else "verdict"}">{stated}</span>'
    return _figure(other.difference, f"shift to “{brief(other.text, 80)}”", caption, verdict)


def _said_of(one: ExplainedText, kind: str) -> Iterator[str]:
    yield f"<b>“{escape(brief(one.text, 80))}”</b>"
    yield f"<span>{kind} description; {escape(scores(one))}</span>"
    kind = "fails" if one.verdict == "fails" else "verdict"
    yield f'<span class="{kind}">{escape(plain(verdict_in_words(one.verdict, one.checks)))}</span>'
    if one.figure:
        yield f"<span>{escape(plain(one.figure))}</span>"


def scores(one: ExplainedText) -> str:
    """Return the cosine, and the probability where there is one."""
    return f"cosine {one.cosine:.3f}" + ("" if one.probability is None else f", probability {percent(one.probability)}")


def _figure(data: bytes, alt: str, caption: str, verdict: str = "") -> str:
    kind = "png" if data[:4] == b"\x89PNG" else "jpeg"
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
    mark = ' class="failed"' if verdict == "fails" else ""
    shown = f'<div class="frame"><img src="{source}" alt="{escape(plain(alt))}" decoding="async"></div>'
    return f"<figure{mark}>{shown}<figcaption>{caption}</figcaption></figure>"


def _details(one: ExplainedText) -> str:
    return words_of(one.words) + "".join(note(plain(line)) for line in one.trust)


def words_of(words: Sequence[tuple[str, float]]) -> str:
    """Return the words of a text, each as strong as its relevance among them; "" where none is known."""
    most = max((value for _, value in words), default=0.0)
    if most <= 0:
        return ""
    parts = "".join(
        f'<span style="--share:{max(value, 0) / most:.2f}">{escape(plain(token))}<small>{value:.3f}</small></span>'
        for token, value in words
    )
    return f'<p class="tokens"><b>words</b> {parts}</p>'
