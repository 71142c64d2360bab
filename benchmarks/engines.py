"""Images/s and texts/s of the engines beside open_clip, same random weights, same run.

    python benchmarks/engines.py                                   # ViT-B-32, one core, batches 1, 8, 32
    python benchmarks/engines.py --models ViT-B-32 ViT-B-16 SigLIP-B-16 RN50 --cores 2 --compiled --out FOLDER

Contestants take turns: in each round every one runs for a moment at every batch size, so that other load
hits all alike.  open_clip gets normalised float pixels and all columns of tokens, as its own loop
gives them; ours get bytes and normalise inside.  Reported are the best round and the median round, and the
cosine to open_clip's fp32 embeddings, plain and with the mean embedding subtracted.  Needs open_clip_torch, openvino.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CORES = int(sys.argv[sys.argv.index("--cores") + 1]) if "--cores" in sys.argv else 1  # before anything starts threads
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = str(CORES)

import numpy as np
import torch
from openclip_models import MODELS, built, captions, normal

from wordsight.base.records import environment
from wordsight.engines.export import export
from wordsight.engines.onnx_engine import OnnxEngine
from wordsight.engines.openvino_engine import OpenVinoEngine
from wordsight.engines.parity import agreement, some_images
from wordsight.engines.torch_engine import TorchEngine
from wordsight.images.files import find_images
from wordsight.images.transform import load_pixels
from wordsight.text.open import open_tokenizer
from wordsight.towers.spec import ModelSpec
from wordsight.weights.folder import read_spec

SAMPLES = 32  # pictures and captions that cosines are taken over
REFERENCE = "open_clip fp32"
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
LEAST = 2  # calls of one turn

Embed = Callable[[Any], np.ndarray]


@dataclass
class Contestant:
    """One way to embed: `prepare` makes its input from pixels or tokens beforehand, `embed` is what is timed."""

    name: str
    tower: str
    embed: Embed
    prepare: Callable[[np.ndarray], Any]
    rates: dict[int, list[float]] = field(default_factory=dict)  # batch size: per second, one for each round
    rows: np.ndarray | None = None


def open_clip_contestants(model: Any, spec: ModelSpec, kind: str, *, compiled: bool = False) -> list[Contestant]:
    """Return open_clip's two towers in fp32 or pure bf16; compiled only the image tower."""
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[kind]
    ready = model.to(dtype).eval()
    encode = torch.compile(ready.encode_image, dynamic=False) if compiled else ready.encode_image

    def images(pixels: torch.Tensor) -> np.ndarray:
        with torch.inference_mode():
            return encode(pixels, normalize=True).float().numpy()

    def texts(tokens: torch.Tensor) -> np.ndarray:
        with torch.inference_mode():
            return ready.encode_text(tokens, normalize=True).float().numpy()

    name = f"open_clip {'pure bf16' if kind == 'bf16' else kind}{' compiled' if compiled else ''}"
    image = Contestant(name, "image", images, lambda pixels: normal(pixels, spec.preprocess, dtype))
    text = Contestant(name, "text", texts, lambda tokens: torch.from_numpy(tokens).long())
    return [image] if compiled else [image, text]


def our_contestants(name: str, engine: Any) -> list[Contestant]:
    """Return the two towers of one of our engines."""
    return [
        Contestant(f"wordsight {name}", "image", engine.embed_images, lambda pixels: pixels),
        Contestant(f"wordsight {name}", "text", engine.embed_texts, lambda tokens: tokens),
    ]


