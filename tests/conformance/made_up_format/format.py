"""A format that nobody has: our names behind `made-up/` in a `.npz`, with our manifest and tokenizer files beside it."""

import numpy as np

from wordsight.base.errors import UsageError
from wordsight.weights.checkpoint import Checkpoint, Keys
from wordsight.weights.folder import read_spec, save_checkpoint

MADE_UP = "made-up/"  # stands before every name in the made-up format


def recognise(files):
    return any(name.startswith(MADE_UP) for name in files.tensors)


def read(files):
    keys = Keys(files.tensors, where=str(files.weights))
    state = {name.removeprefix(MADE_UP): keys.take(name) for name in keys.left if name.startswith(MADE_UP)}
    keys.finish()
    names = {path.name for path in files.folder.iterdir()} - {"model.json", files.weights.name}
    contents = {name: (files.folder / name).read_bytes() for name in names}
    return Checkpoint(read_spec(files.folder), state, contents, origin={"format": "made-up"})


def write(checkpoint, target):
    if checkpoint.spec.loss == "sigmoid":
        raise UsageError("made-up has no place for a bias", cure="choose another format")
    np.savez(target / "made-up.npz", **{MADE_UP + name: array for name, array in checkpoint.state.items()})
    for name, content in checkpoint.tokenizer_files.items():
        (target / name).write_bytes(content)
    save_checkpoint(checkpoint, target.with_name(f"{target.name}.saved"))
    (target.with_name(f"{target.name}.saved") / "model.json").rename(target / "model.json")
