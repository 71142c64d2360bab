"""A short run of the soak: random kills, compared with a twin that was left in peace."""

import subprocess
import sys
from pathlib import Path

SOAK = Path(__file__).parents[2] / "benchmarks" / "soak" / "kills.py"


def test_twenty_kills_leave_what_an_undisturbed_twin_has():
    run = subprocess.run([sys.executable, SOAK, "--kills", "20"], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "the library equals its undisturbed twin" in run.stdout
