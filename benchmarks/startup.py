"""How long a user waits: `wordsight --help`, and a whole search of an indexed library, beside Python's own start.

    python benchmarks/startup.py [--model FOLDER] [--pictures 10000] [--rounds 15] [--keep DIR]

Draws small images into a temporary folder, indexes them once, then starts each command anew in turn, round after
round, and prints the medians.  Goals: help at most twice bare Python plus 50 ms; the search, from process start to
answer, at most 2.5 times `import numpy, onnxruntime`.  Python's bytecode is kept between the starts, as it is of an
installed package.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from wordsight.base.progress import track
from wordsight.base.records import environment
from wordsight.weights.find import find_model

QUERY = ["red", "shoes", "on", "the", "grass"]


def draw(folder: Path, count: int) -> None:
    """Write `count` images of 48 x 48 random blocks in folders of 500."""
    random = np.random.default_rng(0)
    for i in track(range(count), count, unit="picture", desc="drawing"):
        path = folder / f"{i // 500:03d}" / f"{i:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        blocks = random.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(blocks.repeat(8, 0).repeat(8, 1)).save(path, compress_level=1)


def commands(target: Path, model: Path) -> dict[str, list[str]]:
    """Return what is timed."""
    program = [sys.executable, "-m", "wordsight"]
    search = [*program, "search", *QUERY, "--in", str(target), "--model", str(model), "--min-match", "0"]
    return {
        "python -c pass": [sys.executable, "-c", "pass"],
        "wordsight --help": [*program, "--help"],
        "wordsight search --help": [*program, "search", "--help"],
        "import numpy": [sys.executable, "-c", "import numpy"],
        "import numpy, onnxruntime": [sys.executable, "-c", "import numpy, onnxruntime"],
        "wordsight search": search,
        "wordsight search --no-sync": [*search, "--no-sync"],
        "wordsight search --where": [*search, "--where", "width > 40 and name contains '7'"],
    }


def measure(timed: dict[str, list[str]], rounds: int) -> dict[str, list[float]]:
    """Return milliseconds of every start; the first round, which compiles what is not compiled yet, is dropped."""
    surroundings = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    times: dict[str, list[float]] = {name: [] for name in timed}
    for number in range(rounds + 1):
        for name, command in timed.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=surroundings)
            if number:
                times[name].append(1000 * (time.perf_counter() - start))
    return times


def main() -> None:
    """Make the library, measure, print a table and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a model's folder (default: the bundled model)")
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--keep", type=Path, help="make the library here, or use the one that is here")
    args = parser.parse_args()
    model = find_model(args.model)
    with tempfile.TemporaryDirectory() as temporary:
        target = args.keep or Path(temporary, "pictures")
        if not target.is_dir():
            draw(target, args.pictures)
        program = [sys.executable, "-m", "wordsight", "index", str(target), "--model", str(model)]
        subprocess.run(program, check=True)
        times = measure(commands(target, model), args.rounds)
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(f"{'':28}{'median ms':>10}{'least':>8}{'most':>8}{'x bare import':>15}")
    for name, values in times.items():
        ratio = medians[name] / medians["import numpy, onnxruntime"]
        print(f"{name:28}{medians[name]:10.1f}{min(values):8.1f}{max(values):8.1f}{ratio:15.2f}")
    print(f"help: {medians['wordsight --help']:.0f} ms, goal {2 * medians['python -c pass'] + 50:.0f}")
    print(f"search: {medians['wordsight search']:.0f} ms, goal {2.5 * medians['import numpy, onnxruntime']:.0f}")
    print(json.dumps({"pictures": args.pictures, "medians_ms": medians, "environment": environment()}))


if __name__ == "__main__":
    main()
