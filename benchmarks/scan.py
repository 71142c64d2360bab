"""How long a query takes on one core: our scan and comparing all rows, beside other libraries, on the same embeddings.

    python benchmarks/scan.py --data FOLDER [--rows 100000 1000000] [--width 512] [--keep DIR] [--only NAME ...]

FOLDER holds `flickr8k` and `fashion_products`; without --data embeddings are drawn (scan_embeddings.py says how either
is made into as many as are wanted).  Packages that are not installed are left out: turbovec, faiss-cpu, simsimd,
numkong, usearch.  Every answer is ranked again by the exact scores of the candidates.  Times are of the processor,
which other processes disturb less, and of the clock.  Prints tables and appends one line of JSON for each number of
rows to benchmarks/results/scan.jsonl.
"""

import argparse
import importlib
import json
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("RAYON_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from scan_embeddings import embedded, multiplied

from wordsight.base.processor import CPUINFO
from wordsight.base.records import append_line, environment
from wordsight.index.columns_cache import ColumnsCache
from wordsight.index.halves import nearest_halves, scores_halves
from wordsight.index.rows import SavedState
from wordsight.index.scan import build_scan, load_scan, save_scan, search_scan
from wordsight.index.topk import largest
from wordsight.index.where import parse

RESULTS = Path(__file__).parent / "results" / "scan.jsonl"
FLAGS = ("avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8")
UNITS = ("NPY_DISABLE_CPU_FEATURES", "OPENBLAS_CORETYPE")  # by which a processor passes for an older one
PACKAGES = ("turbovec", "faiss-cpu", "simsimd", "numkong", "usearch")
K = 10
SHORT = 100  # candidates of the other libraries
Search = Callable[[Any], Any]  # queries (Q, W) to row ids (Q, C)


@dataclass(frozen=True, slots=True)
class Line:
    """One kernel: seconds of the build, milliseconds a query (processor, clock, in batches), recall, bytes a row."""

    name: str
    build_s: float
    cpu_ms: float
    wall_ms: float
    batch_cpu_ms: float
    recall: float
    bytes_row: float


def astype_scan(rows: Any) -> Search:
    """NumPy's own way from 16 to 32 bits, block by block."""

    def search(queries: Any) -> Any:
        scores = np.concatenate([queries @ block.T for block in blocks(rows, 4096)], axis=1)
        return np.argpartition(-scores, K, axis=1)[:, :K]

    return search


def blob_scan(rows: Any, folder: Path) -> Search:
    """What a program does that keeps vectors in SQLite and reads all of them for each query, as rclip 3.3 does."""
    path = folder / f"blobs-{len(rows)}.db"
    connection = sqlite3.connect(path)
    if not connection.execute("select 1 from sqlite_schema").fetchall():
        connection.execute(
            "create table images (id integer primary key, deleted boolean, filepath text not null unique, "
            "modified_at datetime not null, size integer not null, vector blob not null)"
        )
        connection.execute("create unique index existing on images(filepath) where deleted is null")
        for start in range(0, len(rows), 10_000):
            part = enumerate(rows[start : start + 10_000].astype(np.float32), start)
            connection.executemany(
                "insert into images values (?, null, ?, 0, 0, ?)",
                [(i, f"/photos/{i // 1000}/{i}.jpg", vector.tobytes()) for i, vector in part],
            )
        connection.commit()
    statement = "select filepath, vector from images where filepath like ? escape '\\' and deleted is null"

    def search(queries: Any) -> Any:
        answers = []
        for query in queries:
            paths, vectors = [], []
            for name, blob in connection.execute(statement, ("/photos/%",)):
                paths.append(name)
                vectors.append(np.frombuffer(blob, np.float32))
            similarities = query @ np.stack(vectors).T
            ranked = sorted(zip(similarities, range(len(paths)), strict=True), key=lambda pair: pair[0], reverse=True)
            answers.append([int(Path(paths[row]).stem) for _, row in ranked[:K]])
        return np.array(answers)

    return search


def blocks(rows: Any, size: int = 65_536) -> Iterator[Any]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size].astype(np.float32)


