"""A graph that was not made here is tried once, in a process of its own with limits on time and memory.

    require_tried(folder, "text", "int8", path)      # `FormatError` says what the graph did

What the process does: screens the graph (`graph_screen`), opens it, and computes one and three plain inputs.  A graph
that crashes, never ends, asks for more memory than its size explains, or gives NaN or embeddings of another width or
number ends there.  That it is sound is noted in the cache by its SHA-256, so it is tried once on a machine.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.base.arrays import is_unit
from wordsight.base.errors import FormatError, WordsightError
from wordsight.weights.find import BUNDLED
from wordsight.weights.unchanged import digest_of, remembered_of

if TYPE_CHECKING:
    import subprocess

    from wordsight.engines.onnx_engine import OnnxEngine

BYTES = 3 << 30  # of address space for Python, ONNX Runtime and a small graph
TIMES = 6  # the size of a graph and its tensors, above that
SECONDS = 20  # of one processor
BYTES_A_SECOND = 20 << 20  # a larger graph has longer
PATIENCE = 5  # times the seconds of the processor: others may be using it
CURE = "use a graph from a source you trust, or make one from the model's weights"
TRIED, SOUND = "tried", "sound"
TRYING = "WORDSIGHT_TRIES_GRAPH"  # set in the process that tries


def require_tried(folder: Path, tower: str, precision: str, path: Path) -> None:
    """Raise `FormatError` unless the graph of a tower has been found sound on this machine, now or before."""
    if TRYING in os.environ or folder == BUNDLED:
        return

    def attempt() -> str:
        return _attempt(folder, tower, precision, path)

    remembered_of(digest_of(path), TRIED, attempt)


def note_sound(path: Path) -> None:
    """Note that a graph was made and computed here."""
    remembered_of(digest_of(path), TRIED, lambda: SOUND)


def _attempt(folder: Path, tower: str, precision: str, path: Path) -> str:
    import subprocess  # not before a graph is tried

    size = sum(file.stat().st_size for file in path.parent.iterdir() if file.is_file())
    seconds = SECONDS + size // BYTES_A_SECOND
    command = [sys.executable, "-m", __name__, str(folder), tower, precision, str(path), str(size), str(seconds)]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    search = {"PYTHONPATH": os.pathsep.join(part for part in sys.path if part)}
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **threads, **search, TRYING: "1"},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE * seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise FormatError(f"{path} does not end within {PATIENCE * seconds} seconds", cure=CURE) from None
    if done.returncode:
        reason = _reason(done, size, seconds)
        raise FormatError(reason if str(path) in reason else f"{path}: {reason}", cure=CURE)
    return SOUND


def _reason(done: "subprocess.CompletedProcess[str]", size: int, seconds: int) -> str:
    import signal

    printed = done.stdout.strip().splitlines()
    if done.returncode in {-getattr(signal, name, 0) for name in ("SIGXCPU", "SIGKILL")}:
        return f"the graph does not end within {seconds} seconds of a processor"
    if printed and done.returncode == FormatError.exit_status:
        return printed[-1]
    if "MemoryError" in done.stderr or "bad_alloc" in done.stderr:
        return _too_much(size)
    return f"the graph ends the process that runs it (status {done.returncode})"


def _too_much(size: int) -> str:
    return f"the graph asks for more memory than {(BYTES + TIMES * size) / 2**30:.1f} GiB for three inputs"


def main(folder: Path, tower: str, precision: str, path: Path, *, size: int, seconds: int) -> int:
    """Try a graph; print why it is refused and return 2."""
    _limit(BYTES + TIMES * size, seconds)
    from wordsight.engines.graph_screen import screen
    from wordsight.engines.onnx_engine import OnnxEngine

    try:
        screen(path)
        engine = OnnxEngine(folder, precision=precision, threads=1)
        for count in (1, 3):
            _check(engine, tower, count)
    except WordsightError as error:
        print(_too_much(size) if "allocate" in error.problem else error.problem)
        return FormatError.exit_status
    return 0


def _limit(space: int, seconds: int) -> None:
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (space, space))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _check(engine: "OnnxEngine", tower: str, count: int) -> None:
    """Raise `FormatError` unless plain inputs get embeddings."""
    from wordsight.engines.parity import some_images, some_texts

    if tower == "image":
        embeddings = engine.embed_images(some_images(engine.spec, count))
    else:
        embeddings = engine.embed_texts(some_texts(engine.spec, count))
    if not is_unit(embeddings).all():
        raise FormatError("the graph gives NaN, infinite numbers or zeros for plain inputs", cure=CURE)


if __name__ == "__main__":
    where, tower_, precision_, path_, size_, seconds_ = sys.argv[1:]
    sys.exit(main(Path(where), tower_, precision_, Path(path_), size=int(size_), seconds=int(seconds_)))
