"""The scan of 8-bit numbers finds what comparing all finds, whatever the embeddings are."""

import numpy as np
import pytest

from wordsight.base.arrays import unit
from wordsight.index import int8
from wordsight.index import scan as scans
from wordsight.index.halves import nearest_halves
from wordsight.index.int8 import build_int8
from wordsight.index.scan import search_scan

KINDS = {
    "normal": lambda random, count: random.standard_normal((count, 64)),
    "sparse": lambda random, count: random.standard_normal((count, 64)) * (random.random((count, 64)) < 0.05) + 1e-3,
    "axes": lambda random, count: np.eye(64)[random.integers(0, 64, count)],
    "a cone": lambda random, count: 5 + random.standard_normal((count, 64)),
    "one large number": lambda random, count: random.standard_normal((count, 64)) + 30 * (np.arange(64) == 7),
    "nearly the same": lambda random, count: 1 + 1e-3 * random.standard_normal((count, 64)),
    "heavy tails": lambda random, count: random.standard_t(1.5, (count, 64)),
    "half of nothing": lambda random, count: random.standard_normal((count, 64)) * (np.arange(64) < 32) + 1e-9,
}


@pytest.mark.parametrize("made_of", KINDS)
@pytest.mark.parametrize("then", KINDS)
def test_whatever_the_embeddings_are_and_come_to_be_the_nearest_are_found(made_of, then, monkeypatch):
    """Also of what is added that is nothing like what the scan was made of; there are ties, and filters."""
    monkeypatch.setattr(scans, "SMALL", 500)
    monkeypatch.setattr(int8, "BLOCK", 512)
    random = np.random.default_rng(len(made_of) * 100 + len(then))
    some = unit(np.concatenate([KINDS[made_of](random, 2000), KINDS[then](random, 100)])).astype(np.float16)
    kernel = build_int8(some[:2000])
    kernel.extend(some)
    near = some[random.integers(0, 2100, 10)].astype(np.float32)
    texts = unit(0.35 * near + 0.9 * unit(random.standard_normal((10, 64))))
    asked = np.concatenate([near, texts, some[-5:].astype(np.float32)])
    for allowed in (None, random.random(2100) < 0.6, some.astype(np.float32) @ texts[0] < 0):
        for k in (1, 10, 90):
            truth = nearest_halves(asked, some, k, allowed=allowed)
            answer = search_scan(kernel, some, asked, k, allowed=allowed)
            np.testing.assert_allclose(answer.scores, truth.scores, atol=1e-5)


def test_the_product_is_that_of_the_operator():
    onnx = pytest.importorskip("onnx")
    graph = onnx.load_from_string(int8._PRODUCT).graph
    assert [node.op_type for node in graph.node] == ["MatMulInteger"]
    onnx.checker.check_model(onnx.load_from_string(int8._PRODUCT))
    levels = np.full((3, 512), 127, np.uint8)
    codes = np.full((512, 8192), -127, np.int8)
    assert (int8._multiplied(levels, codes) == -127 * 127 * 512).all()
