"""As many embeddings as a benchmark of search needs, with the geometry of real ones: read by scan.py.

Images and captions of `flickr8k` and `fashion_products` are embedded with the bundled model once; without data they are
drawn.  More images are made of these: each is a mixture of an image and one of its 32 nearest, turned into the wider
space by an orthogonal map, with noise of a quarter of its length.  Texts are mapped alike, without noise.
"""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from wordsight.base.arrays import unit
from wordsight.base.progress import track

TYPED = ["red running shoes", "two dogs playing in the snow", "blue jeans for men", "a child on a swing", "wrist watch"]


def embedded(data: Path | None, keep: Path) -> tuple[Any, Any]:
    """Return unit embeddings of images and of texts, from `keep` where they are there."""
    path = keep / "embeddings.npz"
    if not path.is_file():
        images, texts = from_data(data) if data else drawn()
        np.savez(path, images=images, texts=texts)
    with np.load(path) as arrays:
        return arrays["images"], arrays["texts"]


def drawn() -> tuple[Any, Any]:
    """Return 16,000 images in clusters near 60 directions, and 200 texts that are like them by 0.35."""
    random = np.random.default_rng(0)
    plane = random.standard_normal((60, 384)) * 0.93 ** np.arange(60)[:, None]
    centres = random.standard_normal((800, 60))
    images = unit((centres[random.integers(0, 800, 16_000)] + 0.6 * random.standard_normal((16_000, 60))) @ plane)
    texts = 0.35 * images[:200] + 0.93 * unit(random.standard_normal((200, 384)))
    return images, unit(texts)


def from_data(data: Path) -> tuple[Any, Any]:
    """Return the embeddings of all images of both sets, and of texts.

    These are 100 captions, 100 titles, what somebody may type, and 100 everyday phrases, most of which nothing shows.
    """
    import pyarrow.parquet as parquet

    import wordsight
    from wordsight.search.background import usual_phrases

    model = wordsight.load()
    photos, captions = [], []
    for path in sorted((data / "flickr8k").glob("*.tar")):
        for name, content in members(path):
            if name.endswith(".jpg"):
                photos.append(content)
            elif path.name.startswith("val"):
                captions += json.loads(content)["captions"]
    folder = data / "fashion_products"
    tables = [
        parquet.read_table(folder / f"{part}.parquet", columns=["image", "captions"]) for part in ("val", "train")
    ]
    products = [image for table in tables for image in table.column("image").to_pylist()]
    titles = [texts[0] for texts in tables[0].column("captions").to_pylist()]
    random = np.random.default_rng(1)
    texts = [*random.permutation(captions)[:100], *random.permutation(titles)[:100], *TYPED, *usual_phrases()[::20]]
    everything = photos + products
    parts = [model.embed_images(everything[i : i + 256]) for i in track(range(0, len(everything), 256))]
    return np.concatenate(parts), model.embed_texts(map(str, texts))


def members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the files of a tar."""
    with tarfile.open(path) as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is not None:
                yield member.name, content.read()


def multiplied(images: Any, texts: Any, keep: Path, *, count: int, width: int) -> tuple[Any, Any]:
    """Return `count` embeddings (N, W) of 16 bits, memory-mapped, and the texts (Q, W)."""
    random = np.random.default_rng(2)
    turn = np.eye(width, dtype=np.float32)  # (384, W)
    if width != images.shape[1]:
        turn = np.linalg.qr(random.standard_normal((max(width, images.shape[1]), images.shape[1])))[0].T[:, :width]
        turn = turn.astype(np.float32)
    path = keep / f"rows-{count}-{width}.f16"
    if not path.is_file():
        alike = images @ images.T
        near = np.argpartition(-alike, 33, axis=1)[:, :33]  # itself among them
        with path.open("wb") as handle:
            for start in track(range(0, count, 8192), desc="rows"):
                many = min(8192, count - start)
                one = random.integers(0, len(images), many)
                other = near[one, random.integers(0, 33, many)]
                share = random.uniform(0.5, 1, (many, 1)).astype(np.float32)
                mixed = unit(share * images[one] + (1 - share) * images[other]) @ turn
                noise = random.standard_normal(mixed.shape, dtype=np.float32) * (0.25 / width**0.5)
                handle.write(unit(mixed + noise).astype(np.float16).tobytes())
    return np.memmap(path, np.float16, mode="r", shape=(count, width)), unit(texts @ turn)
