"""One run, from a recipe to a model folder: `train(config)`.

out/config.json      the recipe with every value          out/metrics.jsonl   loss and validation by step
out/merges.txt       the vocabulary, when learned        out/clock.jsonl     the time at each step
out/began.json       what the towers began from             out/guard.json       what was watched (`guard`)
out/checkpoints/     what `resume` continues from          out/tensorboard/    the same for TensorBoard
out/model/           the model at the end (`finish`)       out/results.jsonl   its results
out/space/           a few pairs while they are learned

One process, on the CPU or one GPU.  On the CPU a run resumed after a kill continues bit for bit.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from wordsight.base.errors import UsageError, WordsightError
from wordsight.base.failures import list_failures
from wordsight.base.nouns import Result
from wordsight.base.progress import notice
from wordsight.data.loader import Loader
from wordsight.data.spec import LoaderSpec
from wordsight.engines.torch_engine import choose_device
from wordsight.evaluate.encode import Encoder
from wordsight.text.tokenizer import ClipTokenizer
from wordsight.train.average import Average, Final
from wordsight.train.bag_of_words import BagOfWordsHead, rarity_of
from wordsight.train.calibrate import calibrated, some_images
from wordsight.train.checkpoint import TrainingState, list_checkpoints, not_finite, restore_newest, write_checkpoint
from wordsight.train.classes import check_classes, classifier_of, open_classes
from wordsight.train.config import TrainConfig, locked_parts
from wordsight.train.finish import End, finish
from wordsight.train.fitting import begin_towers
from wordsight.train.guard import Guard, Weights
from wordsight.train.init import open_starts
from wordsight.train.learned import train_mode
from wordsight.train.locked import Locked, Where
from wordsight.train.log import MetricsLog, Progress
from wordsight.train.objective import MEASURED, Objective
from wordsight.train.optimiser import make_optimiser, set_rate
from wordsight.train.pairs import Pairs, all_texts, open_pairs, open_run_tokenizer
from wordsight.train.phases import MOVING, Phases
from wordsight.train.precision import autocast
from wordsight.train.run_folder import (
    CLOCK,
    alone_in,
    begin,
    check_began,
    check_folder,
    check_unlocked,
    claim,
    prolonged,
)
from wordsight.train.schedule import TrainingClock, rate_of
from wordsight.train.seen import notice_seen
from wordsight.train.signals import stop_signal
from wordsight.train.space import open_space
from wordsight.train.start import check_pairs, notice_budget
from wordsight.train.validate import TowersEncoder, Validation, beside, tell_changes
from wordsight.train.watched import Watched, open_watched

FAILURES = "failures.txt"  # of the run's folder: what could not be read while it was streamed
Watch = Callable[[int, Encoder], None]  # called with the steps done and the averaged towers as they are then


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
    without, a folder that holds a run already raises `UsageError`, as does one in which another process trains.
    What is wrong with the recipe or the data is raised before anything is written.
    """
    folder, chosen = Path(config.out), choose_device(device)
    check_folder(folder, config, resume=resume)
    check_unlocked(folder)
    preprocess = config.model.preprocess if "image" in locked_parts(config) else None
    check_classes(config)
    pairs = open_pairs(config.data, hold_out=not config.validation.tasks, preprocess=preprocess)
    validation, watched = Validation(config, pairs), open_watched(config, pairs)
    check_pairs(config, pairs)
    notice_seen(config, pairs, preprocess)
    with alone_in(folder), _deterministic(chosen):
        check_folder(folder, config, resume=resume)  # again: another may have been quicker
        claim(folder, config, resume=resume)
        learning = Learning(config, folder, chosen, pairs, watched)
        begin(folder, config, learning.began)
        before = validation.run(learning.encoder) if config.init.one_model and not learning.begun.new else []
        learning.restore()
        space = open_space(folder, config.validation, validation.tasks, step=learning.step)
        learning.run(validation, _all_of(space, watch), before)
        space.record(learning.step, learning.encoder)
        learning.guard.write(folder)
        results = [*beside(before, validation.run(learning.encoder)), *learning.guard.results()]
        images = some_images(learning.loader, learning.locked)
        end = End(calibrated(learning.final(), images), results, learning.step, images.cpu().numpy())
        model = finish(config, end, folder, pairs=pairs)
        if before:
            tell_changes(folder, learning.step, results[: len(before)], every=config.validation.every)
    return Run(folder, model, results, learning.step)


