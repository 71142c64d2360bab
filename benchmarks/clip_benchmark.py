"""Wordsight's evaluation beside CLIP_benchmark's: the same ViT-B-32 of random weights, the same shards, the same run.

    python benchmarks/clip_benchmark.py --neighbour PYTHON --data DATA --out benchmarks/results

PYTHON is the interpreter of an environment with clip-benchmark 1.6.2, open_clip_torch, webdataset and numpy below 2.4
(`clip_benchmark_neighbour.py` runs there).  DATA holds fashion_products, clothing, flowers5 and tinyimagenet32 as
`clip_benchmark_sets.py` reads them.  Sections:

four     several kinds of task on one set, one `wordsight evaluate` beside one CLIP_benchmark call a kind
five     zero-shot classification on five sets
parity   the metrics of both, fp32 and no AMP, with our `fast` and our `exact` pixels
towers   images a second of the image towers alone

CLIP_benchmark runs `four` and `five` with AMP (bfloat16) or without, as is faster on the processor at hand.
Every contestant is one process on one core with one thread; processor time is that of the process and its children.
"""

import argparse
import importlib.metadata
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from clip_benchmark_sets import write_all

from wordsight.base.records import append_line, environment, read_lines
from wordsight.evaluate.clip_benchmark import record_of

DRIVER = Path(__file__).with_name("clip_benchmark_neighbour.py")
SECTIONS = ("towers", "parity", "five", "four")
KINDS = {  # their task: ours, SET being the folder of a set
    "zeroshot_classification": "zero-shot:SET?split=test",
    "zeroshot_retrieval": "retrieval:SET?split=test",
    "linear_probe": "probe:SET?split=test&train_split=train&protocol=adamw&sweep=false",
    "image_caption_selection": "selection:SET/pairs?split=test&images=SET/pairs/images&name=pairs",
}
ENGINES = {  # ours: engine, precision
    "onnx int8": ("onnx", "int8"),
    "onnx fp32": ("onnx", "fp32"),
    "openvino bf16": ("openvino", "bf16"),
    "torch bf16": ("torch", "bf16"),
    "torch fp32": ("torch", "fp32"),
}
FIVE = ("clothing-val", "clothing-test", "flowers5", "tinyimagenet32", "fashion-val")
RETRIEVAL = ("zeroshot_retrieval", "image_caption_selection")  # whose root says so
ROUNDS = 3  # of a batch through a tower
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
TOWER = """
import sys, time, numpy, wordsight
engine = wordsight.load(sys.argv[1], engine=sys.argv[2], precision=sys.argv[3]).engine
pixels, best = numpy.random.default_rng(0).integers(0, 256, (64, 224, 224, 3), dtype=numpy.uint8), float("inf")
for _ in range(int(sys.argv[4])):
    start = time.process_time()
    engine.embed_images(pixels)
    best = min(best, time.process_time() - start)
print(64 / best)
"""
EMBED = """
import sys, json, wordsight
from wordsight.data.source import open_source
model = wordsight.load(sys.argv[1], engine="onnx", precision="fp32", pixels=sys.argv[3])
images = [sample.image for sample in open_source(sys.argv[2], split="test").samples()]
print(json.dumps(model.embed_images(images).tolist()))
"""


