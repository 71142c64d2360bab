"""What all tests share: one thread a process, the same generated cases everywhere,
nobody's own model or library leaks in, progress says nothing."""

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # a test that reached for the network would fail here, not hang
os.environ.pop("WORDSIGHT_MODEL", None)
for _name in ("WORDSIGHT_CACHE", "XDG_CONFIG_HOME"):  # nobody's own cache and settings are used
    os.environ[_name] = tempfile.mkdtemp(prefix="wordsight-tests-")
    atexit.register(shutil.rmtree, os.environ[_name], ignore_errors=True)
# what is said once to each user has been said
(Path(os.environ["XDG_CONFIG_HOME"]) / "wordsight").mkdir()
(Path(os.environ["XDG_CONFIG_HOME"]) / "wordsight" / "stronger-model.seen").touch()
signal.signal(signal.SIGINT, signal.default_int_handler)  # in a background job it is ignored, and children inherit that
settings.register_profile("same", derandomize=True, deadline=None, database=None)  # the same cases on every machine
settings.load_profile("same")

import torch  # noqa: E402  (with the one thread set above)

# the CPU build of PyTorch has no compiled torchvision operators; transformers, timm and open_clip only need their names
_OPERATORS = torch.library.Library("torchvision", "DEF")
for _name in ("nms", "qnms"):
    _OPERATORS.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


@pytest.fixture(autouse=True)
def _speaking() -> Iterator[None]:
    """Undo `--quiet` and what was said once, so that tests do not hear each other."""
    from wordsight.base import progress

    yield
    progress.set_quiet(False)
    progress._printed.clear()


@pytest.fixture
def killed_draft() -> Callable[..., Path]:
    """Return a function from a path to the name of its draft that a killed process leaves."""
    from wordsight.base import files

    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    return lambda path, kind="part": path.with_name(f".{path.name}.{files._system()}-{gone.pid}-0.{kind}")
