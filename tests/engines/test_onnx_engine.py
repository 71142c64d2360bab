import numpy as np
import onnx
import pytest

from wordsight.base.errors import FormatError, NotFound, UsageError
from wordsight.base.files import read_json, write_json
from wordsight.base.processor import Processor
from wordsight.base.progress import notice
from wordsight.engines import onnx_engine
from wordsight.engines.onnx_engine import OnnxEngine
from wordsight.engines.parity import some_images, some_texts
from wordsight.weights.folder import read_model_manifest


def restate(path, metadata):
    """Change what a graph states of itself; "" takes the entry out."""
    model = onnx.load(path)
    stated = {entry.key: entry.value for entry in model.metadata_props} | metadata
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {key: value for key, value in stated.items() if value})
    onnx.save(model, path)


def test_facts_come_from_the_manifest(exported):
    engine, manifest = OnnxEngine(exported), read_model_manifest(exported)
    assert (engine.spec, engine.fingerprint) == (manifest.spec, manifest.fingerprint)
    assert engine.scale == pytest.approx(1 / 0.07)
    assert engine.bias is None


def test_a_text_query_needs_no_image_graph(exported):
    engine = OnnxEngine(exported)
    (exported / "onnx" / "image.int8.onnx").write_bytes(b"")
    assert engine.embed_texts(some_texts(engine.spec, 2)).shape == (2, 24)
    with pytest.raises(FormatError, match=r"image\.int8\.onnx"):
        engine.embed_images(some_images(engine.spec, 2))


def test_auto_precision_is_what_the_folder_has(exported):
    assert OnnxEngine(exported).precision == "int8"
    (exported / "onnx" / "image.int8.onnx").unlink()
    assert OnnxEngine(exported).precision == "fp32"


def test_missing_graphs_name_the_cure(plain):
    with pytest.raises(NotFound, match=r"no ONNX graphs in int8 or fp32 or fp16; wordsight convert .* --to onnx"):
        OnnxEngine(plain)


def test_a_missing_precision_is_named(exported):
    (exported / "onnx" / "text.fp32.onnx").unlink()
    with pytest.raises(NotFound, match="no ONNX graphs in fp32"):
        OnnxEngine(exported, precision="fp32")


@pytest.mark.parametrize("damage", ["cut", "empty", "foreign"])
def test_a_damaged_graph_is_a_format_error(exported, recorded, damage):
    path = exported / "onnx" / "text.int8.onnx"
    content = path.read_bytes()
    path.write_bytes({"cut": content[: len(content) // 2], "empty": b"", "foreign": b"PK\x03\x04 no graph"}[damage])
    engine = OnnxEngine(exported)
    with pytest.raises(FormatError, match=r"text\.int8\.onnx is not the file that the model was made with; restore it"):
        engine.embed_texts(some_texts(engine.spec, 1))
    recorded(exported)
    engine = OnnxEngine(exported)
    with pytest.raises(FormatError, match=r"text\.int8\.onnx:? is (no ONNX graph|no graph|empty)"):
        engine.embed_texts(some_texts(engine.spec, 1))


def test_graphs_of_other_weights_are_refused(exported):
    manifest = read_json(exported / "model.json")
    changed = {**manifest, "fingerprint": "0123456789abcdef"}
    write_json(exported / "model.json", changed)
    with pytest.raises(FormatError, match=r"model\.json was changed after it was written, and no longer belongs to"):
        OnnxEngine(exported)
    del changed["sum"]  # as earlier versions wrote it
    write_json(exported / "model.json", changed)
    engine = OnnxEngine(exported)
    with pytest.raises(FormatError, match=f"made from the model {manifest['fingerprint']}.*0123456789abcdef"):
        engine.embed_texts(some_texts(engine.spec, 1))


def test_texts_of_all_lengths_come_back_in_order(exported):
    engine = OnnxEngine(exported, precision="fp32", threads=1)
    texts = some_texts(engine.spec, 70)
    one_by_one = np.concatenate([engine.embed_texts(row[None]) for row in texts])
    np.testing.assert_allclose(engine.embed_texts(texts), one_by_one, atol=2e-6)


def test_it_is_for_processors(exported):
    with pytest.raises(UsageError, match="'cuda' with the ONNX engine; use device cpu, or engine torch"):
        OnnxEngine(exported, device="cuda")


@pytest.mark.parametrize("vnni", [True, False])
@pytest.mark.parametrize("sums", ["16-bit", ""])
def test_a_graph_that_may_overflow_is_computed_exactly(exported, recorded, monkeypatch, capsys, vnni, sums, tmp_path):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path))
    restate(exported / "onnx" / "text.int8.onnx", {"sums": sums})
    recorded(exported)
    opened = []

    def open_session(path, *, threads, exact=False):
        opened.append(exact)
        return onnx_engine_open(path, threads=threads, exact=exact)

    onnx_engine_open = onnx_engine.open_session
    monkeypatch.setattr(onnx_engine, "open_session", open_session)
    monkeypatch.setattr(onnx_engine, "processor", lambda: Processor(int8=vnni, avx512=False, bf16=False))
    # Once a machine: on one without VNNI the process that tries the graph may have said it already.
    monkeypatch.setattr(onnx_engine, "notice_once_here", notice)
    engine, expected = OnnxEngine(exported), OnnxEngine(exported, precision="fp32")
    texts = some_texts(engine.spec, 4)
    assert (engine.embed_texts(texts) * expected.embed_texts(texts)).sum(axis=1).min() > 0.99
    old = not vnni and not sums
    assert opened == [False, *([True] if old else []), False]
    said = capsys.readouterr().err
    assert (f"{exported} holds int8 graphs of an earlier version, which this processor computes at half" in said) == old
    assert ("faster ones: wordsight convert" in said) == old


def test_exact_kernels_hold_what_16_bits_cannot(tmp_path):
    """The option that old graphs are opened with does what it is there for, on every processor."""
    weight = onnx.numpy_helper.from_array(np.full((64, 8), 127, np.int8), "b")
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMulInteger", ["a", "b"], ["y"])],
        "sums",
        [onnx.helper.make_tensor_value_info("a", onnx.TensorProto.UINT8, [4, 64])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.INT32, [4, 8])],
        [weight],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=9)
    onnx.save(model, tmp_path / "sums.onnx")
    session = onnx_engine.open_session(tmp_path / "sums.onnx", threads=1, exact=True)
    assert (session.run(None, {"a": np.full((4, 64), 255, np.uint8)})[0] == 64 * 255 * 127).all()


