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


@dataclass(frozen=True, slots=True)
class Size:
    """Parameters, and floating-point operations of one forward pass of one picture and of one text."""

    image_parameters: int
    text_parameters: int
    image_flops: int
    text_flops: int


def size(spec: ModelSpec) -> Size:
    """Return the size of the towers of `spec`."""
    with torch.device("meta"):
        towers = build(spec)
    towers = towers.to("meta").eval()
    side = spec.image.size
    pixels = torch.empty(1, 3, side, side, device="meta")
    tokens = torch.zeros(1, spec.text.context_length, dtype=torch.int32, device="meta")
    image_parameters = sum(p.numel() for p in towers.visual.parameters())
    return Size(
        image_parameters=image_parameters,
        text_parameters=sum(p.numel() for p in towers.parameters()) - image_parameters,
        image_flops=_flops(lambda: towers.encode_image(pixels)),
        text_flops=_flops(lambda: towers.encode_text(tokens, trim=False)),
    )


def table() -> str:
    """Return all architectures as a Markdown table: parameters in millions, operations in 10^9."""
    head = "| architecture | picture | parameters (M): image | text | both | GFLOPs: a picture | a text |"
    return "\n".join([head, "|---|---|---|---|---|---|---|", *(_row(name) for name in names())])


def _row(name: str) -> str:
    spec = architecture(name)
    found = size(spec)
    image, text = found.image_parameters / 1e6, found.text_parameters / 1e6
    side = spec.image.size
    work = f"{found.image_flops / 1e9:.2f} | {found.text_flops / 1e9:.2f}"
    return f"| {name} | {side}×{side} | {image:.2f} | {text:.2f} | {image + text:.2f} | {work} |"


def _flops(call: Callable[[], Tensor]) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        call()
    total: int = counter.get_total_flops()
    return total


if __name__ == "__main__":
    print(table())
