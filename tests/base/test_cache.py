"""The cache folder: named by a variable, else in the user's cache."""

from pathlib import Path

import pytest

from wordsight.base.cache import cache_folder
from wordsight.base.errors import UsageError


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