@dataclass(frozen=True, slots=True)
class Run:
    """What every contestant needs: where things lie and the core that it may use."""

    work: Path
    neighbour: Path
    core: int

    @property
    def sets(self) -> Path:
        """The folder of the sets."""
        return self.work / "sets"

    def child(self, command: list[str], **settings: str) -> tuple[float, float, str]:
        """Run a command on the one core; return seconds of processor and of wall, and what it printed."""
        before, start = _processor_seconds(), time.perf_counter()
        done = subprocess.run(
            command,
            check=False,
            env={**os.environ, **dict.fromkeys(THREADS, "1"), **settings},
            preexec_fn=lambda: os.sched_setaffinity(0, {self.core}),
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}\n{done.stderr[-3000:]}")
        return _processor_seconds() - before, time.perf_counter() - start, done.stdout

    def theirs(self, **plan: Any) -> tuple[float, float, Any]:
        """Run a plan of `clip_benchmark_neighbour.py`; return seconds of processor and of wall, and its answer."""
        work = Path(tempfile.mkdtemp(dir=self.work))
        plan = {"checkpoint": str(self.work / "vit.pt"), "work": str(work), "threads": 1, **plan}
        (work / "plan.json").write_text(json.dumps(plan))
        command = [str(self.neighbour), "-P", str(DRIVER), str(work / "plan.json"), str(work / "out.json")]
        cpu, wall, _ = self.child(command)
        return cpu, wall, json.loads((work / "out.json").read_text())

    def ours(self, engine: str, tasks: list[str], *options: str) -> tuple[float, float, dict[str, dict[str, float]]]:
        """Measure tasks with nothing kept; return seconds of processor and of wall, and metrics by SET/TASK."""
        work = Path(tempfile.mkdtemp(dir=self.work))
        name, precision = ENGINES[engine]
        command = [sys.executable, "-m", "wordsight", "--engine", name, "evaluate", str(self.work / "model"), "--json"]
        command += ["--precision", precision, "--out", str(work / "out"), *options]
        command += [part for task in tasks for part in ("--tasks", task)]
        cpu, wall, _ = self.child(command, WORDSIGHT_CACHE=str(work / "cache"))
        return cpu, wall, _metrics(work / "out" / "results.jsonl")


def _processor_seconds() -> float:
    return sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


def _metrics(file: Path) -> dict[str, dict[str, float]]:
    """Return our results under CLIP_benchmark's names."""
    from wordsight.base.nouns import Result

    tasks: dict[str, list[Result]] = {}
    for fields in read_lines(file):
        result = Result.from_fields(fields)
        tasks.setdefault(str(result.setting["task"]), []).append(result)
    records = [record for results in tasks.values() if (record := record_of(results))]
    return {f"{record['dataset']}/{record['task']}": record["metrics"] for record in records}


def our_task(run: Run, name: str, task: str) -> str:
    """Return their task on a set as a task of ours."""
    return KINDS[task].replace("SET", str(run.sets / name))


def their_task(run: Run, name: str, task: str) -> dict[str, str]:
    """Return a task of a plan."""
    root = f"{name}-retrieval" if task in RETRIEVAL else name
    return {"set": name, "task": task, "root": str(run.sets / root)}


def prepare(run: Run, args: argparse.Namespace) -> dict[str, Any]:
    """Write weights, sets and our model folder with all its graphs; return what that took, which is done once."""
    run.theirs(do="weights")
    write_all(run.sets, data=args.data, images=args.images, few=args.few)
    activations = ["--set", "image.activation=gelu", "--set", "text.activation=gelu"]
    convert = [sys.executable, "-m", "wordsight", "convert", str(run.work / "vit.pt"), str(run.work / "model")]
    seconds = {"convert": run.child([*convert, "--to", "wordsight", *activations])[0]}
    load = "import sys, wordsight; wordsight.load(sys.argv[1], engine=sys.argv[2], precision=sys.argv[3])"
    for engine in ("onnx int8", "onnx fp32"):
        command = [sys.executable, "-c", load, str(run.work / "model"), *ENGINES[engine]]
        seconds[f"graphs, {engine}"] = run.child(command)[0]
    return {"once": seconds, "their_images_per_second": run.theirs(do="tower", rounds=ROUNDS)[2]}


def towers(run: Run, args: argparse.Namespace) -> dict[str, Any]:
    """Return images a second of processor time."""
    rates = {}
    for engine, (name, precision) in ENGINES.items():
        command = [sys.executable, "-c", TOWER, str(run.work / "model"), name, precision, str(ROUNDS)]
        rates[engine] = float(run.child(command)[2])
    return {"images_per_second": rates}


