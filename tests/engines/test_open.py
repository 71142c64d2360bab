import importlib.util
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from wordsight.base.errors import FormatError, MissingExtra, NotFound, UsageError
from wordsight.base.processor import Processor
from wordsight.engines import open as opening
from wordsight.engines.export import export
from wordsight.engines.fake import FakeEngine
from wordsight.engines.onnx_engine import OnnxEngine
from wordsight.engines.open import open_engine
from wordsight.engines.openvino_engine import OpenVinoEngine
from wordsight.engines.parity import some_images, some_texts
from wordsight.engines.torch_engine import TorchEngine
from wordsight.towers.timm.spec import TimmSpec
from wordsight.weights.folder import read_model_manifest, read_spec


def without(monkeypatch, *names):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name in names else real(name, *rest))


def test_auto_takes_the_graphs_when_there_are_some(exported):
    engine = open_engine(exported)
    assert isinstance(engine, OnnxEngine)
    assert engine.precision == "int8"


def test_auto_makes_the_graphs_once_where_there_are_none(plain, monkeypatch, capsys):
    monkeypatch.setattr(opening, "GPU", plain / "no gpu")
    engine = open_engine(plain)
    assert isinstance(engine, OnnxEngine)
    assert engine.precision == "int8"
    assert capsys.readouterr().err.count("making the int8 graphs of tiny") == 1
    assert open_engine(plain).fingerprint == engine.fingerprint
    assert "making" not in capsys.readouterr().err


def test_auto_makes_them_without_pytorch_too(plain, monkeypatch):
    without(monkeypatch, "torch")
    monkeypatch.setitem(sys.modules, "torch", None)
    engine = open_engine(plain)
    assert isinstance(engine, OnnxEngine)
    assert engine.embed_texts(some_texts(engine.spec, 2)).shape == (2, 24)


def test_the_precision_asked_for_is_the_one_that_is_made(plain):
    assert open_engine(plain, device="cpu", precision="fp32").precision == "fp32"
    assert read_model_manifest(plain).precisions == ("fp32",)


def test_where_integers_harm_the_rows_fp32_is_made(plain, monkeypatch, capsys):
    exporting = export.__globals__
    monkeypatch.setitem(exporting, "_refuse_bad", refuse_int8)
    assert open_engine(plain, device="cpu").precision == "fp32"
    assert "too far off; fp32 is used instead" in capsys.readouterr().err
    with pytest.raises(FormatError, match="too far off"):
        open_engine(plain, engine="onnx", precision="int8")


def refuse_int8(report, suffering):
    if report.agreements[0].precision == "int8":
        raise FormatError("too far off", cure="use another")


def test_a_gpu_takes_pytorch(plain, exported, monkeypatch):
    monkeypatch.setattr(opening, "GPU", plain)
    assert isinstance(open_engine(plain), TorchEngine)
    assert isinstance(open_engine(plain, device="cpu"), OnnxEngine)


def units(monkeypatch, *, bf16):
    monkeypatch.setattr(opening, "processor", lambda: Processor(int8=True, avx512=True, bf16=bf16))


def test_bf16_on_the_processor_is_openvinos_where_it_has_units_for_it(exported, monkeypatch):
    units(monkeypatch, bf16=True)
    assert isinstance(open_engine(exported, device="cpu", precision="bf16"), OpenVinoEngine)
    units(monkeypatch, bf16=False)
    assert isinstance(open_engine(exported, device="cpu", precision="bf16"), TorchEngine)


def test_resnets_are_openvinos_where_it_is_installed(convolutions, monkeypatch):
    units(monkeypatch, bf16=True)
    engine = open_engine(convolutions, device="cpu")
    assert isinstance(engine, OpenVinoEngine)
    assert engine.precision in ("bf16", "fp32")  # by the true processor
    assert read_model_manifest(convolutions).precisions == ("fp16",)
    assert isinstance(open_engine(convolutions, device="cpu"), OpenVinoEngine)
    without(monkeypatch, "openvino")
    assert isinstance(open_engine(convolutions, device="cpu"), OnnxEngine)


def test_resnets_with_other_graphs_stay_with_them(convolutions, monkeypatch):
    export(convolutions, precisions=["int8"])
    units(monkeypatch, bf16=True)
    assert isinstance(open_engine(convolutions, device="cpu"), OnnxEngine)
    assert read_model_manifest(convolutions).precisions == ("int8",)


@pytest.mark.parametrize("absent", ["onnx", "write"])
def test_auto_takes_pytorch_where_graphs_cannot_be_made(plain, monkeypatch, absent):
    if absent == "onnx":
        without(monkeypatch, "onnx")
    else:
        monkeypatch.setattr(opening.os, "access", lambda *_: False)
    assert isinstance(open_engine(plain), TorchEngine)


@pytest.mark.parametrize(
    ("absent", "cure"), [("onnx", r"pip install 'wordsight\[models\]'"), ("write", "right to write in")]
)
def test_auto_without_anything_names_the_cure(plain, monkeypatch, absent, cure):
    without(monkeypatch, "torch", *([absent] if absent == "onnx" else []))
    if absent == "write":
        monkeypatch.setattr(opening.os, "access", lambda *_: False)
    with pytest.raises(NotFound, match=cure):
        open_engine(plain)


