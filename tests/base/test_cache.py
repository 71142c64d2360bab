"""The cache folder: named by a variable, else in the user's cache."""

import errno
from pathlib import Path

import pytest

from wordsight.base.cache import cache_errors, cache_folder
from wordsight.base.errors import StorageError, UsageError
from wordsight.base.files import atomic_write, storage_errors


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/users/her")
    monkeypatch.setenv("USERPROFILE", "/users/her")
    monkeypatch.delenv("WORDSIGHT_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        (None, "/users/her/.cache/wordsight"),
        ("", "/users/her/.cache/wordsight"),
        ("/disk/cache", "/disk/cache"),
        ("~", "/users/her"),
        ("~/cache", "/users/her/cache"),
        ("cache", "cache"),
    ],
)
def test_the_variable_names_the_folder(monkeypatch: pytest.MonkeyPatch, named: str | None, expected: str) -> None:
    if named is not None:
        monkeypatch.setenv("WORDSIGHT_CACHE", named)
    assert cache_folder() == Path(expected)


@pytest.mark.parametrize(
    ("shared", "expected"), [("/disk/shared", "/disk/shared/wordsight"), ("", "/users/her/.cache/wordsight")]
)
def test_else_it_lies_in_the_users_cache(monkeypatch: pytest.MonkeyPatch, shared: str, expected: str) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", shared)
    assert cache_folder() == Path(expected)


def test_an_unknown_home_names_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORDSIGHT_CACHE", "~nobody-of-this-name/cache")
    with pytest.raises(UsageError, match="no home folder for the cache ~nobody.*; set WORDSIGHT_CACHE to a folder"):
        cache_folder()


def test_what_the_disk_refuses_there_says_that_the_cache_may_lie_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "file"))
    with (
        pytest.raises(StorageError) as refused,
        cache_errors("features"),
        atomic_write(cache_folder() / "features" / "of" / "photos"),
    ):
        pass
    assert str(refused.value) == (
        f"{tmp_path}/file is a file, not a folder (the cache of features); "
        "free room there, or set WORDSIGHT_CACHE to a folder that you may write to"
    )
    elsewhere = tmp_path / "run"
    with pytest.raises(StorageError) as refused, cache_errors("features"), storage_errors(elsewhere):
        raise OSError(errno.ENOSPC, "")
    assert "WORDSIGHT_CACHE" not in str(refused.value)
