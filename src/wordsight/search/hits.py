"""What a library answers: hits, best first, and how a notebook shows them.

    hits = library.search("red shoes")      # a list
    hits[0]                                 # <Hit 0.312 photos/a.jpg>

In a notebook a hit, and the list, show their images as small JPEGs inside the page.  Pillow is imported for that only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wordsight.base.errors import WordsightError
from wordsight.base.nouns import Value

SIDE = 192  # pixels of a thumbnail's longer side: about 10 kB as JPEG
QUALITY = 80
SHOWN = 50  # hits of a list that a notebook shows


@dataclass(frozen=True, slots=True, repr=False)
class Hit:
    """One answer.  `path` is the image's file, or None when it lies inside a table or shard."""

    score: float
    key: str
    path: Path | None
    meta: Mapping[str, Value]

    def __repr__(self) -> str:
        return f"<Hit {self.score:.3f} {self.path or self.key}>"

    def _repr_html_(self) -> str:
        """Return the image, its score and its name; the last two alone where the image cannot be read."""
        from html import escape

        name = escape(str(self.path or self.key))
        image = thumbnail(self.path) if self.path is not None else ""
        shown = f'<img src="{image}" alt="{name}"><br>' if image else ""
        return (
            f'<div style="display:inline-block;margin:4px;max-width:{SIDE}px;vertical-align:top">'
            f'{shown}<small style="overflow-wrap:anywhere">{self.score:.3f} {name}</small></div>'
        )


class Hits(list[Hit]):
    """A list of hits that a notebook shows as images."""

    def _repr_html_(self) -> str:
        """Return the first hits side by side."""
        more = f"<p>and {len(self) - SHOWN} more</p>" if len(self) > SHOWN else ""
        return "".join(hit._repr_html_() for hit in self[:SHOWN]) + more


def thumbnail(path: Path) -> str:
    """Return the image as the address of a small JPEG that holds itself, "" where it cannot be read."""
    import base64
    from io import BytesIO

    from wordsight.images.decode import open_image

    try:
        image = open_image(path, at_least=SIDE)
    except WordsightError:
        return ""
    image.thumbnail((SIDE, SIDE))
    packed = BytesIO()
    image.convert("RGB").save(packed, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(packed.getvalue()).decode()}"
