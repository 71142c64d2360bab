"""FastViT's branches as one convolution each, and back: what MobileCLIP's image towers are made of.

    folded = fold(state)        # "visual.trunk." weights as timm trains them -> as timm's `inference_mode` has them
    branched = unfold(folded)   # equal to it again, with everything in one branch and the others zero

While training, a convolution stands beside a pointwise one and a skip connection, each with its own batch norm;
all of it is linear, so its sum is one convolution with a bias (Ding et al. 2021, "RepVGG"; Vasu et al. 2023,
"FastViT").  Computed in float64.  Numpy only.
"""

import re
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from wordsight.weights.checkpoint import Array

Wide = NDArray[np.float64]
EPSILON = 1e-5  # of batch norm, as timm builds FastViT
TRUNK = "visual.trunk."
BRANCHED = TRUNK + "stem.0.conv_kxk.0.conv.weight"
FOLDED = TRUNK + "stem.0.reparam_conv.weight"
# (blocks of the stages, channels of the stem) -> timm's name of the trunk
TRUNKS = {
    ((2, 6, 10, 2), 64): "fastvit_mci0",
    ((4, 12, 20, 4), 64): "fastvit_mci1",
    ((4, 12, 24, 4), 80): "fastvit_mci2",
    ((2, 12, 24, 4, 2), 96): "fastvit_mci3",
    ((2, 12, 24, 4, 4), 128): "fastvit_mci4",
}
_MIXER = re.compile(r"(.*\.token_mixer)\.mixer\.conv_kxk\.0\.conv\.weight")
_BLOCK = re.compile(r"(.*)\.conv_kxk\.0\.conv\.weight")
_LARGE = re.compile(r"(.*)\.large_conv\.conv\.weight")
_POSITIONS = re.compile(r"(.*)\.pos_enc\.weight")
_FOLDED = re.compile(r"(.*)\.reparam_conv\.weight")


def trunk_name(state: Mapping[str, Array]) -> str | None:
    """Return timm's name of a FastViT trunk by the shapes of its weights (`visual.trunk.`...), or None."""
    stem = next((state[name] for name in (BRANCHED, FOLDED) if name in state), None)
    blocks: dict[str, set[str]] = {}
    for name in state:
        match = re.match(re.escape(TRUNK) + r"stages\.(\d+)\.blocks\.(\d+)\.", name)
        if match:
            blocks.setdefault(match[1], set()).add(match[2])
    if stem is None:
        return None
    return TRUNKS.get((tuple(len(blocks[stage]) for stage in sorted(blocks)), len(stem)))


