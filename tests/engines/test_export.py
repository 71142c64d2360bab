import numpy as np
import onnx
import pytest
import torch

from wordsight.base.errors import FormatError, UsageError
from wordsight.base.files import read_json
from wordsight.engines.export import build_graph, export
from wordsight.engines.graph import quantise
from wordsight.engines.graph_transformer import Weights
from wordsight.engines.onnx_engine import OnnxEngine
from wordsight.engines.parity import agreement
from wordsight.weights.folder import read_manifest, save_model


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def with_an_outlier(towers):
    """The same towers to PyTorch, but one channel dwarfs the others where int8 has one scale for all."""
    block = towers.visual.transformer.resblocks[0]
    with torch.no_grad():
        block.ln_2.weight[3] *= 1e5
        block.mlp.c_fc.weight[:, 3] *= 1e-5
        block.mlp.c_fc.weight.mul_(4)
    return towers


def test_an_export_is_recorded(plain):
    report = export(plain, precisions=["int8"])
    assert read_manifest(plain).precisions == ("int8",)
    assert [(a.tower, a.precision) for a in report.agreements] == [("image", "int8"), ("text", "int8")]
    assert read_json(plain / "onnx" / "parity.json")["fingerprint"] == read_manifest(plain).fingerprint
    assert sorted(path.name for path in plain.iterdir()) == [
        "README.md", "merges.txt", "model.json", "onnx", "weights.safetensors",
    ]  # fmt: skip


def test_a_second_precision_joins_the_first(plain):
    export(plain, precisions=["fp32"])
    report = export(plain, precisions=["int8"])
    assert {a.precision for a in report.agreements} == {"int8", "fp32"}
    assert read_manifest(plain).precisions == ("int8", "fp32")
    assert OnnxEngine(plain, precision="fp32").precision == "fp32"


def test_an_export_elsewhere_is_a_model_without_weights(plain, tmp_path):
    out = tmp_path / "light"
    export(plain, precisions=["int8"], out=out)
    assert sorted(path.name for path in out.iterdir()) == ["README.md", "merges.txt", "model.json", "onnx"]
    assert OnnxEngine(out).fingerprint == read_manifest(plain).fingerprint
    assert read_manifest(plain).precisions == ()


def test_a_folder_of_other_things_is_not_written_to(plain, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"")
    with pytest.raises(UsageError, match="holds other files"):
        export(plain, out=tmp_path / "photos")


def test_another_model_is_not_written_to(plain, tmp_path, towers):
    other = tmp_path / "other"
    with torch.no_grad():
        towers.ln_final.bias.add_(1)
    save_model(towers, other, merges=(plain / "merges.txt").read_text())
    with pytest.raises(UsageError, match="holds another model"):
        export(plain, out=other)


def test_a_graph_that_disagrees_is_refused_and_nothing_changes(towers, exported):
    save_model(with_an_outlier(towers), exported, merges=(exported / "merges.txt").read_text())
    export(exported, precisions=["fp32"])
    before = contents(exported)
    with pytest.raises(FormatError, match=r"image int8: cosine to PyTorch fp32 mean 0\.\d+.*use another precision"):
        export(exported, precisions=["int8"])
    assert contents(exported) == before


def test_unknown_precisions_are_refused(plain):
    with pytest.raises(UsageError, match="precisions int4; use int8 and fp32"):
        export(plain, precisions=["int4"])


def test_fp32_graphs_hold_standard_operators_only(towers):
    for tower in ("image", "text"):
        model = onnx.load_from_string(build_graph(towers, tower, "fp32", "0" * 16))
        onnx.checker.check_model(model, full_check=True)
        assert {node.domain for node in model.graph.node} == {""}


def test_int8_stores_the_weights_in_a_quarter(towers):
    for tower in ("image", "text"):
        whole, full = (len(build_graph(towers, tower, precision, "0" * 16)) for precision in ("int8", "fp32"))
        assert whole < 0.5 * full  # these towers are so small that names and norms count


def test_weights_nobody_took_are_named():
    weights = Weights({"a": np.zeros(1), "b": np.zeros(1)})
    weights.take("a")
    with pytest.raises(FormatError, match="no place for b"):
        weights.check_all_taken()
    with pytest.raises(FormatError, match="no weight c"):
        weights.take("c")


def test_quantised_weights_are_within_half_a_step():
    weight = np.random.default_rng(0).standard_normal((7, 5)).astype(np.float32)
    weight[:, 2] = 0
    whole, scale = quantise(weight, axis=1)
    assert (np.abs(whole * scale - weight) <= scale * 0.5001).all()
    assert np.abs(whole).max() == 127
    assert not whole[:, 2].any()


def test_agreement_is_worst_and_mean_plain_and_centred():
    reference = np.array([[1, 0], [0, 1]], np.float32)
    rows = np.array([[1, 0], [0.6, 0.8]], np.float32)
    found = agreement("text", "int8", rows, reference)
    assert (found.mean, found.worst, found.difference) == pytest.approx((0.9, 0.8, 0.6))
    # centred: (1, 0) - mean is (0.5, -0.5) both times; (0.1, 0.3) meets (-0.5, 0.5)
    assert found.centred_worst == pytest.approx(0.1 / (0.5**0.5 * 0.1**0.5))
    assert not found.good
