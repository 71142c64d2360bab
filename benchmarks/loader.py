"""How fast batches are made: augmentation alone, and whole batches, in CPU time of one thread.

    python benchmarks/loader.py [--cache 112] [--size 96] [--batch 512] [--device cpu] [--steps 10]

The images are random noise; the text is one of 100 captions.  Prints one line a measurement.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from wordsight.base.arrays import Pixels, RowIds
from wordsight.data.augment import draw_changes
from wordsight.data.augment_torch import apply
from wordsight.data.image_set import Caption
from wordsight.data.loader import Loader
from wordsight.data.spec import AugmentSpec, LoaderSpec
from wordsight.text.spec import TokenizerSpec
from wordsight.text.tokenizer import ClipTokenizer


class Noise:
    """An image set in memory."""

    name = "noise"

    def __init__(self, count: int, size: int) -> None:
        self.size = size
        self._pixels = np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)

    def __len__(self) -> int:
        return len(self._pixels)

    def blocks(self) -> list[RowIds]:
        """Return one block."""
        return [np.arange(len(self))]

    def pixels(self, rows: RowIds) -> tuple[Pixels, dict[int, Exception]]:
        """Return the images; none fails."""
        return self._pixels[rows], {}

    def draw(self, row: int, chance: float) -> Caption:
        """Return one of 100 captions."""
        text = f"a {'big brown' if chance < 0.5 else 'small'} dog runs over the field number {row % 100}"
        return Caption(text, text)


def seconds(work: Callable[[int], object], steps: int, device: str) -> float:
    """Return the least time of one call: CPU time on a CPU, elapsed time on another device."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    times = []
    for step in range(steps + 2):
        start = clock()
        work(step)
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        times.append(clock() - start)
    return min(times[2:])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in {"cache": 112, "size": 96, "batch": 512, "steps": 10}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    torch.set_num_threads(1)
    noise = Noise(2 * args.batch, args.cache)
    changes = draw_changes(AugmentSpec(), ["a dog"] * args.batch, np.random.default_rng(0))
    pixels = torch.from_numpy(noise.pixels(np.arange(args.batch))[0]).to(args.device)
    tokenizer = ClipTokenizer.from_spec(TokenizerSpec(), None)
    loader = Loader([noise], spec=LoaderSpec(args.batch, args.size), tokenizer=tokenizer, device=args.device)
    for name, work in {
        "augmentation": lambda step: apply(pixels, changes, args.size),
        "whole batch": loader.batch,
    }.items():
        took = seconds(work, args.steps, args.device)
        print(
            f"{name}, {args.cache} -> {args.size} pixels, batch {args.batch}, {args.device}: "
            f"{args.batch / took:,.0f} images/s"
        )


if __name__ == "__main__":
    main()