def contestants(name: str, temporary: Path, *, compiled: bool) -> tuple[Path, list[Contestant]]:
    """Build everything from one set of random weights; return our model folder and who takes part."""
    model, folder = built(name, temporary)
    half, third = (built(name, temporary)[0] for _ in range(2))  # the same weights: `built` has its own seed
    spec = read_spec(folder)
    for line in export(folder, precisions=["int8", "fp32"]).lines():
        print(line, file=sys.stderr)
    contestants_of = [
        *open_clip_contestants(model, spec, "fp32"),
        *open_clip_contestants(half, spec, "bf16"),
        *(open_clip_contestants(third, spec, "bf16", compiled=True) if compiled else []),
        *our_contestants("torch fp32", TorchEngine(folder, device="cpu")),
        *our_contestants("torch bf16", TorchEngine(folder, device="cpu", precision="bf16")),
        *our_contestants("onnx fp32", OnnxEngine(folder, precision="fp32", threads=CORES)),
        *our_contestants("onnx int8", OnnxEngine(folder, precision="int8", threads=CORES)),
        *our_contestants("openvino fp32", OpenVinoEngine(folder, precision="fp32", threads=CORES)),
        *our_contestants("openvino bf16", OpenVinoEngine(folder, precision="bf16", threads=CORES)),
    ]
    return folder, contestants_of


def rate(embed: Embed, inputs: Any, seconds: float, clock: Callable[[], float]) -> float:
    """Return inputs per second: the best single call within `seconds`, at least two calls."""
    best, calls, end = float("inf"), 0, time.perf_counter() + seconds
    while calls < LEAST or time.perf_counter() < end:
        start = clock()
        embed(inputs)
        best, calls = min(best, clock() - start), calls + 1
    return len(inputs) / best


def measure(field_of: list[Contestant], samples: dict[str, np.ndarray], args: argparse.Namespace) -> None:
    """Fill in the embeddings, then the rates round by round."""
    for one in field_of:
        inputs = one.prepare(samples[one.tower])
        parts = [one.embed(inputs[start : start + 8]) for start in range(0, len(inputs), 8)]
        one.rows = np.concatenate(parts)
    for number in range(args.rounds):
        print(f"round {number + 1} of {args.rounds}", file=sys.stderr)
        for size in args.batch:
            for one in field_of:
                inputs = one.prepare(samples[one.tower][:size])
                one.rates.setdefault(size, []).append(rate(one.embed, inputs, args.seconds, CLOCKS[args.clock]))


def rows_of_table(field_of: list[Contestant], sizes: list[int]) -> list[dict[str, Any]]:
    """Return one record for each contestant and tower."""
    records = []
    for reference in (one for one in field_of if one.name == REFERENCE):
        tower = reference.tower
        for one in (one for one in field_of if one.tower == tower):
            record: dict[str, Any] = {"tower": tower, "name": one.name}
            for size in sizes:
                ratios = np.array(one.rates[size]) / np.array(reference.rates[size])
                record[f"batch {size}"] = {
                    "best": max(one.rates[size]),
                    "median": float(np.median(one.rates[size])),
                    "times_reference": max(one.rates[size]) / max(reference.rates[size]),
                    "times_reference_median": float(np.median(ratios)),
                }
            agreed = agreement(tower, "int8", one.rows, reference.rows)
            record["cosine"] = {"mean": agreed.mean, "worst": agreed.worst}
            record["cosine_centred"] = {"mean": agreed.centred_mean, "worst": agreed.centred_worst}
            records.append(record)
    return records


def markdown(result: dict[str, Any], sizes: list[int]) -> str:
    """Return the result as a page."""
    facts = result["environment"]
    cores = "one core, one thread" if CORES == 1 else f"{CORES} cores"
    lines = [
        f"# Engines, {facts['time'][:10]}, {cores}",
        "",
        f"`{result['command']}` at commit {result['commit']}, {facts['processor']}, {cores}, "
        f"{result['rounds']} rounds, Python {facts['python']}, PyTorch {facts['torch']}, "
        f"ONNX Runtime {facts['onnxruntime']}, OpenVINO {result['openvino']}, open_clip {result['open_clip']}; random "
        f"weights; {result['pictures']}; captions of ten words; "
        f"{result['clock']} time. Load average at the start {result['load']:.1f}.",
        "",
        "Rates are those of the best round (median round in brackets); × is against open_clip fp32, best and the "
        "median of paired rounds. Cosines are to open_clip fp32: mean / worst, then with the mean row subtracted.",
    ]
    for model, records in result["records"].items():
        lines += ["", f"## {model}", *tables(records, sizes)]
    return "\n".join(lines) + "\n"


