"""The engine of the light install: ONNX Runtime on the processor.

    engine = OnnxEngine(folder)                  # graphs in folder/onnx, made by wordsight.engines.export
    engine = OnnxEngine(folder, precision="fp32", threads=1)

The two graphs are opened when first used, each on its own: a text query never loads the image tower.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wordsight.base.arrays import Embeddings, Pixels, RowIds, Tokens
from wordsight.base.config import from_dict
from wordsight.base.errors import FormatError, NotFound, UsageError
from wordsight.base.files import read_json, require_content
from wordsight.base.once import notice_once_here
from wordsight.base.processes import PerProcess
from wordsight.base.processor import cores, processor
from wordsight.engines.engine import batches, check_pixels, check_tokens, needed_lengths
from wordsight.engines.parity import ParityReport
from wordsight.engines.travel import Reopened, reopened
from wordsight.engines.trial import require_tried
from wordsight.towers.families import finished
from wordsight.towers.graph.precision import PRECISIONS, SUMS
from wordsight.weights.manifest import ENGINES, WEIGHTS, read_model_manifest
from wordsight.weights.unchanged import check_recorded

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

IMAGES = 8  # images at once: more do not fit the caches of a processor (docs/engines.md)
MOST = 64  # images asked for at once: with more, progress would be shown too seldom
TEXTS = 32  # texts at once
PARITY = "parity.json"


def graph_path(folder: Path, tower: str, precision: str) -> Path:
    """Return where the graph of a tower ("image" or "text") lies in a model folder."""
    return folder / ENGINES / f"{tower}.{precision}.onnx"


@dataclass(slots=True)
class _Open:
    """What is open in one process: sessions by tower and threads, and the threads that compute apart."""

    sessions: dict[tuple[str, int], Any] = field(default_factory=dict)
    workers: "ThreadPoolExecutor | None" = None
    lock: Any = field(default_factory=threading.Lock)


class OnnxEngine:
    """An `Engine` on ONNX Runtime.

    `precision` "auto" is int8 where the folder has it, else fp32, else fp16; `threads` None is all processors this
    process may use.  An embedding may differ in its third digit with those beside it when in int8, because
    activations are quantised batch by batch.  Graphs that somebody else exported are run as they are.  Threads may
    share it; a forked child opens its graphs again, and so does a process that it is pickled for.
    """

    def __init__(
        self, folder: Path, *, device: str = "auto", precision: str = "auto", threads: int | None = None
    ) -> None:
        if device not in ("auto", "cpu"):
            raise UsageError(f"device {device!r} with the ONNX engine", cure="use device cpu, or engine torch")
        manifest = read_model_manifest(folder)
        self.spec = manifest.spec
        self.fingerprint = manifest.fingerprint
        self.scale = manifest.scale
        self.bias = manifest.bias
        self._finished = finished(manifest.spec)
        self.precision = (
            "fp32" if self._finished else choose_precision(folder, precision)
        )  # a finished graph has no other
        self.threads = threads or cores()
        self.batch = min(2 * IMAGES * self.threads, MOST)
        self._folder = folder
        self._files = manifest.files
        self._options = {"device": device, "precision": precision, "threads": threads}
        self._open_here = PerProcess(_Open)

    def __reduce__(self) -> Reopened:
        return reopened(self, self._folder, self._options)

    def embed_images(self, pixels: Pixels) -> Embeddings:
        """Return unit embeddings (B, E) for uint8 (B, S, S, 3)."""
        checked = check_pixels(pixels, self.spec)
        order = np.arange(len(checked))
        return self._embed("image", order, lambda part: {"pixels": checked[part]}, most=IMAGES)

    def embed_texts(self, tokens: Tokens) -> Embeddings:
        """Return unit embeddings (B, E) of token ids (B, L); texts of like length are computed together, no further."""
        checked = check_tokens(tokens, self.spec)
        lengths = needed_lengths(checked, self.spec)
        order = np.argsort(lengths, kind="stable")
        return self._embed("text", order, lambda part: {"tokens": checked[part, : lengths[part[-1]]]}, most=TEXTS)

    def release(self) -> None:
        """Close the graphs; they are opened again when used."""
        here = self._open_here.here
        with here.lock:
            here.sessions.clear()

    def _embed(self, tower: str, order: RowIds, inputs: Callable[[RowIds], dict[str, Any]], *, most: int) -> Embeddings:
        """Compute all embeddings, at most `most` at once.

        Where every processor gets some, each computes its own: ONNX Runtime loses a fifth or more of them when several
        share the work of one batch.  A few inputs are shared by all, which answers sooner.
        """
        count = len(order)
        rounds = -(-count // (most * self.threads))  # of parts alike, so that all are done at the same time
        size = -(-count // (rounds * self.threads)) if count >= self.threads else most
        parts = list(batches(order, size))
        apart = self.threads > 1 and len(parts) > 1
        session = self._session(tower, 1 if apart else self.threads)
        embeddings = np.empty((count, self.spec.width), dtype=np.float32)

        def work(part: RowIds) -> None:
            embeddings[part] = self._run(session, tower, inputs(part))

        for _ in self._workers().map(work, parts) if apart else map(work, parts):
            pass
        return embeddings

    def _workers(self) -> "ThreadPoolExecutor":
        from concurrent.futures import ThreadPoolExecutor  # not before several images come

        here = self._open_here.here
        with here.lock:
            if here.workers is None:
                here.workers = ThreadPoolExecutor(self.threads, thread_name_prefix="embed")
            return here.workers

    def _session(self, tower: str, threads: int) -> Any:
        here = self._open_here.here
        with here.lock:
            if (tower, threads) not in here.sessions:
                here.sessions[tower, threads] = self._open(tower, threads)
            return here.sessions[tower, threads]

    def _run(self, session: Any, tower: str, inputs: dict[str, Any]) -> Embeddings:
        if self._finished:
            from wordsight.engines.finished_graph import run_finished_graph  # which brings Pillow

            with running(f"the {tower} graph of {self.spec.name}"):
                return run_finished_graph(session, self.spec, tower, *inputs.values())
        with running(f"the {tower} graph of {self.spec.name}"):
            embeddings: Embeddings = session.run(["rows"], inputs)[0]
        (given,) = inputs.values()
        if embeddings.shape != (len(given), self.spec.width) or embeddings.dtype != np.float32:
            raise FormatError(
                f"the {tower} graph gives {embeddings.dtype} {embeddings.shape} for {len(given)} inputs, "
                f"not float32 {(len(given), self.spec.width)}",
                cure=f"export again: {convert_command(self._folder)}",
            )
        return embeddings

    def _open(self, tower: str, threads: int) -> Any:
        """Open a graph and see that it was made from these weights, and gives their embeddings."""
        path = self._graph(tower)
        self._require_unchanged(path)
        require_tried(self._folder, tower, self.precision, path)
        if self._finished:
            return open_session(path, threads=threads, exact=not processor().int8)
        session = open_session(path, threads=threads)
        stated = session.get_modelmeta().custom_metadata_map
        if stated.get("fingerprint") != self.fingerprint:
            raise FormatError(
                f"{path} was made from the model {stated.get('fingerprint')}, but its folder holds {self.fingerprint}",
                cure=f"export again: {convert_command(self._folder)}",
            )
        refuse_unsound(self._folder, tower, self.precision)
        if self.precision == "int8" and stated.get("sums") != SUMS and not processor().int8:
            notice_once_here(
                f"{self._folder} holds int8 graphs of an earlier version, which this processor computes at half the "
                f"speed; their embeddings are right; faster ones: {convert_command(self._folder)}"
            )
            return open_session(path, threads=threads, exact=True)
        return session

    def _graph(self, tower: str) -> Path:
        if not self._finished:
            return graph_path(self._folder, tower, self.precision)
        from wordsight.weights.graphs import graph_files

        return graph_files(self._folder)[tower]

    def _require_unchanged(self, path: Path) -> None:
        """Raise `FormatError` where the graph, or the tensors beside a finished one, are not those recorded."""
        name = path.relative_to(self._folder).as_posix()
        beside = f"{path.parent.relative_to(self._folder).as_posix()}/" if self._finished else name
        for recorded in self._files:
            if recorded.startswith(beside):
                check_recorded(self._folder, self._files, recorded)


@contextlib.contextmanager
def running(name: str) -> Iterator[None]:
    """Turn what ONNX Runtime raises over a graph that cannot be run into `FormatError`."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    kinds = (state.Fail, state.InvalidArgument, state.RuntimeException, state.NotImplemented, state.EPFail)
    try:
        yield
    except (*kinds, ValueError) as error:
        message = " ".join(str(error).split())[:300]
        raise FormatError(f"{name} cannot be run: {message}", cure="export or fetch the model again") from None


