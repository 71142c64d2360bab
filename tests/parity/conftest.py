"""What the parity tests share: neighbours that can be imported, and their warnings left to them."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))  # for `compare`

# the CPU build of PyTorch has no compiled torchvision operators; open_clip and timm only need them to be registered
_OPERATORS = torch.library.Library("torchvision", "DEF")
for _name in ("nms", "qnms"):
    _OPERATORS.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "parity" in item.path.parts:
            item.add_marker(pytest.mark.filterwarnings("default"))
