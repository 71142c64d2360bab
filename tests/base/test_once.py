"""A notice that is printed once on a machine."""

from wordsight.base import progress
from wordsight.base.once import notice_once_here


def again():
    """Forget what this process has printed, as another process would."""
    progress._printed.clear()


def test_once_as_long_as_the_cache_is_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    for text in ("slow here", "slow here", "slow there"):
        notice_once_here(text)
        again()
    assert capsys.readouterr().err.splitlines() == ["slow here", "slow there"]
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "another"))
    notice_once_here("slow here")
    assert capsys.readouterr().err == "slow here\n"


def test_quiet_leaves_it_for_another_time(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path))
    progress.set_quiet(True)
    try:
        notice_once_here("a")
    finally:
        progress.set_quiet(False)
    notice_once_here("a")
    assert capsys.readouterr().err == "a\n"


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    for cache in (str(tmp_path / "file" / "cache"), "~nobody-of-that-name/cache"):
        monkeypatch.setenv("WORDSIGHT_CACHE", cache)
        again()
        notice_once_here("a")
        notice_once_here("a")
        assert capsys.readouterr().err == "a\n"
