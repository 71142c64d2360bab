"""The part of a page about the shared space: recorded embeddings of the same pairs at several steps, as figures."""

from pathlib import Path

from wordsight.base.errors import FormatError
from wordsight.base.files import read_json
from wordsight.report.canvas import percent
from wordsight.report.line_charts import Axes, Curve, line_chart
from wordsight.report.page import box, note
from wordsight.report.runs import CURE, SPACE, is_number, numbered_lines, read_array
from wordsight.report.space_figure import (
    MISSES,
    PAIRS,
    Moment,
    chosen_steps,
    nearness,
    projection_of,
    space_figure,
)


def space_part(run: Path) -> str:
    """Return the figures of `run`/space, nothing where it is not recorded."""
    moments = read_moments(run)
    if not moments:
        return ""
    projection = projection_of(moments[-1].embeddings)
    drawing = space_figure("shared-space", moments, projection=projection, title="the shared space while it is learned")
    near = [nearness(moment.embeddings) for moment in moments]
    curves = [
        Curve("mismatches", [(float(m.step), n.others) for m, n in zip(moments, near, strict=True)], paint="--bad"),
        Curve("matching pairs", [(float(m.step), n.pairs) for m, n in zip(moments, near, strict=True)], paint="--good"),
    ]
    cosines = line_chart("shared-space-cosines", curves[::-1], axes=Axes("step", "mean cosine"), title="mean cosines")
    count = moments[-1].embeddings.shape[1]
    drawn = (
        f"{len(chosen_steps(count, PAIRS))} of {count} pairs are drawn"
        if count > PAIRS
        else f"All {count} pairs are drawn"
    )
    way = (
        "each cloud's own mean at the last step is taken out, for pairs are then nearer together in the plane"
        if projection.centred == "each cloud"
        else "only the mean of all is taken out, so the gap between images and captions is seen as it is"
    )
    caption = (
        f"One fixed projection for all steps: those directions in which the last step's embeddings spread most; "
        f"{way}. "
        f"{drawn}, and for {min(MISSES, count)} images the nearest caption that is not theirs. The shares are "
        f"measured in all dimensions, among {count} captions (chance {percent(1 / count)}); the plane shows but a part."
    )
    return box(drawing) + note(caption) + box(cosines)


def read_moments(run: Path) -> list[Moment]:
    """Return what `space/steps.jsonl` names, in order of the steps; damaged or unequal files raise `FormatError`."""
    path = run / SPACE
    moments = []
    count = _pairs(path.parent) if path.exists() else 0
    for number, line in numbered_lines(path):
        where = f"{path} line {number}"
        step, name = line.get("step"), line.get("embeddings")
        if not isinstance(step, int) or not is_number(step) or not isinstance(name, str):
            raise FormatError(f"{where} names no step and embeddings", cure=CURE)
        embeddings = read_array(path.parent / name)
        if embeddings.ndim != 3 or embeddings.shape[:2] != (2, count) or not count:
            raise FormatError(
                f"{path.parent / name} ({where}) has the shape {embeddings.shape}, not (2, {count}, width)", cure=CURE
            )
        moments.append(Moment(step, embeddings))
    widths = {moment.embeddings.shape[2] for moment in moments}
    if len(widths) > 1:
        raise FormatError(f"{path} names embeddings of widths {sorted(widths)}", cure=CURE)
    return sorted(moments, key=lambda moment: moment.step)


def _pairs(folder: Path) -> int:
    pairs = read_json(folder / "pairs.json")
    if not isinstance(pairs, list):
        raise FormatError(f"{folder / 'pairs.json'} is no list of pairs", cure=CURE)
    return len(pairs)
