"""Bars and notices of one thread, heard by whoever listens there."""

import threading

import pytest

from wordsight.base.progress import bar, heard_by, notice, track


class Heard:
    def __init__(self):
        self.steps, self.notices = [], []

    def progress(self, done, total, stage):
        self.steps.append((done, total, stage))

    def notice(self, text):
        self.notices.append(text)


def test_what_a_thread_shows_is_heard_and_not_printed(capsys):
    heard = Heard()
    with heard_by(heard):
        assert list(track("ab", 2, desc="letters")) == ["a", "b"]
        with bar(desc="blocks") as progress:
            progress.update(3)
        notice("once", once=True)
        notice("once", once=True)
    assert heard.steps == [
        (0, 2, "letters"),
        (1, 2, "letters"),
        (2, 2, "letters"),
        (0, None, "blocks"),
        (3, None, "blocks"),
    ]
    assert heard.notices == ["once", "once"]
    assert capsys.readouterr().err == ""
    notice("printed")
    assert capsys.readouterr().err == "printed\n"


def test_other_threads_are_not_heard(capsys):
    heard = Heard()
    with heard_by(heard):
        other = threading.Thread(target=notice, args=("of another thread",))
        other.start()
        other.join()
    assert heard.notices == []
    assert capsys.readouterr().err == "of another thread\n"


def test_what_a_listener_raises_ends_the_work():
    class Stops(Heard):
        def progress(self, done, total, stage):
            if done == 2:
                raise KeyboardInterrupt

    with heard_by(Stops()), pytest.raises(KeyboardInterrupt):
        for _ in track(range(9), 9):
            pass
