"""The tiered stem against convolutions written out window by window."""

import torch
import torch.nn.functional as F

from wordsight.towers.vit.module import VisionTransformer
from wordsight.towers.vit.spec import VitSpec


def test_the_tiered_stem():
    torch.manual_seed(0)
    spec = VitSpec(stem="tiered", stem_padding=1, size=32, patch=16, width=24, layers=1, heads=2)
    tower = VisionTransformer(spec, 20).double()
    state, picture = tower.state_dict(), torch.randn(3, 32, 32, dtype=torch.float64)

    def cells(x, part, side):
        kernel, bias = (state[f"stem.{part}.{end}"] for end in ("weight", "bias"))
        rows, columns = (length // side for length in x.shape[1:])
        windows = [
            x[:, i * side : (i + 1) * side, j * side : (j + 1) * side] for i in range(rows) for j in range(columns)
        ]
        outs = torch.stack([window.flatten() for window in windows]) @ kernel.flatten(1).T + bias
        return outs.T.reshape(-1, rows, columns)

    x = torch.zeros(3, 34, 34, dtype=torch.float64)
    x[:, 1:33, 1:33] = picture
    for part, side in ((0, 4), (2, 2), (4, 2)):
        x = cells(x if part == 0 else F.gelu(x), part, side)
    torch.testing.assert_close(tower.stem(picture[None])[0], x, atol=1e-9, rtol=1e-9)
    assert tower(picture[None]).shape == (1, 20)
