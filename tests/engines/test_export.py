import importlib.util
import sys

import numpy as np
import onnx
import pytest
import torch

from wordsight.base.errors import FormatError, UsageError
from wordsight.base.files import read_json
from wordsight.embeddings.model import Model
from wordsight.engines.export import export
from wordsight.engines.layer_noise import worst_layers
from wordsight.engines.onnx_engine import OnnxEngine
from wordsight.engines.parity import agreement, naming, some_images
from wordsight.engines.torch_engine import TorchEngine
from wordsight.towers.graph.operators import quantise
from wordsight.towers.graph.transformer import GraphWeights
from wordsight.towers.graph.write import GraphSource, build_graph
from wordsight.weights.folder import read_model_manifest, save_model


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def source_of(towers):
    return GraphSource(
        towers.spec, {name: tensor.detach().numpy() for name, tensor in towers.state_dict().items()}, "0" * 16
    )


def with_an_outlier(towers):
    """The same towers to PyTorch, but one channel dwarfs the others where int8 has one scale for all."""
    block = towers.visual.transformer.resblocks[0]
    with torch.no_grad():
        block.ln_2.weight[3] *= 1e5
        block.mlp.c_fc.weight[:, 3] *= 1e-5
        block.mlp.c_fc.weight.mul_(4)
    return towers


def with_a_hidden_outlier(towers):
    """One channel inside two MLPs is huge and then taken back: no norm stands before it that could share its range."""
    with torch.no_grad():
        for block in towers.visual.transformer.resblocks:
            block.mlp.c_fc.bias[5] = 1e5
            block.mlp.c_proj.weight[:, 5] = 1e-5
            block.mlp.c_proj.weight.mul_(4)
    return towers


def test_an_export_is_recorded(plain):
    report = export(plain, precisions=["int8"])
    assert read_model_manifest(plain).precisions == ("int8",)
    assert [(a.tower, a.precision) for a in report.agreements] == [("image", "int8"), ("text", "int8")]
    assert read_json(plain / "onnx" / "parity.json")["fingerprint"] == read_model_manifest(plain).fingerprint
    assert sorted(path.name for path in plain.iterdir()) == [
        "README.md", "merges.txt", "model.json", "onnx", "weights.safetensors",
    ]  # fmt: skip


def test_a_second_precision_joins_the_first(plain):
    export(plain, precisions=["fp32"])
    report = export(plain, precisions=["int8"])
    assert {a.precision for a in report.agreements} == {"int8", "fp32"}
    assert read_model_manifest(plain).precisions == ("int8", "fp32")
    assert OnnxEngine(plain, precision="fp32").precision == "fp32"


def test_an_export_elsewhere_is_a_model_without_weights(plain, tmp_path):
    out = tmp_path / "light"
    export(plain, precisions=["int8"], out=out)
    assert sorted(path.name for path in out.iterdir()) == ["README.md", "merges.txt", "model.json", "onnx"]
    assert OnnxEngine(out).fingerprint == read_model_manifest(plain).fingerprint
    assert read_model_manifest(plain).precisions == ()


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


def test_a_graph_that_disagrees_is_refused_and_nothing_changes(towers, exported, monkeypatch):
    save_model(with_a_hidden_outlier(towers), exported, merges=(exported / "merges.txt").read_text())
    export(exported, precisions=["fp32"])
    before = contents(exported)
    monkeypatch.setattr(
        "wordsight.engines.export.worst_layers",
        lambda *_: [("visual.transformer.resblocks.0.attn.out_proj", 0.1)],  # which is not the one that suffers
    )
    expected = r"image int8: cosine to PyTorch fp32 mean 0\.\d+.*layers to keep in fp32: visual\S+out_proj; use another"
    with pytest.raises(FormatError, match=expected):
        export(exported, precisions=["int8"])
    assert contents(exported) == before


def int8_against_fp32(towers, keep=()):
    pixels = some_images(towers.spec, 8)
    import onnxruntime

    def rows(precision):
        content = build_graph(source_of(towers), "image", precision, keep=keep if precision == "int8" else ())
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        return session.run(["rows"], {"pixels": pixels})[0]

    return (rows("int8") * rows("fp32")).sum(axis=1)


def test_an_outlier_behind_a_norm_is_shared_with_the_matrix_and_does_no_harm(towers):
    assert int8_against_fp32(with_an_outlier(towers)).min() > 0.99


