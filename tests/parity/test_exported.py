"""Towers of other packages as ONNX graphs: the rows are those of PyTorch."""

import numpy as np
import pytest
from openclip_side import TEXT, folder_of, make
from test_external import BERT, T5, gemma, text_folder, tiny, tokenizers  # noqa: F401  (tiny is a fixture)

from wordsight.engines.export import export
from wordsight.engines.onnx_engine import OnnxEngine
from wordsight.engines.parity import some_images, some_texts
from wordsight.engines.torch_engine import TorchEngine
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.folder import save_checkpoint
from wordsight.weights.formats.openclip import format as openclip


def exported(place, cfg, kind, tmp_path):
    folder_of(place, make(cfg, kind), cfg)
    ours = tmp_path / "ours"
    save_checkpoint(openclip.read(CheckpointFiles(place)), ours)
    report = export(ours, precisions=["int8", "fp32", "fp16"])
    return ours, report


def agree(ours, report):
    true = TorchEngine(ours, device="cpu")
    odd_images, texts = some_images(true.spec, 5, seed=4), some_texts(true.spec, 7, seed=4)
    full = OnnxEngine(ours, precision="fp32", threads=1)
    np.testing.assert_allclose(full.embed_images(odd_images), true.embed_images(odd_images), atol=5e-6)
    np.testing.assert_allclose(full.embed_texts(texts), true.embed_texts(texts), atol=5e-6)
    for precision, least in (("int8", 0.99), ("fp16", 0.99999)):
        engine = OnnxEngine(ours, precision=precision, threads=1)
        assert (engine.embed_images(odd_images) * true.embed_images(odd_images)).sum(axis=1).mean() > least
        assert (engine.embed_texts(texts) * true.embed_texts(texts)).sum(axis=1).mean() > least
    assert all(one.good for one in report.agreements)


@pytest.mark.parametrize("case", [("fastvit_tiny_test", 64, "linear")], ids=str)
def test_timm_image_towers_are_traced(case, tmp_path):
    name, size, projection = case
    vision = {"timm_model_name": name, "timm_model_pretrained": False, "timm_pool": "avg", "timm_proj": projection}
    cfg = {"embed_dim": 48, "vision_cfg": vision | {"image_size": size}, "text_cfg": TEXT}
    agree(*exported(tmp_path / "theirs", cfg, "CLIP", tmp_path))


@pytest.mark.parametrize(
    "case",
    [
        ("bert", BERT, tokenizers.bert, {"hf_proj_type": "linear", "hf_pooler_type": "cls_pooler"}),
        ("mt5", T5, gemma, {"hf_proj_type": "linear", "hf_pooler_type": "mean_pooler"}),
    ],
    ids=lambda case: case[0],
)
def test_transformers_text_towers_are_traced(case, tmp_path):
    kind, config, vocabulary, text = case
    place = tmp_path / "theirs"
    cfg = text_folder(place, kind, config, vocabulary=vocabulary, text=text)
    agree(*exported(place, cfg, "CustomTextCLIP", tmp_path))
