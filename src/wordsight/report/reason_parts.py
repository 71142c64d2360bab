"""What the page of a search shows of why each hit came: a map over its image, a switch for it, and the figures.

    reading(reasons)                  # how to read the maps, and the switch for all
    map_over(jpeg, reason)            # the second image, which lies over the first
    stated_why(reason)                  # where it is strongest, what each part of the query gave, whether it stood

No script: the switches are check boxes that style sheets look at.
"""

from collections.abc import Sequence
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING

from wordsight.base.errors import InputError
from wordsight.base.terminal import escaped
from wordsight.search.thumbnails import address, as_jpeg

if TYPE_CHECKING:
    from wordsight.search.why import Reason

READING = (
    "A map shows how much each part of an image speaks for the query, each by its own weakest and strongest part; grey "
    "is what the model does not see. It comes under the pointer, or where its switch is on."
)
CHECKS = (
    "Maps by {}. Two checks of each map: hiding its strongest tenth and fifth takes more off the score than with each "
    "of 19 random maps (p = 0.05), and it differs from the map of “a photo”. A map that fails one is marked: do not "
    "read it."
)


def reading(reasons: "Sequence[Reason]") -> str:
    """Return how maps are read, with their colours, and the switch that shows all; "" where there is none."""
    if all(one.spot is None for one in reasons):
        return ""
    return (
        f'<div class="reading"><p>{escape(READING)}</p>'
        '<p class="scale"><span>weak</span><i></i><span>strong</span></p></div>\n'
        '<input type="checkbox" id="maps" class="all"><label for="maps" class="switch">all maps</label>\n'
    )


def checks(reasons: "Sequence[Reason]") -> str:
    """Return how the maps were made and checked, as plain text; "" where there is none."""
    methods = dict.fromkeys(one.method for one in reasons if one.spot is not None)
    return CHECKS.format(", ".join(methods)) if methods else ""


def map_over(jpeg: bytes | InputError, reason: "Reason") -> str:
    """Return the image under the map; "" where there is none, or nothing stands out in it."""
    if isinstance(jpeg, InputError) or reason.spot is None:
        return ""
    import numpy as np
    from PIL import Image

    with Image.open(BytesIO(jpeg)) as small:
        drawn = as_jpeg(Image.fromarray(reason.overlay(np.asarray(small.convert("RGB")))))
    alt = f"its map: strongest {reason.spot.region}"
    mark = "" if reason.passes else " fails"
    return f'<img class="map{mark}" src="{address(drawn)}" alt="{escape(alt)}" loading="lazy" decoding="async">'


def switch_of(reason: "Reason", number: int) -> str:
    """Return the switch of one map, behind its image; "" where there is none."""
    if reason.spot is None:
        return ""
    mark = "map" if reason.passes else "map ✗"
    return (
        f'<input type="checkbox" id="map-{number}" class="one">'
        f'<label for="map-{number}" class="switch">{escape(mark)}</label>'
    )


def stated_why(reason: "Reason") -> str:
    """Return what each part of the query gave, where the map is strongest, and whether it stood its checks."""
    rows = [(one.name, one.share) for one in reason.shares]
    rows += [(reason.unwished, reason.without)] if reason.unwished else []
    terms = "".join(f"<dt>{share:+.3f}</dt><dd>{escape(escaped(' '.join(name.split())))}</dd>" for name, share in rows)
    parts = [f'<dl class="shares">{terms}</dl>'] if len(rows) > 1 else []
    if reason.problem:
        parts.append(f"<p>no map: {escape(escaped(reason.problem))}</p>")
    elif reason.spot is None:
        parts.append("<p>The map is even: no part of the image stands out.</p>")
    elif reason.hiding is not None and reason.swap is not None:
        verdict = "✓ stood its check" if reason.passes else "✗ map fails its check"
        parts.append(f"<p>strongest {escape(reason.spot.region)}</p>")
        parts.append(f'<p class="{"stood" if reason.passes else "failed"}">{verdict}</p>')
        parts.append(
            f"<details><summary>the check</summary><p>{escape(str(reason.hiding))}</p>"
            f"<p>beside “a photo”, {escape(str(reason.swap))}</p></details>"
        )
    return f'<div class="why">{"".join(parts)}</div>'
