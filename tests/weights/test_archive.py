"""Containers: what PyTorch, numpy and safetensors write is what is read, without any of them, in every layout."""

import argparse
import collections
import json
import pathlib
import struct
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import hostile

from wordsight.base.errors import FormatError, NotFound
from wordsight.weights.archive.pickles import PickledObject
from wordsight.weights.archive.safe import read_safetensors, write_safetensors
from wordsight.weights.archive.table import read_tree
from wordsight.weights.archive.torchfile import write_torch
from wordsight.weights.archive.torchread import flattened
from wordsight.weights.checkpoint_files import CheckpointFiles

BASE = torch.arange(100.0).reshape(10, 10)
TENSORS = {
    "whole": BASE,
    "transposed": BASE.t(),
    "part": BASE[2:4, 3:8:2],
    "half": BASE.half(),
    "brain": BASE.bfloat16(),
    "double": BASE.double(),
    "scalar": torch.tensor(3.5),
    "counter": torch.tensor(7),
    "flags": torch.tensor([True, False]),
    "bytes": torch.arange(5, dtype=torch.uint8),
    "empty": torch.zeros(0, 3),
    "parameter": torch.nn.Parameter(BASE + 1),
    "conjugate": torch.tensor([1 + 2j]),
}


def same(array, tensor):
    expected = tensor.detach()
    expected = expected.float() if expected.dtype == torch.bfloat16 else expected
    return array.shape == tuple(expected.shape) and np.array_equal(array, expected.numpy())


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before-1.6"])
def test_training_checkpoints_of_torch(zipped, protocol, tmp_path):
    model = torch.nn.Linear(3, 4)
    optimiser = torch.optim.AdamW(model.parameters())
    model(torch.randn(2, 3)).sum().backward()
    optimiser.step()
    values = {
        "epoch": 3,
        "name": "ü-run",
        "state_dict": collections.OrderedDict(TENSORS),
        "model_state": model.state_dict(),
        "optimizer": optimiser.state_dict(),
        "args": argparse.Namespace(lr=1e-3, out=pathlib.PurePosixPath("/a/b")),
        "numbers": np.arange(6.0).reshape(2, 3),
        "columns": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "best": np.float64(3.5),
        "dtype": torch.float16,
        "device": torch.device("cuda", 0),
        "size": BASE.shape,
        "counts": collections.Counter(a=2),
        "lists": collections.defaultdict(list, {1: [2.5, None, True]}),
        "set": {1, 2},
        "complex": 3 + 4j,
        "big": 10**30,
        "version": torch.__version__,
        "raw": b"\x00\xff",
    }
    path = tmp_path / "x.pt"
    torch.save(values, path, _use_new_zipfile_serialization=zipped, pickle_protocol=protocol)
    tree = read_tree(path)
    assert set(tree) == set(values)
    for name, tensor in TENSORS.items():
        assert same(tree["state_dict"][name].array(), tensor), name
    moments = flattened(tree["optimizer"])["state.0.exp_avg"].array()
    assert same(moments, optimiser.state_dict()["state"][0]["exp_avg"])
    assert tree["args"].fields == {"lr": 1e-3, "out": "/a/b"}
    assert np.array_equal(tree["numbers"], values["numbers"])
    assert np.array_equal(tree["columns"], values["columns"])
    plain = ("epoch", "name", "best", "set", "complex", "big", "raw", "counts")
    assert {name: tree[name] for name in plain} == {name: values[name] for name in plain}
    assert (tree["device"], tree["size"], tree["version"]) == ("cuda:0", (10, 10), str(torch.__version__))
    assert (tree["dtype"].path, tree["lists"]) == ("torch.float16", {1: [2.5, None, True]})
    found = CheckpointFiles(path)
    assert (found.part, found.facts["epoch"], found.facts["name"]) == ("state_dict", 3, "ü-run")
    assert list(found.tensors) == list(TENSORS)


class Inner(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(3, 3).half())
        self.register_buffer("steps", torch.tensor(5))

    def forward(self, x):
        return x @ self.weight


class Outer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = torch.nn.Sequential(Inner(), Inner())
        self.width = 3
        self.sizes = [1, 2]

    def forward(self, x):
        return self.blocks(x)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("how", ["script", "trace"])