def test_layers_that_integers_would_harm_are_found_and_kept(towers, plain, capsys):
    save_model(with_a_hidden_outlier(towers), plain, merges=(plain / "merges.txt").read_text())
    suffering = {f"visual.transformer.resblocks.{number}.mlp.c_proj" for number in (0, 1)}
    assert int8_against_fp32(towers).mean() < 0.99
    assert int8_against_fp32(towers, suffering).min() > 0.99
    report = export(plain, precisions=["int8"])
    image, text = report.agreements
    assert set(image.kept) == suffering
    assert text.kept == ()
    assert image.sound
    assert "kept in fp32" in image.line()
    said = capsys.readouterr().err
    assert all(name in said for name in suffering)
    rows = OnnxEngine(plain, precision="int8").embed_images(some_images(towers.spec, 4))
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_layers_are_ranked_by_what_integers_do_to_them(towers):
    ranked = worst_layers(source_of(with_a_hidden_outlier(towers)), "image", some_images(towers.spec, 4))
    assert len(ranked) == 8
    assert {name for name, _ in ranked[:2]} == {f"visual.transformer.resblocks.{i}.mlp.c_proj" for i in (0, 1)}
    assert ranked[1][1] > 10 * ranked[2][1]


def test_layers_can_be_kept_by_name(plain):
    name = "transformer.resblocks.1.mlp.c_fc"
    report = export(plain, precisions=["int8"], keep=[name])
    assert [one.kept for one in report.agreements] == [(), (name,)]
    with pytest.raises(UsageError, match=r"no layer transformer\.resblocks\.7.* its layers are transformer"):
        export(plain, precisions=["int8"], keep=["transformer.resblocks.7.mlp.c_fc"])


def test_an_export_without_pytorch_is_compared_with_its_own_fp32(plain, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "torch" else real(name, *rest))
    monkeypatch.setitem(sys.modules, "torch", None)
    report = export(plain)
    assert {one.reference for one in report.agreements} == {"ONNX Runtime"}
    assert all(one.sound for one in report.agreements)
    assert "cosine to ONNX Runtime fp32" in report.lines()[0]
    assert "image fp32: not compared, since PyTorch is not installed" in report.lines()
    assert [one.precision for one in report.namings] == ["int8", "fp16"]
    assert read_model_manifest(plain).precisions == ("int8", "fp32", "fp16")
    assert not list((plain / "onnx").glob("*/"))


def test_names_given_to_pictures_are_compared(plain):
    report = export(plain, precisions=["int8", "fp32"])
    assert [(one.precision, one.count, one.classes) for one in report.namings] == [("int8", 16, 20), ("fp32", 16, 20)]
    assert report.namings[1].share == 1.0
    assert report.lines()[-1] == "fp32: 100% of 16 pictures get the same of 20 names"
    own = np.eye(3, dtype=np.float32)
    other = own[[0, 2, 1]]
    assert naming("int8", (own, own), (own, other)).share == pytest.approx(1 / 3)


def test_unknown_precisions_are_refused(plain):
    with pytest.raises(UsageError, match="precisions int4; use int8, fp32, fp16"):
        export(plain, precisions=["int4"])


def test_fp32_graphs_hold_standard_operators_only(towers):
    for tower in ("image", "text"):
        model = onnx.load_from_string(build_graph(source_of(towers), tower, "fp32"))
        onnx.checker.check_model(model, full_check=True)
        assert {node.domain for node in model.graph.node} == {""}


def test_int8_stores_the_weights_in_a_quarter(towers):
    for tower in ("image", "text"):
        whole, full = (len(build_graph(source_of(towers), tower, precision)) for precision in ("int8", "fp32"))
        assert whole < 0.5 * full  # these towers are so small that names and norms count


def test_weights_nobody_took_are_named():
    weights = GraphWeights({"a": np.zeros(1), "b": np.zeros(1)})
    weights.take("a")
    with pytest.raises(FormatError, match="no place for b"):
        weights.check_all_read()
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


def test_every_family_goes_from_words_and_pictures_to_the_towers_rows(family):
    report = export(family)
    assert all(one.good for one in report.agreements), report.lines()
    true = Model(TorchEngine(family, device="cpu"), folder=family)
    pictures = [np.random.default_rng(n).integers(0, 255, (20 + 9 * n, 50 - 7 * n, 3), np.uint8) for n in range(4)]
    texts = ["a tree", "", "the hats in the hut " * 20]
    for precision, least in (("int8", 0.99), ("fp32", 1 - 1e-6), ("fp16", 0.9999)):
        model = Model(OnnxEngine(family, precision=precision), folder=family)
        assert (model.embed_images(pictures) * true.embed_images(pictures)).sum(axis=1).min() > least
        assert (model.embed_texts(texts) * true.embed_texts(texts)).sum(axis=1).min() > least
        np.testing.assert_allclose(model.match(pictures, texts), true.match(pictures, texts), atol=0.1)


def test_what_a_killed_export_left_is_no_hindrance(plain, tmp_path, killed_draft):
    for folder in (tmp_path / "out", plain):
        killed_draft(folder / "onnx").mkdir(parents=True)
    export(plain, precisions=["fp32"], out=tmp_path / "out")
    export(plain, precisions=["fp32"])
    assert not [*(tmp_path / "out").glob(".*"), *plain.glob(".*")]
