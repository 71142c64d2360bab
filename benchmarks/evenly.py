"""How evenly an index answers while entries are replaced and removed, and what it costs to remove and to compact.

    python benchmarks/evenly.py --count 1000000 --width 512

Prints milliseconds a query of a clean index, with one entry replaced, and with a quarter removed; beside them the same
number of embeddings in one float32 array, compared exactly by numpy.  Removing, compacting and a reader's waits during
it are timed.  Appends a line to benchmarks/results/evenly.jsonl.
"""

import argparse
import json
import os
import shutil
import tempfile
import threading
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

from wordsight.base.processor import read_processor
from wordsight.index.exact import ExactIndex

GROUP = 4096


def unit(count: int, width: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, width), np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def filled(folder: Path, count: int, width: int) -> ExactIndex:
    index = ExactIndex.open(folder, fingerprint="f", width=width, writable=True)
    for start in range(0, count, GROUP):
        size = min(GROUP, count - start)
        meta = [
            {"path": f"{i}.jpg", "name": f"{i}", "price": i % 100, "width": 640} for i in range(start, start + size)
        ]
        index.add([f"{i}.jpg" for i in range(start, start + size)], unit(size, width, start), meta)
    index.save()
    return index


def median_search(index: ExactIndex, queries: np.ndarray, rounds: int) -> float:
    times = []
    for i in range(rounds):
        begin = time.perf_counter()
        index.search(queries[i % len(queries)][None], 10)
        times.append(time.perf_counter() - begin)
    return 1000 * float(np.median(times[1:]))


def timed(work) -> float:  # noqa: ANN001
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def waits_while(index: ExactIndex, work, query: np.ndarray) -> list[float]:  # noqa: ANN001
    """Return the milliseconds of each query of a reader while `work` runs in a thread."""
    thread = threading.Thread(target=work)
    waits = []
    thread.start()
    while thread.is_alive():
        waits.append(1000 * timed(lambda: index.search(query, 10)))
    thread.join()
    return waits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="evenly-"))
    queries = unit(16, args.width, -1 % 2**32)
    figures: dict[str, float] = {}
    try:
        begin = time.perf_counter()
        writer = filled(folder, args.count, args.width)
        figures["fill_s"] = time.perf_counter() - begin
        if writer.wants_upkeep():
            figures["upkeep_s"] = timed(writer.upkeep)
        reader = ExactIndex.open(folder, fingerprint="f", width=args.width)
        figures["first_ms"] = 1000 * timed(lambda: reader.search(queries[:1], 10))
        figures["clean_ms"] = median_search(reader, queries, args.rounds)
        figures["upsert_1000_s"] = timed(lambda: upsert(writer, args))
        figures["after_upsert_ms"] = 1000 * timed(lambda: reader.search(queries[:1], 10))
        figures["replaced_ms"] = median_search(reader, queries, args.rounds)
        gone = [f"{i}.jpg" for i in range(0, args.count, 4)]
        figures["remove_quarter_s"] = timed(lambda: (writer.remove(gone), writer.save()))
        figures["quarter_dead_ms"] = median_search(reader, queries, args.rounds)
        waits = waits_while(reader, lambda: figures.update(compact_s=timed(writer.upkeep)), queries[:1])
        figures |= {"wait_median_ms": float(np.median(waits)), "wait_max_ms": max(waits)}
        figures["compacted_ms"] = median_search(reader, queries, args.rounds)
        reader.close()
        writer.close()
    finally:
        shutil.rmtree(folder)
    plain = unit(args.count, args.width, 0)
    times = [timed(lambda i=i: np.argpartition(-(plain @ queries[i % 16]), 10)[:10]) for i in range(args.rounds)]
    figures["numpy_float32_ms"] = 1000 * float(np.median(times[1:]))
    result = {"count": args.count, "width": args.width, "threads": os.environ.get("OMP_NUM_THREADS", "all")}
    result |= asdict(read_processor()) | {name: round(value, 3) for name, value in figures.items()}
    print(json.dumps(result))
    with open(Path(__file__).parent / "results" / "evenly.jsonl", "a") as out:
        out.write(json.dumps(result) + "\n")


def upsert(writer: ExactIndex, args: argparse.Namespace) -> None:
    keys = [f"{i}.jpg" for i in range(0, args.count, max(args.count // 1000, 1))][:1000]
    writer.add(keys, unit(len(keys), args.width, 7), [{"path": key} for key in keys])
    writer.save()


if __name__ == "__main__":
    main()