def test_torchscript_archives(how, tmp_path):
    model = Outer()
    made = torch.jit.script(model) if how == "script" else torch.jit.trace(model, torch.randn(2, 3).half())
    torch.jit.save(made, tmp_path / "x.pt")
    found = CheckpointFiles(tmp_path / "x.pt")
    assert isinstance(found.tree, PickledObject)
    expected = {name.removeprefix("blocks."): tensor for name, tensor in made.state_dict().items()}
    assert set(found.tensors) == set(expected)
    assert all(same(found.tensors[name], tensor) for name, tensor in expected.items())


def test_big_endian_files(tmp_path):
    numbers = np.arange(4, dtype=">f4").tobytes()
    content = hostile.torch_zip(hostile.state(hostile.tensor()), numbers, **{"x/byteorder": b"big"})
    (tmp_path / "x.pt").write_bytes(content)
    assert CheckpointFiles(tmp_path / "x.pt").tensors["weight"].tolist() == [[0, 1], [2, 3]]


def test_a_part_of_a_storage_of_old(tmp_path):
    view = hostile.STORAGE.replace(
        hostile.whole(4) + b"tQ", hostile.whole(4) + b"(" + hostile.text("v") + b"K\x01K\x03ttQ"
    )
    pickle = hostile.state(hostile.tensor(size=(3,), stride=(1,), storage=view))
    numbers = struct.pack("<q", 4) + np.arange(4, dtype="<f4").tobytes()
    (tmp_path / "x.pth").write_bytes(hostile.legacy(pickle, numbers=numbers))
    assert CheckpointFiles(tmp_path / "x.pth").tensors["weight"].tolist() == [1, 2, 3]


def test_what_is_written_for_torch_is_what_torch_reads(tmp_path):
    arrays = {name: tensor.detach().float().numpy() if tensor.dtype == torch.bfloat16 else tensor.detach().numpy()
              for name, tensor in TENSORS.items() if name != "conjugate"}  # fmt: skip
    write_torch(tmp_path / "x.pt", arrays)
    for mapped in (False, True):
        read = torch.load(tmp_path / "x.pt", weights_only=True, mmap=mapped)
        assert list(read) == list(arrays)
        assert all(same(arrays[name], tensor) for name, tensor in read.items())
    assert all(
        np.array_equal(array, arrays[name]) for name, array in CheckpointFiles(tmp_path / "x.pt").tensors.items()
    )
    with pytest.raises(FormatError, match="c is of type complex64"):
        write_torch(tmp_path / "y.pt", {"c": np.zeros(1, np.complex64)})


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_of_numpy(save, tmp_path):
    halves = np.frombuffer(b"\x80\x3f\x00\x40", "V2").reshape(1, 2)  # bfloat16 1 and 2
    values = {
        "params/a": np.arange(6, dtype=np.float32).reshape(2, 3),
        "columns": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "scalar": np.float32(3),
        "empty": np.zeros((0, 2), np.float16),
        "flags": np.array([True]),
    }
    save(tmp_path / "x.npz", brain=halves, **values)
    tensors = CheckpointFiles(tmp_path / "x.npz").tensors
    assert tensors["brain"].tolist() == [[1, 2]]
    assert tensors["brain"].dtype == np.float32
    assert all(tensors[name].shape == np.shape(array) for name, array in values.items())
    assert all(np.array_equal(tensors[name], array) for name, array in values.items())


def test_safetensors_both_ways(tmp_path):
    kept = {name: tensor.detach().contiguous() for name, tensor in TENSORS.items() if name != "conjugate"}
    save_file({name: tensor.clone() for name, tensor in kept.items()}, tmp_path / "x.safetensors")
    found = read_safetensors(tmp_path / "x.safetensors")
    assert all(same(found[name], tensor) for name, tensor in kept.items())
    write_safetensors(tmp_path / "y.safetensors", found)
    again = read_safetensors(tmp_path / "y.safetensors")
    assert all(np.array_equal(again[name], found[name]) for name in kept)
    write_safetensors(tmp_path / "z.safetensors", {})
    assert not read_safetensors(tmp_path / "z.safetensors")


