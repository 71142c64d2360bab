"""The program, killed by SIGKILL at varying steps and resumed, ends with the same bytes as one that was let alone."""

import multiprocessing
import os
import signal
import time

from wordsight.cli.main import main
from wordsight.train.checkpoint import list_checkpoints

# One server has PyTorch imported and forks each process: a start costs milliseconds instead of seconds.
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["wordsight.train.loop", "torch.utils.tensorboard"])


def start(recipe, out):
    words = [
        "train",
        str(recipe),
        "--set",
        f"out={out}",
        "--set",
        "name=same",
        "--resume",
        "--quiet",
        "--device",
        "cpu",
    ]
    words += ["--set", "steps=24", "--set", "checkpoint.steps=3", "--set", "validation.every=10"]
    process = SERVER.Process(target=main, args=(words,))
    process.start()
    return process


def steps_begun(out):
    path = out / "clock.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def kill_at(process, out, step):
    """Kill the process as soon as it has begun `step`; return whether it was still at work."""
    while process.is_alive() and steps_begun(out) <= step:
        time.sleep(0.001)
    alive = process.is_alive()
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    return alive and process.exitcode == -signal.SIGKILL


def test_killed_runs_end_with_the_same_bytes(recipe):
    whole, parts = recipe.parent / "whole", recipe.parent / "parts"
    left_alone = start(recipe, whole)
    killed = [kill_at(start(recipe, parts), parts, step) for step in (1, 9, 16)]
    assert all(killed)
    last = start(recipe, parts)
    last.join()
    left_alone.join()
    assert last.exitcode == left_alone.exitcode == 0
    assert (whole / "metrics.jsonl").read_bytes() == (parts / "metrics.jsonl").read_bytes()
    for name in ("weights.safetensors", "merges.txt", "model.json"):
        assert (whole / "model" / name).read_bytes() == (parts / "model" / name).read_bytes()
    states = [list_checkpoints(run)[-1] / "state.safetensors" for run in (whole, parts)]
    assert states[0].read_bytes() == states[1].read_bytes()
    assert not list((parts / "checkpoints").glob(".*"))
