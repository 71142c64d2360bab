"""What a folder or file holds before its format is known: which file has the weights, and which part of it."""

import json
from itertools import pairwise

import numpy as np
import pytest

from wordsight.base.errors import FormatError, NotFound
from wordsight.weights import checkpoint_files
from wordsight.weights.archive import table
from wordsight.weights.archive.lazy import StoredTensor
from wordsight.weights.archive.safe import write_safetensors
from wordsight.weights.archive.table import read_tree
from wordsight.weights.checkpoint_files import WEIGHT_FILES, CheckpointFiles, unwrapped

ONE = {"weight": np.ones(2, np.float32)}


def stored(*names):
    return {name: StoredTensor("F32", (1,), lambda: np.zeros(1, np.float32)) for name in names}


def test_a_file_beside_others_is_the_one_that_was_named(tmp_path):
    for name in ("a.safetensors", "model.safetensors"):
        write_safetensors(tmp_path / name, ONE)
    files = CheckpointFiles(tmp_path / "a.safetensors")
    assert (files.weights.name, files.folder, files.name) == ("a.safetensors", tmp_path, "a")
    assert CheckpointFiles(tmp_path).weights.name == "model.safetensors"
    assert CheckpointFiles(tmp_path / ".").name == tmp_path.name


@pytest.mark.parametrize(("first", "second"), list(pairwise(WEIGHT_FILES)))
def test_usual_names_are_taken_in_this_order(first, second, tmp_path):
    for name in (second, first):
        (tmp_path / name).write_bytes(b"x")
    assert CheckpointFiles(tmp_path).weights.name == first


def test_one_file_of_another_name_is_enough_and_two_are_too_many(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(NotFound, match=r"does not hold one file of weights \(none\); name the file itself"):
        CheckpointFiles(tmp_path).weights  # noqa: B018
    (tmp_path / "b.pt").write_bytes(b"x")
    assert CheckpointFiles(tmp_path).weights.name == "b.pt"
    (tmp_path / "a.npz").write_bytes(b"x")
    with pytest.raises(NotFound, match=r"one file of weights \(a.npz, b.pt\)"):
        CheckpointFiles(tmp_path).weights  # noqa: B018


def test_json_beside_the_weights(tmp_path, monkeypatch):
    files = CheckpointFiles(tmp_path)
    assert files.json("config.json") is None
    (tmp_path / "config.json").write_text('{"a": 1}')
    assert files.json("config.json") == {"a": 1}
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(FormatError, match="list.json holds no JSON object"):
        files.json("list.json")
    monkeypatch.setattr(checkpoint_files, "MOST_JSON", 8)
    assert files.json("config.json") == {"a": 1}  # 8 bytes
    monkeypatch.setattr(checkpoint_files, "MOST_JSON", 7)
    with pytest.raises(FormatError, match="config.json has 8 bytes, too many for JSON"):
        files.json("config.json")


def test_what_training_put_into_the_names_is_taken_off():
    names = stored("module._orig_mod.a.weight", "module._orig_mod.b._orig_mod.weight")
    assert list(unwrapped(names, where="x")) == ["module.a.weight", "module.b.weight"]
    with pytest.raises(FormatError, match="x holds tensors whose names differ only in _orig_mod or _fsdp"):
        unwrapped(stored("b._orig_mod.weight", "b.weight"), where="x")


@pytest.mark.parametrize(
    ("names", "prefix"),
    [
        (["module.module._orig_mod.module.a"], "module.module.module."),
        (["model.a.x", "model.a.y"], "model.a."),
        (["model.a.x", "models.a.y"], ""),
        (["model.a", "model"], ""),
        (["a"], ""),
        ([], ""),
    ],
)
def test_what_all_names_begin_with_is_left_out(names, prefix, tmp_path):
    write_safetensors(tmp_path / "x.safetensors", {name: np.zeros(1, np.float32) for name in names})
    files = CheckpointFiles(tmp_path / "x.safetensors")
    assert files.prefix == prefix
    assert sorted(files.tensors) == sorted(name.replace("._orig_mod", "")[len(prefix) :] for name in names)


def test_modules_beside_others_are_looked_at_large_ones_first_and_averages_last(tmp_path):
    names = ["loss.weight", "teacher.a.x", "teacher.a.y", "teacher.a.z", "net.a.x", "net.b.y"]
    write_safetensors(tmp_path / "x.safetensors", {name: np.zeros(1, np.float32) for name in names})
    inside = list(CheckpointFiles(tmp_path / "x.safetensors").wrapped())
    assert [files.part for files in inside] == ["net", "loss", "net.a", "net.b", "teacher", "teacher.a"]
    assert list(inside[0].tensors) == ["a.x", "b.y"]
    assert set(inside[0].beside) == {"loss.weight", "teacher.a.x", "teacher.a.y", "teacher.a.z"}
    assert list(CheckpointFiles(tmp_path / "x.safetensors", part="teacher").tensors) == ["x", "y", "z"]
    with pytest.raises(NotFound, match=r"has no part tea; it has loss\.weight, net\.a\.x"):
        CheckpointFiles(tmp_path / "x.safetensors", part="tea").tensors  # noqa: B018


def test_a_part_that_is_not_there_is_named_with_those_that_are(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.ones(1), b=np.ones(1))
    files = CheckpointFiles(tmp_path / "x.npz", part="ema")
    with pytest.raises(NotFound, match="has no part ema; it has a, b"):
        files.tensors  # noqa: B018


def index(folder, weight_map):
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps({"weight_map": weight_map}))
    return path


