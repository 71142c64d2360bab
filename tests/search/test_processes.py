"""A library in threads, one of which closes it, in a forked child and in a process it is pickled for."""

import multiprocessing
import pickle
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from wordsight.embeddings.model import load
from wordsight.search.library import open_library
from wordsight.search.open_index import READERS

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def keys(library):
    return [hit.key for hit in library.search("red", k=3)]


def test_closed_in_one_thread_while_others_search(opened, photos):
    library = opened(photos)
    wanted = keys(library)
    found, failed = [], []

    def ask(do):
        try:
            for _ in range(60):
                do()
        except Exception as error:  # noqa: BLE001  (whatever it is, the test names it)
            failed.append(error)

    threads = [threading.Thread(target=ask, args=(lambda: found.append(keys(library)),)) for _ in range(6)]
    threads += [threading.Thread(target=ask, args=(library.close,)) for _ in range(2)]
    threads.append(threading.Thread(target=ask, args=(lambda: len(library),)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(found) == 360 and all(one == wanted for one in found)


def test_a_long_read_holds_up_no_other(opened, photos):
    library = opened(photos)
    wanted = keys(library)
    with ThreadPoolExecutor(2) as threads, library.reading() as mine:
        assert threads.submit(keys, library).result(timeout=60) == wanted
        assert threads.submit(library.columns).result(timeout=60) == library.columns()
        with library.reading() as again:
            assert again is mine  # a thread sees one state


def test_a_close_waits_for_those_who_read_already_and_for_no_other(opened, photos):
    library = opened(photos)
    wanted = keys(library)
    with ThreadPoolExecutor(2) as threads:
        with library.reading() as index:
            closing = threads.submit(library.close)
            assert threads.submit(keys, library).result(timeout=60) == wanted
            assert not closing.done() and len(index) == len(library)
        closing.result(timeout=60)
    with pytest.raises(sqlite3.ProgrammingError):
        len(index)
    assert keys(library)


def test_so_many_threads_read_at_once_and_the_others_wait(opened, photos):
    library = opened(photos)
    wanted, go = keys(library), threading.Barrier(READERS)

    def read():
        with library.reading() as index:
            go.wait(timeout=60)
            return id(index), keys(library)

    with ThreadPoolExecutor(3 * READERS) as threads:
        found = [one.result(timeout=60) for one in [threads.submit(read) for _ in range(3 * READERS)]]
    assert all(one == wanted for _, one in found)
    assert len({index for index, _ in found}) == READERS


def test_brought_up_to_date_in_several_threads_at_once(opened, photos):
    library = opened(photos)
    reports = []
    threads = [threading.Thread(target=lambda: reports.append(library.sync())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(len(report.added) for report in reports) == [0, 0, 0, 5]


def send(sending, library):
    sending.send((keys(library), len(library)))
    library.close()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_in_another_process(photos, tmp_path, method):
    with open_library(photos, model=load(), library_dir=tmp_path / "library") as library:
        wanted = keys(library)
        context = multiprocessing.get_context(method)
        receiving, sending = context.Pipe(duplex=False)
        process = context.Process(target=send, args=(sending, library))
        process.start()
        try:
            assert receiving.poll(60), "the other process does not answer"
            assert receiving.recv() == (wanted, 5)
            process.join(60)
            assert process.exitcode == 0
        finally:
            process.kill()
        assert keys(library) == wanted


def test_a_copy_is_the_same_library(opened, photos):
    library = opened(photos)
    wanted = keys(library)
    with pickle.loads(pickle.dumps(library)) as copied:
        assert (copied.location, copied.folder) == (library.location, library.folder)
        assert keys(copied) == wanted
