"""CLIP_benchmark's side of `clip_benchmark.py`, run by the interpreter of the environment that has it.

    PYTHON -P clip_benchmark_neighbour.py PLAN.json OUT.json       # -P: another file here is called clip_benchmark

The plan says what to do: {"do": "weights", "checkpoint": FILE}, or "tower", "tasks", "embed" with what those need.
Tasks go through CLIP_benchmark's own command line (`clip_benchmark.cli.run`), one after another in this process;
selection, for which it reads only data sets of its own, through its `image_caption_selection.evaluate`.  Its linear
probe asks for CUDA: here `.cuda()` and `DataParallel` do nothing and the assertion is taken out; nothing else is
changed.  Needs clip-benchmark, open_clip_torch, webdataset and numpy below 2.4, not Wordsight.
"""

import inspect
import json
import resource
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import torch

MODEL = "ViT-B-32"
BATCH = 64  # CLIP_benchmark's own default
RECALLS = [1, 5, 10]


def write_weights(checkpoint: Path) -> None:
    """Write random weights under which images are told apart: gains and biases, too."""
    import open_clip

    torch.manual_seed(0)
    model = open_clip.create_model(MODEL, pretrained=None)
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if value.ndim == 1 and name.endswith("weight"):
                value.uniform_(0.5, 1.5)
            elif value.ndim == 1 and name.endswith("bias"):
                value.normal_(std=0.1)
    torch.save(model.state_dict(), checkpoint)


def image_tower(plan: dict[str, Any]) -> dict[str, float]:
    """Return images a second of processor time of the image tower alone, at best, with and without AMP."""
    import open_clip

    model = open_clip.create_model(MODEL, pretrained=plan["checkpoint"]).eval()
    pixels = torch.randn(BATCH, 3, 224, 224)
    rates = {}
    for name, amp in (("AMP", True), ("no AMP", False)):
        best = float("inf")
        with torch.no_grad(), torch.autocast("cpu", enabled=amp):
            for _ in range(plan["rounds"]):
                start = time.process_time()
                model.encode_image(pixels)
                best = min(best, time.process_time() - start)
        rates[name] = BATCH / best
    return rates


def run_tasks(plan: dict[str, Any]) -> dict[str, Any]:
    """Return metrics and seconds of each task: {"SET/TASK": {"metrics": …, "cpu": …, "wall": …}}."""
    measured = {}
    for task in plan["tasks"]:
        before, start = _processor_seconds(), time.perf_counter()
        metrics = _selection(plan, task) if task["task"] == "image_caption_selection" else _of_cli(plan, task)
        measured[f"{task['set']}/{task['task']}"] = {
            "metrics": metrics,
            "cpu": _processor_seconds() - before,
            "wall": time.perf_counter() - start,
        }
    return measured


def _processor_seconds() -> float:
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def _of_cli(plan: dict[str, Any], task: dict[str, str]) -> dict[str, float]:
    """Return the metrics of one call of CLIP_benchmark's command line."""
    from clip_benchmark import cli
    from clip_benchmark.metrics import linear_probe

    arguments = _arguments(plan, task)
    with (
        mock.patch.object(torch.nn.Module, "cuda", lambda self, *_: self),
        mock.patch.object(torch.Tensor, "cuda", lambda self, *_: self),
        mock.patch.object(torch.nn, "DataParallel", lambda module, **_: module),
        mock.patch.object(linear_probe, "evaluate", _without_assertion(linear_probe)),
    ):
        cli.run(arguments)
    with open(arguments.output) as handle:
        metrics: dict[str, float] = json.load(handle)["metrics"]
    return metrics


def _without_assertion(module: Any) -> Any:
    """Return the probe's `evaluate` without its first line, the assertion that the device is CUDA."""
    source = inspect.getsource(module.evaluate)
    assertion = "assert device == 'cuda'"
    if assertion not in source:
        raise SystemExit("clip_benchmark's linear probe does not ask for CUDA as that of 1.6.2 does: look at it again")
    made: dict[str, Any] = {}
    exec(source.replace(assertion, "pass"), module.__dict__, made)
    return made["evaluate"]


def _arguments(plan: dict[str, Any], task: dict[str, str]) -> Namespace:
    """Return what its parser gives for this task, everything else being its default."""
    from clip_benchmark.cli import get_parser_args

    work = Path(plan["work"])
    output = work / f"{task['set']}-{task['task']}-{plan['amp']}.json"
    command = [
        *("eval", "--model", MODEL, "--pretrained", plan["checkpoint"], "--dataset", f"wds/{task['set']}"),
        *("--dataset_root", task["root"], "--task", task["task"], "--output", str(output), "--quiet"),
        *("--num_workers", "0", "--recall_k", *map(str, RECALLS), "--feature_root", str(work / f"f{plan['amp']}")),
        *([] if plan["amp"] else ["--no_amp"]),
    ]
    with mock.patch.object(sys, "argv", ["clip_benchmark", *command]):
        arguments: Namespace = get_parser_args()[1]
    single = {name: getattr(arguments, name)[0] for name in ("model", "pretrained", "dataset")}
    return Namespace(**{**vars(arguments), **single, "val_split": None, "val_proportion": None})


def _selection(plan: dict[str, Any], task: dict[str, str]) -> dict[str, float]:
    """Return the metrics of choosing between an image's caption and that of another."""
    from clip_benchmark.metrics import image_caption_selection

    model, tokenizer, loader = _loaded(plan, task)
    pairs = json.loads((Path(task["root"]) / "test" / "pairs.json").read_text())

    def batches() -> Iterator[tuple[Any, list[list[str]]]]:
        done = 0
        for images, _ in loader:
            yield images, pairs[done : done + len(images)]
            done += len(images)

    metrics: dict[str, float] = image_caption_selection.evaluate(
        model, batches(), tokenizer, device="cpu", amp=plan["amp"]
    )
    return metrics


def _loaded(plan: dict[str, Any], task: dict[str, str]) -> tuple[Any, Any, Any]:
    """Return the model, its tokenizer and the batches of a set, as CLIP_benchmark's command line makes them."""
    from clip_benchmark.datasets.builder import build_dataset
    from clip_benchmark.models import load_clip

    model, transform, tokenizer = load_clip("open_clip", MODEL, plan["checkpoint"], None, device="cpu")
    model.eval()
    dataset = build_dataset(f"wds/{task['set']}", root=task["root"], transform=transform, split="test", task="zeroshot")
    return model, tokenizer, torch.utils.data.DataLoader(dataset.batched(BATCH), batch_size=None, num_workers=0)


def embed(plan: dict[str, Any]) -> list[list[float]]:
    """Return the unit embeddings of the images of a set, without AMP."""
    model, _, loader = _loaded(plan, plan["task"])
    with torch.no_grad():
        parts = [torch.nn.functional.normalize(model.encode_image(images), dim=-1) for images, _ in loader]
    rows: list[list[float]] = torch.cat(parts).tolist()
    return rows


def main() -> None:
    """Do what the plan says."""
    plan = json.loads(Path(sys.argv[1]).read_text())
    torch.set_num_threads(plan["threads"])
    if plan["do"] == "weights":
        answer: Any = write_weights(Path(plan["checkpoint"]))
    else:
        answer = {"tower": image_tower, "tasks": run_tasks, "embed": embed}[plan["do"]](plan)
    Path(sys.argv[2]).write_text(json.dumps(answer))


if __name__ == "__main__":
    main()
