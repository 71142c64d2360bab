"""The shared space while it is learned: the embeddings of the same few pairs at some steps, as files of a run.

    record = SpaceRecord(run, pairs)
    record.add(64, images, texts)                 # (N, D) each

RUN/space/pairs.json    [{"image": path, "caption": text}, ...], N of them; paths are relative to RUN
RUN/space/steps.jsonl   {"step": 64, "embeddings": "step-000064.npy"}, in the order of the steps
RUN/space/step-N.npy    float16 (2, N, D): the unit embeddings of the images, and of their captions
RUN/space/pictures/     small JPEGs of images that are no files of the run

Half precision moves a number of a unit embedding by 2.4e-4 at most.  Knows nothing of towers and of drawing.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from wordsight.base.arrays import Embeddings, Pixels
from wordsight.base.files import atomic_write, read_json, sha256_bytes, storage_errors, write_json
from wordsight.base.records import whole_lines

FOLDER = "space"  # of a run or a demo
PAIRS, STEPS, THUMBNAILS = "pairs.json", "steps.jsonl", "pictures"
SIDE = 96  # pixels of the longer side of a thumbnail
QUALITY = 85  # of its JPEG: about 3 kB


@dataclass(frozen=True, slots=True)
class SpacePair:
    """An image and its caption.

    `image` is a path relative to the run's folder, or pixels, uint8 (H, W, 3), of which a thumbnail is written.
    """

    image: str | Pixels
    caption: str


class SpaceRecord:
    """The record in the folder of a run.  One of the same pairs goes on; one of others begins anew."""

    def __init__(self, run: Path, pairs: Sequence[SpacePair]) -> None:
        self._folder = run / FOLDER
        listed = [{"image": _path(pair.image), "caption": pair.caption} for pair in pairs]
        if self._folder.exists() and not self._holds(listed):
            forget(run)
        for pair, line in zip(pairs, listed, strict=True):
            if not isinstance(pair.image, str):
                _write_thumbnail(run / line["image"], pair.image)
        write_json(self._folder / PAIRS, listed)
        lines = whole_lines(self._folder / STEPS) if (self._folder / STEPS).exists() else ()
        self._files = {int(line["step"]): str(line["embeddings"]) for line in lines}

    def _holds(self, listed: Sequence[dict[str, str]]) -> bool:
        return (self._folder / PAIRS).exists() and read_json(self._folder / PAIRS) == listed

    @property
    def steps(self) -> list[int]:
        """The steps that are recorded, in order."""
        return sorted(self._files)

    def add(self, step: int, images: Embeddings, texts: Embeddings) -> None:
        """Record the unit embeddings (N, D) of images and captions after `step` steps, in place of earlier ones.

        Embeddings that are no numbers are left out: the run that made them has diverged.
        """
        both = np.stack([images, texts])  # (2, N, D)
        if not np.isfinite(both).all():
            return
        self._files[step] = name = f"step-{step:06d}.npy"
        with atomic_write(self._folder / name) as handle:
            np.save(handle, both.astype(np.float16))
        self._write_steps()

    def keep(self, wanted: Callable[[int], bool]) -> None:
        """Drop what is recorded of other steps."""
        dropped = [step for step in self.steps if not wanted(step)]
        names = [self._files.pop(step) for step in dropped]
        if names:
            self._write_steps()
        for name in names:
            with storage_errors(self._folder):
                (self._folder / name).unlink(missing_ok=True)

    def _write_steps(self) -> None:
        with atomic_write(self._folder / STEPS, "w") as handle:
            handle.writelines(json.dumps({"step": step, "embeddings": self._files[step]}) + "\n" for step in self.steps)


def forget(run: Path) -> None:
    """Delete the record in the folder of a run, where there is one."""
    with storage_errors(run):
        if (run / FOLDER).exists():
            shutil.rmtree(run / FOLDER)


def _path(image: str | Pixels) -> str:
    """Return an image's path in the record; that of a thumbnail is made of the pixels."""
    if isinstance(image, str):
        return image
    return f"{FOLDER}/{THUMBNAILS}/{sha256_bytes(str(image.shape).encode(), image.tobytes())[:16]}.jpg"


def _write_thumbnail(path: Path, pixels: Pixels) -> None:
    small = Image.fromarray(pixels)
    small.thumbnail((SIDE, SIDE))
    with atomic_write(path) as handle:
        small.save(handle, "JPEG", quality=QUALITY)
