"""A value for each process: a forked child makes its own and never ends that of its parent."""

import multiprocessing
import os
import threading

import pytest

from wordsight.base.processes import PerProcess

FORK = multiprocessing.get_context("fork")


class Noted:
    """Notes the process that ends it."""

    def __init__(self, folder):
        self.folder = folder

    def __del__(self):
        (self.folder / str(os.getpid())).touch()


def in_a_child(function):
    """Return what `function` returns in a forked child."""
    receiving, sending = FORK.Pipe(duplex=False)
    child = FORK.Process(target=lambda: sending.send(function()))
    child.start()
    try:
        assert receiving.poll(60), "the child does not answer"
        answer = receiving.recv()
        child.join(60)
        assert child.exitcode == 0
    finally:
        child.kill()
    return answer


def test_a_process_makes_one_value_however_many_threads_ask():
    made = []
    value = PerProcess(lambda: made.append(1) or object())
    seen = []
    threads = [threading.Thread(target=lambda: seen.append(value.here)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert {id(one) for one in seen} == {id(value.here)}


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_makes_its_own_and_ends_only_that(tmp_path):
    value = PerProcess(lambda: Noted(tmp_path))
    mine = id(value.here)

    def child():
        value._lock.acquire(blocking=False)  # as another thread of the parent might have at the fork
        other = id(value.here) != mine
        del value._value
        return other, os.getpid()

    other, process = in_a_child(child)
    assert other
    assert [path.name for path in tmp_path.iterdir()] == [str(process)]
