"""Guidance of an image by text: a loss in PyTorch, differentiable in the pixels, for whatever makes them.

    guidance = load_guidance("bundled", {"a dog on a beach": 1.0}, away={"a photo of a cat": 0.3})
    pixels = torch.rand(1, 3, 256, 256, requires_grad=True)             # values from 0 to 1, any size
    guidance(pixels, generator=torch.Generator().manual_seed(0)).backward()

Resize, cut and normalisation are those of the model's preprocessing, in floating point.  Random views (cuts of the
image) make it harder to please the towers with a pattern that no eye sees; without them that is what comes out.
Needs PyTorch.  Does not know what makes the pixels, and judges by these towers alone: another model may disagree.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wordsight.base.errors import MissingExtra, UsageError

try:
    import torch
    import torch.nn.functional as F
    from torch import Tensor
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise MissingExtra("wordsight.guidance needs the package torch", cure="pip install 'wordsight[train]'") from None

from wordsight.images.geometry import framed
from wordsight.images.spec import PreprocessSpec
from wordsight.text.open import open_tokenizer
from wordsight.towers.two import TwoTowers

Distance = Literal["spherical", "cosine"]
Weighted = Mapping[str, float] | Sequence[str]
_MOST = 8.0  # of pixels: those that are being optimised may lie a little outside 0..1
_NEAR = 1e-7  # where arcsin has no finite gradient


@dataclass(frozen=True, slots=True)
class Views:
    """Random square cuts of an image: `count` of them, each side from `smallest` to 1 of the shorter side.

    `noise` is the standard deviation of what is added to the pixels, which lie in 0..1; `mirrored` turns half of the
    views, which texts with left and right do not survive.  With a count of 0 the whole image is the only view.
    """

    count: int = 8
    smallest: float = 0.5
    noise: float = 0.0
    mirrored: bool = False

    def __post_init__(self) -> None:
        whole = isinstance(self.count, int) and not isinstance(self.count, bool)
        if not whole or self.count < 0 or not 0 < self.smallest <= 1 or not 0 <= self.noise < math.inf:
            raise UsageError(
                f"{self}", cure="give a whole count from 0, a smallest side above 0 up to 1, a noise from 0"
            )


class Guidance:
    """The loss of images by texts, under fixed towers.

    `texts` are to be approached and `away` to be left, each with a weight (1 where none is given).  The towers are used
    as they are: freeze them (`requires_grad_(False)`), or their gradients are computed as well.  `folder` is the
    model's, needed where its tokenizer's vocabulary lies there.
    """

    def __init__(
        self,
        towers: TwoTowers,
        texts: Weighted,
        *,
        away: Weighted = (),
        views: Views | None = None,
        distance: Distance = "spherical",
        folder: Path | None = None,
    ) -> None:
        wanted, left = _weights(texts), _weights(away)
        if not wanted:
            raise UsageError("guidance without a text", cure="give at least one text to approach")
        if distance not in ("spherical", "cosine"):
            raise UsageError(f"distance {distance!r}", cure="choose spherical or cosine")
        self.views = views or Views()
        self.texts = (*wanted, *left)
        self._towers = towers
        self._distance: Distance = distance
        self._targets = text_embeddings(towers, self.texts, folder=folder)
        signed = torch.tensor([*wanted.values(), *(-weight for weight in left.values())])
        self._weights = (signed / sum(wanted.values())).to(self._targets)

    def __call__(self, pixels: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Return the loss, a scalar, of images (B, 3, H, W) in 0..1: the mean over images and views.

        `generator` draws the views, on the CPU: with the same state, the same views.
        """
        _check_pixels(pixels)
        seen = torch.cat([self._prepared(view) for view in _views(pixels, self.views, generator)])
        embeddings = self._towers.encode_image(seen)  # (V x B, E)
        return guidance_loss(embeddings, self._targets, self._weights, distance=self._distance)

    def cosines(self, pixels: Tensor) -> Tensor:
        """Return the cosines (B, n) of whole images (B, 3, H, W) with the texts: `self.texts`, those to leave last."""
        _check_pixels(pixels)
        cosines: Tensor = self._towers.encode_image(self._prepared(pixels)) @ self._targets.T
        return cosines

    def _prepared(self, pixels: Tensor) -> Tensor:
        return prepared(pixels, self._towers.spec.preprocess)


def load_guidance(
    name_or_path: str | Path | None,
    texts: Weighted,
    *,
    away: Weighted = (),
    views: Views | None = None,
    distance: Distance = "spherical",
) -> Guidance:
    """Return the guidance of a model by name or folder, its towers loaded and frozen; see `Guidance`."""
    from wordsight.weights.find import find_model
    from wordsight.weights.folder import load_towers

    folder = find_model(name_or_path)
    towers = load_towers(folder).requires_grad_(False)
    return Guidance(towers, texts, away=away, views=views, distance=distance, folder=folder)


