import numpy as np
import pytest
import torch

from wordsight.base.errors import UsageError
from wordsight.engines.engine import needed_lengths
from wordsight.engines.parity import some_pictures, some_texts
from wordsight.engines.torch_engine import TorchEngine, choose_precision
from wordsight.images.transform import normalise


def test_it_gives_the_rows_of_the_towers(towers):
    engine = TorchEngine.of(towers, fingerprint="f")
    pixels, tokens = some_pictures(towers.spec, 20), some_texts(towers.spec, 20)
    with torch.inference_mode():
        images = towers.encode_image(torch.from_numpy(normalise(pixels, towers.spec.preprocess)))
        texts = towers.encode_text(torch.from_numpy(tokens), trim=False)
    np.testing.assert_allclose(engine.embed_images(pixels), images.numpy(), atol=1e-6)
    np.testing.assert_allclose(engine.embed_texts(tokens), texts.numpy(), atol=1e-6)


def test_bf16_is_near_fp32(exported):
    full, half = (TorchEngine(exported, device="cpu", precision=name) for name in ("fp32", "bf16"))
    pixels, tokens = some_pictures(full.spec, 4), some_texts(full.spec, 4)
    assert (full.embed_images(pixels) * half.embed_images(pixels)).sum(axis=1).min() > 0.999
    assert (full.embed_texts(tokens) * half.embed_texts(tokens)).sum(axis=1).min() > 0.999
    assert half.scale == pytest.approx(full.scale)


def test_dropout_is_off_after_training(towers):
    towers.train()
    engine = TorchEngine.of(towers, fingerprint="f")
    assert not towers.training
    assert engine.scale == pytest.approx(1 / 0.07)


def test_bf16_is_the_choice_of_cuda():
    assert choose_precision("auto", torch.device("cuda")) == "bf16"
    assert choose_precision("auto", torch.device("cpu")) == "fp32"


def test_a_device_that_is_not_there_is_named(exported):
    with pytest.raises(UsageError, match="device 'cuda:77' cannot be used here.*use auto or cpu"):
        TorchEngine(exported, device="cuda:77")


def test_only_needed_positions_are_counted(towers):
    tokens = np.array([[598, 5, 599, 0], [598, 599, 3, 599]], np.int32)
    assert needed_lengths(tokens, towers.spec).tolist() == [3, 2]
