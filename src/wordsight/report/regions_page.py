"""The page of an image's regions: the image, its label map with a legend, a box for each class, what it shows whole.

    write_regions_page(path, ShownRegions("a.jpg", "windows", "bundled", (640, 480), image, coloured, classes))

Knows images as encoded bytes and figures as plain values; where they come from is not its business.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from wordsight.base.files import atomic_write
from wordsight.report.canvas import brief, percent
from wordsight.report.page import anchored, box, facts, page, table

STYLE = (
    "<style>.maps{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr));gap:1rem}"
    ".maps figure{margin:0}.maps .frame{position:relative}"
    ".maps img{width:100%;height:auto;display:block;border-radius:6px}"
    ".maps svg{position:absolute;inset:0;width:100%;height:100%}"
    ".maps rect{fill:none;stroke-width:2;vector-effect:non-scaling-stroke}"
    ".maps .frame{overflow:hidden}.maps .frame b{position:absolute;font-size:.72rem;line-height:1.25;padding:0 .3em;"
    "white-space:nowrap;color:#fff;text-shadow:0 0 2px #000,0 0 2px #000}"
    ".key{display:flex;flex-wrap:wrap;gap:.4rem 1.2rem;margin:1rem 0 0;padding:0;list-style:none;font-size:.95rem}"
    ".key i{display:inline-block;width:.85rem;height:.85rem;border-radius:3px;margin-right:.45rem;vertical-align:-1px}"
    ".key span{color:var(--soft)}.maps figcaption{overflow-wrap:anywhere}</style>"
)
FIGURES = (
    "A box lies around the largest region of a class; its cosine is that of this region cut out alone. Whole: the "
    "cosine of the whole image with the class. A region whose cosine is below the whole's fits the class less than the "
    "image with everything else in it does: doubt it."
)
ROUGH = (
    "Shares, regions and boxes are what the model assigns, not measurements: label maps of this kind are rough. How "
    "rough this model's are is measured on labelled images by wordsight evaluate MODEL --tasks segmentation:FOLDER "
    "(docs/evaluate.md)."
)

Sides = tuple[int, int]  # width and height in pixels


@dataclass(frozen=True, slots=True)
class ShownClass:
    """A class: its colour in the label map (CSS), its share of the image, of its largest region cosine and box."""

    name: str
    colour: str
    share: float
    cosine: float | None
    whole: float
    box: tuple[float, float, float, float] | None
    regions: int


@dataclass(frozen=True, slots=True)
class ShownRegions:
    """An image of `sides` pixels with its label map, both encoded, and how it was made.

    `background` are texts with their cosines with the whole image.  Pixels less probable than `threshold` show no
    class, and where masks were `given` those in none of them.
    """

    name: str
    method: str
    model: str
    sides: Sides
    image: bytes
    coloured: bytes
    classes: Sequence[ShownClass]
    background: Sequence[tuple[str, float]] = ()
    threshold: float = 0.0
    given: bool = False


def write_regions_page(out: Path, shown: ShownRegions) -> Path:
    """Write the page of one image to `out`; return it."""
    seen = [one for one in shown.classes if one.box is not None]
    none = max(0.0, 1 - sum(one.share for one in shown.classes))
    cards = [(percent(one.share), f"the model assigns to {brief(one.name, 40)}") for one in _largest(seen)[:3]]
    cards += _nearest(shown)
    maps = [
        _figure(shown, shown.image, "the image, a box around the largest region of each class", _boxes(shown)),
        _figure(shown, shown.coloured, "the class of each pixel", ""),
    ]
    head = [
        "class",
        "share",
        "regions",
        "cosine of the largest",
        "its x, y, width, height in pixels",
        "cosine of the whole image",
    ]
    rows = [_row(one) for one in shown.classes]
    rows += [[f"background: {name}", "–", "–", "–", "–", f"{whole:.3f}"] for name, whole in shown.background]
    blocks = [
        STYLE,
        facts(cards),
        box(f'<div class="maps">{"".join(maps)}</div>{_key(shown, none)}'),
        anchored("Classes", box(table(head, rows))),
    ]
    of = f"{len(seen)} of {len(shown.classes)} classes" if len(shown.classes) > 1 else brief(shown.classes[0].name)
    lead = f"Where {brief(shown.model)} sees {of} in this image, by {shown.method}."
    with atomic_write(out, "w") as handle:
        handle.write(page(brief(shown.name), lead=lead, blocks=blocks, foot=_reading(shown)))
    return out


def _nearest(shown: ShownRegions) -> list[tuple[str, str]]:
    """Return the card of what the whole image is nearest to, none where nothing else was to choose from."""
    choices = [(one.whole, brief(one.name, 24)) for one in shown.classes]
    choices += [(whole, f"the background: {brief(name, 24)}") for name, whole in shown.background]
    return [(max(choices)[1], "nearest to the whole image")] if len(choices) > 1 else []


def _reasons(shown: ShownRegions) -> list[str]:
    """Return why pixels show no class."""
    reasons = []
    if shown.background:
        reasons.append(f"background ({', '.join(brief(name, 24) for name, _ in shown.background)})")
    if shown.threshold:
        reasons.append(f"less probable than {shown.threshold:g}")
    return [*reasons, "in none of the given masks"] if shown.given else reasons


def _reading(shown: ShownRegions) -> str:
    """Return how the page is to be read, as it was asked for."""
    beside = " and the background, where it shows none" if shown.background else ""
    rule = f"Each pixel{' of the given masks' if shown.given else ''} has the most probable of the classes{beside}"
    if not (shown.background or shown.threshold):
        rule += ": one class is always taken, whatever the image shows; name what else may be seen as background"
    elif shown.threshold:
        rule += f", and shows none where that is less probable than {shown.threshold:g}"
    return f"{rule}. {FIGURES} {ROUGH}"


def _largest(classes: Sequence[ShownClass]) -> list[ShownClass]:
    return sorted(classes, key=lambda one: -one.share)


def _row(one: ShownClass) -> list[str]:
    where = "–" if one.box is None else ",\N{NO-BREAK SPACE}".join(f"{value:.0f}" for value in one.box)
    cosine = "–" if one.cosine is None else f"{one.cosine:.3f}"
    return [one.name, percent(one.share), str(one.regions), cosine, where, f"{one.whole:.3f}"]


def _figure(shown: ShownRegions, data: bytes, caption: str, above: str) -> str:
    source = f"data:image/jpeg;base64,{base64.b64encode(data).decode('ascii')}"
    image = f'<img src="{source}" alt="{escape(shown.name)}: {escape(caption)}">'
    return f'<figure><div class="frame">{image}{above}</div><figcaption>{escape(caption)}</figcaption></figure>'


def _boxes(shown: ShownRegions) -> str:
    """Return the boxes as a drawing that lies over the image, and their names in a corner of each."""
    width, height = shown.sides
    parts, names = [], []
    for one in shown.classes:
        if one.box is not None:
            x, y, wide, high = one.box
            parts.append(f'<rect x="{x:g}" y="{y:g}" width="{wide:g}" height="{high:g}" style="stroke:{one.colour}"/>')
            side = f"right:{100 - 100 * (x + wide) / width:.2f}%" if x > width / 2 else f"left:{100 * x / width:.2f}%"
            at = f"bottom:{100 - 100 * (y + high) / height:.2f}%" if y > height / 2 else f"top:{100 * y / height:.2f}%"
            label = escape(f"{brief(one.name, 24)} {one.cosine:.2f}")
            names.append(f'<b style="{side};{at};background:{one.colour}b0">{label}</b>')
    drawing = (
        f'<svg viewBox="0 0 {width} {height}" preserveAspectRatio="none" aria-hidden="true">{"".join(parts)}</svg>'
    )
    return drawing + "".join(names)


def _key(shown: ShownRegions, none: float) -> str:
    """Return the legend: the colour of each class and its share, and what shows none."""
    items = [
        f'<li><i style="background:{one.colour}"></i>{escape(one.name)} <span>{escape(_figures(one))}</span></li>'
        for one in _largest(shown.classes)
    ]
    if none >= 0.0005:
        why = escape(f"{percent(none)}: {' or '.join(_reasons(shown))}" if _reasons(shown) else percent(none))
        items.append(f"<li><i></i>no class <span>{why}</span></li>")
    return f'<ul class="key">{"".join(items)}</ul>'


def _figures(one: ShownClass) -> str:
    return percent(one.share) if one.cosine is None else f"{percent(one.share)}, cosine {one.cosine:.3f}"
