"""What no run can have is refused before anything is read: `check_config(config)`.  Free of PyTorch."""

import math
import re

from wordsight.base.errors import ConfigError
from wordsight.data.kinds import kinds
from wordsight.data.spec import AugmentSpec
from wordsight.evaluate.tasks import check_task
from wordsight.towers.families import IMAGE_FAMILIES, image_family
from wordsight.train.config import PARTS, TrainConfig, locked_parts

_LEARNED = re.compile(r"all|none|projection|(last|lora):[1-9]\d*")


def check_config(config: TrainConfig) -> None:
    """Raise `ConfigError` for values that no run can have."""
    schedule, batch = config.schedule, config.batch
    lengths = [schedule.steps, schedule.samples, schedule.budget]
    if all(length is None for length in lengths):
        raise ConfigError("the run has no length", cure="set schedule.steps, schedule.samples or schedule.budget")
    if schedule.seconds is None and schedule.steps is not None and schedule.samples is not None:
        raise ConfigError("schedule.steps and schedule.samples are both set", cure="leave one out")
    if not config.data.sources:
        raise ConfigError("data.sources is empty", cure="name at least one source of pairs")
    if batch < 2:
        raise ConfigError(
            f"batch = {batch} has no negatives: a pair is told from the others of its batch", cure="give 2 or more"
        )
    _within("seed", config.seed, 0, None)
    _within("data.side", config.data.side, 1, 4096)
    _within("data.held_out", config.data.held_out, 0, 0.5)
    _within("schedule.steps", schedule.steps, 1, None)
    _within("schedule.samples", schedule.samples, 1, None)
    _within("schedule.warmup", schedule.warmup, 0, None)
    _within("schedule.cooldown", schedule.cooldown, 0, 1)
    _within("average.decay", config.average.decay, 0, 0.99999)
    _within("average.start", config.average.start, 0, 1)
    _check_learned(config)
    _within("data.run", config.data.run, 1, None)
    _within("log", config.log, 1, None)
    _within("model.width", config.model.width, 1, None)
    _within("loss.words", config.loss.words, 0, None)
    for number, width in enumerate(config.loss.widths):
        _within(f"loss.widths[{number}]", width, 1, config.model.width - 1)
    _check_bag_of_words(config)
    for name in ("lr", "decay", "clip", "eps"):
        _within(f"optimiser.{name}", getattr(config.optimiser, name), 0, None)
    for number, beta in enumerate(config.optimiser.betas):
        _within(f"optimiser.betas[{number}]", beta, 0, 0.999999)
    _check_augment(config.augment)
    for name, low in (("seconds", 0), ("keep", 1), ("steps", 0)):
        _within(f"checkpoint.{name}", getattr(config.checkpoint, name), low, None)
    _within("validation.every", config.validation.every, 0, None)
    _within("validation.pairs", config.validation.pairs, 0, 1000)
    for name, source in config.data.sources.items():
        _within(f"data.sources.{name}.weight", source.weight, 0, None)
        _within(f"data.sources.{name}.share", source.share, 0, 1)
        _within(f"data.sources.{name}.portion", source.portion, 0.0001, 1)
        _within(f"data.sources.{name}.views", source.views, 1, 1000)
        if source.kind not in kinds():
            raise ConfigError(f"data.sources.{name}.kind = {source.kind!r}", cure=f"use one of {', '.join(kinds())}")
    for name, task in config.validation.tasks.items():
        check_task(task, where=f"validation.tasks.{name}.")
    _check_guard(config)


def _check_guard(config: TrainConfig) -> None:
    _within("guard.fall", config.guard.fall, 0, 1)
    _within("guard.agreement", config.guard.agreement, 0, 1)
    _within("guard.every", config.guard.every, 0, None)
    _within("guard.images", config.guard.images, 2, None)
    for name, task in config.guard.tasks.items():
        check_task(task, where=f"guard.tasks.{name}.")
    if config.guard.tasks and not config.init.one_model:
        problem = "guard.tasks without a model to begin from: there is nothing that could be lost"
        raise ConfigError(problem, cure="set model.init alone, or leave guard.tasks out")


def _check_learned(config: TrainConfig) -> None:
    """Refuse what cannot be chosen to learn, and to stay as it is where there is nothing to begin from."""
    for part in PARTS:
        what: str = getattr(config.train, part)
        if not _LEARNED.fullmatch(what):
            cure = 'use "all", "none", "projection", "last:N" (the last N blocks) or "lora:R" (of rank R)'
            raise ConfigError(f"train.{part} = {what!r}", cure=cure)
        if what != "all" and not (getattr(config.init, part) or config.init.model):
            cure = f'name what it begins from (model.init or model.{part}.init), or set train.{part} = "all"'
            raise ConfigError(f"train.{part} = {what!r} with random weights, which would stay random", cure=cure)
    if config.train.image == config.train.text == "none":
        raise ConfigError('train.image = train.text = "none": nothing would learn', cure="let one of them learn")
    if config.average.start and not any((config.init.model, config.init.image, config.init.text)):
        cure = "set model.init, or average.start = 0"
        raise ConfigError(f"average.start = {config.average.start} with random weights", cure=cure)
    _within("train.layer_decay", config.train.layer_decay, 0.01, 1)
    _within("train.patch_dropout", config.train.patch_dropout, 0, 0.95)
    if config.train.features == "int8" and "none" not in (config.train.image, config.train.text):
        problem = 'train.features = "int8" without a tower that learns nothing'
        raise ConfigError(problem, cure='set train.features = "fp32", or train.image or train.text = "none"')
    _within("train.trunk", config.train.trunk, 0.0001, 1)
    _within("train.views", config.train.views, 0, 1000)
    _within("train.dropout", config.train.dropout, 0, 0.9)
    _check_kept(config)
    _check_phases(config)
    for name in ("weight", "moved", "held"):
        _within(f"loss.classes.{name}", getattr(config.loss.classes, name), 0, None)
    _within("loss.classes.scale", config.loss.classes.scale, 0.1, 1000)


