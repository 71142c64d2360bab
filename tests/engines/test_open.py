import importlib.util
import sys

import pytest

from wordsight.base.errors import MissingExtra, NotFound, UsageError
from wordsight.engines.fake import FakeEngine
from wordsight.engines.onnx_engine import OnnxEngine
from wordsight.engines.open import open_engine
from wordsight.engines.torch_engine import TorchEngine


def without_torch(monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "torch" else real(name, *rest))


def test_auto_takes_the_graphs_when_there_are_some(exported):
    engine = open_engine(exported)
    assert isinstance(engine, OnnxEngine)
    assert engine.precision == "int8"


def test_auto_takes_pytorch_when_there_are_none(plain):
    assert isinstance(open_engine(plain), TorchEngine)


def test_auto_without_graphs_and_pytorch_names_both_cures(plain, monkeypatch):
    without_torch(monkeypatch)
    with pytest.raises(NotFound, match=r"pip install 'wordsight\[train\]'.*convert"):
        open_engine(plain)


def test_auto_without_graphs_and_weights_says_so(exported):
    (exported / "weights.safetensors").unlink()
    assert isinstance(open_engine(exported), OnnxEngine)
    with pytest.raises(NotFound, match=r"has no weights\.safetensors"):
        open_engine(exported, device="meta")


def test_pytorch_not_installed_names_the_extra(plain, monkeypatch):
    monkeypatch.delitem(sys.modules, "wordsight.engines.torch_engine")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match=r"pip install 'wordsight\[train\]'"):
        open_engine(plain, engine="torch")


def test_an_unknown_engine_names_those_there_are(exported):
    with pytest.raises(UsageError, match="'jet'; use auto or one of onnx, torch, fake"):
        open_engine(exported, engine="jet")


def test_the_fake_needs_no_folder(tmp_path):
    assert isinstance(open_engine(tmp_path, engine="fake"), FakeEngine)
