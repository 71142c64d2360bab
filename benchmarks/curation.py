"""Planted faults: how many of each kind the rules of `wordsight data curate` drop, and how many sound pairs with them.

    python benchmarks/curation.py flickr8k/val-*.tar --out results.md
    python benchmarks/curation.py fashion_products/val.parquet

Of the images of a set with captions, a fifth become an evaluation set.  Into the rest are planted: captions swapped
among a fifth of the images, copies saved again smaller, copies cropped to 80 % of each side, and copies of evaluation
images saved again, cropped, and as they are.  A rule is told nothing of it.  "dropped" of a kind is the share of its
pairs that go; of sound pairs it is the price.  The model is the default one: use a set that it did not learn from.
"""

import argparse
import io
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from wordsight.base.processor import processor_name
from wordsight.curate.clusters import cluster_numbers
from wordsight.curate.judging import judge
from wordsight.curate.pool import PairPool
from wordsight.curate.rule_text import read_rules
from wordsight.data.source import open_source
from wordsight.embeddings.model import load
from wordsight.images.decode import open_image
from wordsight.images.files import image_bytes

KINDS = ("swapped", "resaved", "cropped", "evaluation: same", "evaluation: resaved", "evaluation: cropped")
RULES = (
    "clip-score >= 0.28",
    "clip-score:chance=5%",
    "clip-score:chance=1%",
    "clip-score:top=90%",
    "clip-score:top=80%",
    "clip-score:top=70%",
    "basic:side=100",
    "duplicates",
    "near-duplicates:cosine=0.98",
    "near-duplicates:cosine=0.95",
    "near-duplicates:cosine=0.9",
    "near-duplicates:cosine=0.85",
    "decontaminate:cosine=2",
    "decontaminate:cosine=0.98",
    "decontaminate:cosine=0.95",
    "decontaminate:cosine=0.9",
    "decontaminate:cosine=0.85",
    "clip-score:top=80% and duplicates and near-duplicates:cosine=0.9 and decontaminate:cosine=0.9",
)
PLANTED = 100  # of each kind of copy, at most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("source")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lines = list(measure(args.source, Path(folder)))
    print("\n".join(lines))
    if args.out:
        args.out.write_text("\n".join(lines) + "\n")


def measure(location: str, folder: Path) -> Iterator[str]:
    kinds = plant(location, folder)
    model = load()
    pool = PairPool(open_source(folder / "pool"), lambda: model)
    start = time.perf_counter()
    pool.prepare(["looks", "images", "scores"])
    seconds = time.perf_counter() - start
    of_pair = np.array([kinds[record.key] for record in pool.records.rows() for _ in record.texts])
    counts = {kind: int((of_pair == kind).sum()) for kind in ("", *KINDS)}
    yield f"{Path(location).parent.name}, model {model.name}, {processor_name()}, {time.strftime('%Y-%m-%d')}"
    yield f"{pool.records.pairs} pairs of {pool.records.images} images, read and embedded in {seconds:.0f} s"
    yield ""
    yield "| dropped, % | sound pairs | " + " | ".join(KINDS) + " |"
    yield "|---|" + "---|" * (1 + len(KINDS))
    yield f"| pairs | {counts['']} | " + " | ".join(str(counts[kind]) for kind in KINDS) + " |"
    for rule in RULES:
        kept = judge(pool, read_rules([rule], [str(folder / "evaluation")])).kept
        shares = [100 * (~kept[of_pair == kind]).mean() if counts[kind] else np.nan for kind in ("", *KINDS)]
        yield f"| `{rule}` | " + " | ".join(f"{share:.1f}" for share in shares) + " |"
    yield ""
    yield from clusters_miss(pool)
    cosines = pool.scores().cosines
    bad, good = cosines[of_pair == "swapped"], cosines[of_pair == ""]
    above = (good[:, None] > bad[None]).mean() + (good[:, None] == bad[None]).mean() / 2
    yield f"a sound pair has a higher cosine than a swapped one in {above:.1%} of all couples of both"


def clusters_miss(pool: PairPool) -> Iterator[str]:
    """Say how many near pairs lie in one cluster."""
    embeddings, sound = np.asarray(pool.images.rows), pool.images.sound
    cosines = np.triu(embeddings[sound] @ embeddings[sound].T, 1)
    for least in (0.98, 0.95, 0.9):
        one, other = np.nonzero(cosines >= least)
        shares = []
        for count in (2, 4, 16):
            numbers = cluster_numbers(pool, count)[sound]
            shares.append(f"{(numbers[one] == numbers[other]).mean():.1%} of {count} clusters" if len(one) else "none")
        yield f"{len(one)} pairs of images with a cosine of {least} or more; both in one cluster: {', '.join(shares)}"


def plant(location: str, folder: Path) -> dict[str, str]:
    """Write pool and evaluation set; return the kind of each image of the pool, "" for sound ones."""
    samples = [sample for sample in open_source(location).samples() if sample.texts]
    order = np.random.default_rng(0).permutation(len(samples)).tolist()
    held = order[: len(order) // 5]
    rest = order[len(held) :]
    swapped = rest[: len(rest) // 5]
    sound = rest[len(swapped) :]
    kinds: dict[str, str] = {}
    (folder / "evaluation").mkdir(parents=True)

    def write(number: int, content: bytes, texts: Sequence[str], kind: str) -> None:
        name = f"{len(kinds):05d}.jpg"
        path = folder / "pool" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        path.with_suffix(".txt").write_text("\n".join(text.replace("\n", " ") for text in texts))
        kinds[name] = kind

    encoded = [image_bytes(sample.image, key=sample.key) for sample in samples]
    for number in held:
        (folder / "evaluation" / f"{number:05d}.jpg").write_bytes(encoded[number])
    for number in sound:
        write(number, encoded[number], samples[number].texts, "")
    for number, other in zip(swapped, [*swapped[1:], swapped[0]], strict=True):
        write(number, encoded[number], samples[other].texts, "swapped")
    copies = sound[:PLANTED]
    for number in copies:
        write(number, resaved(encoded[number]), samples[number].texts, "resaved")
    for number in sound[PLANTED : 2 * PLANTED]:
        write(number, cropped(encoded[number]), samples[number].texts, "cropped")
    each = min(PLANTED, len(held) // 3)
    for start, (kind, change) in enumerate(zip(KINDS[3:], (bytes, resaved, cropped), strict=True)):
        for number in held[start * each : (start + 1) * each]:
            write(number, change(encoded[number]), samples[number].texts, kind)
    return kinds


def resaved(content: bytes) -> bytes:
    """Return an image at four fifths of its size, as a JPEG of quality 75."""
    image = open_image(content)
    return jpeg(image.resize((image.width * 4 // 5, image.height * 4 // 5), Image.Resampling.BICUBIC), 75)


def cropped(content: bytes) -> bytes:
    """Return the middle of an image, 80 % of each side."""
    image = open_image(content)
    width, height = image.size
    return jpeg(image.crop((width // 10, height // 10, width - width // 10, height - height // 10)), 90)


def jpeg(image: Image.Image, quality: int) -> bytes:
    packed = io.BytesIO()
    image.convert("RGB").save(packed, "JPEG", quality=quality)
    return packed.getvalue()


if __name__ == "__main__":
    sys.exit(main())
