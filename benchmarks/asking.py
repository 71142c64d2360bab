"""What exact words, examples, thumbs and folding do to answers, on sets that were not trained on, beside doing without.

    python benchmarks/asking.py DATA --libraries DIR       # words, sets, thumbs, folds
    python benchmarks/asking.py DATA --only speed --count 1000000

DATA holds fashion_products, flickr8k, flowers5 and clothing; their libraries are made in DIR and used again.  Titles of
products are asked for by their rarest word and by brand, plain questions are colour and type; of photos one caption
is asked and the others are their text.  `30 %`: only so many images have any text; `shuffled`: each has another's.
Prints the mean share of the right images among the first ten (words) or twenty (sets, thumbs).
"""

import argparse
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wordsight.base.arrays import unit
from wordsight.embeddings.model import Model, load
from wordsight.index.exact import ExactIndex
from wordsight.index.keywords import words_of
from wordsight.search import alike, folding, fusion
from wordsight.search.library import open_library

SETS = {
    "fashion val": "fashion_products/val.parquet",
    "fashion train": "fashion_products/train.parquet",
    "flickr8k val": "flickr8k/val-0000.tar",
    "flowers5": "flowers5/test-0000.tar",
    "clothing": "clothing/test-0000.tar",
}
GROUP = 4096


@dataclass(frozen=True)
class Embedded:
    """A set: keys, embeddings (n, width) and metadata."""

    keys: list[str]
    embeddings: np.ndarray
    meta: list[dict]

    def column(self, name: str) -> np.ndarray:
        """Return the values (n,) of a column as text."""
        return np.array([str(meta.get(name, "")) for meta in self.meta])


def embedded(name: str, data: Path, libraries: Path, model: Model) -> Embedded:
    with open_library(data / SETS[name], model=model, library_dir=libraries / name.replace(" ", "-")) as library:
        library.sync()
        with library._index.reading() as index:
            keys = list(index.files.states())
            entries = index.entries(keys)
    return Embedded(keys, np.array([one.embedding for one in entries]), [dict(one.meta) for one in entries])


@dataclass(frozen=True)
class Asked:
    """Texts, and for each the numbers of the right images."""

    texts: list[str]
    right: list[list[int]]


def words(name: str, asked: Asked, texts: Sequence[str], *, images: Embedded, model: Model) -> None:
    """Print recall at 10 without and with exact words, the images having these texts."""
    queries = model.embed_texts(asked.texts)
    shares: dict[str, list[float]] = {"off": [], "on": []}
    with tempfile.TemporaryDirectory() as folder:
        index = ExactIndex.open(Path(folder), fingerprint="f", width=queries.shape[1], writable=True)
        index.add([str(i) for i in range(len(texts))], images.embeddings, [{"text": text} for text in texts])
        index.save()
        for query, text, right in zip(queries, asked.texts, asked.right, strict=True):
            near = index.search(query[None], fusion.RANKED)[0]
            with_words = fusion.fused(near, index.keywords(words_of(text), fusion.RANKED), query)
            for kind, answer in (("off", near), ("on", with_words)):
                first = {int(one.key) for one in answer[:10]}
                shares[kind].append(len(first & set(right)) / min(10, len(right)))
        index.close()
    off, on = (float(np.mean(shares[kind])) for kind in ("off", "on"))
    print(f"words  {name:44} {len(asked.texts):4} queries  off {off:.3f}  on {on:.3f}", flush=True)


def some(texts: Sequence[str], part: float) -> list[str]:
    generator = random.Random(0)
    return [text if generator.random() < part else "" for text in texts]


def shuffled(texts: Sequence[str]) -> list[str]:
    return random.Random(0).sample(list(texts), len(texts))


def product_words(images: Embedded, model: Model) -> None:
    titles = [str(meta["text"]) for meta in images.meta]
    types, colours = images.column("articleType"), images.column("baseColour")
    brands = np.array([words_of(title)[0] for title in titles])
    often = Counter(word for title in titles for word in set(words_of(title)))
    rarest = [min(words_of(title), key=lambda word: often[word]) for title in titles]
    unique = [i for i, word in enumerate(rarest) if often[word] <= 2]
    of_one = Asked([f"{rarest[i]} {types[i]}".lower() for i in unique], [[i] for i in unique])
    words("products: rarest word of the title and type", of_one, titles, images=images, model=model)
    words("products: brand and type", by_pairs(brands, types, 2), titles, images=images, model=model)
    plain = by_pairs(colours, types, 3)
    words("products: colour and type", plain, titles, images=images, model=model)
    words("products: colour and type, 30 % have titles", plain, some(titles, 0.3), images=images, model=model)
    words("products: colour and type, shuffled titles", plain, shuffled(titles), images=images, model=model)


