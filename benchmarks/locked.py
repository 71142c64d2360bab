"""Steps a second with a locked image tower: features computed once, beside open_clip, whose step runs the tower again.

    python benchmarks/locked.py --work FOLDER
    python benchmarks/locked.py --work FOLDER --ways "projections alone" --batch 128

The same random weights, images and captions in both, one thread.  open_clip's step is that of its `train_one_epoch`
with `--lock-image` (`lock_image_tower()`, AdamW, `ClipLoss`), its batches ready in memory; ours is `wordsight train`,
timed by the run's own clock from the third step on.  What the features cost once is printed beside it.
Needs open_clip_torch.
"""

import argparse
import copy
import json
import shutil
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from openclip_models import built, captions, normal
from PIL import Image

from wordsight.base.processor import processor_name
from wordsight.train.loop import train
from wordsight.train.recipe import read_recipe
from wordsight.weights.folder import read_spec


@dataclass(frozen=True, slots=True)
class Way:
    """What learns of which text tower: `text` changes open_clip's ViT-B-32, `learns` is ours (image, text)."""

    text: dict[str, int]
    learns: tuple[str, str]


WAYS = {
    "whole text tower (512 wide, 12 layers)": Way({}, ("none", "all")),
    "whole text tower (256 wide, 4 layers)": Way({"width": 256, "heads": 4, "layers": 4}, ("none", "all")),
    "projections alone": Way({}, ("projection", "projection")),
}
RECIPE = """
batch = {batch}
precision = "{precision}"
[model]
init = "{model}"
[train]
image = "{image}"
text = "{text}"
[data]
held_out = 0.0
[data.sources.pairs]
place = "{pairs}"
[optimiser]
lr = 1e-5
[schedule]
steps = {steps}
warmup = 1
[validation]
every = 0
[checkpoint]
seconds = 0
[export]
precisions = []
"""


def write_pairs(folder: Path, count: int, side: int) -> None:
    """Write noise as images, with a caption each."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    for number, text in enumerate(captions(count)):
        Image.fromarray(random.integers(0, 256, (side, side, 3), np.uint8)).save(folder / f"{number:05d}.png")
        (folder / f"{number:05d}.txt").write_text(text)


def make(way: Way, work: Path) -> tuple[Any, Path]:
    """Return open_clip's model with random weights, and our folder with the same."""
    import open_clip

    cfg = copy.deepcopy(open_clip.get_model_config("ViT-B-32-quickgelu"))
    cfg["text_cfg"] |= way.text
    name = "locked-" + "-".join(map(str, way.text.values() or ["plain"]))
    work.mkdir(parents=True, exist_ok=True)
    (work / f"{name}.json").write_text(json.dumps(cfg))
    open_clip.add_model_config(work / f"{name}.json")
    shutil.rmtree(work / name, ignore_errors=True)
    return built(name, work)


def theirs(model: Any, way: Way, batches: list[tuple[torch.Tensor, torch.Tensor]], precision: str) -> float:
    """Return open_clip's steps a second, the median of all but the first."""
    from open_clip import ClipLoss
    from open_clip_train.precision import get_autocast

    model.output_dict = True
    model.lock_image_tower()
    if way.learns[0] == "projection":
        learned = ("visual.proj", "text_projection", "logit_scale")
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name in learned)
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-5)
    loss, autocast = ClipLoss(), get_autocast("amp_bf16" if precision == "bf16" else "fp32", device_type="cpu")
    model.train()
    seconds = []
    for images, texts in batches:
        started = time.perf_counter()
        optimiser.zero_grad()
        with autocast():
            total = sum(loss(**model(images, texts), output_dict=True).values())
        total.backward()
        optimiser.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, 4.6052)
        seconds.append(time.perf_counter() - started)
    return 1 / statistics.median(seconds[1:])


def ours(model: Path, way: Way, args: argparse.Namespace) -> tuple[float, float]:
    """Return our steps a second, and the seconds before the first step: reading, features, texts."""
    image, text = way.learns
    recipe, out = args.work / "locked.toml", args.work / "run"
    shutil.rmtree(out, ignore_errors=True)
    steps = 200 if text == "projection" else 12
    values = {"batch": args.batch, "precision": args.precision, "model": model, "image": image, "text": text}
    recipe.write_text(RECIPE.format(**values, pairs=args.work / "pairs", steps=steps))
    started, first = time.perf_counter(), []
    train(
        read_recipe(str(recipe), [f"out={out}"]),
        device="cpu",
        watch=lambda step, encoder: first.append(time.perf_counter()) if step == 0 else None,
    )
    clock = [json.loads(line)["seconds"] for line in (out / "clock.jsonl").read_text().splitlines()]
    return (len(clock) - 3) / (clock[-1] - clock[2]), first[0] - started


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="a folder for models, images and runs")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=3, help="of open_clip; the first is not counted")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    args = parser.parse_args()
    torch.set_num_threads(1)
    write_pairs(args.work / "pairs", 2 * args.batch, 224)
    print(f"`python {' '.join(sys.argv)}`, {time.strftime('%Y-%m-%d')}, one core of {processor_name()},")
    print(f"PyTorch {torch.__version__}, ViT-B-32 with random weights, batch {args.batch}, {args.precision}\n")
    print("| learns | open_clip, steps/s | features, steps/s | ratio | pairs/s | once: images and texts embedded |")
    print("|---|---:|---:|---:|---:|---:|")
    for name in args.ways:
        model, folder = make(WAYS[name], args.work)
        mine, once = ours(folder, WAYS[name], args)
        tokens = torch.from_numpy(tokens_of(args.batch))
        pixels = np.random.default_rng(1).integers(0, 256, (args.batch, 224, 224, 3), np.uint8)
        images = normal(pixels, read_spec(folder).preprocess, torch.float32)
        other = theirs(model, WAYS[name], [(images, tokens)] * args.steps, args.precision)
        print(
            f"| {name} | {other:.3f} | {mine:.2f} | {mine / other:.0f}× | {mine * args.batch:,.0f} | {once:.0f} s |",
            flush=True,
        )


def tokens_of(count: int) -> np.ndarray:
    """Return captions as open_clip's tokenizer gives them: 77 columns."""
    from open_clip import get_tokenizer

    tokens: np.ndarray = get_tokenizer("ViT-B-32")(captions(count)).numpy()
    return tokens


if __name__ == "__main__":
    main()
