"""How well texts and images are ranked together, by raw cosines and by the server's relevance.

    python benchmarks/mixed_ranking.py DATA [--model NAME] [--gap 1.0] [--fit]

DATA/flickr8k (`val`) gives images with captions.  A query is a caption or an image; what is ranked are images and
captions of others with what belongs to the query among them: for a caption its image, another caption of it, or both,
for an image a caption.  `--gap` moves texts and images apart by as much, as most CLIP models have them.  R-precision
is the share of the right ones among as many first.  `--fit` learns the scores' two numbers from `train` instead.
"""

import argparse
import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wordsight.base.arrays import Embeddings, unit
from wordsight.embeddings.model import Model, load
from wordsight.search.background import Moments, moments, usual_moments, usual_phrases
from wordsight.serve.neighbours.relevance import EmbeddedParts, UsualMoments, deviations

ASKED, ALL = 400, 800  # queries; images, of which those that are not asked about are the usual ones
OTHERS = 19  # irrelevant documents to a relevant one, for the fit
# query; images and captions that are ranked; whether the right image and the right caption are among them
POOLS = (
    ("text", 20, 20, "both"),
    ("text", 3, 20, "both"),
    ("text", 20, 3, "both"),
    ("text", 1, 20, "image"),
    ("image", 20, 20, "caption"),
    ("image", 20, 3, "caption"),
)


class Captioned(NamedTuple):
    """Embeddings of images, of a caption and another of each, and of the middles of the images: (n, width) each."""

    images: Embeddings
    captions: Embeddings
    others: Embeddings
    crops: Embeddings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--gap", type=float, default=0.0)
    parser.add_argument("--fit", action="store_true")
    options = parser.parse_args()
    model = load(options.model)
    pairs = read(model, options.data / "flickr8k" / ("train-0000.tar" if options.fit else "val-0000.tar"))
    if options.fit:
        print(fit(pairs, UsualMoments(usual_moments(model), moments(pairs.images[ASKED:]))))
        return
    phrases = model.embed_texts(usual_phrases()) if options.gap else None
    pairs, usual = apart(pairs, usual_moments(model), phrases, options.gap)
    print(f"{'query':6} {'images':>6} {'captions':>8} {'right':8} {'cosines':>14} {'relevance':>14} {'no library':>14}")
    for pool in POOLS:
        print(f"{pool[0]:6} {pool[1]:6} {pool[2]:8} {pool[3]:8} {measured(pairs, usual, pool)}")


def read(model: Model, shard: Path) -> Captioned:
    """Return the embeddings of the first images of a shard and of their captions."""
    files: dict[str, dict[str, bytes]] = {}
    with tarfile.open(shard) as tar:
        for member in tar:
            key, _, kind = member.name.rpartition(".")
            file = tar.extractfile(member)
            if file is not None:
                files.setdefault(key, {})[kind] = file.read()
    chosen = [files[key] for key in sorted(files)[:ALL]]
    captions = [json.loads(one["json"])["captions"] for one in chosen]
    return Captioned(
        model.embed_images([one["jpg"] for one in chosen]),
        model.embed_texts([one[0] for one in captions]),
        model.embed_texts([one[1] for one in captions]),
        model.embed_images([middle(one["jpg"]) for one in chosen]),
    )