def by_pairs(first: np.ndarray, second: np.ndarray, least: int) -> Asked:
    """Return a text for each pair of values that so many images have."""
    counts = Counter(zip(first.tolist(), second.tolist(), strict=True))
    pairs = sorted(pair for pair, count in counts.items() if count >= least)
    right = [np.flatnonzero((first == a) & (second == b)).tolist() for a, b in pairs]
    return Asked([f"{a} {b}".lower() for a, b in pairs], right)


def photo_words(images: Embedded, model: Model) -> None:
    captions = [str(meta["text"]).split("\n") for meta in images.meta]
    asked = Asked([own[0] for own in captions[::2]], [[i] for i in range(0, len(captions), 2)])
    others = ["\n".join(own[1:]) for own in captions]
    words("photos: captions, four of others", asked, others, images=images, model=model)
    words("photos: captions, one of others", asked, [own[1] for own in captions], images=images, model=model)
    words("photos: captions, 30 % have them", asked, some(others, 0.3), images=images, model=model)
    words("photos: captions, shuffled", asked, shuffled(others), images=images, model=model)


def sets(name: str, images: Embedded, rounds: int) -> None:
    """Print precision at 20 of more like a set, beside the centroid and the nearest member."""
    generator = np.random.default_rng(0)
    labels, all_of = images.column("class"), images.embeddings
    spread = np.linspace(0, len(all_of) - 1, min(alike.BACKGROUND, len(all_of))).astype(int)
    background = all_of[spread]
    classes = [label for label, count in Counter(labels.tolist()).items() if count >= 30]
    ways: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "nearest member": lambda members: (all_of @ members.T).max(axis=1),
        "centroid": lambda members: all_of @ members.mean(axis=0),
        "against background": lambda members: all_of @ alike.direction_of(members, background),
    }
    for count in (1, 2, 5, 10):
        shares: dict[str, list[float]] = {way: [] for way in ways}
        for label in classes * rounds:
            chosen = generator.choice(np.flatnonzero(labels == label), count, replace=False)
            for way, scores_of in ways.items():
                scores = np.array(scores_of(all_of[chosen]), np.float64)
                scores[chosen] = -np.inf
                shares[way].append(float(np.mean(labels[np.argsort(-scores)[:20]] == label)))
        means = "  ".join(f"{way} {np.mean(values):.3f}" for way, values in shares.items())
        print(f"sets   {name:14} {len(classes)} classes, {count:2} members: {means}", flush=True)


def thumbs(images: Embedded, model: Model) -> None:
    """Print precision at 20 where the query says the type, and thumbs on its first 60 hits a further attribute."""
    types, all_of = images.column("articleType"), images.embeddings
    texts = dict(zip(sorted(set(types)), model.embed_texts([one.lower() for one in sorted(set(types))]), strict=True))
    for count in (1, 3, 5):
        shares: dict[str, list[float]] = {"query alone": [], "liked": [], "liked and disliked": []}
        for column in ("gender", "baseColour", "usage"):
            values = images.column(column)
            for (kind, value), number in Counter(zip(types, values, strict=True)).items():
                right = (types == kind) & (values == value)
                if number < 40 or (types == kind).sum() < 1.5 * number:
                    continue
                first = np.argsort(-(all_of @ texts[kind]))[:60]
                liked, disliked = first[right[first]][:count], first[~right[first]][:count]
                if len(liked) < count or len(disliked) < count:
                    continue
                nothing = all_of[:0]
                directions = {
                    "query alone": texts[kind],
                    "liked": alike.moved(texts[kind], all_of[liked], nothing),
                    "liked and disliked": alike.moved(texts[kind], all_of[liked], all_of[disliked]),
                }
                for way, direction in directions.items():
                    scores = all_of @ direction
                    scores[[*liked, *disliked]] = -np.inf
                    shares[way].append(float(np.mean(right[np.argsort(-scores)[:20]])))
        means = "  ".join(f"{way} {np.mean(values):.3f}" for way, values in shares.items())
        print(f"thumbs {len(shares['liked'])} queries, {count} up and {count} down: {means}", flush=True)