def test_towers_of_another_package_name_its_extra(plain, monkeypatch):
    without(monkeypatch, "torch")
    manifest = read_model_manifest(plain)
    image = TimmSpec(size=manifest.spec.image.size, trunk="convnext_atto")
    monkeypatch.setattr(
        opening,
        "read_model_manifest",
        lambda _: replace(manifest, spec=replace(manifest.spec, image=image), precisions=()),
    )
    with pytest.raises(NotFound, match=r"has no ONNX graphs and none can be made.*'wordsight\[timm\]'"):
        open_engine(plain)
    with pytest.raises(NotFound, match=r"no ONNX graphs for cpu and none"):
        open_engine(plain, device="cpu")


def test_openvino_reads_the_graphs_it_can(plain):
    assert open_engine(plain, engine="openvino", precision="fp32").precision == "fp32"
    assert read_model_manifest(plain).precisions == ("fp32",)
    full = OnnxEngine(plain, precision="fp32")
    engine = open_engine(plain, engine="openvino", precision="fp32")
    texts, pictures = some_texts(full.spec, 5), some_images(full.spec, 5)
    np.testing.assert_allclose(engine.embed_texts(texts), full.embed_texts(texts), atol=2e-6)
    np.testing.assert_allclose(engine.embed_images(pictures), full.embed_images(pictures), atol=2e-6)


@pytest.mark.parametrize("damage", ["cut", "foreign", "other"])
def test_openvino_refuses_graphs_that_are_damaged_or_of_other_weights(plain, recorded, damage):
    open_engine(plain, engine="openvino", precision="fp32")
    path = plain / "onnx" / "text.fp32.onnx"
    content, mark = path.read_bytes(), read_model_manifest(plain).fingerprint.encode()
    path.write_bytes(
        {"cut": content[:2000], "foreign": b"PK\x03\x04 no graph" + mark, "other": content.replace(mark, b"0" * 16)}[
            damage
        ]
    )
    for cure in ("export the model again", "export again"):
        engine = open_engine(plain, engine="openvino", precision="fp32")
        with pytest.raises(FormatError, match=rf"text\.fp32\.onnx.*{cure}"):
            engine.embed_texts(some_texts(engine.spec, 1))
        recorded(plain)  # the second time the graph alone has to tell


def test_pytorch_takes_the_weights_of_a_folder_without_them_out_of_its_graphs(exported):
    pixels = some_images(read_spec(exported), 3)
    (exported / "weights.safetensors").unlink()
    fast, torch = open_engine(exported), open_engine(exported, engine="torch", device="cpu")
    assert isinstance(fast, OnnxEngine) and isinstance(torch, TorchEngine) and torch.fingerprint == fast.fingerprint
    assert (fast.embed_images(pixels) * torch.embed_images(pixels)).sum(axis=1).min() > 0.999
    shutil.rmtree(exported / "onnx")
    with pytest.raises(NotFound, match="has no weights, and no graphs; restore weights"):
        open_engine(exported, engine="torch")


def test_pytorch_not_installed_names_the_extra(plain, monkeypatch):
    monkeypatch.delitem(sys.modules, "wordsight.engines.torch_engine")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match=r"pip install 'wordsight\[train\]'"):
        open_engine(plain, engine="torch")


def test_an_unknown_engine_names_those_there_are(exported):
    with pytest.raises(UsageError, match="'jet'; use auto, onnx, openvino, torch$"):
        open_engine(exported, engine="jet")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "onxx"}, "no engine 'onxx'; did you mean onnx?"),
        ({"device": "cudaa"}, "no device 'cudaa'; did you mean cuda?"),
        ({"device": "cuda:x"}, "no device 'cuda:x'; give a number, for example cuda:0"),
        ({"device": "gpu"}, "no device 'gpu'; use cuda for a GPU of NVIDIA or AMD, mps for one of Apple"),
        ({"device": "disk"}, "no device 'disk'; use auto, cpu, cuda, mps, xpu"),
        ({"precision": "fp31"}, "no precision 'fp31'; did you mean fp32 or fp16?"),
        ({"precision": "double"}, "no precision 'double'; use auto, int8, fp16, bf16, fp32"),
    ],
)
def test_misspelt_names_suggest_near_ones(exported, options, message):
    with pytest.raises(UsageError) as caught:
        open_engine(exported, **options)
    assert str(caught.value) == message


def test_the_fake_needs_no_folder(tmp_path):
    assert isinstance(open_engine(tmp_path, engine="fake"), FakeEngine)


INTERRUPTED = """
import gc, os, signal, sys, time
from pathlib import Path
from wordsight.engines.open import open_engine
from wordsight.engines.parity import some_images, some_texts

signal.signal(signal.SIGINT, signal.default_int_handler)
for _ in range(3):
    engine = open_engine(Path(sys.argv[1]), engine="openvino", precision="fp32")
    engine.embed_images(some_images(engine.spec, 1))
    engine.embed_texts(some_texts(engine.spec, 1))
del engine
gc.collect()
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(5)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_ctrl_c_is_one_after_openvino_engines_were_given_up(plain):
    open_engine(plain, engine="openvino", precision="fp32")  # makes the graphs
    run = subprocess.run([sys.executable, "-c", INTERRUPTED, str(plain)], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "interrupted\n"), run.stderr
