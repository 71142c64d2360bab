"""What it costs to take the frames of a film into a library, and which frames are taken, on films with known cuts.

    python benchmarks/films.py DATA --seconds 60 --out benchmarks/results/films.jsonl

The films are made of photos of DATA/flickr8k (720p, 25 frames a second): each is panned over for 1 to 5 seconds, then
comes the next at once, or over half a second (`dissolved`).  One line for each way of compressing: seconds for looking
through the film and choosing, for decoding all of its frames, and for encoding what was chosen; how many scenes have a
frame and how many have several.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from wordsight.base.processor import processor_name
from wordsight.data.source import open_source
from wordsight.embeddings.model import load
from wordsight.images.fragments import Inside, fragment_pixels, walked

SIZE = (1280, 720)
RATE = 25
WAYS = {  # name: codec, frames between key frames, options, whether scenes dissolve
    "x264": ("libx264", 250, {"preset": "veryfast"}, False),
    "x264, dissolved": ("libx264", 250, {"preset": "veryfast"}, True),
    "x264, key frames each 2 s": ("libx264", 50, {"preset": "veryfast", "sc_threshold": "0"}, False),
    "x264, key frames each 30 s": ("libx264", 750, {"preset": "veryfast", "sc_threshold": "0"}, False),
    "mpeg4, key frames each 0.5 s": ("mpeg4", 12, {}, False),
}


def photos(data: Path, count: int) -> list[Image.Image]:
    samples = open_source([data / "flickr8k" / "val-0000.tar"]).samples()
    images = [
        Image.open(BytesIO(sample.image)).convert("RGB") for sample, _ in zip(samples, range(count), strict=False)
    ]
    wide = (SIZE[0] * 5 // 4, SIZE[1] * 5 // 4)
    return [image.resize(wide, Image.Resampling.BICUBIC) for image in images]


def shot(image: Image.Image, share: float) -> np.ndarray:
    """Return a view of a photo, moved by `share` of what lies outside it."""
    left, top = (int((whole - seen) * share) for whole, seen in zip(image.size, SIZE, strict=True))
    return np.asarray(image.crop((left, top, left + SIZE[0], top + SIZE[1])))


def make(path: Path, way: str, images: list[Image.Image], seconds: float) -> list[float]:
    """Write a film and return when its scenes begin, and when it ends."""
    codec, gop, options, dissolved = WAYS[way]
    rng = np.random.default_rng(7)
    begins, moment, last = [0.0], 0.0, None
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = *SIZE, "yuv420p", gop
        for image in images:
            count = int(rng.integers(RATE, 5 * RATE))
            for number in range(count):
                pixels = shot(image, number / count)
                if dissolved and last is not None and number < RATE // 2:
                    share = number / (RATE // 2)
                    pixels = (last * (1 - share) + pixels * share).astype(np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            last = pixels
            moment += count / RATE
            begins.append(moment)
            if moment >= seconds:
                break
        container.mux(stream.encode(None))
    return begins


def decode_all(path: Path) -> int:
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        return sum(1 for _ in container.decode(video=0))


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """Return what some work gives, its seconds, and its seconds of all processors."""
    start = time.perf_counter(), time.process_time()
    made = work()
    return made, round(time.perf_counter() - start[0], 2), round(time.process_time() - start[1], 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--ways", default=",".join(map(str, range(len(WAYS)))), help="numbers of WAYS, from 0")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    images, model = photos(args.data, 200), load()
    model.embed_images([np.asarray(images[0])])
    for way in (list(WAYS)[int(number)] for number in args.ways.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "film.mp4")
            begins = make(path, way, images, args.seconds)
            read, chosen_s, chosen_cpu = timed(lambda path=path: list(walked(path, ".mp4")))
            count, all_s, all_cpu = timed(lambda path=path: decode_all(path))
            pixels = [one.pixels for one in read if isinstance(one, Inside)]
            stored, _, encode_cpu = timed(lambda pixels=pixels: model.embed_images(pixels))
            seconds = [one.meta["second"] for one in read if isinstance(one, Inside)]
            whole = [fragment_pixels(path, f"t={second:g}", longest=4096) for second in seconds[:10]]
            cosines = (model.embed_images(whole) * stored[:10]).sum(axis=1)
        frames = [sum(begin <= second + 0.02 < end for second in seconds) for begin, end in pairwise(begins)]
        line = {
            "way": way,
            "seconds": round(begins[-1], 1),
            "frames": count,
            "choosing_s": chosen_s,
            "choosing_cpu_s": chosen_cpu,
            "decoding_all_s": all_s,
            "decoding_all_cpu_s": all_cpu,
            "encoding_cpu_s": encode_cpu,
            "scenes": len(frames),
            "scenes_with_a_frame": sum(map(bool, frames)),
            "scenes_with_several": sum(number > 1 for number in frames),
            "chosen": len(seconds),
            "least_cosine_with_whole_frames": round(float(cosines.min()), 5),
            "date": datetime.now(UTC).date().isoformat(),
            "processor": processor_name(),
        }
        print(json.dumps(line), flush=True)
        if args.out:
            with args.out.open("a", encoding="utf-8") as out:
                out.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
