"""How people wrap and pack the same weights: names with a beginning, folders of sentence-transformers, pointers."""

import json
import shutil

import numpy as np
import pytest
import torch

from wordsight.base.errors import FormatError
from wordsight.images.spec import PreprocessSpec
from wordsight.towers.build import build
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.spec import ModelSpec
from wordsight.towers.vit.spec import VitSpec
from wordsight.weights.archive.safe import write_safetensors
from wordsight.weights.checkpoint import Checkpoint
from wordsight.weights.folder import save_checkpoint
from wordsight.weights.formats.table import read_any, write_as
from wordsight.weights.tensors import stored_state

IMAGE = VitSpec(size=32, width=64, layers=1, heads=1, patch=16, activation="quick_gelu")
TEXT = ClipTextSpec(width=64, layers=1, heads=1, activation="quick_gelu")
SPEC = ModelSpec("tiny", 16, IMAGE, TEXT, preprocess=PreprocessSpec(size=32))
LOSS = {"criterion.weight": np.ones(3, np.float32), "criterion.bias": np.ones(1, np.float32)}
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 605157884\n" % (b"a" * 64)


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(0)
    return stored_state(build(SPEC))


@pytest.fixture(scope="module")
def folders(state, tmp_path_factory):
    """Return a folder with one model in each format that holds it."""
    top = tmp_path_factory.mktemp("formats")
    for name in ("huggingface", "openclip"):
        write_as(Checkpoint(SPEC, state), top / name, name)
    return top


def before(prefix, state):
    return {prefix + name: value for name, value in state.items()}


def same(checkpoint, state):
    return checkpoint.state.keys() == state.keys() and all(np.array_equal(checkpoint.state[n], state[n]) for n in state)


def as_torch(tree):
    return {n: as_torch(v) if isinstance(v, dict) else torch.from_numpy(v) for n, v in tree.items()}


