"""A training run as typed values: what a recipe is.  Free of PyTorch; every key is explained here.

Read from TOML, Python files and `a.b=c` by `wordsight.train.recipe`.
"""

import re
from dataclasses import dataclass, field
from typing import Literal

from wordsight.base.errors import ConfigError
from wordsight.data.kinds import AUTO
from wordsight.data.spec import AugmentSpec
from wordsight.evaluate.tasks import TaskSpec
from wordsight.towers.families import text_family
from wordsight.towers.spec import ModelSpec
from wordsight.train.guard_config import GuardConfig
from wordsight.train.loss_config import LossConfig

UNNAMED = "run"  # the name of a run that a Python recipe does not name
TowerName = Literal["image", "text"]
PARTS: tuple[TowerName, ...] = ("image", "text")
STILL = ("none", "projection")  # values of `train.image` and `train.text` with a trunk that does not learn
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smh]?)")


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """One source of pairs: `place` below `data.root`, `split` and `kind` as `open_source` reads them.

    `weight` is its share of the pairs drawn, beside those of the other sources; None: its number of
    images.  `templates` (a named list or a file) makes texts of class names; `share` is how often such a
    text replaces a caption of an image that has captions too.  `image`, `captions`, `label` and `key` name the
    columns of a table, or JSON keys, that are not known by their names.  `portion`: the share of its images that is
    used, the same ones in every run.  `views` takes the place of `train.views` for its images.  `balance`: a file below
    `data.root` of what `wordsight data balance` decided, by whose probabilities each epoch's images are drawn.
    """

    place: str
    split: str | None = None
    kind: str = AUTO
    image: str | None = None
    captions: str | None = None
    label: str | None = None
    key: str | None = None
    weight: float | None = None
    templates: str | None = None
    share: float = 0.0
    portion: float = 1.0
    views: int | None = None
    balance: str | None = None


@dataclass(frozen=True, slots=True)
class DataConfig:
    """Where pairs come from.

    `sources` are named freely, so that `data.sources.NAME.weight=2` can change one.  `pictures`: "cached"
    decodes each image once and keeps it `side` pixels wide, "stream" decodes at every use (for sets too
    large to keep).  `resize` is that of `PreprocessSpec`.  `run` is the number of pairs drawn from one source
    before the next one's turn comes (see `LoaderSpec`).  `held_out` is the share of the images that are kept from
    training and validated with where `validation.tasks` names nothing (see `wordsight.train.held_out`).
    """

    sources: dict[str, SourceConfig]
    root: str = "."
    pictures: Literal["cached", "stream"] = "cached"
    side: int = 112
    resize: Literal["shortest", "squash"] = "shortest"
    run: int = 1
    held_out: float = 0.1


@dataclass(frozen=True, slots=True)
class InitConfig:
    """What the towers begin from, "" for random weights; written below `model` in a recipe.

    `model` (`model.init`): a name or path of a model, both towers with scale, bias, tokenizer and preprocessing.
    `image`, `text` (`model.image.init`, `model.text.init`): one tower of a model, or a trunk alone, whose projection
    is then new.  `…_sha256` (`model.sha256`, `model.image.sha256`): what the file of weights must have.
    """

    model: str = ""
    image: str = ""
    text: str = ""
    model_sha256: str = ""
    image_sha256: str = ""
    text_sha256: str = ""

    @property
    def one_model(self) -> bool:
        """Do both towers begin from one model, so that what it can do before the first step says something?"""
        return bool(self.model) and not (self.image or self.text)


@dataclass(frozen=True, slots=True)
class LearnConfig:
    """What learns of a tower that began from known weights, and how fast.

    `image`, `text`: "all", "none", "projection", "last:N": the last N blocks and what lies behind them, or "lora:R":
    additions of rank R to every linear and convolution weight (`wordsight.train.lora`), and a projection that is new.
    What does not learn stays bit for bit, batch norm's statistics included.  `layer_decay`: each block learns with
    this times the rate of the block behind it, and the last one with `trunk` times that of the projection.

    `statistics`: those that batch norms use in a tower that began from known weights, the start's, or each batch's as
    in a tower of random weights.

    `patch_dropout`: the share of an image's patches that a Vision Transformer leaves out at every step, which makes
    steps quicker (FLIP).

    `views`: the features of what does not learn ("none"; before a "projection") are computed once and kept, of each
    image that many views: the image as it is, and for each further one a crop drawn as `augment` says.  0: nothing is
    kept, the tower runs at every step.  None: 1, but 0 for "last:N", whose features are large: what enters the first
    block that learns.  `features`: "int8" computes those of a tower that learns nothing with its int8 graph, which is
    faster, and fits a model that is used so.  `dropout`: the share of an image's kept features before the projection
    that a step leaves out.

    `alone`: the shares of the run, at its beginning and at its end, in which the trunk of an image tower of "last:N"
    stands still and what lies behind it learns alone (`wordsight.train.phases`); `mixed`: the share of the start's
    weights in the trunk from when it stands still at the end.
    """

    image: str = "all"
    text: str = "all"
    layer_decay: float = 1.0
    statistics: Literal["start", "batch"] = "start"
    patch_dropout: float = 0.0
    features: Literal["fp32", "int8"] = "fp32"
    trunk: float = 1.0
    views: int | None = None
    dropout: float = 0.0
    alone: tuple[float, float] = (0.0, 0.0)
    mixed: float = 0.0


