"""A folder of real images with planted copies, for duplicates.py: resaved, resized, cropped, flipped, edited, marked.

    python benchmarks/planted_copies.py DATA FOLDER [chosen|other]

Takes 2,500 photos of flickr8k train and 2,500 images of fashion_products train, evenly, and plants 400 copies of each
kind, half of photos, half of products, each of another image; `other` takes
images that `chosen` does not, and draws otherwise.  FOLDER/planted.jsonl says which is a copy of which.
"""

import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from wordsight.data.source import open_source

EACH = 2500
PLANTED = 200  # copies of a kind and of a set
Generator = np.random.Generator


def saved(image: Image.Image, quality: int) -> bytes:
    packed = io.BytesIO()
    image.save(packed, "JPEG", quality=quality)
    return packed.getvalue()


def resaved(image: Image.Image, draw: Generator) -> tuple[Image.Image, int, str]:
    quality = int(draw.integers(40, 91))
    return image, quality, f"quality {quality}"


def resized(image: Image.Image, draw: Generator) -> tuple[Image.Image, int, str]:
    share = float(draw.choice([0.5, 0.6, 0.75, 0.9, 1.5, 2.0]))
    size = max(1, round(image.width * share)), max(1, round(image.height * share))
    return image.resize(size, Image.Resampling.BICUBIC), 85, f"{share} of the sides"


def cropped(image: Image.Image, draw: Generator) -> tuple[Image.Image, int, str]:
    off = float(draw.uniform(0.05, 0.30))  # of the area
    shape = float(np.exp(draw.uniform(-0.08, 0.08)))
    width = min(1.0, np.sqrt(1 - off) * shape)
    height = min(1.0, (1 - off) / width)
    x, y = draw.uniform(0, 1 - width), draw.uniform(0, 1 - height)
    box = [x * image.width, y * image.height, (x + width) * image.width, (y + height) * image.height]
    return image.crop(tuple(round(side) for side in box)), 85, f"{off:.2f} off"


def flipped(image: Image.Image, draw: Generator) -> tuple[Image.Image, int, str]:
    return ImageOps.mirror(image), 85, ""


def edited(image: Image.Image, draw: Generator) -> tuple[Image.Image, int, str]:
    bright, contrast, colour = (float(draw.uniform(0.75, 1.25)) for _ in range(3))
    image = ImageEnhance.Brightness(image).enhance(bright)
    image = ImageEnhance.Contrast(image).enhance(contrast)
    return ImageEnhance.Color(image).enhance(colour), 85, f"{bright:.2f} {contrast:.2f} {colour:.2f}"


def marked(image: Image.Image, draw: Generator) -> tuple[Image.Image, int, str]:
    layer = image.convert("RGBA")
    over = Image.new("RGBA", image.size, (0, 0, 0, 0))
    at = float(draw.uniform(0.02, 0.4)) * image.width, float(draw.uniform(0.05, 0.85)) * image.height
    strength = int(draw.integers(110, 230))
    shade = (255, 255, 255) if np.asarray(image).mean() < 150 else (90, 90, 90)
    ImageDraw.Draw(over).text(at, "(c) studio", fill=(*shade, strength), font_size=image.height / 9)
    return Image.alpha_composite(layer, over).convert("RGB"), 85, f"strength {strength}"


KINDS: dict[str, Callable[[Image.Image, Generator], tuple[Image.Image, int, str]]] = {
    "resave": resaved,
    "resize": resized,
    "crop": cropped,
    "flip": flipped,
    "edit": edited,
    "mark": marked,
}


def images(data: Path, name: str, part: str) -> Iterator[tuple[str, bytes, dict[str, Any]]]:
    """Yield name, file and metadata of EACH images, evenly."""
    samples = list(open_source(data / name, split="train").samples())
    chosen = {at * len(samples) // EACH for at in range(EACH)}
    left = [at for at in range(len(samples)) if at not in chosen]
    numbers = sorted(chosen) if part == "chosen" else [left[at * len(left) // EACH] for at in range(EACH)]
    for sample in (samples[at] for at in numbers):
        data_of = sample.image if isinstance(sample.image, bytes) else Path(str(sample.image)).read_bytes()
        meta = {"title": sample.texts[0], "class": sample.label, **sample.meta}
        yield f"{name}/{sample.key.replace('/', '_')}.jpg", data_of, meta


def main() -> None:
    data, folder = Path(sys.argv[1]), Path(sys.argv[2])
    part = sys.argv[3] if len(sys.argv) > 3 else "chosen"
    draw = np.random.default_rng(11 if part == "chosen" else 12)
    rows = []
    for name in ("flickr8k", "fashion_products"):
        originals = list(images(data, name, part))
        order = draw.permutation(len(originals))[: PLANTED * len(KINDS)]
        kind_of = {int(at): list(KINDS)[n % len(KINDS)] for n, at in enumerate(order)}
        for at, (path, content, meta) in enumerate(originals):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
            rows.append({"path": path, "set": name, "kind": "", "of": "", **{k: str(v) for k, v in meta.items()}})
            if kind := kind_of.get(at):
                image = Image.open(io.BytesIO(content)).convert("RGB")
                copy, quality, how = KINDS[kind](image, draw)
                target = f"{name}-copies/{at:05d}-{kind}.jpg"
                (folder / target).parent.mkdir(parents=True, exist_ok=True)
                (folder / target).write_bytes(saved(copy, quality))
                rows.append({"path": target, "set": name, "kind": kind, "of": path, "how": how})
    (folder / "planted.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    main()