@pytest.mark.parametrize(
    "prefix", ["module.", "model.", "clip_model.", "model.module._orig_mod.", "a.b.c.d.", "visual."]
)
@pytest.mark.parametrize("kind", ["pt", "safetensors", "npz", "shards"])
def test_one_beginning_of_all_names_is_left_out_and_printed(prefix, kind, state, tmp_path, capsys):
    named = before(prefix, state)
    path = tmp_path / f"x.{kind}"
    if kind == "pt":
        torch.save({"state_dict": as_torch(named), "epoch": 3}, path)
    elif kind == "safetensors":
        write_safetensors(path, named)
    elif kind == "npz":
        np.savez(path, **named)
    else:
        path.mkdir()
        halves = [dict(list(named.items())[part::2]) for part in (0, 1)]
        for number, half in enumerate(halves):
            write_safetensors(path / f"{number}.safetensors", half)
        where = {name: f"{number}.safetensors" for number, half in enumerate(halves) for name in half}
        (path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    checkpoint = read_any(path)
    assert same(checkpoint, state)
    shown = prefix.replace("_orig_mod.", "")
    assert f"are named {shown}…; that beginning is left out" in capsys.readouterr().err
    read_any(path)
    assert "left out" not in capsys.readouterr().err


def test_it_is_left_out_in_other_formats_too(folders, state, tmp_path):
    shutil.copytree(folders / "huggingface", tmp_path / "x")
    weights = {"wrap." + n: v for n, v in read_safetensors_of(tmp_path / "x").items()}
    write_safetensors(tmp_path / "x" / "model.safetensors", weights)
    assert same(read_any(tmp_path / "x"), state)


def read_safetensors_of(folder):
    from safetensors.numpy import load_file

    return load_file(folder / "model.safetensors")


@pytest.mark.parametrize(
    ("tree", "part", "left"),
    [
        (lambda s: {"state_dict": LOSS | before("model.", s)}, "state_dict.model", "criterion (2)"),
        (lambda s: {"clip": s, "optimizer": {"exp_avg": np.ones(3)}}, "clip", "optimizer (1)"),
        (
            lambda s: before("net.model.", s) | before("net.criterion.", LOSS) | LOSS,
            "net.model",
            "net (2), criterion (2)",
        ),
    ],
)
def test_a_model_beside_other_weights_is_read_and_the_others_are_named(tree, part, left, state, tmp_path):
    torch.save(as_torch(tree(state)), tmp_path / "x.ckpt")
    checkpoint = read_any(tmp_path / "x.ckpt")
    assert same(checkpoint, state)
    said = f"the weights are those of {part}, beside which lie others that are left out: {left}"
    assert said in checkpoint.assumed


def test_an_average_beside_the_model_is_read_when_it_is_asked_for(state, tmp_path):
    average = {name: np.asarray(value * np.float32(0.5)) for name, value in state.items()}
    torch.save({"state_dict": as_torch(before("ema_model.", average) | before("model.", state))}, tmp_path / "x.ckpt")
    assert same(read_any(tmp_path / "x.ckpt"), state)
    assert same(read_any(tmp_path / "x.ckpt", part="state_dict.ema_model"), average)


def test_what_holds_no_model_is_still_named_by_its_weights(tmp_path):
    write_safetensors(tmp_path / "x.safetensors", LOSS | before("head.", LOSS))
    with pytest.raises(FormatError, match=r"is of no known format; its weights begin with criterion\.bias"):
        read_any(tmp_path / "x.safetensors")


def transformer(folder, modules, *, path=""):
    """Make a folder of sentence-transformers; each module is (path, class)."""
    (folder / path).mkdir(parents=True, exist_ok=True)
    listed = [
        {"idx": n, "name": str(n), "path": p, "type": f"sentence_transformers.models.{kind}"}
        for n, (p, kind) in modules
    ]
    (folder / "modules.json").write_text(json.dumps(listed))
    return folder


@pytest.mark.parametrize(
    ("modules", "path"),
    [
        ([("0_CLIPModel", "CLIPModel")], "0_CLIPModel"),
        ([("", "Transformer")], ""),
        ([("", "Transformer"), ("1_Normalize", "Normalize")], ""),
    ],
)
def test_a_folder_of_sentence_transformers_is_followed_to_its_clip(modules, path, folders, state, tmp_path):
    folder = transformer(tmp_path / "clip-tiny", list(enumerate(modules)), path=path)
    shutil.copytree(folders / "huggingface", folder / path, dirs_exist_ok=True)
    checkpoint = read_any(folder)
    assert same(checkpoint, state)
    assert checkpoint.spec.name == "clip-tiny"


@pytest.mark.parametrize(
    ("modules", "problem"),
    [
        ([("", "Transformer"), ("1_Pooling", "Pooling")], "without a CLIP (modules.json lists Transformer, Pooling)"),
        (
            [("0_CLIPModel", "CLIPModel"), ("1_Dense", "Dense")],
            "with more layers behind it (modules.json lists CLIPModel",
        ),
        ([("../away", "CLIPModel")], "modules.json points to ../away, outside the folder"),
        ([], "modules.json is no list of modules"),
    ],
)
def test_one_that_is_no_clip_alone_is_refused_by_name(modules, problem, tmp_path):
    folder = transformer(tmp_path / "st", list(enumerate(modules)))
    write_safetensors(folder / "model.safetensors", LOSS)
    with pytest.raises(FormatError) as caught:
        read_any(folder)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    "name", ["model.safetensors", "config.json", "tokenizer.json", "preprocessor_config.json", "merges.txt"]
)
def test_a_pointer_in_a_public_folder_is_named_with_the_cure(name, folders, tmp_path):
    shutil.copytree(folders / "huggingface", tmp_path / "x")
    if name == "merges.txt":
        (tmp_path / "x" / "tokenizer.json").unlink()
    (tmp_path / "x" / name).write_bytes(POINTER)
    with pytest.raises(FormatError, match=rf"{name} cannot be read: it is a Git LFS pointer.*run `git lfs pull`"):
        read_any(tmp_path / "x")


@pytest.mark.parametrize("name", ["model.json", "weights.safetensors"])
def test_a_pointer_in_a_folder_of_ours_is_named_with_the_cure(name, state, tmp_path):
    from wordsight.weights.folder import read_checkpoint

    save_checkpoint(Checkpoint(SPEC, state), tmp_path / "x")
    (tmp_path / "x" / name).write_bytes(POINTER)
    with pytest.raises(FormatError, match=rf"{name} cannot be read: it is a Git LFS pointer.*run `git lfs pull`"):
        read_checkpoint(tmp_path / "x")
