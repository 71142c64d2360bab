"""Time and memory of scoring and curating very many pairs: embeddings are random, everything else is as it is.

    python benchmarks/curation_scale.py 1000000 --width 512

The source makes small images and captions from their numbers; the engine gives each content its own random unit
embedding at nearly no cost, so what is measured is all that a real run does besides its towers.  Prints behind each
stage its seconds, the peak of memory so far, mapped files included, and the process's own memory without them.  Needs
12 bytes of disk a pair and number of the width.
"""

import argparse
import os
import resource
import tempfile
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from wordsight.base.arrays import unit
from wordsight.base.nouns import Sample
from wordsight.data.source import START, Position, Step, Walk
from wordsight.embeddings.model import Model
from wordsight.engines.fake import FakeEngine

SIDE = 8
HEADER = (  # of a BMP file of 8 x 8 pixels
    b"BM" + (54 + SIDE * SIDE * 3).to_bytes(4, "little") + bytes(4) + (54).to_bytes(4, "little")
    + (40).to_bytes(4, "little") + SIDE.to_bytes(4, "little") * 2 + b"\1\0\x18\0" + bytes(24)
)  # fmt: skip


class RandomEngine(FakeEngine):
    """The fake engine with another width, and a random embedding for each content."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.spec = replace(self.spec, width=width)

    def embed_images(self, pixels: Any) -> Any:
        """Return random unit embeddings."""
        return self._random(pixels)

    def embed_texts(self, tokens: Any) -> Any:
        """Return random unit embeddings."""
        return self._random(tokens)

    def _random(self, contents: Any) -> Any:
        width = self.spec.width
        seeds = (zlib.crc32(np.ascontiguousarray(one)) for one in contents)
        return unit(np.stack([np.random.default_rng(seed).standard_normal(width, np.float32) for seed in seeds]))


class ManySource:
    """`number` images of noise with a caption each; every hundredth is the one before it again."""

    name = "many"

    def __init__(self, number: int) -> None:
        self._number = number

    def samples(self, start: Position = START) -> Walk:
        """Walk over the images."""
        return Walk(self._steps(start.entry), start)

    def _steps(self, first: int) -> Iterator[Step]:
        for entry in range(first, self._number):
            seed = entry - (entry % 100 == 99)
            image = HEADER + np.random.default_rng(seed).bytes(SIDE * SIDE * 3)
            yield Sample(f"{entry:08d}", image, (f"a picture of number {entry}",)), Position(0, entry + 1)

    def parts(self) -> int:
        """Return 1."""
        return 1

    def count(self) -> int:
        """Return how many there are."""
        return self._number

    def fingerprint(self) -> str:
        """Return a text that changes with the number."""
        return f"{self._number:016x}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("number", type=int)
    parser.add_argument("--width", type=int, default=512)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        os.environ["WORDSIGHT_CACHE"] = cache
        measure(args.number, args.width, Path(cache))


def measure(number: int, width: int, folder: Path) -> None:
    from wordsight.curate.judging import judge
    from wordsight.curate.pool import PairPool
    from wordsight.curate.rule_text import read_rules
    from wordsight.curate.score_table import write_scores
    from wordsight.curate.selection import write_verdicts

    pool = PairPool(ManySource(number), lambda: Model(RandomEngine(width)))
    print(f"{number:,} pairs, {width} numbers")
    start = time.perf_counter()

    def noted(stage: str) -> None:
        nonlocal start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        status = Path("/proc/self/status").read_text()
        own = int(status.partition("RssAnon:")[2].split()[0]) / 1024
        seconds = time.perf_counter() - start
        print(f"{stage:34} {seconds:8.1f} s   peak {peak:7.0f} MB, own now {own:7.0f} MB", flush=True)
        start = time.perf_counter()

    noted("imports")
    pool.prepare([])
    noted("keys and captions")
    pool.prepare(["images"])
    noted("images embedded")
    pool.prepare(["scores"])
    noted("captions embedded, scores")
    write_scores(pool, folder / "scores.csv")
    noted("scores.csv")
    pool.prepare(["looks"])
    noted("looks")
    for rule in ("basic:side=8", "clip-score:top=30%", "duplicates", "near-duplicates"):
        verdicts = judge(pool, read_rules([rule]))
        noted(f"{rule}: {int(verdicts.kept.sum()):,} kept")
    write_verdicts(pool, verdicts, folder / "verdicts.csv")
    noted("verdicts.csv")


if __name__ == "__main__":
    main()
