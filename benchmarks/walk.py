"""How long the look at what has not changed takes: a folder beside a bare walk, a table beside the `stat` of its file.

    python benchmarks/walk.py [--files 100000] [--rows 100000] [--rounds 7] [--keep DIR]

Makes empty files called like images in folders of 500 and a library that has recorded them, without embeddings.  Then,
in turn: the bare walk, `list_folder`, the read of the recorded stamps, and `Library.in_step`, which does both and
compares.  Goal: `in_step` at most three times the bare walk.

Then a parquet table of so many tiny images, drawn, in a library made with the fake engine: `in_step`, and `sync` that
has nothing to do, each with the library open and opened for it.
"""

import argparse
import io
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from wordsight.base.records import environment
from wordsight.data.listing import list_folder
from wordsight.embeddings.model import load
from wordsight.index.index import FileState
from wordsight.index.open import backend_of
from wordsight.search.contents import NOTHING, READER, SIGNATURE, reader
from wordsight.search.library import Library, open_library


def make(folder: Path, count: int) -> None:
    """Write `count` files of a few bytes in folders of 500."""
    for number in range(count):
        path = folder / f"{number // 500:03d}" / f"IMG_{number:06d}.jpg"
        if number % 500 == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"image")


def recorded(folder: Path) -> Library:
    """Return a library that has recorded how the folder looks."""
    library = open_library(folder, model=load(engine="fake"))
    library.folder.mkdir(exist_ok=True)
    model, listing = library.model, library.look()
    kind = backend_of(library.folder, None)
    index = kind.open(library.folder, fingerprint=model.fingerprint, width=model.spec.width, writable=True)
    index.files.record({key: FileState(*stamp, "0" * 64, "") for key, stamp in (listing.stamps or {}).items()})
    index.note({SIGNATURE: listing.signature or "", READER: reader()})
    index.save()
    index.close()
    return library


def bare(folder: Path) -> int:
    """Walk with the system calls that are needed, and keep nothing."""
    waiting, count = [str(folder)], 0
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    entry.stat()
                    count += 1
    return count


def make_table(path: Path, count: int) -> None:
    """Write a parquet table of `count` images of 2 x 2 pixels, with a title and a price each."""
    rows = []
    for number, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (count, 2, 2, 3), np.uint8)):
        image = io.BytesIO()
        Image.fromarray(pixels).save(image, "BMP")
        rows.append({"id": f"{number:06d}", "image": image.getvalue(), "title": f"title {number}", "price": number})
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=10_000)


def measured(steps: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Return the median processor times in ms of the steps, taken in turn; prints them beside the first."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            start = time.process_time_ns()
            step()
            times[name].append((time.process_time_ns() - start) / 1e6)
    medians = {name: statistics.median(values) for name, values in times.items()}
    first = next(iter(steps))
    print(f"{'':28}{'median ms':>10}{'least':>9}   x {first}, processor time")
    for name, values in times.items():
        print(f"{name:28}{medians[name]:10.3f}{min(values):9.3f}{medians[name] / medians[first]:9.2f}")
    return medians


def measure_folder(folder: Path, rounds: int) -> dict[str, float]:
    """Measure the look at an unchanged folder."""
    library = recorded(folder)
    assert library.in_step()
    steps: dict[str, Callable[[], Any]] = {
        "bare walk": lambda: bare(folder),
        "list_folder": lambda: list_folder(folder),
        "recorded stamps": lambda: library._recorded(NOTHING),
        "in_step": library.in_step,
    }
    with library:
        return measured(steps, rounds)


def measure_table(path: Path, rounds: int) -> dict[str, float]:
    """Measure the look at an unchanged table."""
    model = load(engine="fake")

    def opened(step: Callable[[Library], Any]) -> None:
        with open_library(path, model=model) as other:
            step(other)

    with open_library(path, model=model) as library:
        library.sync()
        assert library.in_step()
        steps: dict[str, Callable[[], Any]] = {
            "stat": lambda: os.stat(path),
            "in_step": library.in_step,
            "sync": library.sync,
            "in_step, opened for it": lambda: opened(Library.in_step),
            "sync, opened for it": lambda: opened(Library.sync),
        }
        return measured(steps, rounds)


def main() -> None:
    """Make folder and table, measure, print a table of each and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--keep", type=Path, help="make the folder here, or use the one that is here")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary, "images")
        if not folder.is_dir():
            make(folder, args.files)
        medians = {"folder": measure_folder(folder, args.rounds)}
        table = Path(temporary, "t.parquet")
        make_table(table, args.rows)
        medians["table"] = measure_table(table, args.rounds)
    counts = {"files": args.files, "rows": args.rows}
    print(json.dumps({**counts, "medians_ms": medians, "environment": environment()}))


if __name__ == "__main__":
    main()
