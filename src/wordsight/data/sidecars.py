"""The sidecars of images: files beside them in which programs keep what they know of them, by their names alone.

    sidecars = Sidecars()
    if sidecars.note("2024/a.xmp"): sidecars.stamps["2024/a.xmp"] = stamp
    sidecars.of("2024/a.jpg")                             # ["2024/a.xmp"]
    image_of("IMG_1.jpg.supplemental-metadata(2)")        # "IMG_1(2).jpg"

`a.jpg.xmp` tells of `a.jpg` alone, `a.xmp` of every image called `a`.  Google Takeout writes `a.jpg.json` or
`a.jpg.supplemental-metadata.json`, and cuts names at 46 letters before `.json`.  PhotoPrism writes `a.yml`, beside the
images, into `.photoprism` there, or into a folder `sidecar` with the folders of `originals`.  Opens nothing.
"""

import re
from collections.abc import Iterator

from wordsight.base.reading import MEGABYTE
from wordsight.data.names import composed
from wordsight.images.files import SIDECARS, is_image_name

XMP, JSON, YML = ".xmp", ".json", ".yml"
LARGEST_JSON = MEGABYTE
LONGEST = 46  # letters of a name of Takeout's before `.json`
_ENDING = ".supplemental-metadata"
_NAME = re.compile(r"(?P<image>.+?\.[A-Za-z0-9]{2,5})(?P<ending>\.[a-z-]*)?(?P<number>\(\d+\))?", re.ASCII)
Stamp = tuple[int, int]


class Sidecars:
    """The files of one folder that may be sidecars, by what they may tell of; `stamps` are theirs."""

    def __init__(self) -> None:
        self.stamps: dict[str, Stamp | None] = {}
        self._of_name: dict[str, list[str]] = {}  # composed path of an image -> Takeout's files
        self._of_stem: dict[str, str] = {}  # the same without its ending -> XMP
        self._of_photo: dict[str, str] = {}  # the same, as PhotoPrism counts folders -> its file
        self._of_start: dict[str, str] = {}  # the beginning of a long path -> Takeout's file

    def note(self, path: str) -> bool:
        """Take a file that ends in `.xmp`, `.json` or `.yml` if it may be a sidecar by its name, and say so."""
        stem, suffix = path[: path.rfind(".")], path[path.rfind(".") :].lower()
        start = stem.rfind("/") + 1
        if suffix == XMP:
            self._of_stem[composed(stem)] = path
        elif suffix == YML:
            stem = composed(stem.replace(f"{SIDECARS}/", ""))
            self._of_photo |= {stem: path, _below("sidecar", stem): path}
        elif (image := image_of(stem[start:])) is not None:
            self._of_name.setdefault(composed(stem[:start] + image), []).append(path)
        elif len(stem) - start == LONGEST:
            self._of_start[composed(stem)] = path
        else:
            return False
        return True

    def of(self, image: str) -> list[str]:
        """Return the sidecars of an image, those first that tell of it alone."""
        if not self.stamps:
            return []
        whole = composed(image)
        slash, dot = whole.rfind("/") + 1, whole.rfind(".")
        name = whole[slash:]
        edited = whole[:dot].removesuffix("-edited") + whole[dot:]  # Takeout's copies have the JSON of what they are of
        beside = [self._of_stem.get(whole), self._of_stem.get(whole[:dot])]
        if self._of_photo:
            photo = whole[:dot]
            beside.append(self._of_photo.get(photo) or self._of_photo.get(_below("originals", photo)))
        beside += sorted(self._of_name.get(whole) or self._of_name.get(edited) or [])
        if len(name) > LONGEST:
            beside.append(self._of_start.get(whole[:slash] + name[:LONGEST]))
        return [path for path in beside if path in self.stamps]

    def lines(self) -> Iterator[str]:
        """Yield a line for each file, for a signature."""
        return (f"{path} {stamp}" for path, stamp in sorted(self.stamps.items()))


def _below(folder: str, path: str) -> str:
    """Return what of a path lies below the first folder of this name; all of it where there is none."""
    return f"/{path}".partition(f"/{folder}/")[2] or path


def image_of(stem: str) -> str | None:
    """Return which image a JSON file of Takeout's tells of, by its name without `.json`; None where it is none."""
    match = _NAME.fullmatch(stem) if "." in stem else None
    if match is None or not is_image_name(match["image"]) or not _ENDING.startswith(match["ending"] or ""):
        return None
    name, number = match["image"], match["number"] or ""
    at = name.rfind(".")
    return f"{name[:at]}{number}{name[at:]}"
