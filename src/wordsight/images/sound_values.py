r"""Values that files state of an image, as far as they are sound: texts, figures, positions.

    text("  Canon\0\0", limit=200)            # "Canon"
    position(52.52, 13.4)                      # (52.52, 13.4); None for 0, 0 and for what lies on no globe
    camera("NIKON CORPORATION", "NIKON D850")  # "NIKON D850"

What is not sound is None: a receiver without a signal, a denominator of 0, a rating of 99.  Knows no file format.
"""

import math
import re
from collections.abc import Iterable

TITLE, CAPTION, NAME = 1_000, 20_000, 200  # letters of a text that are kept
KEYWORDS = 1_000  # of an image that are kept
_NO_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]+")
_COMPANY = re.compile(r"[\s,]+(corporation|corp|company|co|ltd|inc|gmbh|ag)\b\.?,?.*$", re.IGNORECASE)
_NO_LENS = re.compile(r"[^a-z]*|unknown.*|n/?a|none|.*\b0(\.0)?\s*mm f/?0(\.0)?\b.*", re.IGNORECASE)
_BY_CAMERA = re.compile(  # what cameras write where people would write a caption
    r"(olympus|minolta|konica|kodak|casio|samsung|sanyo|ricoh|pentax|nikon|vivitar|hp)?\s*digital (still )?camera.*"
    r"|sony dsc|dcf\s*|dcim.*|default|untitled|exif_jpeg.*|binary data.*|created with gimp|screenshot|image description"
    r"|digitalkamera|jpeg|<\w+>|\{.*|dav|cof|oznor|hdr|edf|sdr|mde|rhdr|nor|fbt|ptr|qrf|vsco",
    re.IGNORECASE | re.DOTALL,
)


def text(value: object, *, limit: int = TITLE) -> str | None:
    """Return a text without control characters and blanks around it, cut at `limit` letters; None for an empty one."""
    if not isinstance(value, str):
        return None
    clean = _NO_TEXT.sub(" ", value.replace("\0", "").replace("\r\n", "\n").replace("\r", "\n"))[: 2 * limit].strip()
    return clean[:limit].rstrip() or None


def line(value: object, *, limit: int = TITLE) -> str | None:
    """Return a text as one line."""
    clean = text(value, limit=2 * limit)
    return None if clean is None else " ".join(clean.split())[:limit].rstrip() or None


def decoded(data: bytes) -> str:
    """Return the text of bytes that are UTF-8, and otherwise, as old programs write, Latin-1."""
    data = data.partition(b"\0")[0]
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def caption(value: object) -> str | None:
    """Return a text that says something of an image; None for what cameras write everywhere."""
    clean = text(value, limit=CAPTION)
    return None if clean is None or _BY_CAMERA.fullmatch(clean) else clean


def keywords(values: Iterable[object]) -> str | None:
    """Return keywords as a column holds them: one a line, each once."""
    lines: dict[str, None] = {}
    for value in values:
        if (one := line(value)) is not None:
            lines[one] = None
        if len(lines) >= KEYWORDS:
            break
    return "\n".join(lines) or None


def number(value: object, least: float, most: float, *, digits: int = 6) -> float | None:
    """Return a number between limits, of so many significant digits; whole ones without a fraction."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not math.isfinite(value) or not least <= value <= most:
        return None
    short = float(f"{value:.{digits}g}")
    return int(short) if short.is_integer() else short


def rating(value: object) -> int | None:
    """Return how many stars an image has, 0 to 5."""
    stars = number(value, 0, 5)
    return None if stars is None else round(stars)


def stars_of_percent(percent: float) -> int:
    """Return the stars that Windows writes as 1, 25, 50, 75 and 99 of a hundred."""
    return 0 if percent < 1 else min(1 + round(percent / 25), 5)


def iso(value: object) -> float | None:
    """Return the sensitivity of a sensor; 65535 is how cameras write that there is no room for it."""
    return None if value == 65535 else number(value, 1, 100_000_000)


def position(latitude: object, longitude: object) -> tuple[float, float] | None:
    """Return degrees north and east, seven digits behind the point: a centimetre.

    0, 0 is none: receivers without a signal write it.
    """
    if not isinstance(latitude, int | float) or not isinstance(longitude, int | float):
        return None
    if not (abs(latitude) <= 90 and abs(longitude) <= 180) or (latitude == 0 and longitude == 0):
        return None
    return round(float(latitude), 7), round(float(longitude), 7)


def altitude(value: object) -> float | None:
    """Return metres above the sea: from its deepest ground to where balloons fly."""
    return number(value, -12_000, 100_000)


def camera(maker: object, model: object) -> str | None:
    """Return the name of a camera, its maker before it where the model does not say it itself."""
    made, name = line(maker, limit=NAME), line(model, limit=NAME)
    if made is not None:
        made = _COMPANY.sub("", made)
    if made is None or name is None:
        return name or made
    first = name.split()[0].casefold()
    return name if first in made.casefold().split() or name.casefold().startswith(made.casefold()) else f"{made} {name}"


def lens(value: object) -> str | None:
    """Return the name of a lens; None for what cameras write where they do not know it."""
    name = line(value, limit=NAME)
    return None if name is None or _NO_LENS.fullmatch(name) else name
