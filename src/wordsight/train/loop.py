"""One run, from a recipe to a model folder: `train(config)`.

out/config.json      the recipe with every value          out/metrics.jsonl   loss and validation by step
out/merges.txt       the vocabulary, when learned        out/clock.jsonl     the time at each step
out/checkpoints/     what `resume` continues from          out/tensorboard/    the same for TensorBoard
out/model/           the model at the end (`finish`)       out/results.jsonl   its results

One process, on the CPU or one GPU.  On the CPU a run resumed after a kill continues bit for bit.
"""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from wordsight.base.config import to_dict
from wordsight.base.errors import UsageError, WordsightError
from wordsight.base.files import read_json, write_json
from wordsight.base.nouns import Result
from wordsight.base.progress import notice
from wordsight.data.loader import Loader
from wordsight.data.spec import LoaderSpec
from wordsight.engines.torch_engine import choose_device
from wordsight.evaluate.encode import Encoder
from wordsight.towers.build import build
from wordsight.train.average import Average
from wordsight.train.bag_of_words import BagOfWordsHead, rarity_of
from wordsight.train.checkpoint import TrainingState, list_checkpoints, read_checkpoint, write_checkpoint
from wordsight.train.config import TrainConfig
from wordsight.train.finish import finish
from wordsight.train.log import MetricsLog, Progress
from wordsight.train.objective import MEASURED, Objective
from wordsight.train.optimiser import make_optimiser, set_rate
from wordsight.train.pairs import Pairs, all_texts, open_pairs, open_tokenizer
from wordsight.train.precision import autocast
from wordsight.train.schedule import TrainingClock, rate
from wordsight.train.validate import TowersEncoder, Validation

Watch = Callable[[int, Encoder], None]  # called with the steps done and the averaged towers as they are then
FREE = ("checkpoint", "validation", "export", "out", "card")  # what a resumed run may have otherwise than before


class Diverged(WordsightError):
    """The loss is not a number any more."""


@dataclass(frozen=True, slots=True)
class Run:
    """What came out: the run's folder, the model's folder, its results, the steps it took."""

    folder: Path
    model: Path
    results: list[Result]
    steps: int


def train(config: TrainConfig, *, device: str = "auto", resume: bool = False, watch: Watch | None = None) -> Run:
    """Learn two towers and save them; `watch` is called before the first step and after every one.

    With `resume` the run in `config.out` goes on from its last checkpoint (or begins, if there is none);
    without, a folder that holds a run already raises `UsageError`.
    """
    folder = Path(config.out)
    _claim(folder, config, resume=resume)
    with _deterministic(choose_device(device)) as chosen:
        learning = Learning(config, folder, chosen)
        if resume and list_checkpoints(folder):
            learning.restore(list_checkpoints(folder)[-1])
        learning.run(watch or _nobody)
        results = learning.validation.run()
        model = finish(
            config, learning.average.towers, folder, results=results, sets=learning.pairs, steps=learning.step
        )
    return Run(folder, model, results, learning.step)


