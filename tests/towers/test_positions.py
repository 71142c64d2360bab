"""Positions for another size are those of PyTorch's interpolation with the same settings, and of scipy's zoom's rule."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from wordsight.base.errors import ConfigError
from wordsight.towers.parts.resize import RULES, Rule, resize_grid, resize_line

SIDES = [(7, 10), (10, 7), (16, 24), (24, 16), (14, 37), (37, 5), (3, 1), (1, 4), (2, 3), (16, 27)]


def table(rows, width=6, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, width)).astype(np.float32)


@pytest.mark.parametrize("rule", list(RULES.values()), ids=str)
@pytest.mark.parametrize(("old", "new"), SIDES)
def test_a_grid_is_resized_as_pytorch_does(rule: Rule, old, new):
    given = table(old * old)
    grid = torch.from_numpy(given).view(1, old, old, -1).permute(0, 3, 1, 2)
    expected = F.interpolate(grid, (new, new), mode=rule.kernel, antialias=rule.antialias, align_corners=rule.corners)
    resized = resize_grid(given, new, extra=0, rule=rule)
    assert resized.dtype == np.float32
    np.testing.assert_allclose(resized, expected[0].flatten(1).T, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("old", "new"), [(16, 64), (77, 32), (77, 248), (5, 5), (1, 3)])
def test_a_line_is_resized_as_pytorch_does(old, new):
    given = table(old)
    expected = F.interpolate(torch.from_numpy(given).T[None], new, mode="linear", align_corners=False)[0].T
    np.testing.assert_allclose(resize_line(given, new), expected, atol=1e-5, rtol=0)


def test_rows_that_are_no_cell_are_kept_and_half_precision_is_widened():
    given = table(1 + 9).astype(np.float16)
    resized = resize_grid(given, 5, extra=1, rule=RULES["openclip"])
    assert resized.shape == (26, 6) and resized.dtype == np.float32
    assert np.array_equal(resized[0], given[0].astype(np.float32))
    same = resize_grid(given, 3, extra=1, rule=RULES["openclip"])
    assert np.array_equal(same, given.astype(np.float32))


def test_the_rules_differ():
    given = table(49)
    results = [resize_grid(given, 5, extra=0, rule=rule) for rule in RULES.values()]
    for i, a in enumerate(results):
        for j, b in enumerate(results[:i]):
            alike = RULES[list(RULES)[i]] == RULES[list(RULES)[j]]
            assert (np.abs(a - b).max() < 1e-6) == alike


def test_a_table_that_is_no_square_grid_is_refused():
    with pytest.raises(ConfigError, match="10 positions, 0 of them"):
        resize_grid(table(10), 4, extra=0, rule=RULES["openclip"])


def test_sizes_beyond_all_reason_are_refused_before_memory_is_taken():
    table = np.zeros((5, 8), np.float32)
    with pytest.raises(ConfigError, match="positions for 1000000 places in a row; at most 512"):
        resize_grid(table, 10**6, extra=1, rule=RULES["openclip"])
    with pytest.raises(ConfigError, match="positions for 1000000000 places in a row"):
        resize_line(table, 10**9)
