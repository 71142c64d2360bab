"""The half of the model folder that needs PyTorch: state dicts to and from safetensors, strictly.

Used through `wordsight.weights.folder`; `fit` is also where the weights of any other format end, once
their names are ours.  Nothing is ever unpickled.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from wordsight.base.errors import FormatError, ShapeMismatch, UsageError
from wordsight.base.files import atomic_write
from wordsight.towers.build import build
from wordsight.towers.spec import ModelSpec
from wordsight.towers.two import TwoTowers
from wordsight.weights.fingerprint import RawTensor, check_safetensors

DTYPES = {"float32": torch.float32, "float16": torch.float16}
NAMES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64", torch.float64: "F64"}
SHOWN = 5  # how many names an error lists


def stored_state(towers: TwoTowers, dtype: str = "float32") -> dict[str, Tensor]:
    """Return the state dict as it is written: contiguous, on the CPU, floating tensors in `dtype`.

    The log scale and the bias stay in float32.
    """
    if dtype not in DTYPES:
        raise UsageError(f"dtype {dtype!r}", cure=f"use one of {', '.join(DTYPES)}")
    state = {}
    for name, tensor in towers.state_dict().items():
        kept = torch.float32 if tensor.ndim == 0 else DTYPES[dtype]
        wanted = kept if tensor.is_floating_point() else tensor.dtype
        state[name] = tensor.detach().to("cpu", wanted, copy=True).contiguous()
    return state


def write_weights(towers: TwoTowers, path: Path, dtype: str = "float32") -> None:
    """Write the towers' state as safetensors, atomically."""
    content = save(stored_state(towers, dtype), metadata={"format": "pt"})
    with atomic_write(path) as handle:
        handle.write(content)


def raw_tensors(towers: TwoTowers, dtype: str = "float32") -> Iterator[RawTensor]:
    """Yield what `write_weights` would store, for the fingerprint of towers that are not on disk."""
    for name, tensor in stored_state(towers, dtype).items():
        data = tensor.reshape(-1).view(torch.uint8).numpy().tobytes()
        yield RawTensor(name, NAMES[tensor.dtype], tuple(tensor.shape), data)


def read_towers(spec: ModelSpec, path: Path) -> TwoTowers:
    """Return towers of `spec` with the weights of a safetensors file, in float32 on the CPU, in evaluation mode."""
    check_safetensors(path)
    try:
        state = load_file(path)
    except SafetensorError as error:
        raise FormatError(f"{path}: {error}", cure="fetch or save the model again") from None
    return fit(spec, state, where=str(path))


def fit(spec: ModelSpec, state: Mapping[str, Tensor], *, where: str) -> TwoTowers:
    """Return towers of `spec` holding `state`; every key exactly once, or `ShapeMismatch` listing what is wrong."""
    with torch.device("meta"):
        towers = build(spec)
    expected = towers.state_dict()
    _compare(expected, state, where)
    # a copy of each: numbers in a mapped file are not aligned, which changes the last bits of convolutions
    ready = {
        name: tensor.to(torch.float32 if expected[name].is_floating_point() else tensor.dtype, copy=True)
        for name, tensor in state.items()
    }
    towers.load_state_dict(ready, strict=True, assign=True)
    return towers.eval()


def _compare(expected: Mapping[str, Tensor], found: Mapping[str, Tensor], where: str) -> None:
    missing = [name for name in expected if name not in found]
    unknown = [name for name in found if name not in expected]
    both = [name for name in expected if name in found]
    shapes = [
        f"{name} is {tuple(found[name].shape)}, not {tuple(expected[name].shape)}"
        for name in both
        if found[name].shape != expected[name].shape
    ]
    kinds = [
        f"{name} is {found[name].dtype}"
        for name in both
        if found[name].is_floating_point() != expected[name].is_floating_point() or found[name].is_complex()
    ]
    problems = {"missing": missing, "unknown": unknown, "of another shape": shapes, "of another kind": kinds}
    said = [f"{len(names)} {what} ({_some(names)})" for what, names in problems.items() if names]
    if said:
        raise ShapeMismatch(
            f"the weights in {where} do not fit their architecture: {'; '.join(said)}",
            cure="the spec in model.json and the weights must come from the same model",
        )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