class _Sum:
    """A kernel (O, I, K, K) and a bias (O,) that are added up from branches."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.kernel: Wide = np.zeros(shape)
        self.bias: Wide = np.zeros(shape[0])

    def add(self, kernel: Array, norm: Mapping[str, Array] | None = None, bias: Array | None = None) -> None:
        """Add a convolution of the same or a smaller kernel, with the batch norm behind it or a bias of its own."""
        scale: Wide = np.ones(len(self.bias))
        if norm is not None:
            scale = norm["weight"] / np.sqrt(norm["running_var"].astype(np.float64) + EPSILON)
            self.bias += norm["bias"] - norm["running_mean"] * scale
        if bias is not None:
            self.bias += bias
        rows, columns = (
            slice(edge := (outer - inner) // 2, edge + inner)
            for outer, inner in zip(self.kernel.shape[2:], kernel.shape[2:], strict=True)
        )
        self.kernel[:, :, rows, columns] += kernel * scale[:, None, None, None]


class _Noted(Mapping[str, Array]):
    """Weights, and which of them were looked up."""

    def __init__(self, state: Mapping[str, Array]) -> None:
        self._state = state
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> Array:
        self.read.add(name)
        return self._state[name]

    def __contains__(self, name: object) -> bool:
        return name in self._state

    def __iter__(self) -> Iterator[str]:
        return iter(self._state)

    def __len__(self) -> int:
        return len(self._state)


def fold(state: Mapping[str, Array]) -> dict[str, Array]:
    """Return the weights with each set of branches as `reparam_conv`; other names pass as they are."""
    sums: dict[str, _Sum] = {}
    noted = _Noted(state)
    for name in state:
        for pattern, folder in ((_MIXER, _mixer), (_LARGE, _large), (_POSITIONS, _positions), (_BLOCK, _block)):
            match = pattern.fullmatch(name)
            if match and name.startswith(TRUNK):
                sums[match[1]] = folder(noted, match[1])
                break
    counters = {name.rpartition(".")[0] + ".num_batches_tracked" for name in noted.read}
    result = {name: array for name, array in state.items() if name not in noted.read | counters}
    for owner, total in sums.items():
        result[f"{owner}.reparam_conv.weight"] = total.kernel.astype(np.float32)
        result[f"{owner}.reparam_conv.bias"] = total.bias.astype(np.float32)
    return result


def unfold(state: Mapping[str, Array], *, stem_scale: bool) -> dict[str, Array]:
    """Return weights of the branched tower that computes the same.

    `stem_scale`: whether the stem has the pointwise branch, too (all but timm's fastvit_mci3 and 4).
    """
    result: dict[str, Array] = {}
    for name, array in state.items():
        match = _FOLDED.fullmatch(name)
        if match and name.startswith(TRUNK):
            result |= _branches(match[1], array, state[f"{match[1]}.reparam_conv.bias"], stem_scale=stem_scale)
        elif not (name.startswith(TRUNK) and name.endswith(".reparam_conv.bias")):
            result[name] = array
    return result


def fold_mixer(state: Mapping[str, Array], owner: str) -> dict[str, Array]:
    """Return "weight" (O, I, K, K) and "bias" of the one convolution that RepMixer `owner` is, folded or not."""
    if f"{owner}.reparam_conv.weight" in state:
        return {end: state[f"{owner}.reparam_conv.{end}"] for end in ("weight", "bias")}
    total = _mixer(state, owner)
    return {"weight": total.kernel.astype(np.float32), "bias": total.bias.astype(np.float32)}


def fold_norm(kernel: Array, norm: Mapping[str, Array]) -> dict[str, Array]:
    """Return "weight" and "bias" of a convolution (O, I, K, K) with the batch norm behind it."""
    total = _Sum(kernel.shape)
    total.add(kernel, norm)
    return {"weight": total.kernel.astype(np.float32), "bias": total.bias.astype(np.float32)}


def _norm(state: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    return {end: state[f"{prefix}.{end}"] for end in ("weight", "bias", "running_mean", "running_var")}


def _skip(shape: tuple[int, ...]) -> Wide:
    """Return the kernel (O, I, K, K) that passes each channel through."""
    kernel = np.zeros(shape)
    channels = np.arange(shape[0])
    kernel[channels, channels % shape[1], shape[2] // 2, shape[3] // 2] = 1  # the middle
    return kernel


def _block(state: Mapping[str, Array], owner: str) -> _Sum:
    """MobileOne's block: convolutions, a pointwise one, a skip, each with its norm."""
    first = state[f"{owner}.conv_kxk.0.conv.weight"]
    total = _Sum(first.shape)
    number = 0
    while f"{owner}.conv_kxk.{number}.conv.weight" in state:
        branch = f"{owner}.conv_kxk.{number}"
        total.add(state[f"{branch}.conv.weight"], _norm(state, f"{branch}.bn"))
        number += 1
    if f"{owner}.conv_scale.conv.weight" in state:
        total.add(state[f"{owner}.conv_scale.conv.weight"], _norm(state, f"{owner}.conv_scale.bn"))
    if f"{owner}.identity.weight" in state:
        total.add(_skip(first.shape), _norm(state, f"{owner}.identity"))
    return total


def _mixer(state: Mapping[str, Array], owner: str) -> _Sum:
    """RepMixer: x + scale (mixer(x) - norm(x))."""
    inner = _block(state, f"{owner}.mixer")
    skip = _skip(inner.kernel.shape)
    normed = _Sum(inner.kernel.shape)
    normed.add(skip, _norm(state, f"{owner}.norm.identity"))
    scale = state[f"{owner}.layer_scale.gamma"].reshape(-1).astype(np.float64)
    total = _Sum(inner.kernel.shape)
    total.add(
        skip + scale[:, None, None, None] * (inner.kernel - normed.kernel), bias=scale * (inner.bias - normed.bias)
    )
    return total


def _large(state: Mapping[str, Array], owner: str) -> _Sum:
    """A large kernel beside a small one."""
    large = state[f"{owner}.large_conv.conv.weight"]
    total = _Sum(large.shape)
    total.add(large, _norm(state, f"{owner}.large_conv.bn"))
    if f"{owner}.small_conv.conv.weight" in state:
        total.add(state[f"{owner}.small_conv.conv.weight"], _norm(state, f"{owner}.small_conv.bn"))
    return total


def _positions(state: Mapping[str, Array], owner: str) -> _Sum:
    """Positions as a convolution that is added to its input."""
    kernel = state[f"{owner}.pos_enc.weight"]
    total = _Sum(kernel.shape)
    total.add(kernel, bias=state[f"{owner}.pos_enc.bias"])
    total.add(_skip(kernel.shape))
    return total


def _branches(owner: str, kernel: Array, bias: Array, *, stem_scale: bool) -> dict[str, Array]:
    """Return the branches of one block: all of it in the first, nothing in the others."""
    skip = _skip(kernel.shape).astype(np.float32)
    channels, inner = kernel.shape[:2]
    if owner.endswith(".pos_emb"):
        return {f"{owner}.pos_enc.weight": kernel - skip, f"{owner}.pos_enc.bias": bias}
    if owner.endswith(".token_mixer"):
        state = _one(f"{owner}.mixer", kernel - skip, bias, scale=True, skip=True)
        state |= batch_norm(f"{owner}.norm.identity", np.zeros(channels, np.float32), 0.0)
        return state | {f"{owner}.layer_scale.gamma": np.ones((channels, 1, 1), np.float32)}
    if owner.endswith(".downsample.proj.0"):
        state = {f"{owner}.large_conv.conv.weight": kernel} | batch_norm(f"{owner}.large_conv.bn", bias, 1.0)
        state |= batch_norm(f"{owner}.small_conv.bn", np.zeros(channels, np.float32), 0.0)
        return state | {f"{owner}.small_conv.conv.weight": np.zeros((channels, inner, 3, 3), np.float32)}
    scale = kernel.shape[-1] > 1 and (stem_scale or ".stem." not in owner)
    return _one(owner, kernel, bias, scale=scale, skip=owner.endswith((".stem.2", ".downsample.proj.1")))


def _one(owner: str, kernel: Array, bias: Array, *, scale: bool, skip: bool) -> dict[str, Array]:
    channels, inner = kernel.shape[:2]
    nothing = np.zeros(channels, np.float32)
    state = {f"{owner}.conv_kxk.0.conv.weight": kernel} | batch_norm(f"{owner}.conv_kxk.0.bn", bias, 1.0)
    if scale:
        state[f"{owner}.conv_scale.conv.weight"] = np.zeros((channels, inner, 1, 1), np.float32)
        state |= batch_norm(f"{owner}.conv_scale.bn", nothing, 0.0)
    if skip:
        state |= batch_norm(f"{owner}.identity", nothing, 0.0)
    return state


def batch_norm(name: str, bias: Array, gain: float) -> dict[str, Array]:
    """Return a batch norm that multiplies by `gain` and adds `bias`."""
    channels = len(bias)
    return {
        f"{name}.weight": np.full(channels, gain, np.float32),
        f"{name}.bias": bias,
        f"{name}.running_mean": np.zeros(channels, np.float32),
        f"{name}.running_var": np.full(channels, 1 - EPSILON, np.float32),
        f"{name}.num_batches_tracked": np.zeros((), np.int64),
    }
