"""What it costs to put 1,000 embeddings into a library and to ask again, by the size of the library.

    python benchmarks/upsert.py --counts 10000,1000000 [--width 512] [--keep DIR]

Seconds of the processor for `add`, `save` and the first query after it, by the writer and by a reader: without a
condition, with two columns in a condition, and by exact words; also what the caches cost to make (`upkeep`) and the
first query with each.  Half of the keys are there already, a quarter with the same embedding.  Medians of a few
rounds; the ratio is of the last library to the first, in this run.  Appends a line to benchmarks/results/upsert.jsonl.
"""

import argparse
import contextlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from wordsight.base.processor import read_processor
from wordsight.index.exact import ExactIndex
from wordsight.index.where import parse

GROUP, UPSERT = 4096, 1000
WHERE = parse("price < 50 and colour = 'red'")
WORDS = ["w3", "w40", "w500"]
COLOURS = ["red", "green", "blue", "black", "white"]


def unit(count: int, width: int, seed: int) -> np.ndarray:
    """Return embeddings with some strong directions, as those of images have."""
    basis = np.random.default_rng(99).standard_normal((width, width), np.float32) * (0.95 ** np.arange(width))[:, None]
    vectors = np.random.default_rng(seed).standard_normal((count, width), np.float32) @ basis.astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def described(numbers: np.ndarray, seed: int) -> list[dict[str, str | int]]:
    """Return metadata with captions of ten words, drawn as often as words of a language are."""
    draw = np.random.default_rng(seed)
    words = np.minimum(draw.zipf(1.3, (len(numbers), 10)), 50_000).tolist()
    prices = draw.integers(0, 100, len(numbers)).tolist()
    return [
        {
            "path": f"{number}.jpg",
            "name": f"{number}.jpg",
            "price": price,
            "colour": COLOURS[number % len(COLOURS)],
            "text": " ".join(f"w{word}" for word in own),
        }
        for number, price, own in zip(numbers.tolist(), prices, words, strict=True)
    ]


def fill(folder: Path, count: int, width: int) -> None:
    with ExactIndex.open(folder, fingerprint="f", width=width, writable=True) as index:
        for start in range(0, count, GROUP):
            numbers = np.arange(start, min(start + GROUP, count))
            index.add([f"{n}.jpg" for n in numbers], unit(len(numbers), width, start), described(numbers, start))
        index.save()


def cost(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def costs(folder: Path, count: int, width: int, rounds: int) -> Iterator[tuple[str, float]]:
    query = unit(1, width, 1)
    with (
        ExactIndex.open(folder, fingerprint="f", width=width, writable=True) as writer,
        ExactIndex.open(folder, fingerprint="f", width=width) as reader,
    ):
        if writer.wants_upkeep():
            yield "upkeep", cost(writer.upkeep)
        yield "first_search", cost(lambda: reader.search(query, 10))
        yield "first_where", cost(lambda: reader.search(query, 10, WHERE))
        yield "first_words", cost(lambda: reader.keywords(WORDS, 10))
        yield "search", cost(lambda: reader.search(query, 10))
        yield "where", cost(lambda: reader.search(query, 10, WHERE))
        yield "words", cost(lambda: reader.keywords(WORDS, 10))
        for round_ in range(rounds):
            first = count + round_ * UPSERT // 2
            known = np.random.default_rng(round_).choice(count, UPSERT // 2, replace=False)
            numbers = np.concatenate([known, np.arange(first, first + UPSERT // 2)])
            keys, embeddings = [f"{n}.jpg" for n in numbers], unit(UPSERT, width, 7 + round_)
            same = UPSERT // 4
            embeddings[:same] = [one.embedding for one in writer.entries(keys[:same])]
            meta = described(numbers, 7 + round_)
            yield "add", cost(lambda: writer.add(keys, embeddings, meta))  # noqa: B023
            yield "save", cost(writer.save)
            for who, index in (("writer", writer), ("reader", reader)):
                yield f"{who}_search", cost(lambda: index.search(embeddings[-1:], 10))  # noqa: B023
                yield f"{who}_where", cost(lambda: index.search(embeddings[-1:], 10, WHERE))  # noqa: B023
                yield f"{who}_words", cost(lambda: index.keywords(WORDS, 10))  # noqa: B023
            assert reader.search(embeddings[-1:], 1)[0][0].key == keys[-1]


def measured(folder: Path, count: int, width: int, rounds: int) -> dict[str, float]:
    if not (folder / "library.db").exists():
        fill(folder, count, width)
    times: dict[str, list[float]] = {}
    for name, value in costs(folder, count, width, rounds):
        times.setdefault(name, []).append(value)
    medians = {name: float(np.median(values)) for name, values in times.items()}
    medians["upsert"] = medians["add"] + medians["save"]
    for where in ("search", "where", "words"):
        medians[f"upsert_to_{where}"] = medians["add"] + medians["save"] + medians[f"reader_{where}"]
    return medians


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", default="10000,1000000")
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="where the libraries stay")
    args = parser.parse_args()
    counts = [int(count) for count in args.counts.split(",")]
    with contextlib.ExitStack() as stack:
        folder = args.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="upsert-")))
        figures = {count: measured(folder / str(count), count, args.width, args.rounds) for count in counts}
    smallest, largest = figures[counts[0]], figures[counts[-1]]
    ratios = {name: value / smallest[name] for name, value in largest.items() if name in smallest}
    result = {"width": args.width, "threads": os.environ.get("OMP_NUM_THREADS", "all")} | asdict(read_processor())
    for name in largest:
        print(
            f"{name:18}", *(f"{1000 * figures[n].get(name, 0):10.1f} ms" for n in counts), f"{ratios.get(name, 0):6.1f}"
        )
        result[name] = [round(figures[count].get(name, 0), 4) for count in counts]
    with open(Path(__file__).parent / "results" / "upsert.jsonl", "a", encoding="utf-8") as out:
        out.write(json.dumps({"counts": counts, **result}) + "\n")


if __name__ == "__main__":
    main()
