"""Images inside files that hold several: frames of videos and animations, pages of documents, by the names they have.

    split("films/beach.mp4#t=83.5")             # ("films/beach.mp4", "t=83.5")
    for_people("films/beach.mp4#t=83.5")              # "films/beach.mp4 at 1:23.5"
    for image in walked(path, ".mp4"): ...      # `Inside`: one image after the other, each decoded
    fragment_pixels(path, "t=83.5")             # uint8 (H, W, 3)

A fragment is written as in addresses: `#t=83.5` seconds (W3C media fragments), `#page=3` counted from 1 (RFC 8118), and
`#frame=12` of an animation, counted from 0.  No image file ends like that.  Imports neither Pillow nor the packages
that decode; those are in `images.video`, `images.pdf` and `images.animation`.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from wordsight.base.errors import BrokenImage, InputError, UsageError
from wordsight.base.optional import resolve
from wordsight.base.value import Value
from wordsight.images.kinds import HOLDERS, IMAGE_SUFFIXES

if TYPE_CHECKING:
    from wordsight.base.arrays import Pixels

LONGEST = 1280  # pixels of the longer side of what is encoded: more than towers see, and 64 of them are 177 MB at most
COLUMNS = ("second", "duration", "page", "pages", "frame")  # metadata of images inside files
ANIMATED = frozenset((".gif", ".webp", ".png"))  # image files that may hold frames
PAGED = frozenset((".tif", ".tiff"))  # image files that may hold pages
_FRAGMENT = re.compile(r"(.+)#(t=\d+(?:\.\d+)?|page=\d+|frame=\d+)", re.DOTALL)
_FORMS = {
    "t": "#t=SECONDS, such as #t=83.5",
    "page": "#page=NUMBER, counted from 1",
    "frame": "#frame=NUMBER, counted from 0",
}
_ANIMATION = "wordsight.images.animation"


class Inside(NamedTuple):
    """An image inside a file: its fragment, its pixels (reduced to `LONGEST`), its own sides, its metadata columns."""

    fragment: str
    pixels: "Pixels"
    width: int
    height: int
    meta: dict[str, Value]


def split(name: str) -> tuple[str, str]:
    """Return the file and the fragment of a key or path; the fragment is "" where there is none."""
    met = _FRAGMENT.fullmatch(name) if "#" in name else None
    return (met[1], met[2]) if met else (name, "")


def file_of(key: str) -> str:
    """Return the file that an image lies in, or is."""
    return split(key)[0]


def is_fragment(key: str) -> bool:
    """Say whether a key is that of an image inside a file that holds several."""
    return "#" in key and _FRAGMENT.fullmatch(key) is not None


def of_second(second: float) -> str:
    """Return the fragment of a frame at so many seconds, in thousandths."""
    return "t=" + (f"{second:.3f}".rstrip("0").rstrip("."))


def value_of(fragment: str) -> dict[str, Value]:
    """Return the column that a fragment itself tells: {"second": 83.5}, {"page": 3} or {"frame": 12}."""
    name, _, value = fragment.partition("=")
    if name == "t":
        return {"second": float(value)}
    return {name: int(value)} if name else {}


def for_people(name: str) -> str:
    """Return a key or path as people read it: "beach.mp4 at 1:23.5", "manual.pdf page 3", "loop.gif frame 12"."""
    file, fragment = split(name)
    name, _, value = fragment.partition("=")
    if name != "t":
        return f"{file} {name} {value}" if name else file
    minutes, second = divmod(round(float(value), 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    moment = f"{minutes:02}" if hours else f"{minutes}"
    seconds = f"{second:04.1f}".removesuffix(".0")
    return f"{file} at {f'{hours}:' if hours else ''}{moment}:{seconds}"


def example_of(name: str) -> str:
    """Return how an image inside a file may be named, where a file of this name holds several; "" where not."""
    suffix = os.path.splitext(name)[1].lower()
    if not any(suffix in kind.suffixes for kind in HOLDERS):
        return ""
    return os.path.basename(name) + ("#page=1" if suffix == ".pdf" else "#t=1.5")


def form_of(suffix: str) -> str:
    """Return what images inside files of an ending (in lower case) are named by: "t", "page", "frame"; "" for none."""
    if suffix in ANIMATED or suffix in PAGED:
        return "frame" if suffix in ANIMATED else "page"
    return next(("page" if kind.extra == "pdf" else "t" for kind in HOLDERS if suffix in kind.suffixes), "")


def check_form(item: object) -> None:
    """Raise `UsageError` where a path means an image inside a file that is there, in a form that is not its own.

    A file whose own name has a `#` is left alone.
    """
    name = os.fspath(item) if isinstance(item, str | os.PathLike) else ""
    if not isinstance(name, str) or "#" not in name or os.path.lexists(name):
        return
    file, _, fragment = name.rpartition("#")
    if not os.path.isfile(file):
        return
    problem = f"{file} has no image #{fragment[:40]}"
    suffix = os.path.splitext(file)[1].lower()
    form = form_of(suffix)
    if not form and suffix not in IMAGE_SUFFIXES:
        return
    if not form:
        raise UsageError(problem, cure=f"write {file}: it holds one image")
    if not is_fragment(name) or not fragment.startswith(f"{form}="):
        raise UsageError(problem, cure=f"write {os.path.basename(file)}{_FORMS[form]}")


def of_files(stamps: Mapping[str, tuple[int, int]]) -> Mapping[str, tuple[int, int]]:
    """Return the stamps of files from those of images, of which several may lie inside one file: the least of them."""
    if not any("#" in key for key in stamps):
        return stamps
    files: dict[str, tuple[int, int]] = {}
    for key, stamp in stamps.items():
        file = file_of(key)
        files[file] = min(stamp, files.get(file, stamp))
    return files


def existing(item: object) -> tuple[Path, str] | None:
    """Return file and fragment where a path names an image inside a file that is there, and no file itself."""
    if not isinstance(item, str | os.PathLike):
        return None
    name = os.fspath(item)
    if not isinstance(name, str) or not is_fragment(name):
        return None
    file, fragment = split(name)
    return (Path(file), fragment) if os.path.isfile(file) and not os.path.lexists(name) else None


def module_of(suffix: str) -> str | None:
    """Return the module that reads what lies inside files of an ending; None where they hold one image each."""
    if suffix in ANIMATED or suffix in PAGED:
        return _ANIMATION
    return next((kind.module for kind in HOLDERS if suffix in kind.suffixes), None)


def walked(path: Path, suffix: str) -> Iterator[Inside | InputError]:
    """Yield the images inside a file, in order, and last why there are not all of them, where that is so.

    Of an image file the first frame or page is left out: it is the image of the file.  Raises `BrokenImage` where
    nothing can be read, `OSError` where the disk fails.
    """
    module = module_of(suffix)
    assert module is not None
    return _named(resolve(f"{module}:walked")(path), path)


def _named(images: "Iterator[Inside | InputError]", path: Path) -> "Iterator[Inside | InputError]":
    """Yield what is inside a file; what a library raises there becomes `BrokenImage`, what the disk does stays."""
    from wordsight.images.failures import reading

    try:
        yield from images
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:  # Pillow's own have no number
            raise
        with reading(str(path)):
            raise


def fragment_pixels(path: Path, fragment: str, *, longest: int = LONGEST) -> "Pixels":
    """Return the pixels (H, W, 3) of one image inside a file, its longer side reduced to `longest` where it is larger.

    With `LONGEST` they are those that `walked` gives.  Raises `BrokenImage` where there is none.
    """
    suffix = path.suffix.lower()
    module, kind = module_of(suffix), next((kind for kind in HOLDERS if suffix in kind.suffixes), None)
    if module is None:
        raise BrokenImage(f"{path} holds no {fragment}", cure="give a video, a PDF or an animated image")
    if not fragment.startswith(f"{(form := form_of(suffix))}="):
        raise BrokenImage(f"{path} has no image #{fragment}", cure=f"write {path.name}{_FORMS[form]}")
    if kind is not None and not kind.installed():
        raise BrokenImage(
            f"{path} is a {kind.name}, which needs another package", cure=f"pip install 'wordsight[{kind.extra}]'"
        )
    from wordsight.images.failures import reading

    with reading(f"{path}#{fragment}"):
        pixels: Pixels = resolve(f"{module}:pixels_at")(path, value_of(fragment), longest)
    return pixels


def fragment_file(path: Path, fragment: str) -> bytes:
    """Return one image inside a file as a file of its own, whole: JPEG of a video, PNG of what has sharp lines."""
    from io import BytesIO

    from PIL import Image

    image, packed = Image.fromarray(fragment_pixels(path, fragment, longest=4096)), BytesIO()
    if fragment.startswith("t="):
        image.save(packed, "JPEG", quality=95, subsampling=0)
    else:
        image.save(packed, "PNG", compress_level=1)
    return packed.getvalue()
