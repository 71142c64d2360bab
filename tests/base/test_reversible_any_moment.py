"""Changes of files, and taking them back, are stopped ahead of every step, once each: killed, interrupted, without room.

Whatever is left, no content is lost, the same job goes on from it, and all can be taken back.
"""

import errno
import os
import signal
import warnings

import pytest
from tests.base.changed_files import change_all, fill, listing, raising_at

from wordsight.base import disk
from wordsight.base.errors import StorageError
from wordsight.base.reversible import take_back


@pytest.fixture(autouse=True)
def without_waiting(quick_disk, two_disks):
    pass


def in_child(run, before):
    """Run something in a process of its own, `before` told of each change; returns whether it was killed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            with disk.watched(before):
                run()
            os._exit(0)
        finally:
            os._exit(9)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0
    return os.WIFSIGNALED(status)


def killing_at(step):
    calls = iter(range(1 << 30))

    def before(*_):
        if next(calls) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    return before


def contents(folder):
    return {path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def moments(tmp_path, stopped):
    """Yield a filled folder and run `stopped(folder, step)` on it for every step, until it comes through."""
    step = 0
    while True:
        folder = tmp_path / str(step)
        folder.mkdir()
        fill(folder)
        before = listing(folder)
        if not stopped(folder, step):
            break
        yield folder, before
        step += 1
    assert step > 40


def kill_changing(folder, step):
    return in_child(lambda: change_all(folder), killing_at(step))


def raising(run, error, **options):
    def stopped(folder, step):
        try:
            with disk.watched(raising_at(step, error, **options)):
                run(folder)
        except (StorageError, KeyboardInterrupt):
            return True
        return False

    return stopped


STOPS = {
    "killed": kill_changing,
    "interrupted": raising(change_all, KeyboardInterrupt()),
    "not another step": raising(change_all, KeyboardInterrupt(), and_after=True),
    "without room": raising(change_all, OSError(errno.ENOSPC, "No space left on device")),
}


@pytest.mark.parametrize("how", ["killed", "without room"])
def test_changes_go_on_from_every_moment_and_can_be_taken_back(tmp_path, how):
    wanted = tmp_path / "wanted"
    wanted.mkdir()
    fill(wanted)
    change_all(wanted)
    for folder, before in moments(tmp_path, STOPS[how]):
        assert contents(wanted) >= {b"c.jpg" * 3}
        assert {one[0] for one in before.values() if isinstance(one[0], bytes)} <= contents(folder)
        change_all(folder)
        assert listing(folder, times=False) == listing(wanted, times=False)
        back = take_back(folder / "journal")
        assert (len(back.done), back.failed) == (6, [])
        assert listing(folder) == before


@pytest.mark.parametrize("how", ["not another step", "interrupted"])
def test_changes_that_were_stopped_at_any_moment_can_be_taken_back(tmp_path, how):
    for folder, before in moments(tmp_path, STOPS[how]):
        if (folder / "journal" / "journal.jsonl").exists():
            assert take_back(folder / "journal").failed == []
        assert listing(folder) == before


def test_taking_back_goes_on_from_every_moment(tmp_path):
    def stopped(folder, step):
        change_all(folder)
        return raising(lambda _: take_back(folder / "journal"), KeyboardInterrupt(), and_after=True)(folder, step)

    for folder, before in moments(tmp_path, stopped):
        assert {one[0] for one in before.values() if isinstance(one[0], bytes)} <= contents(folder)
        back = take_back(folder / "journal")
        assert back.failed == []
        assert listing(folder) == before
