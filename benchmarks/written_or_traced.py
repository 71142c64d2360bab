"""Graphs written from the weights beside the same towers traced by PyTorch and quantised by ONNX Runtime's own tool.

    python benchmarks/written_or_traced.py --work FOLDER --models ViT-B-32 SigLIP-B-16
    benchmarks/avx2/run.sh python benchmarks/written_or_traced.py --work FOLDER

Three precisions, each as written and as torch.onnx (its exporter of today, "traced") gives it: in fp16 the weights are
stored in 16 bits; in int8 traced matrices become integers by our rule ("traced, our integers") or by
onnxruntime.quantization.quantize_dynamic (per channel; reduce_range, since else it overflows without VNNI).
Graphs are made once in FOLDER; measured is as in int8_kernels.py.  Needs onnxscript.
"""

import argparse
import sys
import time
from pathlib import Path

import int8_kernels as kernels
import onnx
import onnxruntime
from onnxruntime.quantization import QuantType, quantize_dynamic
from openclip_models import MODELS, built, captions

from wordsight.base.processor import processor_name
from wordsight.engines.engine import needed_lengths
from wordsight.engines.export_traced import trace, write_traced
from wordsight.engines.onnx_engine import open_session
from wordsight.engines.parity import some_images
from wordsight.text.open import open_tokenizer
from wordsight.towers.graph.write import GraphSource, write_graph
from wordsight.weights.folder import read_checkpoint, read_spec

TOWERS = ("image", "text")
WAYS = {
    "fp32 written": "fp32", "fp32 traced": "fp32", "fp16 written": "fp16", "fp16 traced": "fp16",
    "int8 written": "int8", "int8 traced, our integers": "int8", "int8 traced, quantize_dynamic": "int8",
}  # fmt: skip


def path_of(folder: Path, tower: str, way: str) -> Path:
    """Return where a graph lies."""
    return folder / f"{tower}, {way}.onnx"


def make(name: str, work: Path) -> Path:
    """Return a folder with the graphs of both towers in all ways, and the model in its folder "model"."""
    folder = work / f"{name} written or traced"
    if path_of(folder, TOWERS[-1], list(WAYS)[-1]).is_file():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    _, model = built(name, folder)
    model.rename(folder / "model")
    source = GraphSource(read_spec(folder / "model"), read_checkpoint(folder / "model").state)
    for tower in TOWERS:
        traced = trace(folder / "model", tower)
        for way, precision in WAYS.items():
            path = path_of(folder, tower, way)
            if "written" in way:
                write_graph(path, source, tower, precision)
            elif "dynamic" not in way:
                write_traced(traced, path, precision)
        quantize_dynamic(
            path_of(folder, tower, "fp32 traced"), path, op_types_to_quantize=["MatMul", "Gemm"], per_channel=True,
            reduce_range=True, weight_type=QuantType.QInt8,
        )  # fmt: skip
        for way in WAYS:
            operators = [node.op_type for node in onnx.load(path_of(folder, tower, way)).graph.node]
            print(f"{name} {tower}, {way}: {len(operators)} nodes")
    return folder


def main() -> None:
    """Make the graphs, measure, print the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["ViT-B-32"], help=", ".join(MODELS))
    parser.add_argument("--work", type=Path, required=True, help="a folder for the graphs")
    parser.add_argument("--towers", nargs="+", choices=TOWERS, default=TOWERS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.5, help="of a contestant in a round, one call at least")
    parser.add_argument("--samples", type=int, default=32, help="images and captions that cosines are taken over")
    parser.add_argument("--only-make", action="store_true", help="make the graphs and end")
    args = parser.parse_args()
    folders = {name: make(name, args.work) for name in args.models}
    if args.only_make:
        return
    print(f"`python {' '.join(sys.argv)}`, {time.strftime('%Y-%m-%d')}, one core of {processor_name()}")
    print(f"({kernels.flags()}), ONNX Runtime {onnxruntime.__version__}, {args.rounds} rounds, random weights")
    for name, folder in folders.items():
        spec = read_spec(folder / "model")
        tokens = open_tokenizer(spec.tokenizer, folder / "model").batch(captions(max(args.samples, 32)))
        inputs = {"image": some_images(spec, args.samples), "text": tokens[:, : needed_lengths(tokens, spec).max()]}
        for tower in args.towers:
            everyone = []
            for way in WAYS:
                path = path_of(folder, tower, way)
                size = path.stat().st_size / 1e6
                everyone.append(kernels.Contestant(f"{way} ({size:.0f} MB)", open_session(path, threads=1)))
            print(f"\n{name}\n")
            print("\n".join(kernels.measured(everyone, inputs[tower], tower, args)), flush=True)


if __name__ == "__main__":
    main()