def _check_kept(config: TrainConfig) -> None:
    """Refuse views and dropout of features that are not kept, which would do nothing."""
    learn, kept = config.train, "image" in locked_parts(config)
    last = learn.image.startswith("last:")
    views = {"train.views": learn.views}
    views |= {f"data.sources.{name}.views": source.views for name, source in config.data.sources.items()}
    for name, value in views.items():
        if not kept and value is not None and value > 1:
            problem = f'{name} = {value} with train.image = "{learn.image}": no features of images are kept'
            instead = "train.views to 1 or more" if last else 'train.image = "projection"'
            cure = f"leave it out: every step draws another crop (augment), or set {instead}"
            raise ConfigError(problem, cure=cure)
    if kept and last and not image_family(config.model.image).cut:
        problem = f'train.image = "{learn.image}" on kept states, for a tower of kind "{config.model.image.kind}"'
        also = " and leave train.alone out" if any(learn.alone) else ""
        raise ConfigError(problem, cure=f"set train.views = 0{also}: the tower runs at every step")
    if learn.patch_dropout and kept:
        problem = f"train.patch_dropout = {learn.patch_dropout} with features of images that are kept"
        raise ConfigError(problem, cure="set train.views = 0, or leave train.patch_dropout out")
    if learn.dropout and not (kept and learn.image != "none"):
        problem = f'train.dropout = {learn.dropout} with train.image = "{learn.image}"'
        cure = 'set train.image = "projection" (or "last:N" with train.views), or train.dropout = 0'
        raise ConfigError(f"{problem}: no features before a projection are kept", cure=cure)


def _check_phases(config: TrainConfig) -> None:
    learn = config.train
    for number, share in enumerate(learn.alone):
        _within(f"train.alone[{number}]", share, 0, 1)
    _within("train.mixed", learn.mixed, 0, 1)
    if sum(learn.alone) >= 1:
        problem = f"train.alone = {list(learn.alone)} is the whole run: the trunk would never learn"
        raise ConfigError(problem, cure='give shares whose sum is below 1, or set train.image = "projection"')
    last = learn.image.startswith("last:")
    if config.loss.classes.held and not last:
        problem = f'loss.classes.held with train.image = "{learn.image}": no block of the image tower learns'
        raise ConfigError(problem, cure='set loss.classes.held = 0, or train.image = "last:N"')
    if any(learn.alone) and not (last and learn.views):
        problem = f'train.alone with train.image = "{learn.image}" and train.views = {learn.views or 0}'
        raise ConfigError(problem, cure='set train.image = "last:N" and train.views = 1 or more, or leave it out')
    if learn.mixed and not learn.alone[1]:
        cure = "set the second of train.alone, the share of the run that is left then"
        raise ConfigError(f"train.mixed = {learn.mixed}, but the trunk never stands still at the end", cure=cure)
    if learn.mixed and config.average.start:
        problem = f"train.mixed = {learn.mixed} with average.start = {config.average.start}: the trunk is mixed twice"
        raise ConfigError(problem, cure="leave one of them out")
    if any(learn.alone) and config.guard.action == "lower":
        problem = 'guard.action = "lower" with train.alone: it puts back weights of another phase'
        raise ConfigError(problem, cure='set guard.action = "stop"')


def _check_augment(augment: AugmentSpec) -> None:
    for name, high in (("scale", 1.0), ("ratio", None)):
        low, top = getattr(augment, name)
        _within(f"augment.{name}[0]", low, 0.01, high)
        _within(f"augment.{name}[1]", top, low, high)
    for name in ("flip", "brightness", "contrast", "saturation", "grey"):
        _within(f"augment.{name}", getattr(augment, name), 0, 1)


def _check_bag_of_words(config: TrainConfig) -> None:
    """The auxiliary loss reads tokens of native towers, and knows start and end of a text by CLIP's vocabulary."""
    for part in PARTS:
        what = getattr(config.train, part)
        if config.loss.words and part in locked_parts(config):
            problem = f'loss.words = {config.loss.words} with train.{part} = "{what}", whose features are computed once'
            raise ConfigError(problem, cure="set loss.words = 0, or train.views = 0")
    native = [kind for kind, family in IMAGE_FAMILIES.items() if family.native]
    kinds = {
        "model.image.kind": (config.model.image.kind, native),
        "model.tokenizer.kind": (config.model.tokenizer.kind, ["clip-bpe"]),
    }
    for name, (kind, known) in kinds.items():
        if config.loss.words and kind not in known:
            cure = f"set loss.words = 0, or {name} to {' or '.join(known)}"
            raise ConfigError(f"loss.words = {config.loss.words} with {name} = {kind!r}", cure=cure)


def _within(name: str, value: float | None, low: float, high: float | None) -> None:
    if value is None or (math.isfinite(value) and value >= low and (high is None or value <= high)):
        return
    limits = f"a finite number, {low} or more" if high is None else f"{low} to {high}"
    raise ConfigError(f"{name} = {value}", cure=f"give {limits}")
