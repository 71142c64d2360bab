"""Where the label images of a folder's images lie: beside them, or in a folder of their own.

MaskPaths(root, "seg.png").of("a/1.jpg")           # root/a/1.seg.png
MaskPaths(root, "_mask.png").of("a/1.jpg")         # root/a/1_mask.png
MaskPaths(root, "annotations").of("images/a/1.jpg")   # root/annotations/images/a/1.png, else root/annotations/a/1.png

The last is how ADE20K and Cityscapes are laid out.  Knows paths only: what the files hold is for those who read them.
"""

from pathlib import Path

from wordsight.base.errors import NotFound

SUFFIX = ".png"  # label images are PNG: formats for photos change numbers


class MaskPaths:
    """The label images of the images below `root`; `masks` as in `wordsight.data.source.Columns`, None for none."""

    def __init__(self, root: Path, masks: str | None) -> None:
        self._root = root
        beside = masks is not None and masks.lower().endswith(SUFFIX)
        self._ending = (masks if masks[0] in "._-" else f".{masks}") if masks and beside else None
        self._folder = Path(masks) if masks and not beside else None
        if self._folder is not None and not (root / self._folder).is_dir():
            cure = "name the ending of files beside the images, as seg.png, or a folder below the images' own"
            raise NotFound(f"no folder of masks {root / self._folder}", cure=cure)

    def holds(self, image: str) -> bool:
        """Say whether the path of an image below the root is that of a label image."""
        if self._folder is not None:
            return Path(image).is_relative_to(self._folder)
        return self._ending is not None and image.endswith(self._ending)

    def of(self, image: str) -> Path | None:
        """Return the label image of an image, None where none is asked for or there is none."""
        path = Path(image)
        if self._ending is not None:
            candidates = [self._root / path.with_name(path.stem + self._ending)]
        elif self._folder is not None:
            named = path.with_suffix(SUFFIX)
            candidates = [self._root / self._folder / part for part in (named, Path(*named.parts[1:])) if part.parts]
        else:
            return None
        return next((candidate for candidate in candidates if candidate.is_file()), None)
