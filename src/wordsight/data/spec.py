"""How batches are made, as configuration.  Free of PyTorch, so that recipes can be read without it."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class AugmentSpec:
    """Random changes to training images; all None or 0 changes nothing but the size.

    `scale` is the share of the area that is kept, `ratio` its aspect (width / height).  `flip` is the probability of
    mirroring, except for images whose text says left or right or what is written (see `augment.may_flip`).
    `brightness`, `contrast`, `saturation` are the largest relative changes; `grey` the probability of
    losing all colour.
    """

    scale: tuple[float, float] = (0.5, 1.0)
    ratio: tuple[float, float] = (0.75, 4 / 3)
    flip: float = 0.5
    brightness: float = 0.2
    contrast: float = 0.2
    saturation: float = 0.2
    grey: float = 0.0


@dataclass(frozen=True, slots=True)
class LoaderSpec:
    """A batch: `batch` pairs of images (size, size, 3) and texts.  `seed` settles order, texts and augmentation.

    Of several sets mixed by weight, `run` pairs come from the same set one after the other: 1 mixes as finely
    as can be; a larger run gives each pair more negatives of its own kind, which cannot be distinguished by the
    look of their source alone; `run` = `batch` makes every batch from one set.
    """

    batch: int = 256
    size: int = 96
    seed: int = 0
    augment: AugmentSpec | None = field(default_factory=AugmentSpec)
    run: int = 1
