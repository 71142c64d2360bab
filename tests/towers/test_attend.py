"""The written-out attention for bfloat16 on the CPU is the fused one, gradients included."""

import pytest
import torch

from wordsight.towers.parts.blocks import attend


@pytest.mark.parametrize("causal", [False, True])
def test_bfloat16_attention_follows_float32(causal: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    wide = [torch.randn(2, 3, 7, 16, generator=generator).bfloat16().float().requires_grad_() for _ in range(3)]
    narrow = [x.detach().bfloat16().requires_grad_() for x in wide]
    expected = attend(wide[0], wide[1], wide[2], causal=causal)
    actual = attend(narrow[0], narrow[1], narrow[2], causal=causal)
    assert actual.dtype == torch.bfloat16
    torch.testing.assert_close(actual.float(), expected, atol=0.02, rtol=0.02)
    expected.square().sum().backward()
    actual.float().square().sum().backward()
    for x, y in zip(wide, narrow, strict=True):
        assert x.grad is not None and y.grad is not None
        torch.testing.assert_close(y.grad.float(), x.grad, atol=0.1, rtol=0.05)


def test_causal_attention_does_not_look_ahead() -> None:
    query, key, value = (torch.randn(1, 1, 5, 8).bfloat16() for _ in range(3))
    before = attend(query, key, value, causal=True)
    key[:, :, 3:], value[:, :, 3:] = 9.0, 9.0
    after = attend(query, key, value, causal=True)
    assert torch.equal(before[:, :, :3], after[:, :, :3])
    assert not torch.equal(before[:, :, 3:], after[:, :, 3:])