@dataclass(frozen=True, slots=True)
class StepTaken:
    """A step: its learning rate, and what `MEASURED` names, on the device."""

    lr: float
    measured: torch.Tensor


class Learning:
    """A run in memory: everything that is made from the recipe and its pairs, and the step it stands at."""

    def __init__(
        self, config: TrainConfig, folder: Path, device: torch.device, pairs: Pairs, watched: Watched | None = None
    ) -> None:
        self.config, self.folder, self.device, self.pairs = config, folder, device, pairs
        starts = open_starts(config.init)
        check_began(folder, starts.facts())
        text = starts.of("text")
        files = None if text is None or text.text is None else text.text.tokenizer_files
        spec, tokenizer = open_run_tokenizer(config.model, self.pairs, folder, files)
        seed_everything(config.seed, -1)
        self.begun = begin_towers(spec, config.train, starts)
        self.began = {"from": starts.facts(), "new": self.begun.new, "left_out": self.begun.left_out}
        self.towers = self.begun.towers.to(device)
        # Convolutions are faster with channels last: 112 for 78 pairs/s (a ModifiedResNet of 96 px, one core).
        self.towers.visual.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        parts = locked_parts(config)
        classifier = classifier_of(config, starts.of("image")) if config.loss.classes.used else None
        self.locked = Locked(self.towers, config, pairs, Where(folder, device, tokenizer)) if parts else None
        self.classes = None
        if classifier is not None:
            assert self.locked is not None  # as the recipe was checked for
            self.classes = open_classes(config, self.locked, self.towers, classifier)
        self.average = Average(self.towers, config.average.decay)
        self.phases = Phases(config, self.towers, self.average.towers, self.locked)
        self.final = Final(self.average.towers, initial=self.towers, share=config.average.start)
        self.head = None
        if config.loss.words:
            assert isinstance(tokenizer, ClipTokenizer)  # as the recipe was checked for
            self.head = BagOfWordsHead(self.towers.image_tower, rarity_of(all_texts(self.pairs), tokenizer)).to(device)
        self.parts: dict[str, nn.Module] = {"towers": self.towers} | ({"words": self.head} if self.head else {})
        rates = {f"towers.{name}": rate for name, rate in self.begun.rates.items()}
        self.optimiser = make_optimiser(self.parts, config.optimiser, rates)
        self.objective = Objective(
            self.towers, loss=config.loss, head=self.head, device=device, locked=self.locked, classes=self.classes
        )
        self.sums = torch.zeros(len(MEASURED), dtype=torch.float64, device=device)
        size = 0 if "image" in parts else spec.image.size
        self.loader = Loader(
            self.locked.sets if self.locked else [source.drawn for source in pairs.sources],
            spec=LoaderSpec(config.batch, size, config.seed, config.augment, config.data.run),
            tokenizer=None if "text" in parts else tokenizer,
            weights=[source.weight for source in pairs.sources],
            device=device,
            filled=self.locked.filled if self.locked else None,
        )
        self.encoder = TowersEncoder(
            self.final, tokenizer, device=device, precision=config.precision, locked=self.locked
        )
        whole = watched if watched and not self.begun.new else None
        self.guard = Guard(config.guard, whole, Weights(self.towers, self.average.towers, self.optimiser), self.encoder)
        self.state = TrainingState(self.parts, self.average.towers, self.optimiser, self.sums, self.guard.best)
        self.length = config.schedule.length(config.batch)
        self.prolonged = prolonged(folder)
        self.step = 0
        self.broken_at = torch.zeros((), dtype=torch.int64, device=device)  # the first step whose loss was no number
        self.saved_at = time.monotonic()

    def restore(self) -> None:
        """Stand where the newest whole checkpoint was written; without one, at the beginning."""
        facts = restore_newest(self.folder, self.state)
        if facts is None:
            return
        changed = [name for name, value in self.pairs.fingerprints().items() if facts["data"].get(name) != value]
        if changed:
            cure = "restore it (and validation.tasks, data.held_out), or start anew with another out="
            raise UsageError(f"the data of {changed[0]} changed since step {facts['step']} of {self.folder}", cure=cure)
        self.step = facts["step"]
        self.guard.recall(facts.get("guard", {}))
        self.phases.recall(facts.get("phase", MOVING))
        notice(f"going on after step {self.step}")

    def run(self, validation: Validation, watch: Watch, before: Sequence[Result] = ()) -> None:
        """Learn until the length or the budget is reached; Ctrl-C ends after the step, with a checkpoint.

        `before` is what the validation gave before the first step, where that was measured.
        """
        config = self.config
        if self.length is None and not self.step:
            notice_budget(config, self.pairs, self._try_step)
        record, clock = MetricsLog(self.folder, step=self.step), TrainingClock(self.folder / CLOCK)
        progress = Progress(length=self.length, seconds=config.schedule.seconds, batch=config.batch)
        if clock.last > self.step:
            notice(f"the {clock.last - self.step} steps begun after step {self.step} are done again")
        batches = self.loader.stream(self.step)
        train_mode(self.towers, self.begun.kept)
        if before and not self.step:
            _tell(record, 0, before)
        watch(self.step, self.encoder)
        try:
            with stop_signal() as stopped:
                while not self._over(clock):
                    share = self._progress(clock)
                    if self.phases.other(share):
                        batches.close()  # those that were prepared are of another kind
                        self._enter(share, clock)
                        batches = self.loader.stream(self.step)
                    done = self._learn(next(batches), clock)
                    self._record(record, done)
                    self._validate(record, validation)
                    self._look(record, share, self._progress(clock))
                    watch(self.step, self.encoder)
                    progress.show(self.step, clock.at(self.step), done.measured)
                    if stopped.is_set() or self._checkpoint_due():
                        self.save()
                    if stopped.is_set():
                        notice(f"stopped after step {self.step}: the same command with --resume goes on from there")
                        raise KeyboardInterrupt
                self.save()
            self.phases.end()
        finally:
            if self.loader.failures:
                notice(f"{len(self.loader.failures):,} inputs failed when they were drawn")
            list_failures(list(self.loader.failures), self.folder / FAILURES)
            batches.close()
            record.close()
            clock.close()
            progress.close()

    def _enter(self, share: float, clock: TrainingClock) -> None:
        """Begin a phase, for which features may have to be computed; what was learned before is saved first."""
        if self.step:
            self.save()
        with clock.stopped():
            self.phases.enter(share)

    def save(self) -> None:
        """Write a checkpoint, unless the weights are broken."""
        self._check_finite()
        if not_finite(self.state.tensors()):
            self.broken_at.fill_(self.step)
            self._check_finite()
        facts = {"step": self.step, "data": self.pairs.fingerprints(), "torch": torch.__version__}
        facts |= {"guard": self.guard.memory(), "phase": self.phases.now}
        write_checkpoint(self.folder, self.state, facts, keep=self.config.checkpoint.keep)
        self.saved_at = time.monotonic()

    def _over(self, clock: TrainingClock) -> bool:
        return self.guard.stopped or (self._progress(clock) >= 1 and self.step > 0)

    def _progress(self, clock: TrainingClock) -> float:
        """Return how much of the run is done, as a share."""
        seconds = self.config.schedule.seconds
        if seconds is not None:
            return clock.at(self.step) / seconds
        assert self.length is not None
        return self.step / self.length

    def _learn(self, batch: Any, clock: TrainingClock) -> StepTaken:
        """Take one step."""
        config, seconds = self.config, clock.at(self.step)
        lr = config.optimiser.lr * rate_of(
            config.schedule, step=self.step, seconds=seconds, length=self.length, prolonged=self.prolonged
        )
        lr *= self.guard.factor
        set_rate(self.optimiser, lr)
        measured = self._backward(batch)
        if config.optimiser.clip:
            parameters = [p for group in self.optimiser.param_groups for p in group["params"]]
            torch.nn.utils.clip_grad_norm_(parameters, config.optimiser.clip)
        self.optimiser.step()
        self.towers.clamp_scale_()
        self.average.update(self.towers, self.step)
        self.sums += measured
        self.step += 1
        good = (self.broken_at > 0) | torch.isfinite(measured[0])
        self.broken_at = torch.where(good, self.broken_at, self.step)
        return StepTaken(lr, measured)

    def _backward(self, batch: Any) -> torch.Tensor:
        """Compute the loss of a batch and its gradients; return what `MEASURED` names."""
        seed_everything(self.config.seed, self.step)
        with autocast(self.device, self.config.precision):
            loss, measured = self.objective(batch)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        return measured

    def _try_step(self) -> None:
        """Do the work of a step without its effect."""
        self.towers.eval()  # batch norm's statistics stay as they are
        self._backward(self.loader.batch(0))
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.optimiser.zero_grad(set_to_none=True)

    def _record(self, record: MetricsLog, done: StepTaken) -> None:
        """Write a line of metrics after the first step, and after every `log` steps their means."""
        config = self.config
        if self.step != 1 and self.step % config.log:
            return
        self._check_finite()
        whole = self.step % config.log == 0
        means = dict(zip(MEASURED, (self.sums / config.log if whole else done.measured).tolist(), strict=True))
        if whole:
            self.sums.zero_()
        if self.head is None:  # then the contrastive loss is the whole
            kept = ("loss", "accuracy") if self.classes is None else ("loss", "contrastive", "accuracy")
            means = {name: means[name] for name in kept}
        scale = float(self.towers.scale.detach())
        record.write(self.step, {"samples": self.step * config.batch, **means, "lr": done.lr, "scale": scale})

    def _validate(self, record: MetricsLog, validation: Validation) -> None:
        every = self.config.validation.every
        if every and self.step % every == 0:
            results = validation.run(self.encoder)
            if results:
                _tell(record, self.step, results)

    def _look(self, record: MetricsLog, before: float, now: float) -> None:
        """Let the guard look where it is due between two shares of the run."""
        if self.guard.due(self.step, before, now):
            self._check_finite()
            values = self.guard.look(self.step)
            record.write(self.step, {f"guard/{name}": value for name, value in values.items()})

    def _checkpoint_due(self) -> bool:
        plan = self.config.checkpoint
        by_step = plan.steps > 0 and self.step % plan.steps == 0
        return by_step or (plan.seconds > 0 and time.monotonic() - self.saved_at >= plan.seconds)

    def _check_finite(self) -> None:
        if self.broken_at:
            kept = list_checkpoints(self.folder)
            where = f"with another out= ({kept[-1]} is whole)" if kept else "again"
            raise Diverged(
                f"the loss is not a number any more at step {int(self.broken_at)}",
                cure=f"run it {where}, with a lower optimiser.lr or a longer schedule.warmup",
            )


def _all_of(*watches: Watch | None) -> Watch:
    """Return what calls each of those there are."""

    def call(step: int, encoder: Encoder) -> None:
        for watch in watches:
            if watch is not None:
                watch(step, encoder)

    return call


def seed_everything(seed: int, step: int) -> None:
    """Seed PyTorch for one step (-1: for building): dropout then depends on nothing but (seed, step)."""
    torch.manual_seed(int(np.random.SeedSequence([seed, step + 1]).generate_state(1, np.uint64)[0] >> 1))


def _tell(record: MetricsLog, step: int, results: Sequence[Result]) -> None:
    """Record the validation after a step, and say it in one line."""
    record.write(step, {result.name: result.value for result in results})
    notice(f"step {step}: " + ", ".join(f"{result.name} {100 * result.value:.1f}" for result in results))


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
