"""Every relevance method on the same images, where the place of every object is known.

    python benchmarks/explain_methods.py MODEL --drawn 100 [--out FILE.jsonl]
    python benchmarks/explain_methods.py MODEL --data FOLDER --images 70 [--methods grad-cam,occlusion]

A pair is an image and a text that names one thing in it.  Drawn scenes (`wordsight.data.located_scenes`) have two or
three different objects; FOLDER holds shards of KEY.jpg, KEY.seg.png and KEY.json with `classes`, whose numbers in the
label image ascend as they are listed: a class counts where it covers 2 to 50 % of what the model sees.

For each method, over all pairs: where the strongest place lies (on the thing, on another thing that was asked of the
same image, or on neither), IoU at the mean threshold, energy inside, the same of 19 random maps (the map itself,
moved), whether maps of two texts differ, and seconds a map.  Over the first two texts of the first `--checked` images:
whether the map beats random maps in insertion and deletion, the areas of positive and negative perturbation, and
whether it changes when the weights are random.  The centre of the image is measured beside them.  Intervals are
bootstraps over images.
"""

import argparse
import json
import sys
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wordsight.base.errors import UsageError
from wordsight.base.nouns import Result
from wordsight.base.progress import track
from wordsight.base.records import environment
from wordsight.data.located_scenes import located_scenes
from wordsight.data.scenes import seen_pairs
from wordsight.embeddings.model import Model, load
from wordsight.engines.torch_engine import TorchEngine
from wordsight.evaluate.metrics import bootstrap_interval, share_interval
from wordsight.explain.faithfulness import Perturbation, faithfulness, random_maps
from wordsight.explain.inside.tensors import with_random_weights
from wordsight.explain.locating import TOLERANCE, centre_map, energy_inside, grown, mask_iou
from wordsight.explain.mask_files import as_seen
from wordsight.explain.methods import METHODS, fitting
from wordsight.explain.occlusion import RiseMasks, occlusion, rise
from wordsight.explain.perturbed import upsampled
from wordsight.explain.relevance import relevance_of, towers_of
from wordsight.explain.sanity import randomised, text_swap
from wordsight.text.caption_phrases import article

SHARES = (0.02, 0.5)  # of the image that a class covers, least and most
SHARE_FIGURES = {"right", "other", "neither", "random right", "text swap", "randomised", "faithful"}
SHOWN = ("right", "other", "random right", "IoU", "random IoU", "energy", "text swap", "randomised", "faithful")
CENTRE = "centre"
CHECKED_TEXTS = 2  # of an image, whose maps are tested

