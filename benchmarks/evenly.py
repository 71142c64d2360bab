"""How evenly an index answers while entries are replaced and removed, and what it costs to remove and to compact.

    python benchmarks/evenly.py --count 1000000 --width 512 [--data FOLDER] [--keep DIR]

Prints milliseconds a query of a clean index, with a thousand entries replaced, and with a quarter removed; beside them
the same number of embeddings in one float32 array, compared exactly by numpy.  Removing, compacting, the first query of
a new process and a reader's waits during compaction are timed; `_cpu` is time of the processor, which other processes
disturb less.  With --data, or --keep of an earlier run, embeddings have the geometry of real ones (scan_embeddings.py),
of which a scan is made; else they are drawn, each by itself, and all are compared.  Appends a line to
benchmarks/results/evenly.jsonl.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scan_embeddings import embedded, multiplied

from wordsight.base.processor import read_processor
from wordsight.base.records import append_line
from wordsight.index.exact import ExactIndex

GROUP = 4096


def unit(count: int, width: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, width), np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@dataclass(frozen=True)
class Embeddings:
    """What is indexed: `rows(start, stop)`, and queries (Q, W)."""

    rows: Callable[[int, int], np.ndarray]
    queries: np.ndarray

    @classmethod
    def drawn(cls, width: int) -> "Embeddings":
        """Return some of no structure."""
        return cls(lambda start, stop: unit(stop - start, width, start), unit(16, width, -1 % 2**32))

    @classmethod
    def real(cls, args: argparse.Namespace, keep: Path) -> "Embeddings":
        """Return images as scan.py has them, and texts."""
        keep.mkdir(parents=True, exist_ok=True)
        rows, texts = multiplied(*embedded(args.data, keep), keep, count=args.count, width=args.width)
        queries = np.random.default_rng(5).permutation(texts)[:64]
        return cls(lambda start, stop: rows[start % args.count :][: stop - start].astype(np.float32), queries)


def filled(folder: Path, count: int, embeddings: Embeddings) -> ExactIndex:
    index = ExactIndex.open(folder, fingerprint="f", width=embeddings.queries.shape[1], writable=True)
    for start in range(0, count, GROUP):
        stop = min(start + GROUP, count)
        meta = [{"path": f"{i}.jpg", "name": f"{i}", "price": i % 100, "width": 640} for i in range(start, stop)]
        index.add([f"{i}.jpg" for i in range(start, stop)], embeddings.rows(start, stop), meta)
    index.save()
    return index


def searches(index: ExactIndex, queries: np.ndarray, rounds: int) -> tuple[float, float]:
    """Return the median milliseconds of a query, of the clock and of the processor."""
    clocks, cpus = [], []
    for i in range(rounds):
        query = queries[i % len(queries)][None]
        cpu = time.process_time()
        clocks.append(1000 * timed(lambda query=query: index.search(query, 10)))
        cpus.append(1000 * (time.process_time() - cpu))
    return float(np.median(clocks[1:])), float(np.median(cpus[1:]))


def in_new_process(folder: Path, query: np.ndarray) -> dict[str, float]:
    """Return the milliseconds that a new process needs to open an index, and for its first query and the second."""
    program = (
        "import sys, time, json, numpy as np; from pathlib import Path; from wordsight.index.exact import ExactIndex\n"
        "query = np.frombuffer(bytes.fromhex(sys.argv[2]), np.float32)[None]; times = [time.process_time()]\n"
        "index = ExactIndex.open(Path(sys.argv[1]), fingerprint='f', width=query.shape[1])\n"
        "times.append(time.process_time())\n"
        "for _ in range(2): index.search(query, 10); times.append(time.process_time())\n"
        "print(json.dumps([1000 * (b - a) for a, b in zip(times, times[1:])]))"
    )
    command = [sys.executable, "-c", program, str(folder), query.astype(np.float32).tobytes().hex()]
    answers = [json.loads(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(5)]
    names = ("open_cpu_ms", "first_cpu_ms", "second_cpu_ms")
    return dict(zip(names, np.median(answers, axis=0).tolist(), strict=True))


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


def measured(folder: Path, args: argparse.Namespace, embeddings: Embeddings) -> dict[str, float]:
    queries, figures = embeddings.queries, {}

    def note(name: str) -> None:
        figures[f"{name}_ms"], figures[f"{name}_cpu_ms"] = searches(reader, queries, args.rounds)

    begin = time.perf_counter()
    writer = filled(folder, args.count, embeddings)
    figures["fill_s"] = time.perf_counter() - begin
    if writer.wants_upkeep():
        figures["upkeep_s"] = timed(writer.upkeep)
    figures |= in_new_process(folder, queries[0])
    reader = ExactIndex.open(folder, fingerprint="f", width=args.width)
    figures["first_ms"] = 1000 * timed(lambda: reader.search(queries[:1], 10))
    note("clean")
    figures["upsert_1000_s"] = timed(lambda: upsert(writer, args, embeddings))
    figures["after_upsert_ms"] = 1000 * timed(lambda: reader.search(queries[:1], 10))
    note("replaced")
    figures["wants_upkeep_ms"] = 1000 * timed(writer.wants_upkeep)
    gone = [f"{i}.jpg" for i in range(1, args.count, 4)]
    figures["remove_quarter_s"] = timed(lambda: (writer.remove(gone), writer.save()))
    note("quarter_dead")
    cpu = time.process_time()
    waits = waits_while(reader, lambda: figures.update(compact_s=timed(writer.upkeep)), queries[:1])
    figures["compact_and_queries_cpu_s"] = time.process_time() - cpu
    figures |= {"wait_median_ms": float(np.median(waits)), "wait_max_ms": max(waits)}
    note("compacted")
    upsert(writer, args, embeddings)  # more than a quarter is gone once more
    writer.remove([f"{i}.jpg" for i in range(2, args.count, 4)] + [f"{i}.jpg" for i in range(3, args.count, 40)])
    writer.save()
    cpu = time.process_time()
    figures["compact_alone_s"] = timed(writer.upkeep)
    figures["compact_alone_cpu_s"] = time.process_time() - cpu
    reader.close()
    writer.close()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=33)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--keep", type=Path, help="make the embeddings here, or use those that are here")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="evenly-"))
    try:
        real = args.data or args.keep
        embeddings = Embeddings.real(args, args.keep or folder / "embeddings") if real else Embeddings.drawn(args.width)
        figures = measured(folder, args, embeddings)
        plain = embeddings.rows(0, args.count)
    finally:
        shutil.rmtree(folder)
    times = [
        timed(lambda i=i: np.argpartition(-(plain @ embeddings.queries[i % 16]), 10)[:10]) for i in range(args.rounds)
    ]
    figures["numpy_float32_ms"] = 1000 * float(np.median(times[1:]))
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    result = {
        "count": args.count,
        "width": args.width,
        "embeddings": "real" if real else "drawn",
        "threads": threads,
        **asdict(read_processor()),
        **{name: round(value, 3) for name, value in figures.items()},
    }
    print(json.dumps(result))
    append_line(Path(__file__).parent / "results" / "evenly.jsonl", result)


def upsert(writer: ExactIndex, args: argparse.Namespace, embeddings: Embeddings) -> None:
    keys = [f"{i}.jpg" for i in range(0, args.count, max(args.count // 1000, 1))][:1000]
    writer.add(keys, embeddings.rows(7, 7 + len(keys)), [{"path": key} for key in keys])
    writer.save()


if __name__ == "__main__":
    main()
