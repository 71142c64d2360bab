"""Near pairs among a million embeddings: time, memory, and how many of the planted copies are found.

    python benchmarks/duplicates_large.py LIBRARY [--count 1000000]

LIBRARY is a library of real images.  Its embeddings are mixed in pairs, with noise, to as many as wanted, and 2,000
copies are planted at cosines between 0.75 and 0.99.  Timed are reading all of a library (`hold`) and the search for
pairs.  Appends a line to benchmarks/results/duplicates.jsonl.
"""

import argparse
import json
import resource
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from wordsight.base.arrays import unit
from wordsight.base.processor import read_processor
from wordsight.index.exact import ExactIndex
from wordsight.index.index import FileState
from wordsight.search.duplicates.finding import FLOOR, NEIGHBOURS
from wordsight.search.duplicates.held import hold
from wordsight.search.duplicates.nearby import floor_of, near_pairs
from wordsight.search.library import open_library

PLANTED = 2000
GROUP = 8192


def fill(folder: Path, real: Any, count: int) -> tuple[Any, float]:
    """Write an index of `count` entries; the last PLANTED are copies of the first, at the cosines that are returned."""
    draw = np.random.default_rng(3)
    cosines = draw.uniform(0.75, 0.99, PLANTED).astype(np.float32)
    width = real.shape[1]
    originals = None
    begin = time.perf_counter()
    with ExactIndex.open(folder, fingerprint="synthetic", width=width, writable=True) as index:
        for start in range(0, count, GROUP):
            numbers = np.arange(start, min(start + GROUP, count - PLANTED))
            some, others = (real[draw.integers(0, len(real), len(numbers))] for _ in range(2))
            rows = unit(some + 0.7 * others + draw.normal(0, 0.5 / np.sqrt(width), some.shape))
            if originals is None:
                originals = rows[:PLANTED]
            if start + GROUP >= count:
                noise = draw.normal(size=originals.shape).astype(np.float32)
                noise -= (noise * originals).sum(axis=1, keepdims=True) * originals
                copies = cosines[:, None] * originals + np.sqrt(1 - cosines[:, None] ** 2) * unit(noise)
                rows = np.concatenate([rows, unit(copies)])
            keys = [f"{start + n:08d}.jpg" for n in range(len(rows))]
            index.add(keys, rows, [{"size": 1000, "mtime": "2025-06-01T12:00:00Z"}] * len(rows))
            index.files.record({key: FileState(1, 1, f"{int(key[:8]):064x}") for key in keys})
        index.save()
    return cosines, time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", type=Path)
    parser.add_argument("--count", type=int, default=1_000_000)
    args = parser.parse_args()
    with open_library(args.library) as library, library.reading() as index:
        real = index.sample(8192)
    result: dict[str, Any] = {"count": args.count, "date": time.strftime("%Y-%m-%d"), **asdict(read_processor())}
    with tempfile.TemporaryDirectory() as folder:
        cosines, result["fill_s"] = fill(Path(folder), real, args.count)
        begin, spent = time.perf_counter(), time.process_time()
        with ExactIndex.open(Path(folder), fingerprint="synthetic", width=real.shape[1]) as index:
            held, sample = hold(index), index.sample(512)
        result |= {"hold_s": time.perf_counter() - begin, "hold_cpu_s": time.process_time() - spent}
        begin, spent = time.perf_counter(), time.process_time()
        pairs, met = 0, set()
        for block in near_pairs(held.rows, floor=floor_of(sample, FLOOR), most=NEIGHBOURS):
            pairs += len(block.some)
            planted = (block.some < PLANTED) & (block.others - block.some == args.count - PLANTED)
            met.update(block.some[planted].tolist())
        result |= {"pairs_s": time.perf_counter() - begin, "pairs_cpu_s": time.process_time() - spent}
    result |= {"floor": floor_of(sample, FLOOR), "pairs": pairs, "images": len(held)}
    for low, high in ((0.75, 0.8), (0.8, 0.85), (0.85, 0.9), (0.9, 0.95), (0.95, 0.99)):
        numbers = np.flatnonzero((cosines >= low) & (cosines < high))
        result[f"recall {low}-{high}"] = sum(int(n) in met for n in numbers) / len(numbers)
    result["most_resident_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    result["own_memory_at_end_mib"] = int(status["RssAnon"].split()[0]) / 1024
    print(json.dumps(result, indent=1))
    with open(Path(__file__).parent / "results" / "duplicates.jsonl", "a") as out:
        out.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