def guidance_loss(image: Tensor, text: Tensor, weights: Tensor, *, distance: Distance = "spherical") -> Tensor:
    """Return the weighted distance of unit embeddings (B, E) from those of texts (n, E), the mean over the images.

    "cosine": 1 - cosine.  "spherical": 2 arcsin(|a - b| / 2)^2, half the squared angle (Crowson et al. 2022): its
    gradient grows with the angle, where that of the cosine falls again beyond a right one.  Negative weights repel.
    """
    cosines = image @ text.T  # (B, n)
    if distance == "cosine":
        each = 1 - cosines
    else:
        half = ((1 - cosines) / 2).clamp(_NEAR, 1 - _NEAR).sqrt()  # |a - b| / 2
        each = 2 * half.arcsin().square()
    return (each * weights).sum(dim=1).mean()


def prepared(pixels: Tensor, spec: PreprocessSpec) -> Tensor:
    """Return images (B, 3, H, W) in 0..1 as the towers see them: resized, cut, normalised; differentiable.

    As `wordsight.images.transform` does but for the rounding to 256 levels, and for "lanczos", which is "bicubic" here.
    """
    frame = framed(pixels.shape[2], pixels.shape[3], spec)
    size = (frame.height, frame.width)
    if size != tuple(pixels.shape[2:]):
        if spec.interpolation == "nearest":
            pixels = F.interpolate(pixels, size, mode="nearest-exact")
        else:
            mode = "bilinear" if spec.interpolation == "bilinear" else "bicubic"
            pixels = F.interpolate(pixels, size, mode=mode, antialias=spec.antialias, align_corners=False).clamp(0, 1)
    if not frame.inside:
        right = max(frame.left + frame.columns - frame.width, 0)
        below = max(frame.top + frame.rows - frame.height, 0)
        above = max(-frame.top, 0)
        pixels = F.pad(pixels, (max(-frame.left, 0), right, above, below), value=spec.fill / 255)
    top, left = max(frame.top, 0), max(frame.left, 0)
    pixels = pixels[:, :, top : top + frame.rows, left : left + frame.columns]
    mean, deviation = (pixels.new_tensor(values).view(3, 1, 1) for values in (spec.mean, spec.std))
    return (pixels - mean) / deviation


@torch.no_grad()
def text_embeddings(towers: TwoTowers, texts: Sequence[str], *, folder: Path | None = None) -> Tensor:
    """Return unit embeddings (n, E) of texts by the towers' own tokenizer; `folder` is the model's."""
    tokenizer = open_tokenizer(towers.spec.tokenizer, folder)
    tokens = torch.from_numpy(tokenizer.batch(list(texts))).to(towers.logit_scale.device)
    return towers.encode_text(tokens)


def _views(pixels: Tensor, views: Views, generator: torch.Generator | None) -> list[Tensor]:
    """Return the views, each (B, 3, h, w)."""
    if not views.count:
        return [pixels]
    height, width = pixels.shape[2:]
    made = []
    for _ in range(views.count):
        share, down, across, turn = torch.rand(4, generator=generator).tolist()
        side = max(1, round(min(height, width) * (views.smallest + (1 - views.smallest) * share)))
        top, left = int(down * (height - side + 1)), int(across * (width - side + 1))
        view = pixels[:, :, top : top + side, left : left + side]
        if views.mirrored and turn < 0.5:
            view = view.flip(3)
        if views.noise:
            view = view + views.noise * torch.randn(view.shape, generator=generator).to(view)
        made.append(view)
    return made


def _weights(texts: Weighted) -> dict[str, float]:
    if isinstance(texts, str):
        raise UsageError(f"a single text {texts!r} was given where several can be", cure="write [text]")
    weights = dict(texts) if isinstance(texts, Mapping) else dict.fromkeys(texts, 1.0)
    for text, weight in weights.items():
        if not weight > 0:
            raise UsageError(f"the weight {weight} of {text!r}", cure="give one above 0; what to leave goes to away")
    return weights


def _check_pixels(pixels: object) -> None:
    if not isinstance(pixels, Tensor):
        cure = "give a tensor (B, 3, H, W) from 0 to 1, as torch.from_numpy makes one of an array"
        raise UsageError(f"pixels of the type {type(pixels).__name__}", cure=cure)
    problem = f"pixels of the shape {tuple(pixels.shape)} and type {pixels.dtype}"
    if pixels.ndim != 4 or pixels.shape[1] != 3 or not pixels.is_floating_point():
        raise UsageError(problem, cure="give floats (B, 3, H, W) from 0 to 1")
    if not pixels.numel():
        raise UsageError(problem, cure="give at least one image with sides of 1 pixel or more")
    if pixels.dtype not in (torch.float32, torch.float64):
        raise UsageError(problem, cure="give float32: pixels.float()")
    size = pixels.detach().abs().max().item()
    if not math.isfinite(size):
        raise UsageError("pixels with NaN or infinite values", cure="take a smaller step, or clamp them to 0..1")
    if size > _MOST:
        raise UsageError(f"pixels with values up to {size:.4g}", cure="give values from 0 to 1: divide by 255")