def turbovec_scan(rows: Any) -> tuple[Search, float]:
    turbovec = importlib.import_module("turbovec")
    index = turbovec.TurboQuantIndex(rows.shape[1], 4)
    index.calibrate(rows[:: max(1, len(rows) // 20_000)].astype(np.float32))
    for block in blocks(rows):
        index.add(block)
    index.prepare()
    return lambda queries: index.search(queries, SHORT)[1], rows.shape[1] / 2 + 4


def faiss_scan(rows: Any, kind: str) -> tuple[Search, float]:
    faiss = importlib.import_module("faiss")
    faiss.omp_set_num_threads(1)
    index = faiss.index_factory(rows.shape[1], kind, faiss.METRIC_INNER_PRODUCT)
    index.train(rows[:: max(1, len(rows) // 20_000)].astype(np.float32))
    for block in blocks(rows):
        index.add(block)
    return lambda queries: index.search(queries, SHORT)[1], float(index.sa_code_size())


def bytes_scan(rows: Any, package: str) -> tuple[Search, float]:
    """8-bit dot products of a library of kernels."""
    module = importlib.import_module(package)
    scale = 127 / float(np.abs(rows[:20_000]).max())
    codes = np.concatenate([np.rint(block * scale).clip(-127, 127).astype(np.int8) for block in blocks(rows)])

    def search(queries: Any) -> Any:
        short = np.rint(queries * scale).clip(-127, 127).astype(np.int8)
        if package == "usearch.index":
            answers = [module.search(codes, query, SHORT, metric=module.MetricKind.IP, exact=True) for query in short]
            return np.array([matches.keys for matches in answers], np.int64)
        return np.argpartition(-np.asarray(module.cdist(short, codes, "dot")), SHORT, axis=1)[:, :SHORT]

    return search, float(rows.shape[1])


def reranked(rows: Any, search: Search) -> Search:
    def both(queries: Any) -> Any:
        candidates = np.sort(search(queries).astype(np.int64), axis=1)
        return np.take_along_axis(candidates, largest(scores_halves(queries, rows, candidates), K), 1)

    return both


def kernels(rows: Any, keep: Path) -> dict[str, Callable[[], tuple[Search, float]]]:
    """Return name -> what builds a kernel and gives its search and its bytes a row."""

    def ours() -> tuple[Search, float]:
        kernel = build_scan(rows)
        save_scan(kernel, keep / "scan.cache", generation=len(rows))
        size = (keep / "scan.cache").stat().st_size / len(rows)
        start = time.process_time()
        loaded = load_scan(keep / "scan.cache", rows, generation=len(rows))
        print(f"{kernel.name}: {getattr(kernel, 'measured', '')}, loaded in {time.process_time() - start:.3f} s")
        return lambda queries: search_scan(loaded, rows, queries, K).row_ids, size

    width = rows.shape[1]
    return {
        "scan": ours,
        "exact": lambda: (lambda queries: nearest_halves(queries, rows, K).row_ids, 2 * width),
        "exact, astype": lambda: (astype_scan(rows), 2 * width),
        "turbovec 4 bit": lambda: with_exact(rows, turbovec_scan(rows)),
        "faiss SQ8": lambda: with_exact(rows, faiss_scan(rows, "SQ8")),
        "faiss PQfs": lambda: with_exact(rows, faiss_scan(rows, f"PQ{width // 4}x4fs")),
        "simsimd int8": lambda: with_exact(rows, bytes_scan(rows, "simsimd")),
        "numkong int8": lambda: with_exact(rows, bytes_scan(rows, "numkong")),
        "usearch int8": lambda: with_exact(rows, bytes_scan(rows, "usearch.index")),
        "SQLite blobs": lambda: (blob_scan(rows, keep), 4 * width),
    }


def with_exact(rows: Any, built: tuple[Search, float]) -> tuple[Search, float]:
    return reranked(rows, built[0]), built[1]


def measured(name: str, build: Callable[[], tuple[Search, float]], queries: Any, truth: Any) -> Line:
    start = time.process_time()
    search, size = build()
    build_s = time.process_time() - start
    search(queries[:1])
    clocks, cpus, answers = [], [], []
    began = time.perf_counter()
    for query in queries:
        if len(answers) > 2 and time.perf_counter() - began > 20:
            break
        wall, cpu = time.perf_counter(), time.process_time()
        answers.append(search(query[None])[0])
        cpus.append(1000 * (time.process_time() - cpu))
        clocks.append(1000 * (time.perf_counter() - wall))
    recall = np.mean([np.isin(right, given).mean() for right, given in zip(truth, answers, strict=False)])
    batch = queries[:32] if np.median(clocks) < 2000 else queries[:1]
    together = []
    for _ in range(3):  # of which the first makes room
        cpu = time.process_time()
        search(batch)
        together.append(1000 * (time.process_time() - cpu) / len(batch))
    return Line(name, build_s, float(np.median(cpus)), float(np.median(clocks)), min(together), float(recall), size)


def filtered(rows: Any, queries: Any, keep: Path) -> dict[str, list[float]]:
    """Return share and kind of a filter -> recall, mean and largest milliseconds (processor) of our scan.

    What is unlike itself is unlike each query: a filter that cuts off the best just where most rows lie.
    """
    path = keep / "scan.cache"
    if not path.is_file():
        save_scan(build_scan(rows), path, generation=len(rows))
    kernel = load_scan(path, rows, generation=len(rows))
    random = np.random.default_rng(3).random(len(rows))
    like = np.concatenate([queries @ block.T for block in blocks(rows)], axis=1)
    kinds = {
        "random": [random] * len(queries),
        "like the first": [-like[0]] * len(queries),
        "unlike the first": [like[0]] * len(queries),
        "unlike itself": list(like),
    }
    figures = {}
    for share in (1.0, 0.5, 0.1, 0.01, 0.001):
        for kind, of_queries in kinds.items():
            recalls, times = [], []
            for query, values in zip(queries, of_queries, strict=True):
                allowed = values <= np.quantile(values, share)
                truth = nearest_halves(query[None], rows, K, allowed=allowed).row_ids
                cpu = time.process_time()
                answer = search_scan(kernel, rows, query[None], K, allowed=allowed).row_ids
                times.append(1000 * (time.process_time() - cpu))
                recalls.append(np.isin(truth, answer).mean())
            recall, mean, most = float(np.mean(recalls)), float(np.mean(times)), max(times)
            figures[f"{share:.1%} {kind}"] = [round(recall, 4), round(mean, 1), round(most, 1)]
            print(f"  {share:6.1%} {kind:18} recall {recall:.4f} {mean:8.1f} ms, at most {most:8.1f}")
    return figures


def conditions(count: int) -> dict[str, float]:
    """Return condition -> milliseconds of its mask over `count` entries, their columns mapped."""
    random = np.random.default_rng(4)
    prices, colours = random.uniform(0, 100, count).tolist(), random.integers(0, 60, count).tolist()
    columns = {
        "price": prices,
        "colour": [f"colour {value}" for value in colours],
        "name": [f"photos/{row}.jpg" for row in range(count)],
    }
    rows = SimpleNamespace(
        state=SavedState("", 1, 0, count), count=count, values=lambda name: (np.arange(count), columns[name])
    )
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        cache = ColumnsCache(Path(folder))
        for text in ("price < 50", "price < 50 and colour = 'colour 7'", "colour contains '7'", "name >= 'photos/5'"):
            cpu = time.process_time()
            cache.mask(parse(text), rows)
            first = time.process_time() - cpu
            cpu = time.process_time()
            cache.mask(parse(text), rows)
            figures[text] = round(1000 * (time.process_time() - cpu), 2)
            print(f"  {text:40} {figures[text]:8.2f} ms (first time {first:.2f} s)")
    return figures


def surroundings() -> dict[str, Any]:
    """Return the machine, the units of its processor and the versions of what is compared."""
    flags = set(CPUINFO.read_text(encoding="utf-8").split()) if CPUINFO.is_file() else set()
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            print(f"{package} is not installed: left out")
    chosen = {name: os.environ[name] for name in UNITS if name in os.environ}
    return {**environment(), "flags": [flag for flag in FLAGS if flag in flags], **chosen, **versions}


def cosines(rows: Any, queries: Any) -> dict[str, float]:
    nearest = nearest_halves(queries, rows, K)
    some = queries @ rows[:: max(1, len(rows) // 10_000)].astype(np.float32).T
    best, tenth = nearest.scores[:, 0].mean(), nearest.scores[:, -1].mean()
    figures = {"best": best, "tenth": tenth, "mean of all": some.mean(), "deviation": some.std()}
    return {name: round(float(value), 3) for name, value in figures.items()}


def main() -> None:
    """Measure each number of rows, print the tables, append the lines of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--queries", type=int, default=200, help="the first texts; the time for one kernel is limited")
    parser.add_argument("--keep", type=Path, help="make the embeddings here, or use those that are here")
    parser.add_argument("--only", nargs="*", help="kernels, and `filtered` and `conditions`; default: all")
    args = parser.parse_args()
    facts = surroundings()
    print(json.dumps(facts))
    with tempfile.TemporaryDirectory() as temporary:
        keep = args.keep or Path(temporary)
        keep.mkdir(parents=True, exist_ok=True)
        images, texts = embedded(args.data, keep)
        for count in args.rows:
            rows, queries = multiplied(images, texts, keep, count=count, width=args.width)
            queries = np.random.default_rng(5).permutation(queries)[: args.queries]
            record = measure_all(rows, queries, keep, args.only)
            kind = "drawn" if args.data is None and args.keep is None else "real"
            append_line(
                RESULTS, {"rows": count, "width": args.width, "embeddings": kind, **record, "environment": facts}
            )


def measure_all(rows: Any, queries: Any, keep: Path, only: list[str] | None) -> dict[str, Any]:
    truth = nearest_halves(queries, rows, K).row_ids
    record: dict[str, Any] = {"cosines": cosines(rows, queries), "kernels": []}
    print(f"\n{len(rows):,} rows of {rows.shape[1]}, {len(queries)} texts, cosines {record['cosines']}")
    print(f"{'':16}{'build s':>9}{'cpu ms':>9}{'wall ms':>9}{'batch ms':>9}{'recall':>8}{'bytes/row':>10}")
    for name, build in kernels(rows, keep).items():
        if only and name not in only:
            continue
        try:
            line = measured(name, build, queries, truth)
        except ModuleNotFoundError:
            continue
        record["kernels"].append(asdict(line))
        print(
            f"{name:16}{line.build_s:9.1f}{line.cpu_ms:9.1f}{line.wall_ms:9.1f}{line.batch_cpu_ms:9.1f}"
            f"{line.recall:8.4f}{line.bytes_row:10.0f}",
            flush=True,
        )
    if not only or "filtered" in only:
        record["filtered"] = filtered(rows, queries[:10], keep)
    if not only or "conditions" in only:
        record["conditions"] = conditions(len(rows))
    return record


if __name__ == "__main__":
    main()