def refuse_unsound(folder: Path, tower: str, precision: str) -> None:
    """Raise `FormatError` when the folder's parity.json says that a graph does not give the model's embeddings."""
    path = folder / ENGINES / PARITY
    if not path.is_file():
        return
    for entry in from_dict(ParityReport, read_json(path)).agreements:
        if (entry.tower, entry.precision) == (tower, precision) and not entry.good:
            raise FormatError(
                f"the graph does not give the model's embeddings: {entry.line()}",
                cure=f"export again, which keeps the layers that suffer most in fp32: {convert_command(folder)}",
            )


def open_session(path: Path, *, threads: int, exact: bool = False) -> Any:
    """Return an ONNX Runtime session on the processor; a damaged file raises `FormatError`.

    `exact` keeps 8-bit products out of 16-bit sums, for graphs whose weights may overflow these, at half the speed.
    """
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    if not path.is_file():
        raise NotFound(f"no graph {path}", cure="restore the file or export again")
    require_content(path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only; they are raised
    if exact:
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
        state.RuntimeException,
    ) as error:
        raise FormatError(
            f"{path} is no graph that can be run: {error}", cure="export or fetch the model again"
        ) from None


def choose_precision(folder: Path, precision: str) -> str:
    """Return the precision of the graphs to use: the one asked for, or for "auto" the best one in the folder."""
    if precision != "auto" and precision not in PRECISIONS:
        raise UsageError(f"precision {precision!r} with the ONNX engine", cure=f"use auto, {' or '.join(PRECISIONS)}")
    wanted = PRECISIONS if precision == "auto" else (precision,)
    for name in wanted:
        if all(graph_path(folder, tower, name).is_file() for tower in ("image", "text")):
            return name
    raise NotFound(f"{folder} has no ONNX graphs in {' or '.join(wanted)}", cure=convert_command(folder))


def convert_command(folder: Path, precision: str = "") -> str:
    """Return how the graphs of a folder are made: beside its weights, or of its other graphs in another folder."""
    out, note = (str(folder), "") if (folder / WEIGHTS).is_file() else ("OUT", ", and use OUT")
    asked = f" --precision {precision}" if precision else ""
    return f"wordsight convert {folder} {out} --to onnx{asked}{note} (needs pip install 'wordsight[models]')"
