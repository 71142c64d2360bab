"""Images/s and texts/s of the engines beside open_clip, same random weights, same run, one core.

    python benchmarks/engines.py                                   # ViT-B-32, batches 1, 8, 32
    python benchmarks/engines.py --core 0 --rounds 9 --pictures FOLDER --out benchmarks/results

Contestants take turns: in each round every one runs for a moment at every batch size, so that a busy
neighbour hits all alike.  open_clip gets normalised float pixels and 77 columns of tokens, as its own loop
gives them; ours get bytes and normalise inside.  Reported are the best round and the median round, and the
cosine to open_clip's fp32 rows, plain and with the mean row subtracted.  Needs open_clip_torch.
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

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import numpy as np
import torch

from wordsight.base.records import environment
from wordsight.engines.export import export
from wordsight.engines.onnx_engine import OnnxEngine
from wordsight.engines.parity import agreement, some_pictures
from wordsight.engines.torch_engine import TorchEngine
from wordsight.images.files import find_images
from wordsight.images.transform import load_pixels, normalise
from wordsight.text.tokenizer import Tokenizer
from wordsight.towers.catalogue import architecture
from wordsight.towers.spec import ModelSpec
from wordsight.weights.folder import save_model
from wordsight.weights.tensors import fit

SAMPLES = 32  # pictures and captions that cosines are taken over
REFERENCE = "open_clip fp32"
WHO = "a the one two old young small red green happy".split()
WHAT = "dog child woman bird car house tree boat table horse".split()
WHERE = "in on under behind beside near before across above along".split()

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}

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


def import_open_clip() -> Any:
    """Import open_clip beside a PyTorch for which torchvision's compiled operators do not load."""
    global _library
    _library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        _library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import open_clip

    return open_clip


def captions(count: int) -> list[str]:
    """Return captions of ten words."""
    random = np.random.default_rng(0)

    def one(words: list[str]) -> str:
        return words[random.integers(len(words))]

    return [
        f"a {one(WHO)} {one(WHAT)} {one(WHERE)} the {one(WHO)} {one(WHAT)} {one(WHERE)} the {one(WHAT)}"
        for _ in range(count)
    ]


def open_clip_contestants(model: Any, spec: ModelSpec, kind: str) -> list[Contestant]:
    """Return open_clip's two towers in fp32 or pure bf16."""
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[kind]
    ready = model.to(dtype).eval()

    def images(pixels: torch.Tensor) -> np.ndarray:
        with torch.inference_mode():
            return ready.encode_image(pixels, normalize=True).float().numpy()

    def texts(tokens: torch.Tensor) -> np.ndarray:
        with torch.inference_mode():
            return ready.encode_text(tokens, normalize=True).float().numpy()

    name = f"open_clip {'pure bf16' if kind == 'bf16' else kind}"
    normal = lambda pixels: torch.from_numpy(normalise(pixels, spec.preprocess)).to(dtype)  # noqa: E731
    return [
        Contestant(name, "image", images, normal),
        Contestant(name, "text", texts, lambda tokens: torch.from_numpy(tokens).long()),
    ]


def our_contestants(name: str, engine: Any) -> list[Contestant]:
    """Return the two towers of one of our engines."""
    return [
        Contestant(name, "image", engine.embed_images, lambda pixels: pixels),
        Contestant(name, "text", engine.embed_texts, lambda tokens: tokens),
    ]


def contestants(name: str, folder: Path) -> list[Contestant]:
    """Build everything from one set of random weights, in `folder`."""
    open_clip = import_open_clip()
    spec = architecture(name)
    theirs = f"{name}-quickgelu" if spec.image.activation == "quick_gelu" else name
    torch.manual_seed(0)
    models = [open_clip.create_model(theirs, pretrained=None) for _ in range(2)]
    state = {key: value for key, value in models[0].state_dict().items() if key != "attn_mask"}
    models[1].load_state_dict(models[0].state_dict())
    towers = fit(spec, state, where="open_clip")
    save_model(towers, folder)
    for line in export(folder, threads=1).lines():
        print(line, file=sys.stderr)
    return [
        *open_clip_contestants(models[0], spec, "fp32"),
        *open_clip_contestants(models[1], spec, "bf16"),
        *our_contestants("wordsight torch fp32", TorchEngine(folder, device="cpu")),
        *our_contestants("wordsight torch bf16", TorchEngine(folder, device="cpu", precision="bf16")),
        *our_contestants("wordsight onnx fp32", OnnxEngine(folder, precision="fp32", threads=1)),
        *our_contestants("wordsight onnx int8", OnnxEngine(folder, precision="int8", threads=1)),
    ]


