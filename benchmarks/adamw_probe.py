"""How often the probe by AdamW reports exactly what CLIP_benchmark's does, and what both take.

python benchmarks/adamw_probe.py --problems 100

Made-up embeddings: 150 to 900 rows to learn from, 60 to 300 held out, 500 to test; 2 to 11 classes; width 16 to 512;
from easy to hopeless.  Of four problems two choose the decay and learn from all rows, one chooses it for 4 rows of each
class, one learns from all rows without decay.  Then one problem of 2,000 rows is timed, 500 held out, width 512.
Needs the extra `dev`.  Set OMP_NUM_THREADS=1 for one core.
"""

import argparse
import contextlib
import math
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "parity"))
from clip_benchmark_side import on_processor, probe

from wordsight.base.arrays import unit
from wordsight.evaluate.adamw_probe import AdamwProtocol, fit_adamw, measure_adamw
from wordsight.evaluate.linear import Labelled

Parts = dict[str, Labelled]
WIDTHS, NOISES = (16, 64, 128, 512), (1.0, 2.0, 4.0, 6.0, 9.0)


def drawn(generator: np.random.Generator, centres: np.ndarray, count: int, noise: float) -> Labelled:
    """Return rows around the centre of each class, five of each at least."""
    labels = generator.integers(0, len(centres), count)
    labels[: 5 * len(centres)] = np.arange(5 * len(centres)) % len(centres)
    return Labelled(unit(centres[labels] + noise * generator.normal(size=(count, centres.shape[1]))), labels)


def problem(number: int) -> Parts:
    """Return the rows of one problem."""
    generator = np.random.default_rng(number)
    centres = generator.normal(size=(int(generator.integers(2, 12)), int(generator.choice(WIDTHS))))
    noise = float(generator.choice(NOISES))
    counts = {"train": int(generator.integers(150, 900)), "val": int(generator.integers(60, 300)), "test": 500}
    return {name: drawn(generator, centres, count, noise) for name, count in counts.items()}


def both(parts: Parts, *, shots: int | None, seed: int) -> tuple[list[float], list[float], float, float]:
    """Return what CLIP_benchmark reports, what ours does, and the seconds of both."""
    began = time.perf_counter()
    with contextlib.ExitStack() as stack:
        folder, nothing = stack.enter_context(tempfile.TemporaryDirectory()), stack.enter_context(open(os.devnull, "w"))
        stack.enter_context(contextlib.redirect_stdout(nothing))
        stack.enter_context(contextlib.redirect_stderr(nothing))
        theirs = probe(Path(folder), parts, shots=shots or -1, seed=seed)
    between = time.perf_counter()
    fitted = fit_adamw(parts["train"], held_out=parts.get("val"), shots=shots, protocol=AdamwProtocol(seed=seed))
    scores = measure_adamw(fitted.linear, parts["test"])
    seconds = time.perf_counter() - between
    names = ("weight_decay", "lp_acc1", "lp_acc5", "lp_mean_per_class_recall")
    ours = [fitted.weight_decay, scores.acc1, scores.acc5, scores.mean_per_class_recall]
    return [float(theirs[name]) for name in names], ours, between - began, seconds


def main() -> None:
    """Compare, count and time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=100)
    count = parser.parse_args().problems
    on_processor(pytest.MonkeyPatch())
    same = 0
    for number in range(count):
        parts = problem(number)
        if number % 4 == 3:
            del parts["val"]
        theirs, ours, _, _ = both(parts, shots=4 if number % 4 == 2 else None, seed=number % 3)
        pairs = list(zip(theirs, ours, strict=True))
        equal = all(math.isclose(a, b, abs_tol=1e-12) or (math.isnan(a) and math.isnan(b)) for a, b in pairs)
        same += equal
        if not equal:
            print(f"problem {number}: CLIP_benchmark {theirs}, ours {ours}", flush=True)
    print(f"{same} of {count} the same (decay, acc1, acc5, mean per class recall)", flush=True)
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(10, 512))
    counts = {"train": 2000, "val": 500, "test": 2000}
    large = {name: drawn(generator, centres, size, 6.0) for name, size in counts.items()}
    for _ in range(3):
        theirs, ours, slow, quick = both(large, shots=None, seed=0)
        print(f"2,000 rows: CLIP_benchmark {slow:.2f} s, ours {quick:.2f} s; acc1 {theirs[1]} {ours[1]}", flush=True)


if __name__ == "__main__":
    main()
