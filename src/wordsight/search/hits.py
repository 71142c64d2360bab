"""What a library answers: hits, best first, and how a notebook shows them.

    hits = library.search("red shoes")      # a list
    hits[0]                                 # <Hit 0.312 photos/a.jpg>
    hits[0].image()                         # its file, or its bytes where it lies inside a table or shard

In a notebook a hit, and the list, show their images as small JPEGs inside the page.  Pillow is imported for that only.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from wordsight.base.errors import InputError
from wordsight.base.value import Value
from wordsight.images.fragments import file_of, for_people, fragment_file, split

if TYPE_CHECKING:
    from wordsight.search.originals import Originals

SIDE = 192  # pixels of a thumbnail's longer side: about 10 kB as JPEG
SHOWN = 50  # hits of a list that a notebook shows
TITLES = ("title", "name", "caption", "text")  # columns that say what an image shows, the best first
LONGEST_TITLE = 100  # letters


@dataclass(frozen=True, slots=True, repr=False)
class Hit:
    """One answer.  `path` is the image's file, or None when it lies inside a table or shard.

    That of a frame or page is the file that it lies in: its key says where (`beach.mp4#t=83.5`), and so do its columns.

    `score` is a cosine, `match` the probability that the image shows what was asked for; None where the library
    cannot tell.
    `origin` gives the images that lie inside tables or shards; it is None for hits of a folder.  `alike`: keys of
    images that show nearly the same, where such are folded.  `why`: what led to it, where images were the query.
    `named`: it has all words of the query.
    """

    score: float
    key: str
    path: Path | None
    meta: Mapping[str, Value]
    match: float | None = None
    origin: "Originals | None" = field(default=None, compare=False, kw_only=True)
    alike: tuple[str, ...] = field(default=(), kw_only=True)
    why: str = field(default="", kw_only=True)
    named: bool = field(default=False, kw_only=True)

    def image(self) -> Path | bytes:
        """Return the image's file, or its bytes where it lies inside a table or shard, a video or a document.

        Raises `InputError` where it is not there any more.
        """
        if self.path is not None:
            fragment = split(self.key)[1]
            return fragment_file(Path(file_of(str(self.path))), fragment) if fragment else self.path
        if self.origin is None:
            raise InputError(f"{self.key} has no file", cure="search the library that it is from")
        return self.origin.image(self.key)

    def record(self) -> dict[str, Any]:
        """Return what programs are given: score, match, key, path and meta, and alike and why where there are any."""
        return {
            "score": round(self.score, 6),
            "match": None if self.match is None else round(self.match, 6),
            "key": self.key,
            "path": None if self.path is None else str(self.path),
            "meta": dict(self.meta),
            **({"alike": list(self.alike)} if self.alike else {}),
            **({"why": self.why} if self.why else {}),
        }

    def __repr__(self) -> str:
        likely = "" if self.match is None else f"{percent(self.match)} "
        return f"<Hit {likely}{self.score:.3f} {name_of(self)}>"

    def _repr_html_(self) -> str:
        """Return the image, its score and its name; the last two alone where the image cannot be read."""
        return _as_html([self])


class Located(NamedTuple):
    """A hit, the location whose library gave it, and whether it is likely enough for people to look at."""

    location: Path
    hit: Hit
    likely: bool = True


def name_of(hit: Hit) -> str:
    """Return the path of a hit, or its key where it has none, and where in its file it lies, for people."""
    if hit.path is None:
        return hit.key
    fragment = split(hit.key)[1]
    return for_people(f"{file_of(str(hit.path))}#{fragment}") if fragment else str(hit.path)


def strength(hit: Hit) -> str:
    """Return how well a hit fits, for people: a probability in percent where there is one, else the score."""
    return f"{hit.score:.3f}" if hit.match is None else percent(hit.match)


def percent(match: float) -> str:
    """Return a probability for people."""
    return "<1%" if match < 0.005 else f"{match:.0%}"


def title(hit: Hit) -> str:
    """Return a line that says what a hit of a table or shard shows: its title, name or first caption; "" for none."""
    if hit.origin is None:
        return ""
    named = {column.lower(): value for column, value in hit.meta.items() if isinstance(value, str)}
    lines = (line for column in TITLES for line in named.get(column, "").splitlines())
    line = next((line.strip() for line in lines if line.strip()), "")
    return line if len(line) <= LONGEST_TITLE else f"{line[: LONGEST_TITLE - 1]}…"


def one_line(value: Value) -> str:
    """Return a value as text with its lines on one; "" for none."""
    return "" if value is None else " / ".join(line.strip() for line in str(value).splitlines() if line.strip())


class Hits(list[Hit]):
    """A list of hits that a notebook shows as images.

    `least` is the probability below which a hit is not worth showing to people; None where the library cannot tell.
    `matching`: how many images match, of which these are the first, where they were sorted; `is_cut`: whether a
    probability or a score says so, not just their number.
    """

    matching: int | None = None
    is_cut: bool = False

    def __init__(self, hits: Iterable[Hit] = (), *, least: float | None = None) -> None:
        super().__init__(hits)
        self.least = least

    def cut(self, min_match: float | None, min_cosine: float | None) -> "Hits":
        """Return the hits that are likely enough, and near enough; those without a probability stay."""
        kept = (hit for hit in self if min_match is None or hit.match is None or hit.match >= min_match)
        return Hits((hit for hit in kept if min_cosine is None or hit.score >= min_cosine), least=self.least)

    def _repr_html_(self) -> str:
        """Return the first hits side by side."""
        more = f"<p>and {len(self) - SHOWN} more</p>" if len(self) > SHOWN else ""
        return _as_html(self[:SHOWN]) + more


def _as_html(hits: Sequence[Hit]) -> str:
    from html import escape

    from wordsight.search.thumbnails import address, as_jpeg, thumbnails

    shown = []
    for hit, jpeg in zip(hits, thumbnails(hits, as_jpeg, side=SIDE), strict=True):
        name = escape(name_of(hit))
        image = "" if isinstance(jpeg, InputError) else f'<img src="{address(jpeg)}" alt="{name}"><br>'
        shown.append(
            f'<div style="display:inline-block;margin:4px;max-width:{SIDE}px;vertical-align:top">'
            f'{image}<small style="overflow-wrap:anywhere">{strength(hit)} {name}</small></div>'
        )
    return "".join(shown)