Maps = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One image as the model sees it, (S, S, 3), and for each text a mask (S, S)."""

    pixels: NDArray[np.uint8]
    texts: list[str]
    masks: list[NDArray[np.bool_]]


@dataclass
class Figures:
    """The values of one method: for each figure (value, number of the image)."""

    values: dict[str, list[tuple[float, int]]] = field(default_factory=dict)

    def add(self, name: str, value: float, image: int) -> None:
        """Note a value of an image."""
        self.values.setdefault(name, []).append((float(value), image))


def drawn_cases(model: Model, count: int, seed: int) -> Iterator[Case]:
    for scene in located_scenes(count, pairs=seen_pairs(), seed=seed):
        labels = as_seen(scene.labels, model.spec.preprocess)
        texts = [f"{article(name)} {name}" for name in scene.names]
        yield Case(model.load_pixels(scene.image), texts, [labels == number + 1 for number in range(len(texts))])


def photo_cases(model: Model, folder: Path) -> Iterator[Case]:
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as tar:
            for info in tar:
                if info.name.endswith(".json"):
                    yield from _photo_case(model, tar, info.name.removesuffix(".json"))


def _photo_case(model: Model, tar: tarfile.TarFile, key: str) -> Iterator[Case]:
    image, labels, known = (_member(tar, f"{key}.{ending}") for ending in ("jpg", "seg.png", "json"))
    numbers = np.asarray(Image.open(BytesIO(labels)))
    classes = json.loads(known)["classes"]
    present = [int(one) for one in np.unique(numbers) if one]
    if len(present) != len(classes):
        raise SystemExit(f"{key}: {len(present)} numbers for {len(classes)} classes")
    seen = as_seen(numbers, model.spec.preprocess)
    kept = [(name, seen == number) for number, name in zip(present, classes, strict=True)]
    kept = [(name, mask) for name, mask in kept if SHARES[0] <= mask.mean() <= SHARES[1]]
    if kept:
        texts = [f"a photo of a {name.removesuffix('-merged').removesuffix('-other')}" for name, _ in kept]
        yield Case(model.load_pixels(image), texts, [mask for _, mask in kept])


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    handle = tar.extractfile(name)
    assert handle is not None
    return handle.read()


def locate(figures: Figures, heat: Maps, case: Case, number: int, *, image: int) -> None:
    """Add where one map (S, S) lies."""
    tolerance = round(TOLERANCE * min(heat.shape))
    near = grown(case.masks[number], tolerance)
    others = [grown(mask, tolerance) for other, mask in enumerate(case.masks) if other != number]
    beside = np.any(others, axis=0) & ~near if others else np.zeros_like(near)
    peaks = heat == heat.max()
    right, other = float(near[peaks].mean()), float(beside[peaks].mean())
    for name, value in {"right": right, "other": other, "neither": 1 - right - other}.items():
        figures.add(name, value, image)
    figures.add("IoU", mask_iou(heat, case.masks[number]), image)
    figures.add("energy", energy_inside(heat, case.masks[number]), image)
    figures.add("area", case.masks[number].mean(), image)


def locate_random(figures: Figures, heat: Maps, case: Case, number: int, *, image: int) -> None:
    mask = case.masks[number]
    near = grown(mask, round(TOLERANCE * min(heat.shape)))
    moved = random_maps(heat, Perturbation())
    figures.add("random right", np.mean([near[one == one.max()].mean() for one in moved]), image)
    figures.add("random IoU", np.mean([mask_iou(one, mask) for one in moved]), image)
    figures.add("random energy", np.mean([energy_inside(one, mask) for one in moved]), image)


class Bench:
    """A model, the same model with random weights, and how maps are made of both."""

    def __init__(self, model: Model, masks: int) -> None:
        self.model = model
        self.towers = towers_of(model)
        self.random_towers = with_random_weights(self.towers)
        self.random_engine = TorchEngine.of(self.random_towers, fingerprint="random")
        self.rise = partial(rise, masks=RiseMasks(count=masks))

    def maps(self, method: str, case: Case, texts: Maps) -> Maps:
        """Return what a method gives of the model for all texts, (C, G, G)."""
        if method == "rise":
            return self.rise(self.model.engine, case.pixels, texts)
        return relevance_of(method, self.model, case.pixels, texts, towers=self.towers)

    def maps_of_random(self, method: str, case: Case, texts: Maps) -> Maps:
        """Return the same of the model with random weights."""
        if METHODS[method].inside:
            return relevance_of(method, self.model, case.pixels, texts, towers=self.random_towers)
        function: Callable[..., Maps] = self.rise if method == "rise" else occlusion
        return function(self.random_engine, case.pixels, texts)


def measure(bench: Bench, cases: Sequence[Case], method: str, checked: int) -> Figures:
    figures = Figures()
    for image, case in enumerate(track(cases, len(cases), unit="image", desc=method)):
        texts = bench.model.embed_texts(case.texts)
        start = time.perf_counter()
        maps = bench.maps(method, case, texts)
        figures.add("seconds", (time.perf_counter() - start) / len(texts), image)
        heat = upsampled(maps, *case.pixels.shape[:2])
        for number, one in enumerate(heat):
            locate(figures, one, case, number, image=image)
            locate_random(figures, one, case, number, image=image)
        if len(maps) > 1:
            figures.add("text swap", text_swap(maps[0], maps[1]).passes, image)
            figures.add("correlation of two texts", text_swap(maps[0], maps[1]).correlation, image)
        if image < checked:
            check(figures, bench, case, method, maps=maps, image=image)
    return figures


def check(figures: Figures, bench: Bench, case: Case, method: str, *, maps: Maps, image: int) -> None:
    texts = bench.model.embed_texts(case.texts)
    heat = upsampled(maps[:CHECKED_TEXTS], *case.pixels.shape[:2])
    for result in faithfulness(bench.model.engine, case.pixels, texts[:CHECKED_TEXTS], heat):
        figures.add("faithful", result.passes, image)
        figures.add("gap", result.areas.gap, image)
        figures.add("gap over random", result.better_than_random, image)
        figures.add("positive", result.positive, image)
        figures.add("negative", result.negative, image)
    random_maps_of = bench.maps_of_random(method, case, texts)
    for learned, random in zip(maps[:CHECKED_TEXTS], random_maps_of, strict=False):
        check_made = randomised(learned, random)
        figures.add("randomised", check_made.passes, image)
        figures.add("correlation with random weights", abs(check_made.correlation), image)


def centre(cases: Sequence[Case]) -> Figures:
    figures = Figures()
    for image, case in enumerate(cases):
        heat = centre_map(case.pixels.shape[:2])
        for number in range(len(case.texts)):
            locate(figures, heat, case, number, image=image)
    return figures


def results(model: Model, method: str, figures: Figures, *, setting: dict[str, str | int]) -> Iterator[Result]:
    for name, pairs in figures.values.items():
        values, images = np.array([value for value, _ in pairs]), np.array([image for _, image in pairs])
        interval = (share_interval if name in SHARE_FIGURES else bootstrap_interval)(values, clusters=images)
        more = {**setting, "method": method, "images": len(np.unique(images)), "model": model.name}
        yield Result(f"explain/{method}/{name}", float(values.mean()), interval, len(values), model.fingerprint, more)


def table(made: dict[str, list[Result]]) -> str:
    lines = [f"| method | {' | '.join(SHOWN)} | seconds |", "|---" * (len(SHOWN) + 2) + "|"]
    for method, rows in made.items():
        by_name = {row.name.split("/")[-1]: row for row in rows}
        cells = [_cell(by_name.get(name), name) for name in SHOWN]
        seconds = f"{by_name['seconds'].value:.3f}" if "seconds" in by_name else ""
        lines.append(f"| {method} | {' | '.join(cells)} | {seconds} |")
    return "\n".join(lines)


def _cell(row: Result | None, name: str) -> str:
    if row is None or row.interval is None:
        return ""
    if name in SHARE_FIGURES:
        return f"{100 * row.value:.0f} ({100 * row.interval[0]:.0f}-{100 * row.interval[1]:.0f})"
    return f"{row.value:.2f} ({row.interval[0]:.2f}-{row.interval[1]:.2f})"


def arguments(given: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--drawn", type=int, metavar="N", help="scenes")
    source.add_argument("--data", type=Path, metavar="FOLDER", help="shards of photos with masks")
    parser.add_argument("--images", type=int, default=1000, help="of FOLDER, at most")
    parser.add_argument("--checked", type=int, default=20, metavar="N", help="images whose maps are tested")
    parser.add_argument("--methods", default="", help="names with commas between them; all that fit by default")
    parser.add_argument("--masks", type=int, default=1000, help="of rise")
    parser.add_argument("--seed", type=int, default=1234, help="of the drawn scenes")
    parser.add_argument("--out", type=Path, help="results are added to it")
    return parser.parse_args(given)


def main(given: Sequence[str]) -> None:
    args = arguments(given)
    model = load(args.model)
    drawn = args.drawn is not None
    cases = list(drawn_cases(model, args.drawn, args.seed) if drawn else photo_cases(model, args.data))[: args.images]
    bench = Bench(model, args.masks)
    methods = args.methods.split(",") if args.methods else fitting(model.spec.image.kind)
    setting: dict[str, str | int] = {"data": f"drawn, seed {args.seed}" if drawn else args.data.name}
    print(f"{len(cases)} images, {sum(len(case.texts) for case in cases)} pairs", file=sys.stderr)
    made: dict[str, list[Result]] = {CENTRE: list(results(model, CENTRE, centre(cases), setting=setting))}
    for method in methods:
        more = {**setting, "masks": args.masks} if method == "rise" else setting
        try:
            made[method] = list(results(model, method, measure(bench, cases, method, args.checked), setting=more))
        except UsageError as error:  # of a kind of pooling that the method's file names
            print(f"left out: {error}", file=sys.stderr)
    if args.out:
        here = environment()
        with args.out.open("a") as handle:
            for row in (row for rows in made.values() for row in rows):
                fields = json.loads(row.to_json()) | {"environment": here}
                handle.write(json.dumps(fields, sort_keys=True) + "\n")
    print(table(made))


if __name__ == "__main__":
    main(sys.argv[1:])
