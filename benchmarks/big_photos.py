"""Photos a second of full-size JPEGs: a fraction decoded, all decoded, Pillow alone, rclip's loader; and the index.

    python benchmarks/big_photos.py FOLDER [--cores 2] [--count 100] [--rounds 3] [--out benchmarks/results]

FOLDER holds JPEGs of some 12 megapixels.  Each way reads files from the disk and gives what the bundled model's tower
sees, in as many threads as cores; ways take turns, and the best round counts.  "Pillow" opens, converts and resizes as
most programs do; "rclip" is the preprocessing of rclip 3.3 restated (256 pixels and floats, its own hash of the file).
`index` is the whole command on a copy of the names.  Then what a fraction changes: levels of 255, and cosines of
embeddings with those of exact pixels, beside the same for the fast way without fractions.
"""

import argparse
import hashlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import numpy as np
from PIL import Image

from wordsight.base.arrays import Pixels
from wordsight.base.records import append_line, environment
from wordsight.embeddings.model import Model, load
from wordsight.images.decode import decode
from wordsight.images.files import find_images
from wordsight.images.transform import load_pixels

Way = Callable[[Path], Any]
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


def pillow(path: Path, side: int) -> Image.Image:
    """Open, convert, resize the shorter side to `side`, cut out the centre."""
    image = Image.open(path).convert("RGB")
    scale = side / min(image.size)
    width, height = (int(side if edge == min(image.size) else edge * scale) for edge in image.size)
    image = image.resize((width, height), Image.Resampling.BICUBIC)
    left, top = round((width - side) / 2), round((height - side) / 2)
    return image.crop((left, top, left + side, top + side))


def rclip(path: Path) -> Any:
    """Return what rclip 3.3 makes of a file: a hash of its first megabyte and last kilobyte, and normalised floats."""
    with path.open("rb") as handle:
        digest = hashlib.sha256(handle.read(1 << 20))
        handle.seek(-1024, os.SEEK_END)
        digest.update(handle.read(1024))
    pixels = np.array(pillow(path, 256), dtype=np.float32) / 255
    return digest.hexdigest(), ((pixels - MEAN) / STD).transpose(2, 0, 1)


def ways(model: Model) -> dict[str, Way]:
    """Return what is timed: path -> what a tower sees."""
    spec = model.spec.preprocess
    return {
        "Pillow: open, convert, resize": lambda path: np.asarray(pillow(path, spec.size)),
        "rclip 3.3's loader": rclip,
        "wordsight, exact": lambda path: load_pixels(path, spec, quality="exact"),
        "wordsight": lambda path: load_pixels(path, spec),
    }


@dataclass(frozen=True, slots=True)
class Rate:
    """Photos a second, and milliseconds of a core that each took: those do not depend on who else uses the machine."""

    per_second: float
    core_ms: float


class StopWatch:
    """Counts from when it is made: wall time, and processor time of this process and its finished children."""

    def __init__(self) -> None:
        self._start = time.perf_counter(), self._spent()

    @staticmethod
    def _spent() -> float:
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(one.ru_utime + one.ru_stime for one in used)

    def rate(self, count: int) -> Rate:
        """Return the rate of `count` photos until now."""
        wall, spent = time.perf_counter() - self._start[0], self._spent() - self._start[1]
        return Rate(count / wall, 1000 * spent / count)


def timed(way: Way, files: list[Path], cores: int) -> Rate:
    """Return how fast a way is in as many threads as cores."""
    clock = StopWatch()
    with ThreadPoolExecutor(cores) as pool:
        for _ in pool.map(way, files):
            pass
    return clock.rate(len(files))


def indexed(files: list[Path], cores: set[int], pixels: str) -> Rate:
    """Return the rate of `wordsight index`, or of the same with exact pixels, process start included."""
    program = [sys.executable, "-m", "wordsight", "index"]
    if pixels == "exact":
        source = "import sys, wordsight as w; w.open_library(sys.argv[1], model=w.load(pixels='exact')).sync()"
        program = [sys.executable, "-c", source]
    with tempfile.TemporaryDirectory() as folder:
        for path in files:
            os.symlink(path.absolute(), Path(folder, path.name))
        clock = StopWatch()
        subprocess.run(
            [shutil.which("taskset") or "taskset", "-c", ",".join(map(str, cores)), *program, folder],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return clock.rate(len(files))


def effect(model: Model, files: list[Path]) -> dict[str, dict[str, float]]:
    """Return levels and cosines between exact pixels and those of the other ways."""
    spec = model.spec.preprocess
    exact: Pixels = np.stack([load_pixels(path, spec, quality="exact") for path in files])
    others = {
        "fast, whole": np.stack([load_pixels(decode(path), spec) for path in files]),
        "fast, fraction": np.stack([load_pixels(path, spec) for path in files]),
    }
    embed = model.engine.embed_images
    reference = np.concatenate([embed(exact[i : i + 16]) for i in range(0, len(files), 16)])
    changes = {}
    for name, pixels in others.items():
        apart = np.abs(pixels.astype(int) - exact)
        embeddings = np.concatenate([embed(pixels[i : i + 16]) for i in range(0, len(files), 16)])
        cosines = (embeddings * reference).sum(axis=1)
        changes[name] = {
            "largest_levels": int(apart.max()),
            "mean_levels": float(apart.mean()),
            "least_cosine": float(cosines.min()),
            "mean_cosine": float(cosines.mean()),
        }
    return changes


def main() -> None:
    """Measure, print and, with --out, record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a folder of large JPEGs")
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="folder in which big_photos.jsonl grows by one line a run")
    args = parser.parse_args()
    cores = set(sorted(os.sched_getaffinity(0))[: args.cores])
    os.sched_setaffinity(0, cores)
    model = load()
    files = list(find_images(args.folder))[: args.count]
    rates: dict[str, list[Rate]] = {name: [] for name in (*ways(model), "index, exact", "index")}
    for _ in range(args.rounds):
        for name, way in ways(model).items():
            rates[name].append(timed(way, files, args.cores))
        for name, pixels in (("index, exact", "exact"), ("index", "fast")):
            rates[name].append(indexed(files, cores, pixels))
    megabytes = np.mean([path.stat().st_size for path in files]) / 1e6
    print(f"{len(files)} files of {megabytes:.1f} MB, {args.cores} cores, {os.getloadavg()[0]:.1f} load")
    for name, values in rates.items():
        best = min(values, key=lambda rate: rate.core_ms)
        print(f"  {name:32s} {best.core_ms:7.1f} ms of a core each, {max(one.per_second for one in values):6.1f} /s")
    changed = effect(model, files)
    for name, row in changed.items():
        print(f"  {name:16s} {row}")
    if args.out:
        rounds = {name: [asdict(one) for one in values] for name, values in rates.items()}
        facts = {
            "files": len(files),
            "cores": args.cores,
            "load": os.getloadavg()[0],
            "rates": rounds,
            "effect": changed,
        }
        append_line(args.out / "big_photos.jsonl", {**facts, "environment": environment()})


if __name__ == "__main__":
    main()
