"""Results come in order from several threads, a few items ahead, and leaving early ends the threads."""

import itertools
import threading
import time
from collections.abc import Iterator

import pytest

from wordsight.base.threads import PREFIX, ordered_map, read_ahead, under_way, write_behind


def at_work() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith(PREFIX)]


def late(item: int) -> int:
    """Return the item, later ones sooner."""
    time.sleep(0.001 * (-item % 5))
    return item


def broken() -> Iterator[int]:
    yield from range(5)
    raise ValueError("in the middle")


@pytest.mark.parametrize("threads", [None, 1, 4])
def test_results_are_in_order(threads: int | None) -> None:
    assert list(ordered_map(late, range(50), threads=threads)) == list(range(50))
    assert list(ordered_map(late, [], threads=threads)) == []
    assert at_work() == []


def test_only_a_few_items_are_taken_ahead() -> None:
    taken: list[int] = []
    results = ordered_map(late, (taken.append(i) or i for i in itertools.count()), threads=2, ahead=3)
    assert [next(results) for _ in range(4)] == [0, 1, 2, 3]
    assert len(taken) == 6
    results.close()
    assert at_work() == []


def test_several_threads_work_at_once() -> None:
    together = threading.Barrier(3, timeout=60)
    assert list(ordered_map(lambda item: together.wait() >= 0, range(6), threads=3, ahead=3)) == [True] * 6


def test_an_exception_is_raised_where_its_result_is_due() -> None:
    results = ordered_map(lambda item: 1 // (item - 2), range(9), threads=2)
    assert [next(results), next(results)] == [-1, -1]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert at_work() == []


def test_items_are_read_ahead_in_one_thread_and_fail_in_their_place() -> None:
    taken = []
    with pytest.raises(ValueError, match="in the middle"):
        for item in read_ahead(broken(), 3):
            taken.append(item)
    assert taken == [0, 1, 2, 3, 4]
    assert list(read_ahead(iter([None, 0, ""]), 2)) == [None, 0, ""]
    readers = read_ahead(iter(threading.get_ident, None), 2)
    assert len({threading.get_ident(), *itertools.islice(readers, 9)}) == 2
    readers.close()
    assert at_work() == []


def test_what_is_under_way_is_given_whole_and_refilled() -> None:
    sizes = []
    for window in under_way(late, range(7), threads=2, ahead=4):
        sizes.append([item for item, _ in window])
        for _ in range(min(3, len(window))):
            item, result = window.popleft()
            assert result.result() == item
    assert sizes == [[0, 1, 2, 3], [3, 4, 5, 6], [6]]


def test_writing_goes_on_behind_and_in_order() -> None:
    made, written = threading.Event(), []

    def items() -> Iterator[int]:
        yield 0
        made.set()
        yield from (1, 2)

    def write(item: int) -> None:
        assert made.wait(60)  # the next item is made while this one is written
        written.append(item)

    write_behind(write, items())
    assert written == [0, 1, 2]
    assert at_work() == []


@pytest.mark.parametrize("broken_item", [0, 2])
def test_nothing_is_written_behind_a_failure(broken_item: int) -> None:
    begun = []

    def write(item: int) -> None:
        begun.append(item)
        if item == broken_item:
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        write_behind(write, range(3))
    assert begun == list(range(broken_item + 1))
    assert at_work() == []


def test_what_is_being_written_is_finished_when_the_items_fail() -> None:
    written: list[int] = []
    with pytest.raises(ValueError, match="in the middle"):
        write_behind(written.append, broken())
    assert written == [0, 1, 2, 3, 4]
