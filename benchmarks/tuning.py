"""Known towers tuned by Wordsight, open_clip and sentence-transformers: the same start, photos and time on one core.

    python benchmarks/tuning.py start --data DATA --work WORK --seconds 150
    python benchmarks/tuning.py run --data DATA --work WORK --seconds 60 --learns text all

`start` makes a small Vision Transformer with a text tower in open_clip's shape, teaches it for so long, and writes it
for all three.  `run` tunes it: the text tower alone ("text": the image tower is locked), or all weights ("all").  Both
learn from the train split of DATA/flickr8k.  Wordsight is first, for `--seconds` by its clock; the others have the
processor time that it took, its features and decoded images included: what is wall-clock on a core without other work.
All are measured by text-to-image R@10 of the val split.  Needs open_clip_torch, sentence-transformers,
datasets and accelerate, in an environment of their own.
"""

import argparse
import io
import json
import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from openclip_models import built
from PIL import Image

from wordsight.base.nouns import Result
from wordsight.base.processor import processor_name
from wordsight.cli.main import main as wordsight_main
from wordsight.data.source import open_source
from wordsight.embeddings.model import Model, load
from wordsight.evaluate.building import build_task
from wordsight.evaluate.running import run_task
from wordsight.evaluate.tasks import TaskSpec
from wordsight.train.loop import train
from wordsight.train.recipe import read_recipe