def test_shards_hold_exactly_what_their_index_lists(tmp_path):
    write_safetensors(tmp_path / "1.safetensors", {"a": np.ones(1, np.float32), "b": np.ones(2, np.float32)})
    write_safetensors(tmp_path / "2.safetensors", {"c": np.ones(3, np.float32)})
    shards = {"a": "1.safetensors", "b": "1.safetensors", "c": "2.safetensors"}
    assert {name: tensor.shape for name, tensor in read_tree(index(tmp_path, shards)).items()} == {
        "a": (1,),
        "b": (2,),
        "c": (3,),
    }
    for wrong in ({"a": "1.safetensors", "c": "2.safetensors"}, shards | {"d": "2.safetensors"}):
        with pytest.raises(FormatError, match="safetensors does not hold what .* says"):
            read_tree(index(tmp_path, wrong))
    for nothing in ({}, {"a": 1}, ["a"]):
        with pytest.raises(FormatError, match="no weight_map from names to files"):
            read_tree(index(tmp_path, nothing))


def test_an_index_is_a_list_of_names_and_no_larger(tmp_path, monkeypatch):
    path = index(tmp_path, {"a": "1.safetensors"})
    monkeypatch.setattr(table, "MOST_INDEX", path.stat().st_size - 1)
    with pytest.raises(FormatError, match="bytes, too many for a list of names"):
        read_tree(path)


def test_a_file_is_known_by_how_it_begins_not_by_its_name(tmp_path):
    write_safetensors(tmp_path / "model.bin", ONE)
    assert list(CheckpointFiles(tmp_path).tensors) == ["weight"]
    np.savez(tmp_path / "arrays.npz", **ONE)
    (tmp_path / "arrays.npz").rename(tmp_path / "arrays.pt")
    assert list(CheckpointFiles(tmp_path / "arrays.pt").tensors) == ["weight"]
    (tmp_path / "page.pt").write_bytes(b"<!doctype html>")
    with pytest.raises(FormatError, match="is of no kind that weights are stored in: it begins with b'<!doctyp'"):
        read_tree(tmp_path / "page.pt")


def test_columns_first_is_read_as_it_was_meant(tmp_path):
    array = np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    np.savez(tmp_path / "x.npz", a=array)
    assert np.array_equal(CheckpointFiles(tmp_path).tensors["a"], array)
