import numpy as np
import pytest
import torch

from wordsight.base.errors import UsageError
from wordsight.engines.engine import needed_lengths
from wordsight.engines.parity import some_images, some_texts
from wordsight.engines.torch_engine import TorchEngine, choose_precision
from wordsight.images.transform import normalise


def test_it_gives_the_rows_of_the_towers(towers):
    engine = TorchEngine.of(towers, fingerprint="f")
    pixels, tokens = some_images(towers.spec, 20), some_texts(towers.spec, 20)
    with torch.inference_mode():
        images = towers.encode_image(torch.from_numpy(normalise(pixels, towers.spec.preprocess)))
        texts = towers.encode_text(torch.from_numpy(tokens), trim=False)
    np.testing.assert_allclose(engine.embed_images(pixels), images.numpy(), atol=1e-6)
    np.testing.assert_allclose(engine.embed_texts(tokens), texts.numpy(), atol=1e-6)


def test_bf16_is_near_fp32(exported):
    full, half = (TorchEngine(exported, device="cpu", precision=name) for name in ("fp32", "bf16"))
    pixels, tokens = some_images(full.spec, 4), some_texts(full.spec, 4)
    assert (full.embed_images(pixels) * half.embed_images(pixels)).sum(axis=1).min() > 0.999
    assert (full.embed_texts(tokens) * half.embed_texts(tokens)).sum(axis=1).min() > 0.999
    assert half.scale == pytest.approx(full.scale)


def test_dropout_is_off_after_training(towers):
    towers.train()
    engine = TorchEngine.of(towers, fingerprint="f")
    assert not towers.training
    assert engine.scale == pytest.approx(1 / 0.07)


@pytest.mark.parametrize(("has_bf16", "expected"), [(True, "bf16"), (False, "fp16")])
def test_half_precision_is_the_choice_of_cuda(monkeypatch, has_bf16, expected):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: has_bf16)
    assert choose_precision("auto", torch.device("cuda")) == expected
    assert choose_precision("auto", torch.device("cpu")) == "fp32"


def test_towers_are_compiled_for_gpus_only(exported):
    with pytest.raises(UsageError, match="compiled towers on cpu; use device cuda"):
        TorchEngine(exported, device="cpu", compiled=True)


def test_compiled_towers_get_batches_of_one_size_and_keep_what_they_gave(towers, monkeypatch):
    seen, place = [], {}

    def compile_(function, **options):
        assert options == {"mode": "reduce-overhead", "dynamic": False}

        def call(raw):
            seen.append(len(raw))
            rows = function(raw)
            place.setdefault("rows", torch.empty_like(rows)).copy_(rows)  # as a CUDA graph: one place for all results
            return place["rows"]

        return call

    pixels = some_images(towers.spec, 20)
    expected = TorchEngine.of(towers, fingerprint="f").embed_images(pixels)
    monkeypatch.setattr(torch, "compile", compile_)
    engine = TorchEngine.of(towers, fingerprint="f")
    engine._take(towers, compiled=True)
    np.testing.assert_allclose(engine.embed_images(pixels), expected, atol=1e-6)
    assert seen == [16, 16]


def test_what_goes_to_a_gpu_goes_from_pinned_memory_without_waiting(towers, monkeypatch):
    engine = TorchEngine.of(towers, fingerprint="f")
    engine._device = torch.device("cuda")
    calls = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: calls.append("pin") or tensor)
    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, *place, **how: calls.append((*place, how)) or tensor)
    engine._send(some_images(towers.spec, 2)[::-1])
    assert calls == ["pin", (torch.device("cuda"), {"non_blocking": True})]


def test_a_device_that_is_not_there_is_named(exported):
    with pytest.raises(UsageError, match="device 'cuda:77' cannot be used here.*use auto or cpu"):
        TorchEngine(exported, device="cuda:77")


def test_only_needed_positions_are_counted(towers):
    tokens = np.array([[598, 5, 599, 0], [598, 599, 3, 599]], np.int32)
    assert needed_lengths(tokens, towers.spec).tolist() == [3, 2]


def test_packed_layers_give_the_same_embeddings(exported, towers, monkeypatch):
    monkeypatch.setattr("wordsight.engines.packed.processor_name", lambda: "Intel(R) Xeon(R)")
    plain = TorchEngine(exported, device="cpu")
    monkeypatch.setattr("wordsight.engines.packed.processor_name", lambda: "AMD EPYC")
    monkeypatch.setattr("wordsight.engines.packed.LEAST", 8)
    packed = TorchEngine(exported, device="cpu")
    pixels, tokens = some_images(packed.spec, 5), some_texts(packed.spec, 5)
    for _ in range(2):  # packed when used first, and used again
        np.testing.assert_allclose(packed.embed_images(pixels), plain.embed_images(pixels), atol=1e-6)
        np.testing.assert_allclose(packed.embed_texts(tokens), plain.embed_texts(tokens), atol=1e-6)
    assert plain._packed is None
    assert len(packed._packed._packed) > 4, "weights were packed"
    assert TorchEngine.of(towers, fingerprint="f")._packed is None, "a trainer's weights change"