SHAPE = {
    "embed_dim": 256,
    "vision_cfg": {"image_size": 96, "layers": 6, "width": 256, "head_width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 256, "heads": 4, "layers": 4},
}
NAME = "small-vit"
BETAS, EPS, DECAY = (0.9, 0.98), 1e-6, 0.05
WARMUP = 5  # steps
FLICKR = ["data.sources.pairs.place=flickr8k", "data.sources.pairs.split=train", "data.held_out=0"]
RECIPES = {"text": "lock-image", "all": "tune"}
ALIKE = [  # what the recipes would do otherwise, and the neighbours do not
    "average.start=0",
    "train.layer_decay=1",
    "schedule.kind=cosine",
    f"schedule.warmup={WARMUP}",
    f"optimiser.decay={DECAY}",
    "augment.scale=[0.9, 1.0]",  # open_clip's
    "augment.flip=0",
    "augment.brightness=0",
    "augment.contrast=0",
    "augment.saturation=0",
]
QUIET = ["guard.action=off", "validation.every=0", "checkpoint.seconds=0", "export.precisions=[]", "log=10"]


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a run came to: `pairs` seen, processor seconds `once` and of `learning`, `wall` seconds of both."""

    pairs: int
    once: float
    learning: float
    wall: float
    encoder: Any


@dataclass(frozen=True, slots=True)
class Embedder:
    """A neighbour's model as an encoder."""

    images: Callable[[list[Any]], Any]
    texts: Callable[[list[str]], Any]
    fingerprint: str

    def embed_images(self, items: list[Any]) -> np.ndarray:
        """Return unit embeddings (n, D) of encoded images."""
        with torch.inference_mode():
            return unit(self.images([opened(item) for item in items]))

    def embed_texts(self, texts: list[str]) -> np.ndarray:
        """Return unit embeddings (n, D)."""
        with torch.inference_mode():
            return unit(self.texts(list(texts)))


def unit(embeddings: Any) -> np.ndarray:
    """Return float32 embeddings (n, D) of unit length."""
    given = np.asarray(embeddings, dtype=np.float32)
    return given / np.linalg.norm(given, axis=1, keepdims=True)


def opened(item: Any) -> Image.Image:
    """Return an encoded image as RGB."""
    return Image.open(io.BytesIO(item) if isinstance(item, bytes) else item).convert("RGB")


def rows(data: Path) -> list[tuple[bytes, str]]:
    """Return the pairs of the train split, encoded image and caption."""
    samples = open_source(data / "flickr8k", split="train").samples()
    return [(sample.image, text) for sample in samples for text in sample.texts if isinstance(sample.image, bytes)]


def start(args: argparse.Namespace) -> None:
    """Write the start in three formats: WORK/wordsight, WORK/openclip, WORK/huggingface."""
    import open_clip

    args.work.mkdir(parents=True, exist_ok=True)
    (args.work / f"{NAME}.json").write_text(json.dumps(SHAPE))
    open_clip.add_model_config(args.work / f"{NAME}.json")
    _, untaught = built(NAME, args.work)
    out = args.work / "taught"
    shutil.rmtree(out, ignore_errors=True)
    changes = [
        f"root={args.data}",
        f"out={out}",
        f"budget={args.seconds}s",
        f"batch={args.batch}",
        f"schedule.warmup={4 * WARMUP}",
    ]
    model = train(read_recipe("pairs", [*FLICKR, *QUIET, *changes], model=str(untaught)), device="cpu").model
    for kind in ("wordsight", "openclip", "huggingface"):
        shutil.rmtree(args.work / kind, ignore_errors=True)
        if wordsight_main(["convert", str(model), str(args.work / kind), "--to", kind]):
            raise SystemExit(1)


def wordsight_embedder(folder: Path) -> Model:
    """Return a model folder as an encoder."""
    return load(folder, engine="torch", device="cpu", precision="fp32")


def wordsight(args: argparse.Namespace, learns: str, seconds: float) -> Tuned:
    """Tune with `wordsight train`; nothing is in the cache."""
    out = args.work / f"wordsight-{learns}"
    for folder in (out, args.work / "cache"):
        shutil.rmtree(folder, ignore_errors=True)
    changes = [f"root={args.data}", f"out={out}", f"budget={seconds}s", f"batch={args.batch}", f"lr={args.lr}"]
    changes += ["precision=bf16", *FLICKR]
    began, busy = time.perf_counter(), time.process_time()
    looks: list[tuple[float, float]] = []
    config = read_recipe(RECIPES[learns], [*ALIKE, *QUIET, *changes], model=str(args.work / "wordsight"))
    done = train(
        config, device="cpu", watch=lambda step, encoder: looks.append((time.perf_counter(), time.process_time()))
    )
    first, last = looks[0], looks[-1]
    encoder = wordsight_embedder(done.model)
    return Tuned(done.steps * args.batch, first[1] - busy, last[1] - first[1], last[0] - began, encoder)


def make_optimiser(named: Iterator[tuple[str, torch.nn.Parameter]], lr: float) -> torch.optim.AdamW:
    """Return AdamW with open_clip's two groups: gains, biases and the scale do not decay."""
    learned = [parameter for _, parameter in named if parameter.requires_grad]
    groups = [
        {"params": [p for p in learned if p.ndim < 2], "weight_decay": 0.0},
        {"params": [p for p in learned if p.ndim >= 2], "weight_decay": DECAY},
    ]
    return torch.optim.AdamW(groups, lr=lr, betas=BETAS, eps=EPS)


def share(step: int, done: float) -> float:
    """Return the factor of the learning rate: warm-up by steps, half a cosine by the share of the time."""
    return min(1.0, (step + 1) / WARMUP) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def open_clip_model(args: argparse.Namespace) -> Any:
    """Return open_clip's model, training and evaluation transforms."""
    import open_clip

    return open_clip.create_model_and_transforms(f"local-dir:{args.work / 'openclip'}")


def open_clip_embedder(model: Any, transform: Any) -> Embedder:
    """Return open_clip's model as an encoder."""
    import open_clip

    tokens = open_clip.get_tokenizer("ViT-B-32")
    return Embedder(
        lambda images: model.encode_image(torch.stack([transform(image) for image in images])),
        lambda texts: model.encode_text(tokens(texts)),
        "open_clip",
    )


def open_clip_step(args: argparse.Namespace, learns: str, seconds: float) -> Tuned:
    """Tune with the step of open_clip's `train_one_epoch`: amp_bf16, `ClipLoss`, clipped scale."""
    import open_clip
    from open_clip_train.precision import get_autocast

    model, transform, plain = open_clip_model(args)
    model.output_dict = True
    if learns == "text":
        model.lock_image_tower()
    tokens, pairs = open_clip.get_tokenizer("ViT-B-32"), rows(args.data)
    batches = torch.utils.data.DataLoader(
        [(lambda image=image, text=text: (transform(opened(image)), tokens([text])[0])) for image, text in pairs],
        batch_size=args.batch,
        shuffle=True,
        drop_last=True,
        collate_fn=lambda calls: torch.utils.data.default_collate([call() for call in calls]),
    )
    optimiser = make_optimiser(model.named_parameters(), args.lr)
    loss, autocast = open_clip.ClipLoss(), get_autocast("amp_bf16", device_type="cpu")
    model.train()
    began, busy, step = time.perf_counter(), time.process_time(), 0
    while (spent := time.process_time() - busy) < seconds:
        if step % len(batches) == 0:
            stream = iter(batches)
        for group in optimiser.param_groups:
            group["lr"] = args.lr * share(step, spent / seconds)
        images, texts = next(stream)
        optimiser.zero_grad()
        with autocast():
            total = sum(loss(**model(images, texts), output_dict=True).values())
        total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
        step += 1
    wall = time.perf_counter() - began
    return Tuned(step * args.batch, 0.0, spent, wall, open_clip_embedder(model.eval(), plain))


def sentence_model(args: argparse.Namespace) -> Any:
    """Return transformers' CLIP of the start as a SentenceTransformer."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(args.work / "huggingface"), device="cpu", local_files_only=True)


def sentence_embedder(model: Any) -> Embedder:
    """Return a SentenceTransformer as an encoder."""
    return Embedder(model.encode, model.encode, "sentence-transformers")


def sentence_trainer(args: argparse.Namespace, learns: str, seconds: float) -> Tuned:
    """Tune with `SentenceTransformerTrainer`: `MultipleNegativesRankingLoss`, both directions, the start's scale."""
    import datasets
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    from transformers import TrainerCallback

    model = sentence_model(args)
    towers = model[0].model if hasattr(model[0], "model") else model[0].auto_model
    if learns == "text":
        for part in (towers.vision_model, towers.visual_projection):
            part.requires_grad_(False)
    scale = float(towers.logit_scale.detach().exp())
    pairs = rows(args.data)
    table = datasets.Dataset.from_dict(
        {"caption": [text for _, text in pairs], "image": [{"bytes": image, "path": None} for image, _ in pairs]},
        features=datasets.Features({"caption": datasets.Value("string"), "image": datasets.Image()}),
    )
    busy = time.process_time()

    class EndOfTime(TrainerCallback):  # type: ignore[misc]
        """Ends the run when its time is over."""

        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            control.should_training_stop = time.process_time() - busy >= seconds

    optimiser = make_optimiser(model.named_parameters(), args.lr)
    rate = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: share(step, (time.process_time() - busy) / seconds)
    )
    trainer = SentenceTransformerTrainer(
        model=model,
        args=SentenceTransformerTrainingArguments(
            output_dir=str(args.work / "sentence-transformers"),
            per_device_train_batch_size=args.batch,
            num_train_epochs=1000,
            bf16=True,
            use_cpu=True,
            max_grad_norm=1.0,
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataloader_drop_last=True,
        ),
        train_dataset=table,
        loss=MultipleNegativesRankingLoss(model, scale=scale, directions=("query_to_doc", "doc_to_query")),
        optimizers=(optimiser, rate),
        callbacks=[EndOfTime()],
    )
    began, busy = time.perf_counter(), time.process_time()
    trainer.train()
    spent, wall = time.process_time() - busy, time.perf_counter() - began
    return Tuned(trainer.state.global_step * args.batch, 0.0, spent, wall, sentence_embedder(model.eval()))


