"""Images/s on a CUDA GPU: our engine beside open_clip, same random weights, same run, and as a fraction of its rate.

    python benchmarks/gpu.py --models ViT-B-32 ViT-B-16 ViT-L-14 --batch 256 --out benchmarks/results

The GPU's rate is measured with large matrix products in the same precision.  open_clip gets normalised pixels that are
on the GPU already, its best case; ours gets bytes from the host's memory, and embeddings go back to it.
Needs open_clip_torch and a GPU.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from openclip_models import MODELS, built, normal

from wordsight.base.records import environment
from wordsight.engines.parity import agreement, some_images
from wordsight.engines.torch_engine import TorchEngine
from wordsight.towers.count import operations

SIDE = 8192  # of the matrices that the card's rate is measured with
KINDS = {"bf16": torch.bfloat16, "fp16": torch.float16}


def seconds(call: Callable[[], object], rounds: int) -> float:
    """Return the seconds of the fastest call, after two that are not counted."""
    best = float("inf")
    for number in range(rounds + 2):
        torch.cuda.synchronize()
        start = time.perf_counter()
        call()
        torch.cuda.synchronize()
        if number >= 2:
            best = min(best, time.perf_counter() - start)
    return best


def card_rate(kind: torch.dtype, rounds: int) -> float:
    """Return the floating-point operations per second of a large matrix product."""
    left, right = (torch.randn(SIDE, SIDE, device="cuda", dtype=kind) for _ in range(2))
    return 2 * SIDE**3 / seconds(lambda: left @ right, rounds)


def measure(name: str, args: argparse.Namespace, card: float) -> list[dict[str, Any]]:
    """Return one record for each way to embed the images of one model."""
    kind = KINDS[args.precision]
    with tempfile.TemporaryDirectory() as temporary:
        model, folder = built(name, Path(temporary))
        plain, fused = (TorchEngine(folder, device="cuda", precision=args.precision, compiled=c) for c in (False, True))
        true = TorchEngine(folder, device="cuda", precision="fp32")
    spec = plain.spec
    pixels = some_images(spec, args.batch * args.batches)
    reference = true.embed_images(pixels[: args.batch])
    del true
    theirs = model.to("cuda", kind)
    ready = normal(pixels[: args.batch], spec.preprocess, kind).to("cuda")

    def open_clip() -> np.ndarray:
        with torch.inference_mode():
            return theirs.encode_image(ready, normalize=True).float().cpu().numpy()

    calls: dict[str, tuple[Callable[[], np.ndarray], int]] = {
        f"open_clip pure {args.precision}": (open_clip, args.batch),
        f"wordsight {args.precision}": (lambda: plain.embed_images(pixels), len(pixels)),
        f"wordsight {args.precision} compiled": (lambda: fused.embed_images(pixels), len(pixels)),
    }
    work = operations(spec).image
    records = []
    for label, (call, count) in calls.items():
        rate = count / seconds(call, args.rounds)
        one = agreement("image", args.precision, call()[: args.batch], reference)
        share = rate * work / card
        records.append({"name": label, "rate": rate, "share": share, "mean": one.mean, "worst": one.worst})
    return records


def main() -> None:
    """Run, print the page, write page and JSON when --out is given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["ViT-B-32", "ViT-B-16", "ViT-L-14"], help=", ".join(MODELS))
    parser.add_argument("--precision", choices=KINDS, default="bf16")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--batches", type=int, default=4, help="batches of one measured call of ours")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("no CUDA GPU here")
    card = card_rate(KINDS[args.precision], args.rounds)
    records = {name: measure(name, args, card) for name in args.models}
    facts = environment()
    lines = [
        f"# On a GPU, {facts['time'][:10]}",
        "",
        f"`{' '.join(['python', *sys.argv])}` on {torch.cuda.get_device_name()}, whose matrix products reach "
        f"{card / 1e12:.0f} TFLOP/s in {args.precision}; PyTorch {facts['torch']}; random weights.",
        "",
        "| | images/s | × open_clip | share of the card | cosine to fp32, mean / worst |",
        "|---|---|---|---|---|",
    ]
    for name, entries in records.items():
        for one in entries:
            times = one["rate"] / entries[0]["rate"]
            cells = f"{one['rate']:.0f} | {times:.2f} | {one['share']:.0%} | {one['mean']:.5f} / {one['worst']:.5f}"
            lines.append(f"| {name}, {one['name']} | {cells} |")
    page = "\n".join(lines) + "\n"
    print(page)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        stem = f"gpu-{facts['time'][:10]}"  # type: ignore[index]
        (args.out / f"{stem}.md").write_text(page, encoding="utf-8")
        (args.out / f"{stem}.json").write_text(json.dumps(records, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
