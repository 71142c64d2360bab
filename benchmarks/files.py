"""From image files to embeddings: our loop beside open_clip's, same random weights, same files, same run.

    python benchmarks/files.py FOLDER --cores 2 --count 256 --rounds 5 --out benchmarks/results

Contestants take turns round by round.  open_clip's loop is the one its pages show: open a file, its own transform, a
batch of 32, `encode_image`; in fp32, and in pure bf16, which a user has with one line.  Ours is `Model.embed_images`.
Reported are images per second of the best and of the median round, and cosines to open_clip's fp32 embeddings.
Needs open_clip_torch.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CORES = int(sys.argv[sys.argv.index("--cores") + 1]) if "--cores" in sys.argv else 1  # before anything starts threads
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = str(CORES)

import numpy as np
import torch
from openclip_models import MODELS, built
from PIL import Image

from wordsight.base.records import environment
from wordsight.embeddings.model import Model
from wordsight.engines.export import export
from wordsight.engines.onnx_engine import OnnxEngine
from wordsight.engines.openvino_engine import OpenVinoEngine
from wordsight.engines.parity import agreement
from wordsight.images.files import find_images

BATCH = 32  # pictures of one step of open_clip's loop
REFERENCE = "open_clip fp32"

Run = Callable[[list[Path]], np.ndarray]


def open_clip_loop(model: Any, size: int, kind: torch.dtype) -> Run:
    """Return open_clip's loop over files."""
    import open_clip

    ready = model.to(kind).eval()
    prepare = open_clip.image_transform(size, is_train=False)

    def run(paths: list[Path]) -> np.ndarray:
        batches = []
        for start in range(0, len(paths), BATCH):
            pixels = torch.stack([prepare(Image.open(path)) for path in paths[start : start + BATCH]])
            with torch.inference_mode():
                batches.append(ready.encode_image(pixels.to(kind), normalize=True).float().numpy())
        return np.concatenate(batches)

    return run


def contestants(name: str, temporary: Path) -> dict[str, Run]:
    """Build everything from one set of random weights."""
    model, folder = built(name, temporary)
    half, _ = built(name, temporary)  # the same weights: `built` has its own seed
    export(folder, precisions=["int8", "fp32"])
    engines = {
        "wordsight onnx int8": OnnxEngine(folder, precision="int8", threads=CORES),
        "wordsight openvino bf16": OpenVinoEngine(folder, precision="bf16", threads=CORES),
    }
    size = next(iter(engines.values())).spec.preprocess.size
    ours = {label: Model(engine, folder=folder).embed_images for label, engine in engines.items()}
    return {
        REFERENCE: open_clip_loop(model, size, torch.float32),
        "open_clip pure bf16": open_clip_loop(half, size, torch.bfloat16),
        **ours,
    }


def measure(runs: dict[str, Run], paths: list[Path], rounds: int) -> list[dict[str, Any]]:
    """Return one record for each contestant."""
    rows = {name: run(paths) for name, run in runs.items()}
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
        for name, run in runs.items():
            start = time.perf_counter()
            run(paths)
            rates[name].append(len(paths) / (time.perf_counter() - start))
    records = []
    for name, batches in rates.items():
        one = agreement("image", "int8", rows[name], rows[REFERENCE])
        record: dict[str, Any] = {"name": name, "best": max(batches), "median": float(np.median(batches))}
        for label, other in (("fp32", REFERENCE), ("bf16", "open_clip pure bf16")):
            record[f"times_{label}"] = float(np.median(np.array(batches) / np.array(rates[other])))
        record["cosine"] = {"mean": one.mean, "worst": one.worst}
        record["cosine_centred"] = {"mean": one.centred_mean, "worst": one.centred_worst}
        records.append(record)
    return records


def page(result: dict[str, Any]) -> str:
    """Return the result as a page."""
    facts = result["environment"]
    lines = [
        f"# Files to embeddings, {facts['time'][:10]}",
        "",
        f"`{result['command']}`: {result['model']} with random weights, {result['count']} files, {result['cores']} "
        f"cores of {facts['processor']}, {result['rounds']} rounds; × are medians of paired rounds. Load average at "
        f"the start {result['load']:.1f}.",
        "",
        "| | pictures/s (median) | × open_clip fp32 | × open_clip pure bf16 | cosine | centred |",
        "|---|---|---|---|---|---|",
    ]
    for one in result["records"]:
        cosines = (f"{one[key]['mean']:.5f} / {one[key]['worst']:.5f}" for key in ("cosine", "cosine_centred"))
        rates = f"{one['best']:.1f} ({one['median']:.1f}) | {one['times_fp32']:.1f} | {one['times_bf16']:.1f}"
        lines.append(f"| {one['name']} | {rates} | {' | '.join(cosines)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run, print the page, write page and JSON when --out is given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, help="a folder of photos")
    parser.add_argument("--model", default="ViT-B-32", help=f"{', '.join(MODELS)}, or a name of open_clip's")
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--on", type=int, nargs="+", help="run on these cores only")
    parser.add_argument("--count", type=int, default=256, help="files")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="write files-DATE-Ncore.md and .json there")
    args = parser.parse_args()
    load = os.getloadavg()[0]
    cores = args.on or sorted(os.sched_getaffinity(0))[: args.cores]
    os.sched_setaffinity(0, set(cores))
    torch.set_num_threads(args.cores)
    paths = list(find_images(args.pictures))[: args.count]
    if not paths:
        raise SystemExit(f"no pictures in {args.pictures}")
    with tempfile.TemporaryDirectory() as temporary:
        records = measure(contestants(args.model, Path(temporary)), paths, args.rounds)
    result = {
        "command": " ".join(["python", sys.argv[0], "FOLDER", *sys.argv[2:]]),
        "model": args.model,
        "count": len(paths),
        "cores": args.cores,
        "rounds": args.rounds,
        "load": load,
        "environment": environment(),
        "records": records,
    }
    text = page(result)
    print(text)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        stem = f"files-{environment()['time'][:10]}-{args.cores}core"  # type: ignore[index]
        (args.out / f"{stem}.md").write_text(text, encoding="utf-8")
        (args.out / f"{stem}.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