def middle(file: bytes) -> NDArray[np.uint8]:
    """Return an image without an eighth at each side."""
    with Image.open(io.BytesIO(file)) as image:
        width, height = image.size
        box = (width // 8, height // 8, width * 7 // 8, height * 7 // 8)
        return np.asarray(image.convert("RGB").crop(box))


def apart(pairs: Captioned, usual: Moments, phrases: Embeddings | None, gap: float) -> tuple[Captioned, UsualMoments]:
    """Return embeddings with a further gap between texts and images, and what is usual among them."""
    if phrases is None:
        return pairs, UsualMoments(usual, moments(pairs.images[ASKED:]))
    direction = gap * unit(np.random.default_rng(5).standard_normal((1, pairs.images.shape[1])))
    images, crops = unit(pairs.images + direction), unit(pairs.crops + direction)
    moved = Captioned(images, unit(pairs.captions - direction), unit(pairs.others - direction), crops)
    return moved, UsualMoments(moments(unit(phrases - direction)), moments(images[ASKED:]))


def measured(pairs: Captioned, usual: UsualMoments, pool: tuple[str, int, int, str]) -> str:
    """Return R-precision, and the share of images among the first ten, of each way to rank."""
    kind, image_count, caption_count, right = pool
    random = np.random.default_rng(0)
    figures: list[list[tuple[float, float]]] = [[], [], []]
    for number in range(ASKED):
        others = random.permutation(np.delete(np.arange(ASKED), number))
        images, captions = others[:image_count].copy(), others[200 : 200 + caption_count].copy()
        relevant = np.zeros(image_count + caption_count, bool)
        if right in ("both", "image"):
            images[0], relevant[0] = number, True
        if right in ("both", "caption"):
            captions[0], relevant[image_count] = number, True
        embeddings = np.concatenate([pairs.images[images], pairs.others[captions]])
        kinds = ["image"] * image_count + ["text"] * caption_count
        query = (pairs.captions if kind == "text" else pairs.images)[number]
        documents = [EmbeddedParts((one,), row[None]) for one, row in zip(kinds, embeddings, strict=True)]
        asked = EmbeddedParts((kind,), query[None])
        ways: Sequence[NDArray[np.floating]] = (
            embeddings @ query,
            deviations(asked, documents, usual),
            deviations(asked, documents, UsualMoments(usual.phrases)),
        )
        for scores, figure in zip(ways, figures, strict=True):
            order = np.argsort(-scores, kind="stable")
            first = float(relevant[order[: relevant.sum()]].mean())
            figure.append((first, float((order[:10] < image_count).mean())))
    means = [np.mean(figure, axis=0) for figure in figures]
    return " ".join(f"{first:8.3f} {images:5.2f}" for first, images in means)


def fit(pairs: Captioned, usual: UsualMoments) -> str:
    """Return factor and constant of a logistic regression of relevance over the four kinds of pairs."""
    random = np.random.default_rng(0)
    values, labels = [], []
    kinds = (
        ("text", pairs.captions, "image", pairs.images),
        ("text", pairs.captions, "text", pairs.others),
        ("image", pairs.images, "text", pairs.others),
        ("image", pairs.images, "image", pairs.crops),
    )
    for kind, queries, other, documents in kinds:
        stored = [EmbeddedParts((other,), row[None]) for row in documents[:ASKED]]
        table = np.array([deviations(EmbeddedParts((kind,), row[None]), stored, usual) for row in queries[:ASKED]])
        wrong = random.choice(table[~np.eye(ASKED, dtype=bool)], OTHERS * ASKED)
        print(f"{kind} > {other}: right {np.percentile(np.diag(table), [5, 50, 95]).round(2)}", end=" ")
        print(f"others {np.percentile(wrong, [5, 50, 95]).round(2)}")
        values += [np.diag(table), wrong]
        labels += [np.ones(ASKED), np.zeros(len(wrong))]
    factor, constant = logistic(np.concatenate(values), np.concatenate(labels))
    return f"factor {factor:.3f}, constant {constant:.3f}"


def logistic(values: NDArray[np.float64], labels: NDArray[np.float64]) -> tuple[float, float]:
    """Return factor and constant of the logistic regression of labels (0 or 1) on values, by Newton's steps."""
    design = np.stack([values, np.ones_like(values)], axis=1)
    weights = np.array([1.0, -3.0])
    for _ in range(50):
        shares = 1 / (1 + np.exp(-design @ weights))
        curvature = design.T @ (design * (shares * (1 - shares))[:, None])
        weights -= np.linalg.solve(curvature, design.T @ (shares - labels))
    return float(weights[0]), float(weights[1])


if __name__ == "__main__":
    main()
