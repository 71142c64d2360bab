"""An explanation as a record: plain figures, and its images as small files beside them.

    kept = recorded("dog.jpg", why)
    kept.record                    # plain values; its images are named as they are in `kept.files`
    append(Path("maps"), kept)     # maps/explanations.jsonl, maps/pictures/….jpg

Any number of images, texts and models go into one folder, of which `wordsight report` makes a page.
"""

import json
import time
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from wordsight.base.arrays import Pixels
from wordsight.base.files import atomic_write, sha256_bytes, storage_errors
from wordsight.base.records import append_whole, locked
from wordsight.explain.in_words import answer, checks, figure, sentences, verdict

if TYPE_CHECKING:
    from wordsight.explain.explanation import Explanation

EXPLANATIONS, IMAGES = "explanations.jsonl", "pictures"
SIDE = 480  # pixels of the longer side in a folder: four of them stand in a row of a page
QUALITY = 88  # of the JPEGs


class Kept(NamedTuple):
    """A record, and the files that it names: relative path -> JPEG."""

    record: Mapping[str, Any]
    files: Mapping[str, bytes]


def recorded(path: str, why: "Explanation", *, side: int | None = SIDE) -> Kept:
    """Return an explanation of the image at `path` as a record; no image of it is longer than `side` pixels."""
    files: dict[str, bytes] = {}

    def kept(pixels: Pixels) -> str:
        data = jpeg_of(pixels, side=side)
        file = f"{IMAGES}/{sha256_bytes(data)[:16]}.jpg"
        files[file] = data
        return file

    texts = [
        {
            **figures(why, number),
            "overlay": kept(why.overlay(number)),
            "difference": kept(why.against(0, number)) if number else "",
        }
        for number in range(len(why.texts))
    ]
    record = {
        "name": Path(path).name,
        "path": path,
        "answer": answer(why),
        "model": why.model,
        "method": why.method,
        "image": kept(why.image),
        "texts": texts,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    return Kept(record, files)


def figures(why: "Explanation", number: int) -> dict[str, Any]:
    """Return the figures of one text as plain values."""
    return {
        "text": why.texts[number],
        "cosine": round(float(why.cosines[number]), 6),
        "probability": None if why.probabilities is None else round(float(why.probabilities[number]), 6),
        "verdict": verdict(why, number),
        "checks": checks(why, number),
        "figure": figure(why, number),
        "trust": sentences(why, number),
        "words": [[token, round(value, 6)] for token, value in why.words[number]],
    }


def append(folder: Path, kept: Kept) -> None:
    """Add a record to a folder, its images first: a record never names what is not there."""
    with storage_errors(folder / IMAGES):
        (folder / IMAGES).mkdir(parents=True, exist_ok=True)
    for name, data in kept.files.items():
        with atomic_write(folder / name) as handle:
            handle.write(data)
    path = folder / EXPLANATIONS
    with locked(path):
        append_whole(path, [json.dumps(kept.record, ensure_ascii=False)])


def jpeg_of(pixels: Pixels, *, side: int | None = None) -> bytes:
    """Return an image (H, W, 3) as JPEG, at most `side` pixels long."""
    from PIL import Image

    image = Image.fromarray(pixels)
    if side is not None:
        image.thumbnail((side, side))
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
