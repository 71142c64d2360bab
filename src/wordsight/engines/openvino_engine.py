"""The engine on OpenVINO: processors whose units for bfloat16 it uses better than others do.

    engine = OpenVinoEngine(folder)              # bf16 where the processor has it, from the fp32 or fp16 graphs

Needs the extra "openvino".
"""

import os
import threading
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import openvino

from wordsight.base.arrays import Embeddings, Pixels, Tokens, unit
from wordsight.base.errors import FormatError, NotFound, UsageError
from wordsight.base.files import require_content
from wordsight.base.processes import PerProcess
from wordsight.base.processor import cores, processor
from wordsight.base.reading import open_regular
from wordsight.engines.engine import batches, check_pixels, check_tokens, needed_lengths
from wordsight.engines.onnx_engine import IMAGES, TEXTS, OnnxEngine, convert_command, graph_path
from wordsight.engines.travel import Reopened, reopened
from wordsight.weights.manifest import read_model_manifest
from wordsight.weights.unchanged import check_recorded

PROCESS = os.getpid()  # the one that imported OpenVINO
TAIL = 1024  # bytes at the end of a graph, where its metadata stand
PRECISIONS = {"fp32": openvino.Type.f32, "bf16": openvino.Type.bf16}


@dataclass(slots=True)
class _Open:
    """What is open in one process: a compiled graph for each tower, asked by one thread at a time."""

    requests: dict[str, Any] = field(default_factory=dict)
    lock: Any = field(default_factory=threading.Lock)


class OpenVinoEngine:
    """An `Engine` on OpenVINO's processor plugin; `precision` "auto" is bf16 where the processor has units for it.

    Threads may share it, and a process that it is pickled for opens its graphs again.  OpenVINO does not survive a
    fork: a forked child computes the same graphs with ONNX Runtime.
    """

    def __init__(
        self, folder: Path, *, device: str = "auto", precision: str = "auto", threads: int | None = None
    ) -> None:
        if device not in ("auto", "cpu"):
            raise UsageError(f"device {device!r} with the OpenVINO engine", cure="use device cpu, or engine torch")
        if precision == "auto":
            precision = "bf16" if processor().bf16 else "fp32"
        if precision not in PRECISIONS:
            raise UsageError(f"precision {precision!r} with the OpenVINO engine", cure="use auto, bf16 or fp32")
        manifest = read_model_manifest(folder)
        self.spec = manifest.spec
        self.fingerprint = manifest.fingerprint
        self.scale = manifest.scale
        self.bias = manifest.bias
        self.precision = precision
        self.batch = 2 * IMAGES
        self._folder = folder
        self._files = manifest.files
        self._graphs = _graphs(folder, precision)
        self._asked = {"device": device, "precision": precision, "threads": threads}
        self._open_here = PerProcess(_Open)
        self._in_child = PerProcess(lambda: OnnxEngine(folder, precision=self._graphs, threads=threads))
        self._options = {
            "INFERENCE_PRECISION_HINT": PRECISIONS[precision],
            "INFERENCE_NUM_THREADS": threads or cores(),
            "NUM_STREAMS": 1,
        }

    def __reduce__(self) -> Reopened:
        return reopened(self, self._folder, self._asked)

    def embed_images(self, pixels: Pixels) -> Embeddings:
        """Return unit embeddings (B, E) for uint8 (B, S, S, 3)."""
        checked = check_pixels(pixels, self.spec)
        if os.getpid() != PROCESS:
            return self._in_child.here.embed_images(checked)
        embeddings = np.empty((len(checked), self.spec.width), dtype=np.float32)
        for part in batches(np.arange(len(checked)), IMAGES):
            embeddings[part] = self._run("image", checked[part])
        return embeddings

    def embed_texts(self, tokens: Tokens) -> Embeddings:
        """Return unit embeddings (B, E) of token ids (B, L); texts of like length are computed together, no further."""
        checked = check_tokens(tokens, self.spec)
        if os.getpid() != PROCESS:
            return self._in_child.here.embed_texts(checked)
        lengths = needed_lengths(checked, self.spec)
        embeddings = np.empty((len(checked), self.spec.width), dtype=np.float32)
        for part in batches(np.argsort(lengths, kind="stable"), TEXTS):
            embeddings[part] = self._run("text", np.ascontiguousarray(checked[part, : lengths[part[-1]]]))
        return embeddings

    def release(self) -> None:
        """Let the compiled graphs go; they are compiled again when used."""
        here = self._open_here.here
        with here.lock:
            here.requests.clear()

    def _run(self, tower: str, inputs: Pixels | Tokens) -> Embeddings:
        here = self._open_here.here
        with here.lock:
            if tower not in here.requests:
                here.requests[tower] = self._open(graph_path(self._folder, tower, self._graphs))
            return unit(here.requests[tower].infer([inputs])[0])

    def _open(self, path: Path) -> Any:
        """Compile a graph that was made from these weights; another or a damaged one raises `FormatError`."""
        require_content(path)
        check_recorded(self._folder, self._files, path.relative_to(self._folder).as_posix())
        with open_regular(path) as handle:
            handle.seek(max(path.stat().st_size - TAIL, 0))
            tail = handle.read()
        again = f"export again: {convert_command(self._folder, self._graphs)}"
        if self.fingerprint.encode() not in tail:
            raise FormatError(f"{path} was not made from the model {self.fingerprint} of its folder", cure=again)
        try:
            compiled = _core().compile_model(str(path), "CPU", self._options)
        except RuntimeError as error:
            raise FormatError(
                f"{path} is no graph that can be run: {' '.join(str(error).split())}", cure=again
            ) from None
        return compiled.create_infer_request()


@cache
def _core() -> Any:
    """Return the one OpenVINO core of this process, which is never given up.

    Each core gives the thread a stack for signals and puts back the one before; of two given up in their order, the
    thread is left with one that is gone, and the next Ctrl-C ends the process (OpenVINO 2026.4).
    """
    return openvino.Core()


def _graphs(folder: Path, precision: str) -> str:
    """Return which of the folder's graphs are read: int8 ones hold operators that are ONNX Runtime's own."""
    for name in ("fp32", "fp16") if precision == "fp32" else ("fp16", "fp32"):
        if all(graph_path(folder, tower, name).is_file() for tower in ("image", "text")):
            return name
    raise NotFound(
        f"{folder} has no ONNX graphs in fp32 or fp16 for OpenVINO",
        cure=convert_command(folder, "fp32"),
    )
