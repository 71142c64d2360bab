"""Linear layers with weights in oneDNN's own order, for processors on which PyTorch's usual product is slower.

    layers = PackedLayers.of(towers)     # None where the usual product is the faster one
    with layers.used(): towers(...)

PyTorch multiplies float32 matrices with MKL, which is slower on AMD's processors than oneDNN is.  Measured on an AMD
EPYC with AVX2 and PyTorch 2.13: 9 % more images and 7 % more texts a second of ViT-B/32.  oneDNN is asked through the
operators that `torch.compile` uses, without a compiler.  Results differ by rounding alone, 2e-7 in unit embeddings.
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from wordsight.base.processor import processor_name

LEAST = 64  # rows and columns of a weight that is worth it
ROWS = 800  # of inputs, for which oneDNN chooses the order: 16 images of 50 patches


class PackedLayers:
    """The weights of towers that stay as they are: packed when used first, they take their memory twice."""

    def __init__(self, weights: list[nn.Parameter]) -> None:
        self._weights = {id(one): one for one in weights}
        self._packed: dict[int, Tensor] = {}

    @classmethod
    def of(cls, towers: nn.Module) -> "PackedLayers | None":
        """Return the layers of float32 towers on the processor, None where packing them gains nothing."""
        operators = torch.ops.mkldnn
        known = hasattr(operators, "_reorder_linear_weight") and hasattr(operators, "_linear_pointwise")
        if not known or "AMD" not in processor_name():
            return None
        return cls([one for one in towers.parameters() if one.dim() == 2 and min(one.shape) >= LEAST])

    def linear(self, inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return what `torch.nn.functional.linear` does: (…, O) for (…, I), a weight (O, I) and a bias (O)."""
        if self._weights.get(id(weight)) is not weight or inputs.dtype != torch.float32:
            return F.linear(inputs, weight, bias)
        packed = self._packed.get(id(weight))
        if packed is None:
            packed = self._packed[id(weight)] = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), ROWS)
        outputs: Tensor = torch.ops.mkldnn._linear_pointwise(inputs, packed, bias, "none", [], "")
        return outputs

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """Let linear layers of this thread be computed with packed weights."""
        with _Instead(self):
            yield


class _Instead(TorchFunctionMode):
    def __init__(self, layers: PackedLayers) -> None:
        super().__init__()
        self._layers = layers

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        return (self._layers.linear if func is F.linear else func)(*args, **(kwargs or {}))
