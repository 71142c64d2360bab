"""Images/s from JPEG bytes to the input of a tower, beside open_clip's own transform, one core, same run.

    python benchmarks/preprocess.py                              # drawn pictures of 500 x 375 and 3000 x 2250
    python benchmarks/preprocess.py --pictures FOLDER --out benchmarks/results

Contestants take turns, so that other load hits all alike; the clock counts this process's CPU time.  Deviations
are the largest and the mean difference, in levels of 255, from our reference on Pillow.  open_clip and PyTorch take
part when they are installed.  open_clip gives normalised floats; ours gives bytes, which the engines normalise, and
stands a second time with `normalise`.
"""

import argparse
import importlib
import importlib.util
import io
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import numpy as np
from PIL import Image

from wordsight.base.arrays import Pixels
from wordsight.base.records import append_line, environment
from wordsight.images.decode import decode, open_image
from wordsight.images.files import find_images
from wordsight.images.geometry import corner, resized
from wordsight.images.spec import PreprocessSpec
from wordsight.images.transform import load_pixels, normalise, transform

SPEC = PreprocessSpec()
Way = Callable[[bytes], Any]
_kept: list[Any] = []


def drawn(height: int, width: int, seed: int) -> bytes:
    """Return a JPEG whose spectrum falls as that of photos does (1/f), with a few hard edges."""
    rng = np.random.default_rng(seed)
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    fall = 1 / np.maximum(np.hypot(rows, columns), 1 / width)
    planes = [np.fft.irfft2(np.fft.rfft2(rng.normal(size=(height, width))) * fall, (height, width)) for _ in range(3)]
    grey = planes[0] / planes[0].std()
    values = np.stack([grey + 0.3 * plane / plane.std() for plane in planes], axis=2) * 45 + 120
    values[height // 5 : height // 2, width // 6 : width // 3] = 255
    buffer = io.BytesIO()
    Image.fromarray(np.clip(values, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def our_ways() -> dict[str, Way]:
    """Return the ways that need nothing but the core install."""

    def box(data: bytes) -> Pixels:
        image = open_image(data)
        height, width = resized(image.height, image.width, SPEC)
        top, left = corner(height, SPEC), corner(width, SPEC)
        x, y = image.width / width, image.height / height
        edges = (left * x, top * y, (left + SPEC.size) * x, (top + SPEC.size) * y)
        return np.asarray(image.resize((SPEC.size, SPEC.size), Image.Resampling.BICUBIC, box=edges))

    return {
        "decode only": decode,
        "wordsight reference": lambda data: transform(decode(data), SPEC),
        "wordsight": lambda data: load_pixels(data, SPEC),
        "wordsight, normalised": lambda data: normalise(load_pixels(data, SPEC)[None], SPEC),
        "Pillow, crop first": box,
    }


def torch_ways() -> dict[str, Way]:
    """Return PyTorch's resize of bytes, and open_clip's transform, as far as they are installed."""
    if importlib.util.find_spec("torch") is None:
        return {}
    torch: Any = importlib.import_module("torch")
    torch.set_num_threads(1)

    def interpolated(data: bytes) -> Pixels:
        pixels = decode(data)
        height, width = resized(pixels.shape[0], pixels.shape[1], SPEC)
        top, left = corner(height, SPEC), corner(width, SPEC)
        planes = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None]
        result = torch.nn.functional.interpolate(planes, (height, width), mode="bicubic", antialias=True)[0]
        crop: Pixels = result[:, top : top + SPEC.size, left : left + SPEC.size].permute(1, 2, 0).numpy()
        return crop

    ways: dict[str, Way] = {"PyTorch on bytes": interpolated}
    if importlib.util.find_spec("open_clip") is not None:
        library = torch.library.Library("torchvision", "DEF")  # for a torchvision whose compiled operators do not load
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _kept.append(library)
        theirs = importlib.import_module("open_clip.transform").image_transform(SPEC.size, is_train=False)
        ways["open_clip"] = lambda data: theirs(Image.open(io.BytesIO(data)))
    return ways


def measure(ways: dict[str, Way], files: list[bytes], rounds: int) -> list[dict[str, Any]]:
    """Return one record for each way: images/s in the best round, and the deviation from the reference."""
    references = [transform(decode(data), SPEC) for data in files]
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.process_time()
            for data in files:
                way(data)
            seconds[name].append((time.process_time() - start) / len(files))
    records = []
    for name, way in ways.items():
        record: dict[str, Any] = {"name": name, "per_second": 1 / min(seconds[name])}
        record["median_per_second"] = 1 / sorted(seconds[name])[rounds // 2]
        results = [way(data) for data in files]
        if all(isinstance(result, np.ndarray) and result.shape == references[0].shape for result in results):
            apart = [np.abs(one.astype(int) - other) for one, other in zip(results, references, strict=True)]
            record["largest"] = max(int(a.max()) for a in apart)
            record["mean"] = float(np.mean([a.mean() for a in apart]))
        records.append(record)
    return records


def main() -> None:
    """Measure, print and, with --out, record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, help="folder of JPEG photos; without it pictures are drawn")
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--out", type=Path, help="folder in which preprocess.jsonl grows by one line a row")
    arguments = parser.parse_args()
    if arguments.pictures:
        sets = {"photos": [p.read_bytes() for p in list(find_images(arguments.pictures))[: arguments.count]]}
    else:
        sets = {
            "500 x 375": [drawn(375, 500, seed) for seed in range(arguments.count)],
            "3000 x 2250": [drawn(2250, 3000, seed) for seed in range(2)],
        }
    ways = our_ways() | torch_ways()
    for title, files in sets.items():
        print(f"{title}: {len(files)} files, {np.mean([len(data) for data in files]) / 1024:.0f} KiB on average")
        for record in measure(ways, files, arguments.rounds):
            apart = f"{record['largest']:4d} {record['mean']:7.4f}" if "largest" in record else ""
            print(f"  {record['name']:26s} {record['per_second']:8.1f} /s  {apart}")
            if arguments.out:
                facts = {"set": title, **record, "environment": environment()}
                append_line(arguments.out / "preprocess.jsonl", json.loads(json.dumps(facts)))


if __name__ == "__main__":
    main()
