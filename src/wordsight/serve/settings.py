"""What is served, where, and within which limits.

    ServeSettings(libraries=(ServedLibrary("photos", Path("photos")),), models=("bundled",))

Plain values that travel to worker processes.  Knows nothing of HTTP.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from wordsight.base.errors import UsageError
from wordsight.serve.safety.settings import SafetySettings
from wordsight.serve.watched.settings import WatchSettings

PORT = 7070
MIB = 1 << 20
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class ServedLibrary:
    """A library under the name by which addresses have it; `folder` is None where it lies beside its location."""

    name: str
    location: Path
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class ServeLimits:
    """What one request may bring and cost; sizes in bytes, times in seconds."""

    body: int = 64 * MIB
    image: int = 32 * MIB  # one image, as a file
    pixels: int = 100_000_000  # of one image
    text: int = 32_768  # letters of one text
    texts: int = 2_048  # of one request
    images: int = 128  # of one request
    hits: int = 1_000  # of one answer
    seconds: float = 60.0  # until an answer has to be there
    waiting: int = 4_096  # inputs that wait in one queue; beyond it 503


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """`models`: names or folders, the first is the default; none is the default model.

    `workers`: processes that answer.  `keys`: the file of API keys, if any.  `urls`: whether images may be named by web
    addresses.  `thumbnails`: whether they are made before anybody asks; `thumbnail_bytes`: so much of them is kept.
    """

    libraries: tuple[ServedLibrary, ...] = ()
    models: tuple[str | None, ...] = (None,)
    engine: str = "auto"
    device: str = "auto"
    host: str = "127.0.0.1"
    port: int = PORT
    workers: int = 1
    keys: Path | None = None
    urls: bool = False
    thumbnails: bool = True
    thumbnail_bytes: int = 4096 * MIB
    limits: ServeLimits = field(default_factory=ServeLimits)
    watch: WatchSettings = field(default_factory=WatchSettings)
    safety: SafetySettings = field(default_factory=SafetySettings)
    memory: int | None = None  # bytes that one worker may hold; None: four fifths of the machine's, shared by workers
    idle_unload: float = 0.0  # seconds after which a model that nobody asks lets go of what it has open; 0: never
    text_cache: int = 64 * MIB  # bytes of embeddings of texts that are kept, a model
    grace: float = 30.0  # seconds in which what was accepted may be answered after a stop

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise UsageError(f"port {self.port}", cure="give 1 to 65535, or 0 for any that is free")
        if not 1 <= self.workers <= 256:
            raise UsageError(f"{self.workers} workers", cure="give 1 to 256")
        if not self.idle_unload >= 0:
            raise UsageError(f"--idle-unload {self.idle_unload}", cure="give seconds, or 0 for never")

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the server."""
        try:
            return self.host in LOOPBACK or ipaddress.ip_address(self.host).is_loopback
        except ValueError:  # a name
            return False


def named_libraries(locations: Iterable[Path], folder: Path | None = None) -> tuple[ServedLibrary, ...]:
    """Return locations under names of their own: the last part of the path, with a number where it comes again.

    The same location twice, in whatever spelling, is a `UsageError`.
    """
    named: dict[str, ServedLibrary] = {}
    known: set[Path] = set()
    for location in locations:
        if location.resolve() in known:
            raise UsageError(f"{location} comes twice", cure="name each location once")
        known.add(location.resolve())
        stem = _plain(location.absolute().stem if location.is_file() else location.resolve().name)
        name, number = stem, 2
        while name in named:
            name, number = f"{stem}-{number}", number + 1
        named[name] = ServedLibrary(
            name, location.absolute(), folder
        )  # so messages tell of no folder: they are known whole
    if folder is not None and len(named) > 1:
        raise UsageError(f"--library {folder} with {len(named)} places", cure="serve one place, or leave out --library")
    return tuple(named.values())


def read_size(text: str) -> int:
    """Return the bytes of a size as people write it: 800MB, 2GB, 2GiB."""
    units = {"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
    given = text.strip().lower().removesuffix("b")
    number = given.rstrip("kmgti ")
    unit = given[len(number) :].strip()
    try:
        return int(float(number) * units[unit])
    except (ValueError, KeyError, OverflowError):
        raise UsageError(f"{text} is no size", cure="write for example 800MB or 2GB") from None


def _plain(name: str) -> str:
    """Return a name as it may stand in an address."""
    kept = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name).strip("-.")
    return kept or "library"
