"""PyTorch's random numbers, beside PyTorch's own."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from wordsight.evaluate.torch_stream import TorchStream


@pytest.mark.parametrize("seed", [0, 1, 12345, 2**32 - 1, 2**32 + 7, 2**63 - 1])
def test_permutations_are_those_of_randperm(seed):
    stream = TorchStream(seed)
    torch.manual_seed(seed)
    for count in (0, 1, 2, 17, 30_000):
        assert stream.permutation(count).tolist() == torch.randperm(count).tolist()


@pytest.mark.parametrize(("classes", "width"), [(10, 512), (2, 3), (1, 1), (37, 100)])
@pytest.mark.parametrize("seed", [0, 5])
def test_a_linear_layer_starts_where_torch_starts_it_and_epochs_follow_bit_by_bit(seed, classes, width):
    torch.manual_seed(seed)
    layer = torch.nn.Linear(width, classes)
    loader = DataLoader(TensorDataset(torch.arange(23)), batch_size=5, shuffle=True)
    epochs = [torch.cat([rows for (rows,) in loader]).tolist() for _ in range(3)]
    stream = TorchStream(seed)
    start = stream.linear(classes, width)
    np.testing.assert_array_equal(start.weights, layer.weight.detach().numpy())
    np.testing.assert_array_equal(start.bias, layer.bias.detach().numpy())
    assert [stream.shuffle(23).tolist() for _ in range(3)] == epochs
