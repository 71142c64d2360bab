"""How large an architecture is and how much it computes, without allocating it.

    python -m wordsight.towers.count            prints the table of docs/towers.md

Counted on PyTorch's meta device.  A multiply-add is two operations; only matrix products and convolutions
count (norms and activations are below 1 % of them); texts are counted at the full context length.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from wordsight.towers.build import build
from wordsight.towers.catalogue import architecture, names
from wordsight.towers.spec import ModelSpec
from wordsight.towers.two import TwoTowers


@dataclass(frozen=True, slots=True)
class Size:
    """Numbers of parameters; scale and bias count with the text."""

    image: int
    text: int


@dataclass(frozen=True, slots=True)
class Work:
    """Floating-point operations of one forward pass of one image and of one text."""

    image: int
    text: int


def parameters(spec: ModelSpec) -> Size:
    """Return the number of parameters of the towers of `spec`."""
    towers = _shapes(spec)
    image = sum(p.numel() for p in towers.visual.parameters())
    return Size(image=image, text=sum(p.numel() for p in towers.parameters()) - image)


def operations(spec: ModelSpec) -> Work:
    """Return the floating-point operations of the towers of `spec`."""
    towers, side = _shapes(spec), spec.image.size
    pixels = torch.empty(1, 3, side, side, device="meta")
    tokens = torch.zeros(1, spec.text.context_length, dtype=torch.int32, device="meta")
    return Work(
        image=_flops(lambda: towers.encode_image(pixels)),
        text=_flops(lambda: towers.encode_text(tokens, trim=False)),
    )


def table() -> str:
    """Return all architectures as a Markdown table: parameters in millions, operations in 10^9."""
    head = "| architecture | input | parameters (M): image | text | both | GFLOPs: an image | a text |"
    return "\n".join([head, "|---|---|---|---|---|---|---|", *(f"{shape(n)} {work(n)}" for n in names())])


def shape(name: str) -> str:
    """Return the first cells of an architecture's row: name, image, parameters.  Takes a moment."""
    spec = architecture(name)
    size, side = parameters(spec), spec.image.size
    image, text = size.image / 1e6, size.text / 1e6
    return f"| {name} | {side}×{side} | {image:.2f} | {text:.2f} | {image + text:.2f} |"


def work(name: str) -> str:
    """Return the last cells of an architecture's row: operations.  Takes some seconds for large towers."""
    counted = operations(architecture(name))
    return f"{counted.image / 1e9:.2f} | {counted.text / 1e9:.2f} |"


def _shapes(spec: ModelSpec) -> TwoTowers:
    with torch.device("meta"):
        towers = build(spec)
    return towers.to("meta").eval()


def _flops(call: Callable[[], Tensor]) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        call()
    total: int = counter.get_total_flops()
    return total


if __name__ == "__main__":
    print(table())
