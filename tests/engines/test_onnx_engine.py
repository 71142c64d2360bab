import numpy as np
import pytest

from wordsight.base.errors import FormatError, NotFound, UsageError
from wordsight.base.files import read_json, write_json
from wordsight.engines import onnx_engine
from wordsight.engines.onnx_engine import OnnxEngine, products_may_overflow
from wordsight.engines.parity import some_pictures, some_texts
from wordsight.weights.folder import read_manifest


def test_facts_come_from_the_manifest(exported):
    engine, manifest = OnnxEngine(exported), read_manifest(exported)
    assert (engine.spec, engine.fingerprint) == (manifest.spec, manifest.fingerprint)
    assert engine.scale == pytest.approx(1 / 0.07)
    assert engine.bias is None


def test_a_text_query_needs_no_image_graph(exported):
    engine = OnnxEngine(exported)
    (exported / "onnx" / "image.int8.onnx").write_bytes(b"")
    assert engine.embed_texts(some_texts(engine.spec, 2)).shape == (2, 24)
    with pytest.raises(FormatError, match=r"image\.int8\.onnx"):
        engine.embed_images(some_pictures(engine.spec, 2))


def test_auto_precision_is_what_the_folder_has(exported):
    assert OnnxEngine(exported).precision == "int8"
    (exported / "onnx" / "image.int8.onnx").unlink()
    assert OnnxEngine(exported).precision == "fp32"


def test_missing_graphs_name_the_cure(plain):
    with pytest.raises(NotFound, match=r"no ONNX graphs in int8 or fp32; wordsight convert .* --to onnx"):
        OnnxEngine(plain)


def test_a_missing_precision_is_named(exported):
    (exported / "onnx" / "text.fp32.onnx").unlink()
    with pytest.raises(NotFound, match="no ONNX graphs in fp32"):
        OnnxEngine(exported, precision="fp32")


@pytest.mark.parametrize("damage", ["cut", "empty", "foreign"])
def test_a_damaged_graph_is_a_format_error(exported, damage):
    path = exported / "onnx" / "text.int8.onnx"
    content = path.read_bytes()
    path.write_bytes({"cut": content[: len(content) // 2], "empty": b"", "foreign": b"PK\x03\x04 no graph"}[damage])
    engine = OnnxEngine(exported)
    with pytest.raises(FormatError, match=r"text\.int8\.onnx is no graph"):
        engine.embed_texts(some_texts(engine.spec, 1))


def test_graphs_of_other_weights_are_refused(exported):
    manifest = read_json(exported / "model.json")
    write_json(exported / "model.json", {**manifest, "fingerprint": "0123456789abcdef"})
    engine = OnnxEngine(exported)
    with pytest.raises(FormatError, match=f"made from the model {manifest['fingerprint']}.*0123456789abcdef"):
        engine.embed_texts(some_texts(engine.spec, 1))


def test_texts_of_all_lengths_come_back_in_order(exported):
    engine = OnnxEngine(exported, precision="fp32", threads=1)
    texts = some_texts(engine.spec, 70)
    one_by_one = np.concatenate([engine.embed_texts(row[None]) for row in texts])
    np.testing.assert_allclose(engine.embed_texts(texts), one_by_one, atol=2e-6)


def test_it_is_for_processors(exported):
    with pytest.raises(UsageError, match="'cuda' with the ONNX engine; use cpu, or --engine torch"):
        OnnxEngine(exported, device="cuda")


@pytest.mark.parametrize(
    ("machine", "flags", "overflow"),
    [
        ("x86_64", "flags : sse avx2 avx512_vnni", False),
        ("x86_64", "flags : sse avx2 avx_vnni", False),
        ("x86_64", "flags : sse avx2", True),
        ("AMD64", None, True),
        ("aarch64", None, False),
    ],
)
def test_slow_exact_products_only_where_they_are_needed(tmp_path, monkeypatch, machine, flags, overflow):
    monkeypatch.setattr(onnx_engine.platform, "machine", lambda: machine)
    if flags is not None:
        (tmp_path / "cpuinfo").write_text(flags)
    assert products_may_overflow(tmp_path / "cpuinfo") is overflow
