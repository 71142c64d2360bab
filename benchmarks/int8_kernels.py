"""int8 graphs before and after they were kept from saturating, with ONNX Runtime's fast and exact kernels.

    python benchmarks/int8_kernels.py --work FOLDER                          # as this processor is
    benchmarks/avx2/run.sh python benchmarks/int8_kernels.py --work FOLDER   # as on one with AVX2 only

"before" scales each column by its largest weight, "after" by its largest pair (docs/engines.md, "int8 on every
processor").  Graphs are made once in FOLDER and run in plain sessions on one core; contestants take turns, measured in
CPU time, which other load affects less.  Reported are the best round (in brackets the median) and cosines
to the fp32 graph: mean / worst, then with the mean embedding subtracted.
"""

import argparse
import os
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import numpy as np
import onnxruntime
from openclip_models import MODELS, built, captions

from wordsight.base.processor import CPUINFO, processor_name
from wordsight.engines.engine import needed_lengths
from wordsight.engines.export import export
from wordsight.engines.onnx_engine import graph_path, open_session
from wordsight.engines.parity import agreement, some_images
from wordsight.text.open import open_tokenizer
from wordsight.towers.graph import operators
from wordsight.weights.folder import read_spec

BATCH = {"image": 8, "text": 32}
NAMES = {"image": "images/s", "text": "texts/s"}
FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8")


@dataclass
class Contestant:
    """A graph in a session."""

    name: str
    session: Any
    rates: list[float] = field(default_factory=list)

    def rows(self, inputs: np.ndarray) -> np.ndarray:
        """Return the embeddings of some inputs."""
        outputs: np.ndarray = self.session.run(["rows"], {self.session.get_inputs()[0].name: inputs})[0]
        return outputs

    def time(self, inputs: np.ndarray, seconds: float) -> None:
        """Record one round's rate: that of the best call."""
        best, end = float("inf"), time.process_time() + seconds
        while time.process_time() < end or best == float("inf"):
            start = time.process_time()
            self.rows(inputs)
            best = min(best, time.process_time() - start)
        self.rates.append(len(inputs) / best)


def made(name: str, work: Path) -> Path:
    """Return a folder with the graphs of a model: "after" with fp32 beside it, and "before"."""
    model_folder = work / name
    if not (model_folder / "before" / "onnx" / "parity.json").is_file():
        _, folder = built(name, model_folder)
        for line in export(folder, precisions=["int8", "fp32"], out=model_folder / "after").lines():
            print("after:", line)
        largest_pair = operators.quantise_matrix
        operators.quantise_matrix = lambda weight: operators.quantise(weight, axis=1)
        for line in export(folder, precisions=["int8"], out=model_folder / "before").lines():
            print("before:", line)
        operators.quantise_matrix = largest_pair
    return model_folder


def contestants(model_folder: Path, tower: str) -> list[Contestant]:
    """Return who takes part, the reference first."""
    after, before = (graph_path(model_folder / name, tower, "int8") for name in ("after", "before"))
    return [
        Contestant("fp32", open_session(graph_path(model_folder / "after", tower, "fp32"), threads=1)),
        Contestant("int8 before, exact kernels", open_session(before, threads=1, exact=True)),
        Contestant("int8 before, fast kernels", open_session(before, threads=1)),
        Contestant("**int8 after, fast kernels**", open_session(after, threads=1)),
        Contestant("int8 after, exact kernels", open_session(after, threads=1, exact=True)),
    ]


def measured(everyone: list[Contestant], inputs: np.ndarray, tower: str, args: argparse.Namespace) -> list[str]:
    """Return the lines of a table."""
    size = BATCH[tower]
    rows = [
        np.concatenate([one.rows(inputs[at : at + size]) for at in range(0, len(inputs), size)]) for one in everyone
    ]
    for _ in range(args.rounds):
        for one in everyone:
            one.time(inputs[:size], args.seconds)
    lines = [
        f"| {tower} tower, batch {size} | {NAMES[tower]} | × fp32 | cosine | mean row subtracted |",
        "|---" * 5 + "|",
    ]
    slowest = max(everyone[0].rates)
    for one, outputs in zip(everyone, rows, strict=True):
        rate, middle = max(one.rates), statistics.median(one.rates)
        same = agreement(tower, "int8", outputs, rows[0])
        lines.append(
            f"| {one.name} | {rate:.1f} ({middle:.1f}) | {rate / slowest:.2f} | {same.mean:.5f} / {same.worst:.5f} "
            f"| {same.centred_mean:.5f} / {same.centred_worst:.5f} |"
        )
    return lines


def flags() -> str:
    """Return the processor features that matter here."""
    listed = set(CPUINFO.read_text(encoding="utf-8").split())
    return ", ".join(flag for flag in FLAGS if flag in listed)


def main() -> None:
    """Make the graphs, measure, print the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["ViT-B-32"], help=", ".join(MODELS))
    parser.add_argument("--work", type=Path, required=True, help="a folder for the graphs")
    parser.add_argument("--towers", nargs="+", choices=list(BATCH), default=list(BATCH))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of a contestant in a round, one call at least")
    parser.add_argument("--samples", type=int, default=32, help="images and captions that cosines are taken over")
    parser.add_argument("--only-make", action="store_true", help="make the graphs and end")
    args = parser.parse_args()
    model_folders = {name: made(name, args.work) for name in args.models}
    if args.only_make:
        return
    print(f"`python {' '.join(sys.argv)}`, {time.strftime('%Y-%m-%d')}, one core of {processor_name()} ({flags()}),")
    print(f"ONNX Runtime {onnxruntime.__version__}, {args.rounds} rounds, random weights")
    for name, model_folder in model_folders.items():
        spec = read_spec(model_folder / "after")
        inputs = {"image": some_images(spec, args.samples)}
        tokens = open_tokenizer(spec.tokenizer, model_folder / "after").batch(
            captions(max(args.samples, BATCH["text"]))
        )
        inputs["text"] = tokens[:, : needed_lengths(tokens, spec).max()]
        for tower in args.towers:
            print(f"\n{name}\n")
            print("\n".join(measured(contestants(model_folder, tower), inputs[tower], tower, args)), flush=True)


if __name__ == "__main__":
    main()