WAYS = {"Wordsight": wordsight, "open_clip": open_clip_step, "sentence-transformers": sentence_trainer}


def recall(encoder: Any, data: Path) -> Result:
    """Return text-to-image R@10 of the val split."""
    task = build_task(TaskSpec("retrieval", "flickr8k", split="val"), root=data)
    return next(result for result in run_task(encoder, task).results if result.name.endswith("text_to_image/R@10"))


def measured(encoder: Any, data: Path) -> str:
    """Return R@10 with its interval, in percent."""
    result = recall(encoder, data)
    assert result.interval is not None
    return f"{100 * result.value:.1f} ({100 * result.interval[0]:.1f} to {100 * result.interval[1]:.1f})"


def run(args: argparse.Namespace) -> None:
    """Print a row for each way and what learns."""
    os.environ["WORDSIGHT_CACHE"] = str(args.work / "cache")
    names = ("wordsight", "torch", "open_clip_torch", "transformers", "sentence-transformers")
    print(f"`python {' '.join(sys.argv)}`, {time.strftime('%Y-%m-%d')}, one core of {processor_name()}")
    print(", ".join(f"{name} {version(name)}" for name in names))
    model, _, plain = open_clip_model(args)
    starts = (wordsight_embedder(args.work / "wordsight"), open_clip_embedder(model.eval(), plain))
    for encoder in (*starts, sentence_embedder(sentence_model(args).eval())):
        print(f"start, R@10: {measured(encoder, args.data)}", flush=True)
    print("\n| learns | by | R@10 | once, s | learning, s | wall-clock, s | pairs | pairs/s learning | in all |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|")
    for learns in args.learns:
        seconds = float(args.seconds)
        for name in args.ways:
            done = WAYS[name](args, learns, seconds)
            if name == "Wordsight":
                seconds = done.once + done.learning
            figures = f"{done.once:.0f} | {done.learning:.0f} | {done.wall:.0f} | {done.pairs:,}"
            speed = f"{done.pairs / done.learning:.0f} | {done.pairs / (done.once + done.learning):.0f}"
            print(f"| {learns} | {name} | {measured(done.encoder, args.data)} | {figures} | {speed} |", flush=True)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("start", "run"))
    for name in ("data", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--seconds", type=int, default=60, help="of learning, by Wordsight's clock")
    parser.add_argument("--learns", nargs="+", choices=RECIPES, default=list(RECIPES))
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), help="in this order")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--lr", type=float, default=5e-4)
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.data, args.work = args.data.resolve(), args.work.resolve()
    {"start": start, "run": run}[args.step](args)


if __name__ == "__main__":
    main()