def folds(name: str, images: Embedded, queries: Sequence[str], model: Model) -> None:
    """Print how near the same has to be, how many images have such a one, and how many of ten hits are folded."""
    spread = np.linspace(0, len(images.embeddings) - 1, min(folding.SAMPLE, len(images.embeddings))).astype(int)
    threshold = folding.likeness(images.embeddings[spread])
    nearest = [
        float(np.partition(images.embeddings @ one, -2)[-2]) for one in images.embeddings[:: len(images.keys) // 250]
    ]
    lost = []
    for query in model.embed_texts(list(queries)):
        first = np.argsort(-(images.embeddings @ query))[:10]
        near = [folding.Neighbour(images.keys[i], 0.0, images.embeddings[i], images.meta[i]) for i in first]
        lost.append(10 - len(folding.folded(near, threshold)))
    print(
        f"folds  {name:14} from {threshold:.3f}: {np.mean(np.array(nearest) >= threshold):.1%} of images have one; "
        f"{np.mean(lost):.2f} of 10 hits folded",
        flush=True,
    )


def speed(count: int, titles: Sequence[str]) -> None:
    """Print seconds of the first use of exact words, of one after a change, and milliseconds of a query."""
    generator = np.random.default_rng(0)
    width = 64
    pool = sorted({word for title in titles for word in words_of(title)})
    with tempfile.TemporaryDirectory() as folder:
        index = ExactIndex.open(Path(folder), fingerprint="f", width=width, writable=True)
        for start in range(0, count, GROUP):
            numbers = range(start, min(start + GROUP, count))
            picked = generator.integers(len(pool), size=(len(numbers), 6))
            meta = [
                {"name": f"{i}.jpg", "text": " ".join(pool[w] for w in row), "price": i % 100}
                for i, row in zip(numbers, picked, strict=True)
            ]
            vectors = unit(generator.standard_normal((len(numbers), width), np.float32))
            index.add([f"{i}.jpg" for i in numbers], vectors, meta)
        index.save()
        index.search(np.eye(1, width, dtype=np.float32), 10)
        first = timed(lambda: index.keywords([pool[0], pool[1]], 200))
        again = [timed(lambda n=n: index.keywords([pool[n], pool[n + 1]], 200)) for n in range(20)]
        index.add(["0.jpg"], np.eye(1, width, dtype=np.float32), [{"text": "changed"}])
        index.save()
        changed = timed(lambda: index.keywords(["changed"], 200))
        size = (Path(folder) / "words.cache").stat().st_size
        index.close()
    print(
        f"speed  {count:,} entries: first use {first:.1f} s, after a change {changed:.2f} s, "
        f"a query {1000 * np.median(again):.1f} ms, {size / 1e6:.0f} MB"
    )


def timed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--libraries", type=Path, default=Path("asking-libraries"))
    parser.add_argument("--only", choices=("words", "sets", "thumbs", "folds", "speed"))
    parser.add_argument("--count", type=int, default=100_000)
    args = parser.parse_args()
    model = load()

    def of(name: str) -> Embedded:
        return embedded(name, args.data, args.libraries, model)

    if args.only in (None, "words"):
        product_words(of("fashion val"), model)
        photo_words(of("flickr8k val"), model)
    if args.only in (None, "sets"):
        for name, rounds in (("fashion train", 2), ("flowers5", 20), ("clothing", 20)):
            sets(name, of(name), rounds)
    if args.only in (None, "thumbs"):
        thumbs(of("fashion train"), model)
    if args.only in (None, "folds"):
        products, photos = of("fashion train"), of("flickr8k val")
        folds("fashion train", products, sorted(set(products.column("articleType")))[:50], model)
        folds("flickr8k val", photos, [text.split("\n")[0] for text in photos.column("text")[:50]], model)
    if args.only in (None, "speed"):
        speed(args.count, of("fashion val").column("text").tolist())


if __name__ == "__main__":
    main()
