"""Maps side by side ("attention grids"): one row an image: it, its true map, a misleading one, the shift.

    write_explanation_grid([Path("maps")], Path("maps/report.html"))    # recorded by `wordsight explain … --out maps`

Rows are grouped by model and method, with how many maps stood their checks.
"""

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

import numpy as np

from wordsight.base.errors import FormatError, NotFound
from wordsight.base.files import atomic_write
from wordsight.base.reading import IMAGE_LIMIT, read_file
from wordsight.evaluate.fairness import wilson_interval
from wordsight.report.canvas import brief
from wordsight.report.explanation_page import (
    Explained,
    ExplainedText,
    answer_of,
    explained_of,
    image_figure,
    map_figure,
    reading,
    scales,
    shift_figure,
    styles,
)
from wordsight.report.page import anchored, box, contents, note, page
from wordsight.report.runs import CURE, numbered_lines

EXPLANATIONS = "explanations.jsonl"
LONGEST = 100  # letters of a name or path
MOST = 300  # images on a page, the last that were recorded: a browser has to hold them all
LONGEST_REASON = 160  # letters of what is wrong with a record


def write_explanation_grid(folders: Sequence[Path], out: Path) -> Path:
    """Write the page of what is recorded in the folders to `out`; return it."""
    groups: dict[str, list[Explained]] = {}
    read: list[Explained] = []
    for folder in folders:
        read.extend(_read(folder))
    for one in read[-MOST:]:
        groups.setdefault(f"{brief(one.model)}, {brief(one.method)}", []).append(one)
    if not groups:
        raise NotFound(f"{folders[0]} holds no explanation yet", cure="wordsight explain IMAGE TEXT --out FOLDER")
    total = sum(map(len, groups.values()))
    texts = [text for group in groups.values() for one in group for text in one.texts]
    blocks = [styles(), scales(texts), contents({name: [] for name in groups})]
    paths: dict[str, set[str]] = {}
    for one in (one for group in groups.values() for one in group):
        paths.setdefault(one.name, set()).add(one.path)
    for name, group in groups.items():
        rows = [_rows(one, one.name if len(paths[one.name]) == 1 else one.path) for one in group]
        blocks.append(anchored(name, _counted(group) + box("".join(rows))))
    lead = f"{total:,} {'image' if total == 1 else 'images'}: what the model sees of a true and of a misleading text."
    if left := len(read) - total:
        lead += f" The first {left:,} recorded {'is' if left == 1 else 'are'} left out."
    with atomic_write(out, "w") as handle:
        handle.write(
            page(
                "Maps side by side",
                lead=lead,
                blocks=blocks,
                foot=f"{reading(texts)} The page loads nothing from anywhere.",
            )
        )
    return out


def _read(folder: Path) -> Iterator[Explained]:
    path = folder / EXPLANATIONS
    for number, record in numbered_lines(path):
        try:
            yield explained_of(record, lambda name: _image(folder, name))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            what = f"no field {error}" if isinstance(error, KeyError) else brief(str(error), LONGEST_REASON)
            raise FormatError(f"{path} line {number} cannot be read: {what}", cure=CURE) from None


def _image(folder: Path, name: str) -> bytes:
    """Return an image that a record names, which lies in its folder."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{name!r} lies outside its folder")
    try:
        return read_file(path, limit=IMAGE_LIMIT)
    except OSError:
        raise NotFound(f"the record names {path}, which cannot be read", cure="explain the image again") from None


def _counted(group: Sequence[Explained]) -> str:
    """Return how many maps stood their checks, true and misleading ones apart."""
    kinds = {
        "true": [one.texts[0] for one in group],
        "misleading": [text for one in group for text in one.texts[1:]],
    }
    return note("; ".join(filter(None, (_share(kind, texts) for kind, texts in kinds.items()))))


def _share(kind: str, texts: Sequence[ExplainedText]) -> str:
    checked = [one.verdict == "stands" for one in texts if one.verdict in ("stands", "fails")]
    if not checked:
        return ""
    lows, highs = wilson_interval(np.array([sum(checked)]), np.array([len(checked)]))
    return (
        f"{sum(checked)} of {len(checked)} maps of {kind} texts stand (95 % interval {lows[0]:.0%} to {highs[0]:.0%})"
    )


def _rows(one: Explained, heading: str) -> str:
    """Return the row of an image, and below it one for each further misleading text; no image is embedded twice."""
    first, *others = one.texts
    start = [image_figure(one.image, "the image"), map_figure(first, "true")]
    pairs = [[map_figure(other, "misleading"), shift_figure(first, other)] for other in others] or [[]]
    rows = [[*start, *pairs[0]], *pairs[1:]]
    shown = "".join(f'<div class="maps four">{"".join(row)}</div>' for row in rows)
    return f'<div class="grid-row"><h3>{escape(_shortened(heading))}</h3>{answer_of(one)}{shown}</div>'


def _shortened(name: str) -> str:
    """Return a name or path; of a long one the end, by which paths differ more often."""
    return brief(name if len(name) <= LONGEST else f"…{name[1 - LONGEST :]}", LONGEST)
