"""How long a library of millions takes from process start to printed answer, and how large it is on disk.

    python benchmarks/large.py --count 1000000 --data FOLDER --keep DIR [--rounds 9] [--width 512]

Embeddings are those of scan_embeddings.py, written into a library for the bundled model (its own width) in DIR.  Timed
are: filling and upkeep; whole commands, `wordsight search … --no-sync`, beside `import numpy, onnxruntime`; queries
inside one process, with and without a condition; the first command after the page cache is emptied, where root may.
Appends a line to benchmarks/results/large.jsonl.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from scan_embeddings import embedded, multiplied

from wordsight.base.processor import read_processor
from wordsight.base.progress import track
from wordsight.embeddings.model import load
from wordsight.index.exact import ExactIndex
from wordsight.index.where import parse
from wordsight.search.contents import SIGNATURE

GROUP = 16_384
DROP = Path("/proc/sys/vm/drop_caches")
CONDITIONS = ("price < 50", "price < 10 and colour = 'colour 3'", "price = 7", "name contains '99'")


def timed(work: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - begin)


def spent_on(work: Callable[[], Any]) -> float:
    begin = time.process_time()
    work()
    return 1000 * (time.process_time() - begin)


def batches(queries: Any, size: int, times: int = 4) -> list[Any]:
    """Return so many batches of queries, of one size."""
    return [queries[np.arange(start, start + size) % len(queries)] for start in range(0, times * size, size)]


def fill(folder: Path, rows: Any, fingerprint: str) -> dict[str, float]:
    """Write all rows with metadata, and return how long that and the upkeep took."""
    begin = time.perf_counter()
    with ExactIndex.open(folder, fingerprint=fingerprint, width=rows.shape[1], writable=True) as index:
        for start in track(range(0, len(rows), GROUP), desc="groups"):
            numbers = range(start, min(start + GROUP, len(rows)))
            meta = [{"name": f"{i:08d}.jpg", "price": i % 100, "colour": f"colour {i % 12}"} for i in numbers]
            wide = np.asarray(rows[start : numbers.stop], np.float32)
            index.add([f"{i // 1000:05d}/{i:08d}.jpg" for i in numbers], wide, meta)
        index.note({SIGNATURE: "of no table"})  # so that nobody takes it for one that is still being made
        index.save()
        filled = time.perf_counter()
        index.upkeep()
    return {"fill_s": filled - begin, "upkeep_s": time.perf_counter() - filled}


def commands(target: Path, folder: Path) -> dict[str, list[str]]:
    search = [
        sys.executable,
        "-m",
        "wordsight",
        "search",
        "red",
        "shoes",
        "--in",
        str(target),
        "--library",
        str(folder),
    ]
    search += ["--no-sync"]
    return {
        "import numpy, onnxruntime": [sys.executable, "-c", "import numpy, onnxruntime"],
        "search": search,
        "search, price < 50": [*search, "--where", "price < 50"],
    }


def medians(timings: dict[str, list[str]], rounds: int) -> dict[str, float]:
    """Return the milliseconds of each command, started in turn; the first round is dropped."""
    times: dict[str, list[float]] = {name: [] for name in timings}
    for number in range(rounds + 1):
        for name, command in timings.items():
            spent = timed(lambda command=command: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))
            times[name] += [spent] if number else []
    return {name: statistics.median(values) for name, values in times.items()}


def inside(folder: Path, fingerprint: str, queries: Any) -> dict[str, float]:
    """Return the milliseconds of queries in one process, and the most memory it held."""
    with ExactIndex.open(folder, fingerprint=fingerprint, width=queries.shape[1]) as index:
        figures = {"first_ms": timed(lambda: index.search(queries[:1], 10))}
        times = [timed(lambda one=one: index.search(one[None], 10)) for one in queries]
        figures |= {"query_ms": statistics.median(times), "query_most_ms": max(times)}
        for together in (8, 16, 64):  # milliseconds of the processor for each of so many
            times = [spent_on(lambda many=many: index.search(many, 10)) for many in batches(queries, together)]
            figures[f"query of {together}, cpu_ms"] = statistics.median(times) / together
        for text in CONDITIONS:
            where = parse(text)
            figures[f"{text}, first_ms"] = timed(lambda where=where: index.search(queries[:1], 10, where))
            times = [timed(lambda one=one, where=where: index.search(one[None], 10, where)) for one in queries[:20]]
            figures[f"{text}, ms"] = statistics.median(times)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    names = {"VmHWM": "most_resident_mib", "RssAnon": "own_memory_mib"}  # mapped files count to the first only
    return figures | {name: int(status[key].split()[0]) / 1024 for key, name in names.items()}


def sizes(folder: Path) -> dict[str, float]:
    return {f"{path.name}, bytes an entry": path.stat().st_size for path in sorted(folder.iterdir()) if path.is_file()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--data", type=Path, help="holds flickr8k and fashion_products; without it, drawn")
    parser.add_argument("--keep", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()
    model, target = load(), args.keep / f"pictures-{args.count}"
    folder, fingerprint = args.keep / f"library-{args.count}", model.fingerprint
    target.mkdir(exist_ok=True)
    images, texts = embedded(args.data, args.keep)
    rows, queries = multiplied(images, texts, args.keep, count=args.count, width=model.spec.width)
    result: dict[str, Any] = {"count": args.count, "width": model.spec.width} | asdict(read_processor())
    if not folder.is_dir():
        result |= fill(folder, rows, fingerprint)
    result |= {name: size / args.count for name, size in sizes(folder).items()}
    starts = commands(target, folder)
    if os.access(DROP, os.W_OK):
        result["after_empty_page_cache_ms"] = {}
        for name, command in starts.items():
            os.sync()
            DROP.write_text("3")
            spent = timed(lambda command=command: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))
            result["after_empty_page_cache_ms"][name] = spent
    result["start_to_answer_ms"] = medians(starts, args.rounds)
    bare = result["start_to_answer_ms"]["import numpy, onnxruntime"]
    result["times_bare_import"] = {name: ms / bare for name, ms in result["start_to_answer_ms"].items()}
    with multiprocessing.get_context("spawn").Pool(1) as alone:  # its memory is that of a library's user
        result |= alone.apply(inside, (folder, fingerprint, queries))
    print(json.dumps(result, indent=1))
    with open(Path(__file__).parent / "results" / "large.jsonl", "a") as out:
        out.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