def test_a_graph_that_was_measured_to_be_unsound_is_refused(exported):
    path = exported / "onnx" / "parity.json"
    report = read_json(path)
    entry = next(one for one in report["agreements"] if (one["tower"], one["precision"]) == ("text", "int8"))
    entry["mean"] = 0.98
    write_json(path, report)
    engine = OnnxEngine(exported)
    with pytest.raises(FormatError, match="text int8: cosine to PyTorch fp32 mean 0.980000.*export again"):
        engine.embed_texts(some_texts(engine.spec, 1))
    assert engine.embed_images(some_images(engine.spec, 1)).shape == (1, 24)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 40])
def test_several_processors_give_the_rows_of_one(exported, count):
    one, three = (OnnxEngine(exported, precision="fp32", threads=threads) for threads in (1, 3))
    pictures, texts = some_images(one.spec, count), some_texts(one.spec, count)
    np.testing.assert_allclose(three.embed_images(pictures), one.embed_images(pictures), atol=2e-6)
    np.testing.assert_allclose(three.embed_texts(texts), one.embed_texts(texts), atol=2e-6)


def test_processors_compute_apart_when_each_has_something_to_do(exported):
    engine = OnnxEngine(exported, threads=3)
    engine.embed_texts(some_texts(engine.spec, 2))
    assert list(engine._open_here.here.sessions) == [("text", 3)]
    engine.embed_texts(some_texts(engine.spec, 3))
    assert list(engine._open_here.here.sessions) == [("text", 3), ("text", 1)]


@pytest.mark.parametrize(
    ("count", "sizes"), [(2, [1, 1]), (3, [2, 1]), (16, [8, 8]), (20, [5] * 4), (24, [6] * 4), (33, [6, 6, 6, 6, 6, 3])]
)
def test_processors_get_parts_alike(exported, monkeypatch, count, sizes):
    engine = OnnxEngine(exported, threads=2)
    run, seen = engine._run, []

    def counted(session, tower, inputs):
        seen.append(len(inputs["pixels"]))
        return run(session, tower, inputs)

    monkeypatch.setattr(engine, "_run", counted)
    engine.embed_images(some_images(engine.spec, count))
    assert sorted(seen, reverse=True) == sizes


def test_an_error_in_one_part_ends_the_call(exported, monkeypatch):
    engine = OnnxEngine(exported, threads=2)
    monkeypatch.setattr(engine, "_run", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        engine.embed_texts(some_texts(engine.spec, 4))


@pytest.mark.parametrize(("threads", "batch"), [(1, 16), (2, 32), (4, 64), (64, 64)])
def test_it_asks_for_as_much_as_keeps_its_threads_busy(exported, threads, batch):
    engine = OnnxEngine(exported, threads=threads)
    assert (engine.threads, engine.batch) == (threads, batch)


def test_it_takes_all_processors_and_leaves_them_alone_when_idle(exported, monkeypatch):
    monkeypatch.setattr(onnx_engine, "cores", lambda: 3)
    assert OnnxEngine(exported).threads == 3
    session = onnx_engine.open_session(exported / "onnx" / "text.fp32.onnx", threads=2)
    options = session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (2, 1)
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