def rate(embed: Embed, inputs: Any, seconds: float, clock: Callable[[], float]) -> float:
    """Return inputs per second: the best single call within `seconds`, at least two calls."""
    best, calls, end = float("inf"), 0, time.perf_counter() + seconds
    while calls < 2 or time.perf_counter() < end:
        start = clock()
        embed(inputs)
        best, calls = min(best, clock() - start), calls + 1
    return len(inputs) / best


def measure(field_of: list[Contestant], samples: dict[str, np.ndarray], args: argparse.Namespace) -> None:
    """Fill in the rows, then the rates round by round."""
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
            found = agreement(tower, "int8", one.rows, reference.rows)
            record["cosine"] = {"mean": found.mean, "worst": found.worst}
            record["cosine_centred"] = {"mean": found.centred_mean, "worst": found.centred_worst}
            records.append(record)
    return records


def markdown(result: dict[str, Any], sizes: list[int]) -> str:
    """Return the result as a page."""
    facts = result["environment"]
    lines = [
        f"# Engines, {facts['time'][:10]}",
        "",
        f"`{result['command']}` at commit {result['commit']}, {facts['processor']}, one core, one thread, "
        f"{result['rounds']} rounds, Python {facts['python']}, PyTorch {facts['torch']}, "
        f"ONNX Runtime {facts['onnxruntime']}, open_clip {result['open_clip']}; {result['architecture']} with random "
        f"weights; {result['pictures']}; captions of ten words; "
        f"{result['clock']} time. Load average at the start {result['load']:.1f}.",
        "",
        "Rates are those of the best round (median round in brackets); × is against open_clip fp32, best and the "
        "median of paired rounds. Cosines are to open_clip fp32: mean / worst, then with the mean row subtracted.",
    ]
    for tower, unit in (("image", "images/s"), ("text", "texts/s")):
        if not any(record["tower"] == tower for record in result["records"]):
            continue
        heads = " | ".join(f"{unit}, batch {size} | ×" for size in sizes)
        lines += ["", f"| {tower} tower | {heads} | cosine | centred |", "|---" * (2 * len(sizes) + 3) + "|"]
        for record in (r for r in result["records"] if r["tower"] == tower):
            cells = []
            for size in sizes:
                one = record[f"batch {size}"]
                cells.append(f"{one['best']:.1f} ({one['median']:.1f})")
                cells.append(f"{one['times_reference']:.1f} ({one['times_reference_median']:.1f})")
            for key in ("cosine", "cosine_centred"):
                cells.append(f"{record[key]['mean']:.5f} / {record[key]['worst']:.5f}")
            lines.append(f"| {record['name']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def commit() -> str:
    """Return the short name of the commit, with a + where the tree has changes."""
    found = subprocess.run(["git", "describe", "--always", "--dirty=+"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def main() -> None:
    """Run, print the page, write page and JSON when --out is given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architecture", default="ViT-B-32")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each contestant at each batch size a round")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: processor time, for a busy machine")
    parser.add_argument("--towers", nargs="+", choices=["image", "text"], default=["image", "text"])
    parser.add_argument("--core", type=int, help="run on this core only")
    parser.add_argument("--pictures", type=Path, help="a folder of photos (default: generated ones)")
    parser.add_argument("--out", type=Path, help="write engines-DATE.md and .json there")
    args = parser.parse_args()
    load = os.getloadavg()[0]
    if args.core is not None:
        os.sched_setaffinity(0, {args.core})
    torch.set_num_threads(1)
    spec = architecture(args.architecture)
    pictures = some_pictures(spec, SAMPLES)
    if args.pictures:
        found = list(find_images(args.pictures))[:SAMPLES]
        if len(found) < max(args.batch):
            raise SystemExit(f"{args.pictures} has {len(found)} pictures; give a folder of {max(args.batch)} or more")
        pictures = np.stack([load_pixels(path, spec.preprocess) for path in found])
    samples = {"image": pictures, "text": Tokenizer.from_spec(spec.tokenizer).batch(captions(SAMPLES))}
    with tempfile.TemporaryDirectory() as place:
        everyone = contestants(args.architecture, Path(place) / "model")
        field_of = [one for one in everyone if one.tower in args.towers]
        measure(field_of, samples, args)
    from importlib.metadata import version

    result = {
        "command": " ".join(["python", *sys.argv]),
        "commit": commit(),
        "architecture": args.architecture,
        "rounds": args.rounds,
        "pictures": f"{len(pictures)} photos" if args.pictures else f"{len(pictures)} generated pictures",
        "clock": {"wall": "wall-clock", "cpu": "processor"}[args.clock],
        "load": load,
        "open_clip": version("open_clip_torch"),
        "environment": environment(),
        "records": rows_of_table(field_of, args.batch),
    }
    page = markdown(result, args.batch)
    print(page)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        stem = f"engines-{result['environment']['time'][:10]}"  # type: ignore[index]
        (args.out / f"{stem}.md").write_text(page, encoding="utf-8")
        (args.out / f"{stem}.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
