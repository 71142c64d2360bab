"""Each step of scripts/check passes on the tree as it is, and fails on a tree that breaks its rule."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

STEPS = ("format", "lint", "types", "layers", "torch-free", "sizes", "names", "docs")


def check(root: Path, *steps: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["sh", str(root / "scripts" / "check"), *steps],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("step", STEPS)
def test_step_passes(root: Path, step: str) -> None:
    result = check(root, step)
    assert result.returncode == 0, result.stdout + result.stderr


def test_steps_are_those_of_the_script(root: Path) -> None:
    text = (root / "scripts" / "check").read_text(encoding="utf-8")
    assert f"steps=${{*:-{' '.join(STEPS)}}}" in text


def test_unknown_step_is_a_wrong_call(root: Path) -> None:
    result = check(root, "taste")
    assert result.returncode == 2
    assert "no step 'taste'" in result.stderr
