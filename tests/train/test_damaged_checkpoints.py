"""Whatever happens to a checkpoint on the disk, a run goes on from the newest one that is whole, or is refused."""

import errno
import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from wordsight.base.errors import FormatError, StorageError
from wordsight.base.files import storage_errors
from wordsight.base.reading import sha256_file
from wordsight.train.checkpoint import _hash_of, list_checkpoints
from wordsight.train.loop import train
from wordsight.train.recipe import read_recipe


def run(recipe, name, *changes, resume=False):
    changes = [f"out={recipe.parent / name}", "steps=8", "checkpoint.steps=4", "validation.every=0", *changes]
    return train(read_recipe(str(recipe), changes), device="cpu", resume=resume)


def flip_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def set_nan(folder, older):
    """Put NaN among the weights, under hashes that fit."""
    tensors = load_file(folder / "state.safetensors")
    tensors["towers/visual.proj"][0, 0] = float("nan")
    save_file(tensors, folder / "state.safetensors")
    facts = json.loads((folder / "state.json").read_text())
    facts.pop("sha256")
    facts["tensors"] = sha256_file(folder / "state.safetensors")
    (folder / "state.json").write_text(json.dumps({**facts, "sha256": _hash_of(facts)}))


def replace_by_older(folder, older):
    shutil.rmtree(folder)
    shutil.copytree(older, folder)


DAMAGE = {
    "a bit of the tensors": (lambda new, old: flip_bit(new / "state.safetensors"), "state.safetensors is not what"),
    "tensors cut short": (lambda new, old: (new / "state.safetensors").write_bytes(b"\0" * 99), "is not what was"),
    "no tensors": (lambda new, old: (new / "state.safetensors").write_bytes(b""), "is not what was written"),
    "tensors missing": (lambda new, old: (new / "state.safetensors").unlink(), "No such file"),
    "tensors of another": (lambda new, old: shutil.copy(old / "state.safetensors", new), "is not what was written"),
    "a fact changed": (
        lambda new, old: (new / "state.json").write_text((new / "state.json").read_text().replace(": 8,", ": 7,")),
        "state.json is not what was written",
    ),
    "facts empty": (lambda new, old: (new / "state.json").write_bytes(b""), "is not JSON"),
    "facts missing": (lambda new, old: (new / "state.json").unlink(), "no file"),
    "facts a list": (lambda new, old: (new / "state.json").write_text("[]"), "state.json is not what was written"),
    "facts of another": (lambda new, old: shutil.copy(old / "state.json", new), "state.safetensors is not what"),
    "another under its name": (replace_by_older, "it is the checkpoint of step 4"),
    "not a number": (set_nan, "towers/visual.proj holds a value that is no number"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_the_checkpoint_before_a_damaged_one_is_used(recipe, capsys, damage):
    whole = run(recipe, "run")
    weights = (whole.model / "weights.safetensors").read_bytes()
    older, newest = list_checkpoints(whole.folder)
    spoil, reason = DAMAGE[damage]
    spoil(newest, older)
    capsys.readouterr()
    again = run(recipe, "run", resume=True)
    said = capsys.readouterr().err
    assert f"{newest} is damaged" in said
    assert reason in said
    assert "going on after step 4\n" in said
    assert "the 4 steps begun after step 4 are done again" in said
    assert (again.model / "weights.safetensors").read_bytes() == weights
    assert [folder.name for folder in list_checkpoints(again.folder)] == ["step-00000004", "step-00000008"]
    assert run(recipe, "run", resume=True).steps == 8
    assert "damaged" not in capsys.readouterr().err


def test_a_missing_checkpoint_is_made_again(recipe, capsys):
    whole = run(recipe, "run")
    shutil.rmtree(list_checkpoints(whole.folder)[-1])
    run(recipe, "run", resume=True)
    assert "going on after step 4\nthe 4 steps begun after step 4 are done again\n" in capsys.readouterr().err


def test_a_run_whose_checkpoints_are_all_damaged_is_refused(recipe):
    whole = run(recipe, "run")
    for folder in list_checkpoints(whole.folder):
        flip_bit(folder / "state.safetensors")
    with pytest.raises(FormatError, match=r"all checkpoints in .* are damaged; restore one from a copy, or train anew"):
        run(recipe, "run", resume=True)
    assert torch.isfinite(load_file(whole.model / "weights.safetensors")["visual.proj"]).all()


def test_damaged_later_ones_are_not_counted_among_those_kept(recipe):
    whole = run(recipe, "run")
    _, newest = list_checkpoints(whole.folder)
    (newest / "state.json").unlink()
    newest.rename(newest.parent / "step-00000099")
    run(recipe, "run", "checkpoint.steps=2", "checkpoint.keep=1", resume=True)
    assert [folder.name for folder in list_checkpoints(whole.folder)] == ["step-00000008", "step-00000099"]
    assert (list_checkpoints(whole.folder)[0] / "state.json").exists()


def test_a_full_disk_names_the_checkpoint_and_what_a_run_goes_on_from(recipe, monkeypatch):
    done = run(recipe, "full", "steps=4")

    def write_nothing(path):
        with storage_errors(path):
            raise OSError(errno.ENOSPC, "No space left on device", str(path))

    with monkeypatch.context() as patch:
        patch.setattr("wordsight.train.checkpoint.atomic_write", write_nothing)
        with pytest.raises(StorageError) as caught:
            run(recipe, "full", resume=True)
    final = done.folder / "checkpoints" / "step-00000008"
    said = str(caught.value)
    assert said.startswith(f"No space left on device: {final}, ")
    assert said.endswith(" MB, was not written; free room, then --resume goes on after step 4")
    assert run(recipe, "full", resume=True).steps == 8
