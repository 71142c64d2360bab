"""From a model's folder to an engine: one table, opened by name when used.

    engine = open_engine(folder)                      # ONNX if exported, else PyTorch if installed
    engine = open_engine(folder, engine="torch", device="cuda")

A new engine is one file and one row of `ENGINES`; each is called as `factory(folder, device=, precision=)`.
"""

import importlib.util
from pathlib import Path

from wordsight.base.errors import NotFound, UsageError
from wordsight.base.optional import resolve
from wordsight.engines.engine import Engine
from wordsight.weights.folder import WEIGHTS, read_manifest

ENGINES = {
    "onnx": "wordsight.engines.onnx_engine:OnnxEngine",
    "torch": "wordsight.engines.torch_engine:TorchEngine",
    "fake": "wordsight.engines.fake:FakeEngine",
}
EXTRAS = {"torch": "train"}  # the extra that an engine's packages come with


def open_engine(folder: Path, *, engine: str = "auto", device: str = "auto", precision: str = "auto") -> Engine:
    """Return an engine for the model in `folder`.

    `engine`: "auto" takes the ONNX graphs when the folder has them and no GPU is asked for, else PyTorch
    when it is installed.  `device`: "auto", "cpu", "cuda", "cuda:1"…  `precision`: "auto", "int8", "fp32"
    (and "bf16" with PyTorch).  What cannot be had raises an error with the cure.
    """
    name = _choose(folder, device) if engine == "auto" else engine
    if name not in ENGINES:
        raise UsageError(f"no engine {engine!r}", cure=f"use auto or one of {', '.join(ENGINES)}")
    opened: Engine = resolve(ENGINES[name], extra=EXTRAS.get(name, ""))(folder, device=device, precision=precision)
    return opened


def _choose(folder: Path, device: str) -> str:
    manifest = read_manifest(folder)
    if manifest.precisions and device in ("auto", "cpu"):
        return "onnx"
    if importlib.util.find_spec("torch") is None:
        raise NotFound(
            f"{folder} has no ONNX graphs for device {device!r}, and PyTorch is not installed",
            cure="pip install 'wordsight[train]', then `wordsight convert FOLDER FOLDER --to onnx` to do without it",
        )
    if not (folder / WEIGHTS).is_file():
        raise NotFound(f"{folder} has no {WEIGHTS} for PyTorch", cure="use --engine onnx --device cpu")
    return "torch"
