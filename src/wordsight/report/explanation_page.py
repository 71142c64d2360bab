"""The page of an explanation: the image, its map under each text, how the maps differ, and how far to trust them.

    write_explanation_page(path, Explained("dog.jpg", "legrad", "bundled", image, rows))

Knows images as encoded bytes and figures as text; where they come from is not its business.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from wordsight.base.files import atomic_write
from wordsight.report.canvas import brief, percent
from wordsight.report.page import anchored, box, facts, note, page, table

STYLE = (
    "<style>.why{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,15rem),1fr));gap:1rem}"
    ".why figure{margin:0}.why img{width:100%;height:auto;display:block;border-radius:6px}"
    ".why figcaption{font-size:.875rem;margin-top:.35rem}"
    ".words span{padding:.1em .25em;border-radius:4px;margin-right:.15em;display:inline-block}</style>"
)
READING = (
    "Colours from blue to red: how much a place speaks for the text, each map by its own least and greatest value. "
    "Grey: cut off before the model saw it. Difference: blue where the first text's map is stronger, orange where the "
    "other's."
)


@dataclass(frozen=True, slots=True)
class ExplainedText:
    """One text: the map over the image and its difference to the first text's (PNG or JPEG, b"" for none).

    `words` are pieces of the text with their relevance; `trust` are sentences on how far to trust the map, and
    `passes` says whether it stood every check (None: none was made).
    """

    text: str
    cosine: float
    probability: float
    overlay: bytes
    difference: bytes
    words: Sequence[tuple[str, float]]
    trust: Sequence[str]
    passes: bool | None


@dataclass(frozen=True, slots=True)
class Explained:
    """An image with its texts; `image` is encoded."""

    name: str
    method: str
    model: str
    image: bytes
    texts: Sequence[ExplainedText]


def write_explanation_page(out: Path, explained: Explained) -> Path:
    """Write the page of one image to `out`; return it."""
    first = explained.texts[0]
    blocks = [
        STYLE,
        facts([(f"{one.cosine:.3f}", f"cosine with “{brief(one.text, 60)}”") for one in explained.texts[:3]]),
    ]
    for one in explained.texts:
        shown = [_figure(explained.image, "the image"), _figure(one.overlay, f"under “{brief(one.text, 80)}”")]
        if one.difference:
            names = f"blue: “{brief(first.text, 40)}”, orange: “{brief(one.text, 40)}”"
            shown.append(_figure(one.difference, f"how it shifts, {names}"))
        verdict = {True: "This map stood its checks.", False: "This map failed a check: do not read it.", None: ""}
        blocks.append(
            anchored(
                one.text,
                box(f'<div class="why">{"".join(shown)}</div>{_words(one.words)}')
                + (f"<p><b>{escape(verdict[one.passes])}</b></p>" if one.passes is not None else "")
                + "".join(note(line) for line in one.trust),
            )
        )
    rows = [[one.text, f"{one.cosine:.3f}", percent(one.probability)] for one in explained.texts]
    blocks.append(anchored("Scores", box(table(["text", "cosine", "probability"], rows))))
    lead = f"Why {brief(explained.model)} matches this image with each text, by {explained.method}."
    with atomic_write(out, "w") as handle:
        handle.write(page(brief(explained.name), lead=lead, blocks=blocks, foot=READING))
    return out


def _figure(data: bytes, caption: str) -> str:
    kind = "png" if data[:4] == b"\x89PNG" else "jpeg"
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
    return f'<figure><img src="{source}" alt="{escape(caption)}"><figcaption>{escape(caption)}</figcaption></figure>'


def _words(words: Sequence[tuple[str, float]]) -> str:
    """Return the pieces of a text, each as strong as its relevance among them."""
    most = max((value for _, value in words), default=0.0)
    if most <= 0:
        return ""
    parts = "".join(
        f'<span style="background:rgba(229,120,52,{0.65 * max(value, 0) / most:.2f})" title="{value:.4f}">'
        f"{escape(piece)}</span>"
        for piece, value in words
    )
    return f'<p class="words">words: {parts}</p>'
