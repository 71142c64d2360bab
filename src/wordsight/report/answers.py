"""Recorded answers as HTML: measured bars, the grid of pairs, guesses with their shares, images of a query."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from wordsight.base.nouns import Result
from wordsight.report.bar_charts import interval_bars
from wordsight.report.measured import bar_of
from wordsight.report.page import box, image, note

MEASURES = {  # result: what it is called on the page
    "unseen/zero-shot/top-1": "colour and shape, of all 64",
    "unseen-only/zero-shot/top-1": "colour and shape, of the unseen 16",
    "seen/zero-shot/top-1": "seen pairs, of all 64",
    "unseen/choice/texture": "its texture, of 4",
    "unseen/choice/count": "how many, of 4",
    "unseen/choice/place": "where it lies, of 5",
}
PAIR = "unseen/pair/"  # results of single pairs are named PAIR + "red circle"
SHOWN = "classify"  # the kind of an answer that is a classification

Answers = Sequence[Mapping[str, Any]]


def measures(results: Mapping[str, Result]) -> str:
    """Return one bar for each of `MEASURES` that was measured."""
    labelled = [(label, results[name]) for name, label in MEASURES.items() if name in results]
    bars = [bar for label, result in labelled if (bar := bar_of(label, result))]
    return interval_bars("unseen", bars, title="accuracy on scenes of held-out pairs")


def pair_grid(results: Mapping[str, Result], *, colours: Sequence[str], shapes: Sequence[str]) -> str:
    """Return the table of colours and shapes, with the share right of each pair that was held out."""
    if not any(name.startswith(PAIR) for name in results):
        return ""
    head = "".join(f"<th>{escape(shape)}</th>" for shape in shapes)
    rows = [f"<tr><th></th>{head}</tr>"]
    for colour in colours:
        cells = "".join(_grid_cell(results.get(f"{PAIR}{colour} {shape}")) for shape in shapes)
        rows.append(f"<tr><th>{escape(colour)}</th>{cells}</tr>")
    grid = f'<table class="grid">{"".join(rows)}</table>'
    caption = "Pairs with a figure were never shown; the others were learned from."
    return f"<h3>Right, pair by pair</h3>{box(grid)}{note(caption)}"


def _grid_cell(result: Result | None) -> str:
    if result is None:
        return "<td>·</td>"
    style = f'class="held" style="--share:{result.value:.2f}" title="{result.count} scenes"'
    return f"<td {style}>{100 * result.value:.0f} %</td>"


def guesses(folder: Path, answers: Answers) -> str:
    """Return a card for each classified image: truth, likeliest names and their shares."""
    cards = "".join(_guess(folder, answer) for answer in answers if answer["kind"] == SHOWN)
    return f'<div class="guesses">{cards}</div>' if cards else ""


def _guess(folder: Path, answer: Mapping[str, Any]) -> str:
    truth = answer["truth"]
    right = answer["guesses"][0]["name"] == truth
    kind, sign = ("right-word", "✓") if right else ("wrong-word", "✗")
    verdict = f'<span class="{kind}">{sign} {escape(truth)}</span>'
    shares = "".join(_share(guess["name"], guess["share"]) for guess in answer["guesses"])
    shown = image(folder / answer["image"], truth)
    return f'<div class="guess">{shown}<div>{verdict}<div class="chances">{shares}</div></div></div>'


def _share(name: str, share: float) -> str:
    percent = f"{100 * share:.0f}"
    return f'<span><i style="width:{percent}%"></i>{escape(name)}</span><em>{percent} %</em>'


def searches(folder: Path, answers: Answers, kind: str) -> str:
    """Return the queries of a kind, each with the images it returned."""
    wide = " wide" if kind == "photos" else ""
    return "".join(
        f'<div class="query"><q>{escape(answer["query"])}</q> <span>{escape(answer.get("aside", ""))}</span></div>'
        f'<div class="hits{wide}">{"".join(_hit(folder, hit) for hit in answer["hits"])}</div>'
        for answer in answers
        if answer["kind"] == kind
    )


def _hit(folder: Path, hit: Mapping[str, Any]) -> str:
    kind = "" if hit["right"] is None else ("right" if hit["right"] else "wrong")
    shown = image(folder / hit["image"], hit["said"])
    return f'<figure class="{kind}">{shown}<figcaption>{hit["score"]:.2f} {escape(hit["said"])}</figcaption></figure>'