class Learning:
    """A run in memory: everything that is made from the recipe, and the step it stands at."""

    def __init__(self, config: TrainConfig, folder: Path, device: torch.device) -> None:
        self.config, self.folder, self.device = config, folder, device
        self.pairs: Pairs = open_pairs(config.data)
        spec, tokenizer = open_tokenizer(config.model, self.pairs, folder)
        seed_everything(config.seed, -1)
        self.towers = build(spec).to(device)
        # Convolutions are faster with channels last: 112 for 78 pairs/s (a ModifiedResNet of 96 px, one core).
        self.towers.visual.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = Average(self.towers, config.average)
        self.head = None
        if config.loss.words:
            self.head = BagOfWordsHead(self.towers.image_tower, rarity_of(all_texts(self.pairs), tokenizer)).to(device)
        self.parts: dict[str, nn.Module] = {"towers": self.towers} | ({"words": self.head} if self.head else {})
        self.optimiser = make_optimiser(self.parts, config.optimiser)
        self.objective = Objective(self.towers, head=self.head, bag_of_words=config.loss.words, device=device)
        self.sums = torch.zeros(len(MEASURED), dtype=torch.float64, device=device)
        self.state = TrainingState(self.parts, self.average.towers, self.optimiser, self.sums)
        self.loader = Loader(
            self.pairs.sets,
            spec=LoaderSpec(config.batch, spec.image.size, config.seed, config.augment, config.data.run),
            tokenizer=tokenizer,
            weights=self.pairs.weights,
            device=device,
        )
        self.encoder = TowersEncoder(self.average.towers, tokenizer, device=device, precision=config.precision)
        self.validation = Validation(
            config.validation, root=Path(config.data.root), encoder=self.encoder, spec=spec.preprocess
        )
        self.length = config.schedule.length(config.batch)
        self.step = 0
        self.saved_at = time.monotonic()

    def restore(self, checkpoint: Path) -> None:
        """Stand where a checkpoint was written."""
        facts = read_checkpoint(checkpoint, self.state)
        changed = [name for name, value in self.pairs.fingerprints().items() if facts["data"].get(name) != value]
        if changed:
            raise UsageError(f"the data of {changed[0]} changed since {checkpoint}", cure="restore it, or start anew")
        self.step = facts["step"]
        notice(f"going on after step {self.step}")

    def run(self, watch: Watch) -> None:
        """Learn until the length or the budget is reached; Ctrl-C ends after the step, with a checkpoint."""
        config = self.config
        record, clock = MetricsLog(self.folder, step=self.step), TrainingClock(self.folder / "clock.jsonl")
        progress = Progress(length=self.length, seconds=config.schedule.seconds, batch=config.batch)
        batches = self.loader.stream(self.step)
        self.towers.train()
        watch(self.step, self.encoder)
        try:
            with _stop_signal() as stopped:
                while not self._over(clock):
                    lr = self._learn(next(batches), clock)
                    self._record(record, progress, lr)
                    watch(self.step, self.encoder)
                    progress.show(self.step, clock.at(self.step))
                    if stopped.is_set() or self._checkpoint_due():
                        self.save()
                    if stopped.is_set():
                        raise KeyboardInterrupt
                self.save()
        finally:
            batches.close()
            record.close()
            clock.close()
            progress.close()

    def save(self) -> None:
        """Write a checkpoint, unless the weights are broken."""
        self._check_finite(self.sums)
        facts = {"step": self.step, "data": self.pairs.fingerprints(), "torch": torch.__version__}
        write_checkpoint(self.folder, self.state, facts, keep=self.config.checkpoint.keep)
        self.saved_at = time.monotonic()

    def _over(self, clock: TrainingClock) -> bool:
        seconds = self.config.schedule.seconds
        if seconds is None:
            assert self.length is not None
            return self.step >= self.length
        return clock.at(self.step) >= seconds and self.step > 0

    def _learn(self, batch: Any, clock: TrainingClock) -> float:
        """Take one step and return its learning rate."""
        config, seconds = self.config, self.config.schedule.seconds
        now = clock.at(self.step)
        progress = self.step / self.length if self.length else now / (seconds or 1.0)
        lr = config.optimiser.lr * rate(config.schedule, step=self.step, progress=progress)
        set_rate(self.optimiser, lr)
        seed_everything(config.seed, self.step)
        with autocast(self.device, config.precision):
            loss, measured = self.objective(batch)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if config.optimiser.clip:
            parameters = [p for group in self.optimiser.param_groups for p in group["params"]]
            torch.nn.utils.clip_grad_norm_(parameters, config.optimiser.clip)
        self.optimiser.step()
        self.towers.clamp_scale_()
        self.average.update(self.towers, self.step)
        self.sums += measured
        self.step += 1
        return lr

    def _record(self, record: MetricsLog, progress: Progress, lr: float) -> None:
        config = self.config
        if self.step % config.log == 0:
            self._check_finite(self.sums)
            means = dict(zip(MEASURED, (self.sums / config.log).tolist(), strict=True))
            self.sums.zero_()
            progress.loss = means["loss"]
            if self.head is None:  # then the contrastive loss is the whole
                means = {name: means[name] for name in ("loss", "accuracy")}
            scale = float(self.towers.scale.detach())
            record.write(self.step, {"samples": self.step * config.batch, **means, "lr": lr, "scale": scale})
        if config.validation.every and self.step % config.validation.every == 0:
            results = self.validation.run()
            if results:
                record.write(self.step, {result.name: result.value for result in results})
                notice(summary(self.step, results))

    def _checkpoint_due(self) -> bool:
        plan = self.config.checkpoint
        by_step = plan.steps > 0 and self.step % plan.steps == 0
        return by_step or (plan.seconds > 0 and time.monotonic() - self.saved_at >= plan.seconds)

    def _check_finite(self, sums: torch.Tensor) -> None:
        if not bool(torch.isfinite(sums).all()):
            raise Diverged(
                f"the loss is not a number any more (within {self.config.log} steps before step {self.step})",
                cure="lower optimiser.lr or lengthen schedule.warmup, then start anew or --resume",
            )


def _nobody(step: int, encoder: Encoder) -> None:
    """Watch nothing."""


def seed_everything(seed: int, step: int) -> None:
    """Seed PyTorch for one step (-1: for building): dropout then depends on nothing but (seed, step)."""
    torch.manual_seed(int(np.random.SeedSequence([seed, step + 1]).generate_state(1, np.uint64)[0] >> 1))


def summary(step: int, results: list[Result]) -> str:
    """Return results as one line."""
    return f"step {step}: " + ", ".join(f"{result.name} {100 * result.value:.1f}" for result in results)


def _claim(folder: Path, config: TrainConfig, *, resume: bool) -> None:
    """Make `folder` this run's, or see that the run in it is the same one."""
    path = folder / "config.json"
    wanted = to_dict(config)
    if path.exists() and not resume:
        raise UsageError(f"{folder} holds a run already", cure="add --resume to continue it, or set another out=")
    if path.exists():
        before = read_json(path)
        changed = [key for key in wanted if key not in FREE and wanted[key] != before.get(key)]
        if changed:
            raise UsageError(
                f"{changed[0]} is not what the run in {folder} began with", cure="resume with the same recipe and --set"
            )
    write_json(path, wanted)


@contextlib.contextmanager
def _deterministic(device: torch.device) -> Iterator[torch.device]:
    """On the CPU, let PyTorch choose only algorithms that give the same bits again."""
    before = torch.are_deterministic_algorithms_enabled()
    filled = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    torch.use_deterministic_algorithms(device.type == "cpu" or before)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # costs 7 % of a step
    try:
        yield device
    finally:
        torch.use_deterministic_algorithms(before)
        torch.utils.deterministic.fill_uninitialized_memory = filled  # type: ignore[attr-defined]


@contextlib.contextmanager
def _stop_signal() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C or SIGTERM into a flag, so that the step under way is finished; the next acts at once."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, frame: Any) -> None:
        stopped.set()
        notice("stopping after this step, with a checkpoint")
        signal.signal(signal.SIGINT, signal.default_int_handler)

    for number in before:
        signal.signal(number, stop)
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
