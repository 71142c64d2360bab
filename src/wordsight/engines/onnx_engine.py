"""The engine of the light install: ONNX Runtime on the processor.

    engine = OnnxEngine(folder)                  # graphs in folder/onnx, made by wordsight.engines.export
    engine = OnnxEngine(folder, precision="fp32", threads=1)

The two graphs are opened when first used, each on its own: a text query never loads the image tower.
"""

import os
import platform
from pathlib import Path
from typing import Any, Literal

import numpy as np

from wordsight.base.errors import FormatError, NotFound, UsageError
from wordsight.engines.engine import Pixels, Rows, Tokens, batches, check_pixels, check_tokens, needed_lengths
from wordsight.weights.folder import ENGINES, read_manifest

Precision = Literal["int8", "fp32"]
PRECISIONS: tuple[Precision, ...] = ("int8", "fp32")  # the preferred one first
IMAGES = 16  # pictures at once: 8 to 32 are equally fast on a processor (docs/engines.md)
TEXTS = 32  # texts at once


def graph_path(folder: Path, tower: str, precision: str) -> Path:
    """Return where the graph of a tower ("image" or "text") lies in a model folder."""
    return folder / ENGINES / f"{tower}.{precision}.onnx"


class OnnxEngine:
    """An `Engine` on ONNX Runtime.

    `precision` "auto" is int8 where the folder has it, else fp32; `threads` None is all processors this
    process may use.  A row may differ in its third digit with the rows beside it when in int8, because
    activations are quantised batch by batch.
    """

    def __init__(
        self, folder: Path, *, device: str = "auto", precision: str = "auto", threads: int | None = None
    ) -> None:
        if device not in ("auto", "cpu"):
            raise UsageError(f"device {device!r} with the ONNX engine", cure="use cpu, or --engine torch")
        manifest = read_manifest(folder)
        self.spec = manifest.spec
        self.fingerprint = manifest.fingerprint
        self.scale = manifest.scale
        self.bias = manifest.bias
        self.precision = _choose(folder, precision)
        self.threads = threads or processors()
        self._folder = folder
        self._sessions: dict[str, Any] = {}

    def embed_images(self, pixels: Pixels) -> Rows:
        """Return unit rows (B, E) for uint8 (B, S, S, 3)."""
        checked = check_pixels(pixels, self.spec)
        rows = np.empty((len(checked), self.spec.width), dtype=np.float32)
        for part in batches(np.arange(len(checked)), IMAGES):
            rows[part] = self._run("image", {"pixels": checked[part]})
        return rows

    def embed_texts(self, tokens: Tokens) -> Rows:
        """Return unit rows (B, E) for token ids (B, L); texts of like length are computed together, and no further."""
        checked = check_tokens(tokens, self.spec)
        lengths = needed_lengths(checked, self.spec)
        rows = np.empty((len(checked), self.spec.width), dtype=np.float32)
        for part in batches(np.argsort(lengths, kind="stable"), TEXTS):
            rows[part] = self._run("text", {"tokens": checked[part, : lengths[part[-1]]]})
        return rows

    def _run(self, tower: str, inputs: dict[str, Any]) -> Rows:
        if tower not in self._sessions:
            self._sessions[tower] = self._open(tower)
        rows: Rows = self._sessions[tower].run(["rows"], inputs)[0]
        return rows

    def _open(self, tower: str) -> Any:
        """Open a graph and see that it was made from these weights."""
        path = graph_path(self._folder, tower, self.precision)
        session = open_session(path, threads=self.threads)
        made_from = session.get_modelmeta().custom_metadata_map.get("fingerprint")
        if made_from != self.fingerprint:
            raise FormatError(
                f"{path} was made from the model {made_from}, but its folder holds {self.fingerprint}",
                cure=f"export again: {_convert(self._folder)}",
            )
        return session


def open_session(path: Path, *, threads: int) -> Any:
    """Return an ONNX Runtime session on the processor; a damaged file raises `FormatError`."""
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    if not path.is_file():
        raise NotFound(f"no graph {path}", cure="restore the file or export again")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only; they are raised
    if products_may_overflow():
        options.add_session_config_entry("session.x64quantprecision", "1")
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # leave the cores to decoding
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except (
        state.InvalidProtobuf,
        state.InvalidGraph,
        state.Fail,
        state.InvalidArgument,
        state.NotImplemented,
    ) as error:
        raise FormatError(
            f"{path} is no graph that can be run: {error}", cure="export or fetch the model again"
        ) from None


def products_may_overflow(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Does this processor sum 8-bit products in 16 bits, as x86 without VNNI does?

    ONNX Runtime then has exact kernels, which are twice as slow where VNNI is there; where the processor's
    features cannot be read they are assumed to be missing.
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    return not cpuinfo.is_file() or "vnni" not in cpuinfo.read_text(encoding="utf-8")


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _choose(folder: Path, precision: str) -> str:
    if precision != "auto" and precision not in PRECISIONS:
        raise UsageError(f"precision {precision!r} with the ONNX engine", cure=f"use auto, {' or '.join(PRECISIONS)}")
    wanted = PRECISIONS if precision == "auto" else (precision,)
    for name in wanted:
        if all(graph_path(folder, tower, name).is_file() for tower in ("image", "text")):
            return name
    raise NotFound(f"{folder} has no ONNX graphs in {' or '.join(wanted)}", cure=_convert(folder))


def _convert(folder: Path) -> str:
    return f"wordsight convert {folder} {folder} --to onnx (needs pip install 'wordsight[train]')"