def tables(records: list[dict[str, Any]], sizes: list[int]) -> list[str]:
    """Return the lines of one model's tables, one for each tower."""
    lines = []
    for tower, unit in (("image", "images/s"), ("text", "texts/s")):
        if not any(record["tower"] == tower for record in records):
            continue
        heads = " | ".join(f"{unit}, batch {size} | ×" for size in sizes)
        lines += ["", f"| {tower} tower | {heads} | cosine | centred |", "|---" * (2 * len(sizes) + 3) + "|"]
        for record in (r for r in records if r["tower"] == tower):
            cells = []
            for size in sizes:
                one = record[f"batch {size}"]
                cells.append(f"{one['best']:.1f} ({one['median']:.1f})")
                cells.append(f"{one['times_reference']:.1f} ({one['times_reference_median']:.1f})")
            for key in ("cosine", "cosine_centred"):
                cells.append(f"{record[key]['mean']:.5f} / {record[key]['worst']:.5f}")
            lines.append(f"| {record['name']} | {' | '.join(cells)} |")
    return lines


def commit() -> str:
    """Return the short name of the commit, with a + where the tree has changes."""
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty=+"], capture_output=True, text=True, check=False
    )
    return described.stdout.strip() or "unknown"


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["ViT-B-32"], help=f"{', '.join(MODELS)}, or open_clip's names")
    parser.add_argument("--cores", type=int, default=1, help="how many cores everybody computes on")
    parser.add_argument("--on", type=int, nargs="+", help="run on these cores only")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each contestant at each batch size a round")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: processor time, for a busy machine")
    parser.add_argument("--towers", nargs="+", choices=["image", "text"], default=["image", "text"])
    parser.add_argument("--compiled", action="store_true", help="open_clip's bf16 compiled too; takes a minute a model")
    parser.add_argument("--pictures", type=Path, help="a folder of photos (default: generated ones)")
    parser.add_argument("--out", type=Path, help="write engines-DATE-NcoreS.md and .json there")
    return parser.parse_args()


def photos(folder: Path | None, spec: ModelSpec, count: int) -> np.ndarray:
    """Return the images that are embedded, uint8 (N, S, S, 3)."""
    if folder is None:
        return some_images(spec, count)
    paths = list(find_images(folder))[:count]
    if len(paths) < count:
        raise SystemExit(f"{folder} has {len(paths)} pictures; give a folder of {count} or more")
    return np.stack([load_pixels(path, spec.preprocess) for path in paths])


def run(name: str, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure one model."""
    with tempfile.TemporaryDirectory() as temporary:
        folder, everyone = contestants(name, Path(temporary), compiled=args.compiled)
        spec = read_spec(folder)
        images = photos(args.pictures, spec, max(SAMPLES, *args.batch))
        tokens = open_tokenizer(spec.tokenizer, folder).batch(captions(len(images)))
        field_of = [one for one in everyone if one.tower in args.towers]
        measure(field_of, {"image": images, "text": tokens}, args)
    return rows_of_table(field_of, args.batch)


def main() -> None:
    """Run, print the page, write page and JSON when --out is given."""
    args = arguments()
    load = os.getloadavg()[0]
    if args.on is not None:
        os.sched_setaffinity(0, set(args.on))
    torch.set_num_threads(args.cores)
    from importlib.metadata import version

    result = {
        "command": " ".join(["python", *sys.argv]),
        "commit": commit(),
        "cores": args.cores,
        "rounds": args.rounds,
        "pictures": "photos" if args.pictures else "generated pictures",
        "clock": {"wall": "wall-clock", "cpu": "processor"}[args.clock],
        "load": load,
        "open_clip": version("open_clip_torch"),
        "openvino": version("openvino"),
        "environment": environment(),
        "records": {name: run(name, args) for name in args.models},
    }
    page = markdown(result, args.batch)
    print(page)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        stem = f"engines-{result['environment']['time'][:10]}-{args.cores}core"  # type: ignore[index]
        (args.out / f"{stem}.md").write_text(page, encoding="utf-8")
        (args.out / f"{stem}.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