@pytest.mark.parametrize("kind", ["safetensors", "bin"])
def test_weights_in_several_files(kind, tmp_path):
    a, b = {"a": BASE}, {"b": BASE.half(), "c": torch.tensor(1)}
    places = {}
    for number, part in enumerate((a, b)):
        name = f"model-{number}.{kind}"
        save_file(part, tmp_path / name) if kind == "safetensors" else torch.save(part, tmp_path / name)
        places |= dict.fromkeys(part, name)
    index = "model.safetensors.index.json" if kind == "safetensors" else "pytorch_model.bin.index.json"
    (tmp_path / index).write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": places}))
    tensors = CheckpointFiles(tmp_path).tensors
    assert set(tensors) == {"a", "b", "c"}
    assert all(same(tensors[name], tensor) for name, tensor in (a | b).items())


@pytest.mark.parametrize(
    ("tree", "part", "names", "others"),
    [
        ({"a": BASE, "b.c": BASE}, "", ["a", "b.c"], ()),
        ({"module.a": BASE, "module.b": BASE}, "", ["a", "b"], ()),
        ({"module._orig_mod.a": BASE}, "", ["a"], ()),
        ({"visual._orig_mod.a": BASE, "b": BASE}, "", ["visual.a", "b"], ()),
        ({"module.a": BASE, "b": BASE}, "", ["module.a", "b"], ()),
        ({"net.module.a.w": BASE, "net.module.b.w": BASE}, "", ["a.w", "b.w"], ()),
        ({"net": {"a.w": BASE, "b.w": BASE}, "epoch": 1}, "", ["a.w", "b.w"], ()),
        ({"_fsdp_wrapped_module.a._fsdp_wrapped_module.w": BASE, "b": BASE}, "", ["a.w", "b"], ()),
        ({"a._checkpoint_wrapped_module.w": BASE, "b": BASE}, "", ["a.w", "b"], ()),
        ({"state_dict": {"module.a": BASE}, "rng": BASE}, "state_dict", ["a"], ()),
        ({"model": {"a": BASE}, "model_ema": {"a": BASE}, "optimizer": {"x": BASE}}, "model", ["a"], ("model_ema",)),
        ({"model": {"state_dict": {"a": BASE}}}, "model.state_dict", ["a"], ()),
        ({"state_dict_ema": {"a": BASE}, "epoch": 1}, "state_dict_ema", ["a"], ()),
    ],
)
def test_where_the_weights_of_a_checkpoint_lie(tree, part, names, others, tmp_path):
    torch.save(tree, tmp_path / "x.pt")
    found = CheckpointFiles(tmp_path / "x.pt")
    assert (found.part, list(found.tensors), found.others) == (part, names, others)


def test_another_part_can_be_asked_for(tmp_path):
    torch.save({"state_dict": {"a": BASE}, "ema": {"module.a": BASE + 1}}, tmp_path / "x.pt")
    assert same(CheckpointFiles(tmp_path / "x.pt", part="ema").tensors["a"], BASE + 1)
    with pytest.raises(NotFound, match=r"has no part emu; it has state_dict, ema"):
        _ = CheckpointFiles(tmp_path / "x.pt", part="emu").tensors


def test_numbers_are_read_when_they_are_taken(tmp_path):
    """A file whose optimiser's state is damaged still gives its weights: nothing else is touched."""
    torch.save({"state_dict": {"a": BASE}, "optimizer": {"m": torch.zeros(5000)}}, tmp_path / "x.pt")
    content = (tmp_path / "x.pt").read_bytes()
    assert bytes(20000) in content
    (tmp_path / "x.pt").write_bytes(content.replace(bytes(20000), b"\x01" * 20000))
    assert same(CheckpointFiles(tmp_path / "x.pt").tensors["a"], BASE)


def test_two_names_that_become_one_are_refused(tmp_path):
    torch.save({"visual._orig_mod.a": BASE, "visual.a": BASE}, tmp_path / "x.pt")
    with pytest.raises(FormatError, match="differ only in _orig_mod"):
        _ = CheckpointFiles(tmp_path / "x.pt").tensors