@dataclass(frozen=True, slots=True)
class AverageConfig:
    """`decay` of the moving average of the weights (0: none), which is validated and saved.

    `start`: the share of the weights that the run began from in what is validated and saved, the rest being the
    average (0: none; Wortsman et al. 2022, "WiSE-FT").
    """

    decay: float = 0.999
    start: float = 0.0


@dataclass(frozen=True, slots=True)
class OptimiserConfig:
    """AdamW.  `decay` is left off gains, biases, scale and embeddings; `clip` limits the gradient's norm (0: not)."""

    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-6
    decay: float = 0.2
    clip: float = 1.0


@dataclass(frozen=True, slots=True)
class ScheduleConfig:
    """How long, and the learning rate on the way.

    The length is one of `steps`, `samples` (pairs seen) or `budget` (a time: 90, "90s", "20m", "1.5h",
    counted from the first step, validation included); a budget overrules the others.  `kind`: "cosine" falls to 0 along
    half a cosine; "wsd" stays, and falls to 0 in the last `cooldown` share.  `warmup`: steps, a quarter at most.
    """

    kind: Literal["cosine", "wsd"] = "wsd"
    steps: int | None = None
    samples: int | None = None
    budget: str | float | None = None
    warmup: int = 100
    cooldown: float = 0.25

    @property
    def seconds(self) -> float | None:
        """The time budget in seconds, or None."""
        return None if self.budget is None else duration(self.budget)

    def length(self, batch: int) -> int | None:
        """Return the number of steps, or None when a time budget decides."""
        if self.budget is not None:
            return None
        if self.steps is not None:
            return self.steps
        assert self.samples is not None
        return max(1, round(self.samples / batch))


@dataclass(frozen=True, slots=True)
class ValidationConfig:
    """Tasks measured every `every` steps (0: only at the end) with the averaged weights, places below `data.root`.

    `pairs`: so many of the images that are validated with, evenly spread, and a text of each, whose embeddings are kept
    from before the first step, from each validation and from the end (0: none; see `wordsight.train.space`).
    """

    every: int = 500
    pairs: int = 24
    tasks: dict[str, TaskSpec] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CheckpointConfig:
    """Checkpoints every `steps` steps and every `seconds` seconds (0: not by these); the last `keep` stay."""

    steps: int = 0
    seconds: float = 300.0
    keep: int = 2


@dataclass(frozen=True, slots=True)
class ExportConfig:
    """The ONNX graphs made at the end, the preferred precision first; none for none.

    `size` "small": int8 graphs keep no layer in float32, and the token table of some text towers has 4 bits.
    """

    precisions: tuple[Literal["int8", "fp32"], ...] = ("int8", "fp32")
    size: Literal["sound", "small"] = "sound"


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """A whole run.

    `out` is its folder.  `precision`: "auto" is bf16 autocast where the hardware computes in it.  `log` is the number
    of steps between lines of metrics.jsonl; `card` is text for the model's card.
    """

    data: DataConfig
    model: ModelSpec
    name: str = UNNAMED
    out: str = ""
    seed: int = 0
    batch: int = 256
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    log: int = 10
    card: str = ""
    init: InitConfig = field(default_factory=InitConfig)
    train: LearnConfig = field(default_factory=LearnConfig)
    average: AverageConfig = field(default_factory=AverageConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    augment: AugmentSpec = field(default_factory=AugmentSpec)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    guard: GuardConfig = field(default_factory=GuardConfig)
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
    export: ExportConfig = field(default_factory=ExportConfig)


def locked_parts(config: TrainConfig) -> tuple[TowerName, ...]:
    """Return the towers whose features are computed once and kept; the others run at every step."""
    learn = config.train
    kept: list[TowerName] = []
    for part in PARTS:
        what: str = getattr(learn, part)
        still = what in STILL and learn.views != 0
        cut = what.startswith("last:") and (part == "image" or text_family(config.model.text).cut)
        if still or (cut and learn.views):
            kept.append(part)
    return tuple(kept)


def duration(value: str | float) -> float:
    """Return seconds for a number, "90s", "20m" or "1.5h"; anything else, and 0, raises `ConfigError`."""
    match = _DURATION.fullmatch(str(value).strip())
    seconds = float(match[1]) * _UNITS[match[2]] if match else 0.0
    if seconds <= 0:
        raise ConfigError(f"budget = {value!r}", cure='write for example "90s", "20m" or "1.5h"')
    return seconds
