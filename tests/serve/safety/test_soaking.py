"""Short runs of the soaks: a server among broken clients, and one whose library is written by processes that are killed."""

import subprocess
import sys
from pathlib import Path

SOAK = Path(__file__).parents[3] / "benchmarks" / "soak"


def soaked(script, *options):
    run = subprocess.run([sys.executable, SOAK / script, *options], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def test_nothing_grows_among_broken_clients():
    printed = soaked(
        "serving.py", "--minutes", "0.1", "--good", "1", "--broken", "1", "--images", "20", "--every", "0.5"
    )
    assert "nothing grew" in printed


def test_a_library_is_whole_after_kills_while_it_is_served():
    assert "the library equals its undisturbed twin" in soaked("kills.py", "--kills", "5", "--served")
