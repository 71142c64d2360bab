"""The kinds of image files: which endings they have, and which of them need another package.

`IMAGE_SUFFIXES` are the endings of what is read here and now.  What else people keep beside their photos has a name in
`other_kind`, so that passing over it can be said.  Imports neither Pillow nor the other packages.
"""

from collections.abc import Iterable
from importlib.util import find_spec
from typing import BinaryIO, NamedTuple

from wordsight.images import tiff


class OptionalKind(NamedTuple):
    """Files that `package` reads, which `wordsight[extra]` brings.

    `module` uses it: its `draft(handle)` returns a Pillow image, `measure(handle, size)` the sides of a file's image
    and the bytes that decoding it takes.
    """

    name: str
    suffixes: frozenset[str]
    package: str
    extra: str
    module: str

    def installed(self) -> bool:
        """Say whether the package is there; it is not imported."""
        return find_spec(self.package) is not None


def _endings(text: str) -> frozenset[str]:
    return frozenset(f".{ending}" for ending in text.split())


HEIC = OptionalKind("HEIC", _endings("heic heif hif"), "pillow_heif", "heic", "wordsight.images.heic")
RAW = OptionalKind(
    "raw photo",
    _endings("3fr arw cr2 cr3 crw dcr dng erf fff iiq kdc mef mos mrw nef nrw orf pef raf rw2 rwl sr2 srf srw x3f"),
    "rawpy",
    "raw",
    "wordsight.images.raw",
)
OPTIONAL = (HEIC, RAW)
IMAGE_SUFFIXES = _endings("jpg jpeg jpe jfif png webp gif bmp tif tiff avif").union(
    *(kind.suffixes for kind in OPTIONAL if kind.installed())
)
VIDEOS = _endings("mp4 mov m4v avi mkv webm mpg mpeg wmv flv 3gp mts m2ts ogv")
VIDEO = OptionalKind("video", VIDEOS, "av", "video", "wordsight.images.video")
PDF = OptionalKind("PDF", _endings("pdf"), "pypdfium2", "pdf", "wordsight.images.pdf")
HOLDERS = (VIDEO, PDF)  # files that hold several images and are none themselves: only libraries read them
HOLDER_SUFFIXES = frozenset[str]().union(*(kind.suffixes for kind in HOLDERS if kind.installed()))
_OTHERS = _endings(  # pictures of other kinds: each is named by its ending
    "svg svgz pdf eps ai psd psb xcf kra clip jxl jp2 j2k jpx jxr hdr exr tga dds ico icns cur pcx ppm pgm pbm pnm pfm"
    " qoi djvu emf wmf indd cdr fits dcm"
)
_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
_AVIF = {b"avif", b"avis"}
_TIFF = (".tif", ".tiff")
_RAW_MAGIC = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"\0MRM", b"FOVb")


def other_kind(suffix: str) -> str:
    """Return how files of an ending (in lower case) are called that show something and are not read; "" for others."""
    if suffix in VIDEOS:
        return "videos"
    if suffix in _OTHERS or any(suffix in kind.suffixes for kind in OPTIONAL if suffix not in IMAGE_SUFFIXES):
        return suffix
    return ""


def extras(kinds: Iterable[str], *, holders: bool = False) -> list[str]:
    """Return the extras whose packages would read files of these kinds, which are as `other_kind` calls them.

    `holders`: those that hold several images are wanted too.
    """
    kinds = set(kinds)
    needed = [kind.extra for kind in OPTIONAL if kind.suffixes & kinds]
    if not holders:
        return needed
    called = {kind.extra: {other_kind(suffix) for suffix in kind.suffixes} for kind in HOLDERS if not kind.installed()}
    return needed + [extra for extra, names in called.items() if names & kinds]


def optional_kind(handle: BinaryIO, suffix: str) -> OptionalKind | None:
    """Return which optional kind a file is of, by its content and, for files that look like TIFF, its ending."""
    handle.seek(0)
    head = handle.read(64)
    if head[4:8] == b"ftyp":
        brands = _brands(head)
        if b"crx " in brands:
            return RAW
        return HEIC if brands & _BRANDS and not brands & _AVIF else None
    if head.startswith(_RAW_MAGIC):
        return RAW
    if head[:4] in tiff.MAGIC and (
        suffix in RAW.suffixes
        or head[8:10] == b"CR"
        or (suffix not in _TIFF and tiff.is_raw(tiff.first_directory(handle)))
    ):
        return RAW
    return None


def is_avif(head: bytes) -> bool:
    """Say whether a file that begins so is AVIF, with its brand first or behind a general one."""
    return head[4:8] == b"ftyp" and not _AVIF.isdisjoint(_brands(head))


def _brands(head: bytes) -> set[bytes]:
    return {head[at : at + 4] for at in range(8, min(len(head), int.from_bytes(head[:4], "big")), 4)}
