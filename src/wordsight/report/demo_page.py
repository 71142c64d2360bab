"""The page of `wordsight demo`: reads the files the demo recorded below its folder and tells the story in order.

    write_demo_page(Path("wordsight-demo"), Path("report.html"))

What it reads (docs/report.md describes each): demo.json, results.jsonl, run/metrics.jsonl, matrices/, space/ and
answers.jsonl.
What was not recorded is left out, so a demo that was stopped has a page of what was finished.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wordsight.base.files import atomic_write, read_json
from wordsight.base.nouns import Result
from wordsight.report.answers import guesses, measures, pair_grid, searches
from wordsight.report.canvas import single
from wordsight.report.matrices import heatmap
from wordsight.report.page import box, facts, note, page, section, table
from wordsight.report.run_page import learning_curves
from wordsight.report.runs import SPACE, lines_of, read_array, read_metrics, read_results
from wordsight.report.space_part import space_part
from wordsight.report.towers_figure import towers_figure

MAIN = "unseen/zero-shot/top-1"  # the result that heads the page
SEEN = "seen/zero-shot/top-1"
FIGURE_PAIRS = 7  # rows of the dual-encoder image
PANEL = 176  # pixels of a small matrix

Story = Mapping[str, Any]
Results = Mapping[str, Result]


def write_demo_page(folder: Path, out: Path) -> Path:
    """Write the page of what is recorded in `folder` to `out`; return it."""
    story: Story = read_json(folder / "demo.json")
    results = {result.name: result for result in read_results(folder / "results.jsonl")}
    answers = lines_of(folder / "answers.jsonl")
    blocks = [
        _headline(story, results),
        _towers(folder),
        _matrices(folder),
        _space(folder),
        _curves(folder, results),
        _unseen(story, results),
        section("It classifies", guesses(folder, answers), text=_CLASSIFIES),
        section("It finds", searches(folder, answers, "scenes"), text=_FINDS),
        _photos(folder, story),
        _settings(story),
    ]
    machine = story["environment"]
    text = page(
        "Two towers learn to see",
        lead=f"{story['scenes']['train']:,} drawn scenes with captions, two encoders that knew nothing, one space. "
        "Every figure on this page was recorded while this machine did it.",
        blocks=blocks,
        foot=f"Written by wordsight {machine.get('wordsight', '')}, {machine.get('time', '')}, from the records beside "
        "it. The page loads nothing from anywhere.",
    )
    with atomic_write(out, "w") as handle:
        handle.write(text)
    return out


def _headline(story: Story, results: Results) -> str:
    shown = []
    if MAIN in results:
        setting = results[MAIN].setting
        what = (
            f"of scenes with a colour and shape never seen together are named rightly ({setting['classes']} choices, "
        )
        shown.append(
            (f"{100 * results[MAIN].value:.1f} %", f"{what}chance {100 * float(setting['chance'] or 0):.1f} %)")
        )
    if "seconds" in story:
        what = f"from nothing to this page, on {story['environment'].get('cores', '?')} cores"
        shown.append((clock(story["seconds"]), what))
    if "parameters" in story:
        shown.append((f"{story['parameters'] / 1e6:.2f} M", "parameters in both towers together"))
    if "pairs_seen" in story:
        shown.append((f"{story['pairs_seen']:,}", "pairs of picture and caption seen while learning"))
    return facts(shown)


def _towers(folder: Path) -> str:
    steps = lines_of(folder / "matrices" / "steps.jsonl")
    if not steps:
        return ""
    pairs = read_json(folder / "matrices" / "pairs.json")[:FIGURE_PAIRS]
    matrix = read_array(folder / "matrices" / steps[-1]["matrix"])[: len(pairs), : len(pairs)]
    images = [folder / pair["image"] for pair in pairs]
    figure = towers_figure(matrix, images=images, captions=[pair["caption"] for pair in pairs])
    caption = f"Cosines after {steps[-1]['step']:,} steps. In training no such colour was seen with such a shape."
    return section("Two towers, one space", box(figure), note(caption), text=_LESSON)


def _matrices(folder: Path) -> str:
    panels = []
    for line in lines_of(folder / "matrices" / "steps.jsonl"):
        matrix = read_array(folder / "matrices" / line["matrix"])
        right = int((matrix.argmax(axis=1) == np.arange(len(matrix))).sum())
        drawing = heatmap(matrix, cell=max(6, PANEL // len(matrix)))
        figure = single(f"cosines-{line['step']}", title=f"cosines at step {line['step']}", drawing=drawing)
        caption = f"<b>step {line['step']:,}</b><br>{right} of {len(matrix)} pictures nearest to their own caption"
        panels.append(f"<figure>{figure}<figcaption>{caption}</figcaption></figure>")
    small = f'<div class="small">{"".join(panels)}</div>' if panels else ""
    return section("The matrix sharpens", box(small), text=_SHARPENS)


def _space(folder: Path) -> str:
    run = next((run for run in (folder, folder / "run") if (run / SPACE).exists()), folder)
    return section("Pairs come together", space_part(run), text=_TOGETHER)


def _curves(folder: Path, results: Results) -> str:
    chance = results[MAIN].setting.get("chance") if MAIN in results else None
    curves = learning_curves(
        read_metrics(folder / "run"),
        accuracies={MAIN: "pairs never seen", SEEN: "pairs seen in training"},
        chance=None if chance is None else float(chance),
    )
    return section("The learning", curves)


def _unseen(story: Story, results: Results) -> str:
    count = results[MAIN].count if MAIN in results else 0
    text = (
        "16 of the 64 pairs of a colour and a shape were kept out of all training pictures and captions. "
        f"{count:,} new scenes of just these pairs are named by choosing among all 64: whoever only remembers pairs "
        "fails here, whoever has learned what a colour is and what a shape is does not."
    )
    bars = box(measures(results))
    legend = (
        note("Bars: share right. Whiskers: 95 % bootstrap interval. Dashed tick: what guessing gives.") if bars else ""
    )
    grid = pair_grid(results, colours=story.get("colours", []), shapes=story.get("shapes", []))
    return section("Never seen together", bars, legend, grid, text=text)


def _photos(folder: Path, story: Story) -> str:
    if "photos" not in story:
        return ""
    cards = searches(folder, lines_of(folder / "answers.jsonl"), "photos")
    caption = story["photos"][:1].upper() + story["photos"][1:]
    return section("Real photos", note(f"{caption}."), cards, text=_PHOTOS)


def _settings(story: Story) -> str:
    stages = table(["stage", "time"], [[stage["name"], clock(stage["seconds"])] for stage in story.get("stages", [])])
    plain = table(["setting", "value"], [[key, str(value)] for key, value in story.get("settings", {}).items()])
    machine = table(["machine and versions", ""], [[key, str(value)] for key, value in story["environment"].items()])
    return section("How it was made", f'<div class="row">{box(stages)}{box(plain)}{box(machine)}</div>')


def clock(seconds: float) -> str:
    """Return "0.4 s", "47 s" or "3 min 05 s"."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"


_LESSON = (
    "Each picture becomes a point in a space, each caption too. What belongs together is pulled together (the "
    "diagonal), everything else in the batch is pushed apart. That is the whole lesson."
)
_TOGETHER = (
    "The same pictures and captions as points. Green lines join what belongs together and become short; red lines lead "
    "to the nearest caption that belongs to another picture, and stay long."
)
_SHARPENS = (
    "The same new pictures (rows) and captions (columns) at moments of the learning: the fuller the colour, the "
    "larger the cosine. At first everything is like everything; then the diagonal comes out."
)
_CLASSIFIES = "New scenes of pairs never seen, among all 64 names: the three likeliest, and how sure it is."
_FINDS = (
    "Words against pictures, through the same library that searches photos. A green frame: the picture shows what was "
    "asked for (the demo knows, it drew them)."
)
_PHOTOS = (
    "The towers above know drawn shapes only. For photos, Wordsight's bundled model was asked; the pictures are those "
    "that other installed packages bring along."
)
