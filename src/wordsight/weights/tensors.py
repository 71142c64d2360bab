"""The half of the model folder that needs PyTorch: towers to numpy arrays and back, strictly.

Used through `wordsight.weights.folder`; `fit` is also where the weights of any other format end, once
their names are ours.  Nothing is ever unpickled.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from wordsight.base.errors import UsageError
from wordsight.towers.build import build
from wordsight.towers.families import native
from wordsight.towers.spec import ModelSpec
from wordsight.towers.two import TwoTowers
from wordsight.weights.checkpoint import Array, check_shapes, check_state

DRAWS = ("normal_", "uniform_", "kaiming_uniform_")
DTYPES = {"float32": np.float32, "float16": np.float16}


def stored_state(towers: TwoTowers, dtype: str = "float32") -> dict[str, Array]:
    """Return the state dict as it is written: numpy arrays of their own, floating ones in `dtype`.

    The log scale and the bias stay in float32.
    """
    if dtype not in DTYPES:
        raise UsageError(f"dtype {dtype!r}", cure=f"use one of {', '.join(DTYPES)}")
    state = {}
    for name, tensor in towers.state_dict().items():
        kept = tensor.detach().to("cpu")
        if kept.is_floating_point():
            state[name] = kept.float().numpy().astype(np.float32 if kept.ndim == 0 else DTYPES[dtype], copy=True)
        else:
            state[name] = kept.numpy().copy()
    return state


def fit(spec: ModelSpec, state: Mapping[str, Array], *, where: str) -> TwoTowers:
    """Return towers of `spec` holding `state`; every key exactly once, or `ShapeMismatch` listing what is wrong."""
    check_state(spec, state, where=where)
    # a copy of each: numbers in a mapped file are not aligned, which changes the last bits of convolutions
    ready = {name: torch.from_numpy(_own(array)) for name, array in state.items()}
    with _NoDraws(zeros=not native(spec)):
        towers = build(spec)
    if not native(spec):
        check_shapes({name: tuple(value.shape) for name, value in towers.state_dict().items()}, state, where=where)
    towers.load_state_dict(ready, strict=True, assign=True)
    return towers.eval()


class _NoDraws(TorchFunctionMode):
    """Within it modules are made without drawing first numbers: most of the time, and they are replaced at once.

    `zeros`: zeros in place of draws, for other packages' modules, some of which draw again until all numbers lie
    within bounds (`torch.nn.init.trunc_normal_`); else whatever was in memory.
    """

    def __init__(self, *, zeros: bool = False) -> None:
        super().__init__()
        self._zeros = zeros

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if func.__name__ in DRAWS:
            tensor = args[0] if args else given["tensor"]
            if self._zeros:
                with torch.no_grad():
                    tensor.zero_()
            return tensor
        return (torch.empty if func == torch.randn else func)(*args, **given)


def _own(array: Array) -> Array:
    wanted = np.float32 if array.dtype.kind == "f" else array.dtype.newbyteorder("=")
    return np.array(array, wanted, order="C", copy=True)
