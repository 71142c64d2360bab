"""Tasks in several processes: what comes of them when one is stopped, and when the one that began them is."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool

import pytest
from PIL import Image

from wordsight.base.errors import StorageError
from wordsight.embeddings import model as faces
from wordsight.embeddings.kept import KeptEmbeddings
from wordsight.engines.fake import FakeEngine
from wordsight.evaluate import session
from wordsight.evaluate.tasks import read_task

PROGRAM = """
import os, signal, sys, time
from pathlib import Path
from wordsight.cli.main import main
from wordsight.evaluate import session

real = session.measure

def measure(order, specs):
    place = Path(specs[0].place)
    if order.again:
        print(os.getpid(), flush=True)
    if place.name == "asleep":
        print("asleep", flush=True)
        time.sleep(600)
    if place.name == "killed":
        while not (place / "go").exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGKILL)
    return real(order, specs)

session.measure = measure  # in the processes, too: they begin with this file
if __name__ == "__main__":
    sys.exit(main())
"""
needs_signals = pytest.mark.skipif(os.name != "posix", reason="signals")


@pytest.fixture
def folder(tmp_path):
    for place in ("good", "asleep", "killed"):
        for name in ("red", "blue"):
            (tmp_path / place / name).mkdir(parents=True)
            Image.new("RGB", (8, 8), name).save(tmp_path / place / name / "one.png")
    (tmp_path / "program.py").write_text(PROGRAM)
    return tmp_path


def evaluate(folder, *texts, again=False):
    return subprocess.Popen(
        [
            *(sys.executable, "program.py", "evaluate", "--engine", "fake", "--processes", "2"),
            *("--tasks", ",".join(texts), *(["--again"] if again else [])),
        ],
        cwd=folder,
        env={**os.environ, "WORDSIGHT_CACHE": str(folder / "cache")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def end(program):
    """Wait until the program and all of its processes have ended: so long its streams are open."""
    late = threading.Timer(120, os.killpg, (program.pid, signal.SIGKILL))
    late.start()
    with program:
        out, err = program.stdout.read(), program.stderr.read()
    assert late.is_alive(), "its processes did not end"
    late.cancel()
    return program.returncode, out.splitlines(), err.splitlines()


@needs_signals
def test_a_process_that_is_killed_costs_its_own_tasks(folder):
    program = evaluate(folder, "zero-shot:good", "zero-shot:killed", "knn:killed?held_out=0.5")
    first = json.loads(program.stdout.readline())
    (folder / "killed" / "go").touch()
    status, out, err = end(program)
    assert status == 1
    assert [json.loads(line)["name"] for line in out] == ["good/zero-shot/mean-per-class"]
    assert first["name"] == "good/zero-shot/top-1"
    assert err == [
        "zero-shot:killed: a process was stopped by the system, perhaps out of memory, and nothing came back of "
        "zero-shot:killed, knn:killed; measure with fewer --processes"
    ]


@needs_signals
def test_processes_end_when_the_one_that_began_them_is_killed(folder):
    program = evaluate(folder, "zero-shot:asleep", "zero-shot:asleep?split=other")
    assert [program.stdout.readline() for _ in range(2)] == ["asleep\n"] * 2
    program.kill()
    status, out, err = end(program)
    assert (status, out) == (-signal.SIGKILL, [])
    assert "Traceback" not in "".join(err)


@needs_signals
def test_ctrl_c_is_one_line_and_ends_all(folder):
    program = evaluate(folder, "zero-shot:good", "zero-shot:asleep", again=True)
    begun = {program.stdout.readline() for _ in range(5)} - {"asleep\n"}  # two numbers, two results
    for process in (int(line) for line in begun if line.strip().isdigit()):
        os.kill(process, signal.SIGINT)  # one waits for work, one works: the terminal tells them, too
    time.sleep(0.5)
    os.killpg(program.pid, signal.SIGINT)
    assert end(program) == (130, [], ["wordsight: stopped; what was finished before is kept"])


def test_what_was_measured_is_told_when_the_cache_is_full_at_the_end(folder, monkeypatch):
    def full(self):
        raise StorageError("the disk is full")

    monkeypatch.setattr(faces, "load", lambda name, **options: faces.Model(FakeEngine()))
    monkeypatch.setattr(KeptEmbeddings, "flush", full)
    specs = [read_task(f"zero-shot:{folder / 'good'}"), read_task(f"zero-shot:{folder / 'good'}?name=other")]
    outcomes = session._unit((session.Measurement(), specs))
    assert [one.measured.results[0].name for one in outcomes] == ["good/zero-shot/top-1", "other/zero-shot/top-1"]
    assert [str(one.error) for one in outcomes] == ["None", "the disk is full"]


def test_what_is_lost_is_one_error(folder):
    done, broken = Future(), Future()
    spec = read_task(f"zero-shot:{folder / 'good'}")
    done.set_result([session.Outcome(spec)])
    broken.set_exception(BrokenProcessPool())
    units = [(session.Measurement(), [spec] * count) for count in (1, 3, 4)]
    outcomes = list(session._outcomes_of(units, [done, broken, broken]))
    assert [one.error is None for one in outcomes] == [True] + [False] * 7
    assert len({id(one.error) for one in outcomes[1:]}) == 1
    assert str(outcomes[1].error).endswith(" and 2 more; measure with fewer --processes")
