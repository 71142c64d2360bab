"""From a model's folder to an engine: one table, opened by name when used.

    engine = open_engine(folder)                      # the fastest sound one for this machine
    engine = open_engine(folder, engine="torch", device="cuda")

A new engine is one file and one row of `ENGINES`; each is called as `factory(folder, device=, precision=)`.
"""

import importlib.util
import os
from pathlib import Path

from wordsight.base.errors import FormatError, NotFound, UsageError
from wordsight.base.optional import resolve
from wordsight.base.processor import processor
from wordsight.base.progress import notice
from wordsight.base.suggest import suggest
from wordsight.engines.engine import Engine
from wordsight.engines.names import check_device, check_precision
from wordsight.towers.families import finished, image_family, text_family, written
from wordsight.towers.graph.precision import PRECISIONS
from wordsight.weights.manifest import WEIGHTS, ModelManifest, read_model_manifest

ENGINES = {
    "onnx": "wordsight.engines.onnx_engine:OnnxEngine",
    "openvino": "wordsight.engines.openvino_engine:OpenVinoEngine",
    "torch": "wordsight.engines.torch_engine:TorchEngine",
    "fake": "wordsight.engines.fake:FakeEngine",
}
EXTRAS = {"torch": "train", "openvino": "openvino"}  # the extra that an engine's packages come with
EXPORT = "wordsight.engines.export:export"
MADE = {"auto": "int8", "bf16": "fp16"}  # which graphs are made for a precision that is asked for
READ = {"bf16": {"fp16", "fp32"}}  # which graphs serve a precision, where not its own alone
GPU = Path("/dev/nvidiactl")  # there where a driver of an NVIDIA GPU runs: a look that costs nothing


def open_engine(folder: Path, *, engine: str = "auto", device: str = "auto", precision: str = "auto") -> Engine:
    """Return an engine for the model in `folder`.

    `engine`: "auto" takes the ONNX graphs on a processor, making them once where the folder has weights and none
    yet, and PyTorch for a GPU, and where graphs cannot be made.  `device`: "auto", "cpu", "cuda", "cuda:1"…
    `precision`: "auto", "int8", "fp32" (and "bf16", "fp16" with PyTorch, "fp16" with ONNX, "bf16" with OpenVINO).
    What cannot be had raises an error with the cure.
    """
    check_device(device)
    check_precision(precision)
    if engine != "auto" and engine not in ENGINES:
        known = ["auto", *(name for name in ENGINES if name != "fake")]
        raise UsageError(f"no engine {engine!r}", cure=suggest(engine, known))
    if engine == "auto":
        engine = _choose(folder, device, precision)
    elif engine in ("onnx", "openvino") and device in ("auto", "cpu"):
        manifest = read_model_manifest(folder)
        wanted = "bf16" if engine == "openvino" and precision == "auto" else precision
        if not _there(manifest, wanted) and can_make(folder, manifest, wanted):
            make(folder, manifest, wanted)
    opened: Engine = resolve(ENGINES[engine], extra=EXTRAS.get(engine, ""))(folder, device=device, precision=precision)
    return opened


def can_make(folder: Path, manifest: ModelManifest, precision: str) -> bool:
    """Can graphs for a precision be made from what lies in `folder`, there, with what is installed, without PyTorch?"""
    return (
        MADE.get(precision, precision) in PRECISIONS
        and written(manifest.spec)
        and (folder / WEIGHTS).is_file()
        and os.access(folder, os.W_OK)
        and importlib.util.find_spec("onnx") is not None
    )


def make(folder: Path, manifest: ModelManifest, precision: str) -> None:
    """Make the graphs for a precision, with a notice; where int8 costs too much accuracy, those in fp32."""
    wanted = MADE.get(precision, precision)
    notice(f"making the {wanted} graphs of {manifest.spec.name} in {folder}, once ...")
    export = resolve(EXPORT, extra="models")
    try:
        export(folder, precisions=[wanted])
    except FormatError as error:
        if precision != "auto":
            raise
        notice(f"{error.problem}; fp32 is used instead")
        export(folder, precisions=["fp32"])


def _on_processor(manifest: ModelManifest, precision: str) -> str:
    """Return the fastest sound engine on this processor (docs/engines.md, "Measured"), "" for PyTorch.

    Integers make transformers fastest; convolutions gain nothing from them in ONNX Runtime, so ResNets are left to
    OpenVINO's bfloat16 where both are there, unless only other graphs are.
    """
    if precision == "bf16" or (precision == "auto" and not image_family(manifest.spec.image).integers):
        usable = not manifest.precisions or _there(manifest, "bf16")
        if usable and processor().bf16 and importlib.util.find_spec("openvino") is not None:
            return "openvino"
    return "" if precision == "bf16" else "onnx"


def _there(manifest: ModelManifest, precision: str) -> bool:
    """Does the folder hold graphs for a precision?"""
    if precision == "auto":
        return bool(manifest.precisions)
    return bool(READ.get(precision, {precision}) & set(manifest.precisions)) or finished(manifest.spec)


def _choose(folder: Path, device: str, precision: str) -> str:
    manifest = read_model_manifest(folder)
    installed = importlib.util.find_spec("torch") is not None
    if finished(manifest.spec):
        return "onnx"
    if device in ("auto", "cpu"):
        chosen = _on_processor(manifest, precision)
        wanted = "bf16" if chosen == "openvino" else precision
        if chosen and _there(manifest, wanted):
            return chosen
        for_gpu = installed and device == "auto" and GPU.exists()
        if chosen and not for_gpu and can_make(folder, manifest, wanted):
            make(folder, manifest, wanted)
            return chosen
    if not installed:
        where = "" if device == "auto" else f" for {device}"
        raise NotFound(
            f"{folder} has no ONNX graphs{where} and none can be made, and PyTorch is not installed",
            cure=_cure(folder, manifest, device),
        )
    return "torch"


def _cure(folder: Path, manifest: ModelManifest, device: str) -> str:
    families = (image_family(manifest.spec.image), text_family(manifest.spec.text))
    extras = sorted({family.extra for family in families if not family.graph})
    if extras:
        return f"pip install 'wordsight[{','.join(extras)}]', whose towers these are"
    if device not in ("auto", "cpu"):
        return "pip install 'wordsight[train]'"
    if not (folder / WEIGHTS).is_file():
        return f"restore {WEIGHTS}, or fetch the model again"
    if not os.access(folder, os.W_OK):
        return f"give yourself the right to write in {folder}, or pip install 'wordsight[train]'"
    return "pip install 'wordsight[models]', which makes them, or 'wordsight[train]' for PyTorch"
