"""A batch that goes through a tower in parts gives what it gives as a whole, gradients too."""

import pytest
import torch
from torch import Tensor, nn

from wordsight.train.parts import AT_ONCE, in_parts

COUNT = 2 * AT_ONCE + 5


@pytest.fixture
def tower() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU6(), nn.Flatten(), nn.Linear(64, 5))


@pytest.fixture
def pixels() -> Tensor:
    return torch.randn(COUNT, 3, 6, 6, generator=torch.Generator().manual_seed(1))


def test_parts_equal_the_whole(tower: nn.Sequential, pixels: Tensor) -> None:
    tower.eval()
    whole = tower(pixels)
    whole.square().sum().backward()
    gradients = [parameter.grad.clone() for parameter in tower.parameters() if parameter.grad is not None]
    tower.zero_grad()
    sizes: list[int] = []

    def counted(some: Tensor) -> Tensor:
        sizes.append(len(some))
        out: Tensor = tower(some)
        return out

    parts = in_parts(counted, pixels, tower)
    parts.square().sum().backward()
    assert sizes == [AT_ONCE, AT_ONCE, 5]
    torch.testing.assert_close(parts, whole)
    assert len(gradients) == 6
    for parameter, gradient in zip(tower.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_statistics_of_a_batch_are_those_of_the_whole(tower: nn.Sequential, pixels: Tensor) -> None:
    tower.train()
    before = [buffer.clone() for buffer in tower.buffers()]
    whole = tower(pixels)
    for buffer, old in zip(tower.buffers(), before, strict=True):
        buffer.copy_(old)
    torch.testing.assert_close(in_parts(tower, pixels, tower), whole, rtol=0, atol=0)
