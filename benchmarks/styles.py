"""Zero-shot classification of photos and of styled copies of them: edges, few colours, painted.

    python benchmarks/styles.py --data DATA --work WORK [--model bundled]

Of DATA/clothing (`val`) and DATA/flowers5 (`test`). The copies lie in WORK afterwards, as class folders. A table of
top-1 accuracies is printed, with 95 % intervals and what each style loses.
"""

import argparse
import io
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageFilter, ImageOps

from wordsight.base.nouns import Result
from wordsight.data.source import open_source
from wordsight.embeddings.model import load
from wordsight.evaluate.building import build_task
from wordsight.evaluate.running import run_task
from wordsight.evaluate.tasks import TaskSpec

SETS = {"clothing": "val", "flowers5": "test"}


def edges(image: Image.Image) -> Image.Image:
    """Return dark lines on white where the brightness changes."""
    lines = image.convert("L").filter(ImageFilter.GaussianBlur(1)).filter(ImageFilter.FIND_EDGES)
    return ImageOps.autocontrast(ImageOps.invert(lines), cutoff=1).convert("RGB")


def posterised(image: Image.Image) -> Image.Image:
    """Return four levels of each colour."""
    return ImageOps.posterize(image, 2)


def painted(image: Image.Image) -> Image.Image:
    """Return flat strokes: the commonest colour around each pixel."""
    return image.filter(ImageFilter.ModeFilter(7)).filter(ImageFilter.MedianFilter(3))


STYLES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "photos": lambda image: image,
    "edges": edges,
    "posterised": posterised,
    "painted": painted,
}


def write_copies(data: Path, work: Path) -> None:
    """Write every set in every style as class folders WORK/SET-STYLE/CLASS."""
    for name, split in SETS.items():
        for sample in open_source(data / name, split=split).samples():
            assert isinstance(sample.image, bytes)
            assert sample.label is not None
            image = Image.open(io.BytesIO(sample.image)).convert("RGB")
            for style, change in STYLES.items():
                folder = work / f"{name}-{style}" / sample.label
                folder.mkdir(parents=True, exist_ok=True)
                change(image).save(folder / f"{sample.key}.png")


def main() -> None:
    """Write the copies and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="a new folder")
    given = parser.parse_args()
    write_copies(given.data, given.work)
    encoder = load(given.model)
    print("| set | style | top-1, 95 % interval | points lost |\n|---|---|---|---|")
    for name in SETS:
        results: dict[str, Result] = {}
        for style in STYLES:
            task = build_task(TaskSpec("zero-shot", f"{name}-{style}"), root=given.work)
            results[style] = next(
                result for result in run_task(encoder, task).results if result.name.endswith("/top-1")
            )
            low, high = results[style].interval or (0.0, 0.0)
            lost = 100 * (results["photos"].value - results[style].value)
            accuracy = f"{100 * results[style].value:.1f} ({100 * low:.0f}–{100 * high:.0f})"
            print(f"| {name} | {style} | {accuracy} | {lost:.1f} |")


if __name__ == "__main__":
    main()
