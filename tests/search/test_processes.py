"""A library in threads, one of which closes it, in a forked child and in a process it is pickled for."""

import multiprocessing
import pickle
import threading

import pytest

from wordsight.embeddings.model import load
from wordsight.search.library import open_library

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
