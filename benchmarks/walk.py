"""How long the look at an unchanged folder takes, beside a bare walk: `os.scandir` and `stat` and nothing else.

    python benchmarks/walk.py [--files 100000] [--rounds 7] [--keep DIR]

Makes empty files called like images in folders of 500 and a library that has recorded them, without embeddings.  Then,
in turn: the bare walk, `list_folder`, the read of the recorded stamps, and `Library.in_step`, which does both and
compares.  Goal: `in_step` at most three times the bare walk.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wordsight.base.records import environment
from wordsight.data.listing import list_folder
from wordsight.embeddings.model import load
from wordsight.index.index import FileState
from wordsight.index.open import backend_of
from wordsight.search.contents import READER, SIGNATURE, reader
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
    model, listing = library.model, library.contents.look()
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


def main() -> None:
    """Make the folder, measure, print a table and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--keep", type=Path, help="make the folder here, or use the one that is here")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary, "images")
        if not folder.is_dir():
            make(folder, args.files)
        library = recorded(folder)
        assert library.in_step()
        steps: dict[str, Callable[[], Any]] = {
            "bare walk": lambda: bare(folder),
            "list_folder": lambda: list_folder(folder),
            "recorded stamps": library._recorded,
            "in_step": library.in_step,
        }
        times: dict[str, list[float]] = {name: [] for name in steps}
        for _ in range(args.rounds):
            for name, step in steps.items():
                start = time.process_time()
                step()
                times[name].append(1000 * (time.process_time() - start))
        library.close()
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(f"{'':20}{'median ms':>10}{'least':>8}{'x bare walk':>13}   processor time")
    for name, values in times.items():
        print(f"{name:20}{medians[name]:10.0f}{min(values):8.0f}{medians[name] / medians['bare walk']:13.2f}")
    print(json.dumps({"files": args.files, "medians_ms": medians, "environment": environment()}))


if __name__ == "__main__":
    main()