def parity(run: Run, args: argparse.Namespace) -> dict[str, Any]:
    """Return the metrics of both on the same images, and how far ours are away."""
    kinds = ("zeroshot_classification", "zeroshot_retrieval")
    theirs = run.theirs(do="tasks", amp=False, tasks=[their_task(run, "fashion-val", kind) for kind in kinds])
    tasks = [our_task(run, "fashion-val", kind) for kind in kinds]
    wanted = {key: answer["metrics"] for key, answer in theirs[2].items()}
    record: dict[str, Any] = {"theirs": wanted, "theirs_seconds": theirs[:2]}
    for quality in ("fast", "exact"):
        ours = run.ours("onnx fp32", tasks, "--pixels", quality)
        apart = {
            f"{key} {name}": ours[2][key][name] - value
            for key, metrics in wanted.items()
            for name, value in metrics.items()
        }
        record[quality] = {"seconds": ours[:2], "most": max(map(abs, apart.values())), "apart": apart}
    return record | _embeddings_apart(run)


def _embeddings_apart(run: Run) -> dict[str, Any]:
    """Return how far our image embeddings are from theirs: the least cosine and the largest difference of a number."""
    theirs = np.array(run.theirs(do="embed", task=their_task(run, "fashion-val", "zeroshot_classification"))[2])
    apart = {}
    for quality in ("fast", "exact"):
        command = [sys.executable, "-c", EMBED, str(run.work / "model"), str(run.sets / "fashion-val"), quality]
        ours = np.array(json.loads(run.child(command)[2]))
        apart[quality] = {"cosine": (ours * theirs).sum(axis=1).min(), "most": np.abs(ours - theirs).max()}
    return {"embeddings": apart}


def five(run: Run, args: argparse.Namespace) -> dict[str, Any]:
    """Return seconds of zero-shot classification on five sets."""
    kind = "zeroshot_classification"
    theirs = run.theirs(do="tasks", amp=args.amp, tasks=[their_task(run, name, kind) for name in FIVE])
    record: dict[str, Any] = {"theirs": theirs[:2], "metrics": theirs[2]}
    for engine in args.engines:
        record[engine] = run.ours(engine, [our_task(run, name, kind) for name in FIVE])
    return record


def four(run: Run, args: argparse.Namespace) -> dict[str, Any]:
    """Return seconds of all kinds of task on one set: theirs one after another, ours together."""
    theirs = run.theirs(do="tasks", amp=args.amp, tasks=[their_task(run, "fashion", kind) for kind in KINDS])
    tasks = [our_task(run, "fashion", kind) for kind in KINDS]
    record: dict[str, Any] = {"theirs": theirs}
    for engine in args.engines:
        record[engine] = run.ours(engine, tasks)
        record[f"ratio {engine}"] = theirs[0] / record[engine][0]
    return record


def main() -> None:
    """Measure the sections and record each as one line as soon as it is done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neighbour", type=Path, required=True, help="interpreter that has CLIP_benchmark")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--images", type=int, default=2000, help="of the set of `four`, half to learn from (2000)")
    parser.add_argument("--few", type=int, default=500, help="most images of each of the five sets (500)")
    parser.add_argument("--engines", nargs="+", choices=list(ENGINES), default=["onnx int8", "onnx fp32"])
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=SECTIONS)
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--out", type=Path, help="folder in which clip_benchmark.jsonl grows by one line a section")
    args = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="clip-benchmark-"))
    versions = {name: importlib.metadata.version(name) for name in ("onnxruntime", "openvino", "torch", "numpy")}
    try:
        run = Run(work, args.neighbour, args.core)
        facts = {"images": args.images, "few": args.few, "versions": versions, **prepare(run, args)}
        rates = facts["their_images_per_second"]
        args.amp = rates["AMP"] > rates["no AMP"]  # `four` and `five` take their faster way on this processor
        print(json.dumps(facts), flush=True)
        for section in args.sections:
            record = {"section": section, **globals()[section](run, args)}
            print(json.dumps(record), flush=True)
            if args.out:
                append_line(args.out / "clip_benchmark.jsonl", {**record, **facts, "environment": environment()})
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
