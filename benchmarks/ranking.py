"""How often the probability of `wordsight rank` is right, where as many pairs of image and text match as not.

    python benchmarks/ranking.py DATA [--fit]

DATA holds flickr8k, fashion_products, ikea, coco_retrieval.  Every image is paired with one caption of its own and with
one of another image that has none in common.  `--fit` learns the coefficients from the train splits; without it those
in use are measured on the others, with the share of images that a text ranks above seven others of its set.
"""

import argparse
import io
import json
import random
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
from PIL import Image
from scipy.optimize import minimize

from wordsight.embeddings.model import Model, load
from wordsight.search.background import usual_moments
from wordsight.search.rank import Usual, figures, probability_of

LEARNED = (
    ("flickr8k", "train-0000"),
    ("flickr8k", "train-0001"),
    ("fashion_products", "train"),
    ("ikea", "train-0000"),
)
MEASURED = (("flickr8k", "val-0000"), ("fashion_products", "val"), ("ikea", "val-0000"), ("coco_retrieval", "val-0000"))
AMONG = 8  # images that a text ranks


def captioned(data: Path, name: str, split: str, count: int) -> tuple[list[bytes], list[list[str]]]:
    if name == "fashion_products":
        records = parquet.read_table(data / name / f"{split}.parquet", columns=["image", "captions"]).to_pylist()
        pairs = [(one["image"], one["captions"]) for one in records]
    else:
        with tarfile.open(data / name / f"{split}.tar") as shard:
            parts = {member.name: shard.extractfile(member).read() for member in shard if member.isfile()}
        keys = [key.removesuffix(".json") for key in parts if key.endswith(".json")]
        images = {key.rpartition(".")[0]: parts[key] for key in parts if not key.endswith(".json")}
        pairs = [(images[key], json.loads(parts[f"{key}.json"])["captions"]) for key in keys]
    random.Random(0).shuffle(pairs)
    return [one for one, _ in pairs[:count]], [texts for _, texts in pairs[:count]]


def paired(model: Model, images: Sequence[bytes], captions: Sequence[Sequence[str]]) -> tuple[np.ndarray, ...]:
    """Return embeddings (N, D) of images, of one caption each of their own, and of one of another image."""
    draw = random.Random(1)
    own = [draw.choice(texts) for texts in captions]
    other = []
    for texts in captions:
        one = draw.choice(own)
        while one in texts:
            one = draw.choice(own)
        other.append(one)
    seen = model.embed_images([Image.open(io.BytesIO(one)).convert("RGB") for one in images])
    return seen, model.embed_texts(own), model.embed_texts(other)


def measured_figures(usual: Usual, images: np.ndarray, own: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, ...]:
    rows = [figures(usual, text, image) for texts in (own, other) for image, text in zip(images, texts, strict=True)]
    return np.array(rows), np.repeat([1.0, 0.0], len(images))


def fitted(rows: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the constant and the factors of a logistic regression."""
    wide = np.concatenate([np.ones((len(rows), 1)), rows], axis=1)

    def loss(factors: np.ndarray) -> float:
        logits = wide @ factors
        return float(np.mean(np.logaddexp(0, logits) - right * logits) + 1e-6 * factors @ factors)

    return minimize(loss, np.zeros(wide.shape[1])).x


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--count", type=int, default=1000, help="images of a set, at most")
    args = parser.parse_args()
    model = load()
    usual = Usual(usual_moments(model))
    if args.fit:
        parts = [measured_figures(usual, *paired(model, *captioned(args.data, *one, args.count))) for one in LEARNED]
        print(fitted(np.concatenate([rows for rows, _ in parts]), np.concatenate([right for _, right in parts])))
        return
    for one in MEASURED:
        images, own, other = paired(model, *captioned(args.data, *one, args.count))
        rows, right = measured_figures(usual, images, own, other)
        shares = np.array([probability_of(row) for row in rows])
        bins = np.minimum((shares * 10).astype(int), 9)
        error = sum(abs(right[bins == b].mean() - shares[bins == b].mean()) * (bins == b).mean() for b in set(bins))
        draw = np.random.default_rng(2)
        best: list[tuple[bool, bool]] = []
        for i, text in enumerate(own):
            among = np.append(draw.choice(np.delete(np.arange(len(own)), i), AMONG - 1, replace=False), i)
            shares_of = [probability_of(figures(usual, text, image)) for image in images[among]]
            best.append((int(np.argmax(images[among] @ text)) == AMONG - 1, int(np.argmax(shares_of)) == AMONG - 1))
        print(
            f"{one[0]:20}{len(images):6} images  calibration error {error:.3f}  mean of matching "
            f"{shares[right == 1].mean():.3f}, of others {shares[right == 0].mean():.3f}  right side of a half "
            f"{np.mean((shares > 0.5) == right):.3f}  first of {AMONG} by cosine "
            f"{np.mean(best, axis=0)[0]:.3f}, by match {np.mean(best, axis=0)[1]:.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
