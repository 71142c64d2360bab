"""The images that a verb was given, as files, folders or globs: found, embedded one by one, failures listed at the end.

images = ImageArguments(args.images, verb="ask", doing="asking")
for path, embedding in images.embedded(model): ...
return images.finish()                # the exit status: 1 when some failed
"""

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.base.errors import NotFound
from wordsight.base.failures import in_cache, list_failures
from wordsight.base.progress import notice, track
from wordsight.images.files import PassedOver, find_images, is_image_name
from wordsight.images.fragments import check_form, existing

if TYPE_CHECKING:
    from wordsight.base.arrays import Embeddings
    from wordsight.embeddings.model import Model


class ImageArguments:
    """The images of a call, in order and each once; a pattern without any raises `NotFound`."""

    def __init__(self, patterns: Sequence[str], *, verb: str, doing: str) -> None:
        passed = PassedOver()
        self.paths = _find(patterns, passed)
        if passed.kinds:
            notice(passed.text())
        self._verb, self._doing = verb, doing
        self._given = len(self.paths) + len(passed.unreadable)
        self._failures = [f"the folder {path} cannot be read; check its permissions" for path in passed.unreadable]

    def embedded(self, model: "Model") -> "Iterator[tuple[Path, Embeddings]]":
        """Yield each image with its embedding (E,); those that fail are kept for `finish`."""
        encoded = model.encode_images(self.paths, model.load_pixels)
        for one in track(encoded, len(self.paths), unit="image", desc=self._doing):
            if one.error is not None or one.embedding is None:
                self._failures.append(str(one.error))
            else:
                yield one.item, one.embedding

    def finish(self) -> int:
        """List the failures, and return the exit status: 1 when there are some."""
        if self._failures:
            list_failures(self._failures, in_cache(self._verb))
            notice(f"{len(self._failures)} of {self._given} images failed")
        return 1 if self._failures else 0


def _find(patterns: Iterable[str], passed: PassedOver) -> list[Path]:
    """Return the images that files, folders and globs stand for, in order and each once."""
    images: dict[Path, None] = {}
    for pattern in patterns:
        paths = list(_expand(pattern, passed))
        if not paths:
            problem = f"no images at {pattern}" + (f": {passed.text()}" if passed.kinds else "")
            raise NotFound(problem, cure="check the path; a glob has to match files")
        images.update(dict.fromkeys(paths))
    return list(images)


def _expand(pattern: str, passed: PassedOver) -> Iterator[Path]:
    if os.path.isdir(pattern):
        yield from _below(Path(pattern), passed)
    elif os.path.isfile(pattern):
        yield Path(pattern)
    elif existing(pattern):
        check_form(pattern)
        yield Path(pattern)
    else:
        check_form(pattern)
        for match in map(Path, sorted(glob.glob(pattern, recursive=True))):
            if match.is_dir():
                yield from _below(match, passed)
            elif is_image_name(match):
                yield match
            else:
                passed.note(match.name)


def _below(folder: Path, passed: PassedOver) -> Iterator[Path]:
    here = PassedOver()
    yield from find_images(folder, here)
    passed.kinds += here.kinds
    passed.unreadable += [str(folder / path) for path in here.unreadable]
