"""Packages opened by name, and what is said on standard error."""

import sys
import time
from pathlib import Path

import pytest

from wordsight.base.errors import MissingExtra
from wordsight.base.optional import require, resolve
from wordsight.base.progress import bar, notice, set_quiet, track


def test_present_packages_are_opened() -> None:
    import json

    assert require("json", extra="train") is json
    assert resolve("json:loads") is json.loads
    assert resolve("json:loads", extra="train") is json.loads


@pytest.mark.parametrize("name", ["absent_package", "absent_package.inner"])
def test_absent_package_names_the_command(name: str) -> None:
    with pytest.raises(MissingExtra, match=r"needs the package absent_package; pip install 'wordsight\[train\]'"):
        require(name, extra="train")


def test_absent_package_behind_an_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "entry_room.py").write_text("import absent_package\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingExtra, match=r"absent_package; pip install 'wordsight\[data\]'"):
        resolve("entry_room:thing", extra="data")
    with pytest.raises(ModuleNotFoundError):
        resolve("entry_room:thing")


def test_a_missing_module_of_our_own_is_no_missing_extra() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"wordsight\.absent"):
        resolve("wordsight.absent:thing", extra="train")


def test_a_package_broken_inside_is_not_called_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_package.py").write_text("import absent_below\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="absent_below"):
        require("broken_package", extra="train")


def test_notices_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    notice("first")
    notice("twice", once=True)
    notice("twice", once=True)
    set_quiet(True)
    notice("silent")
    assert capsys.readouterr() == ("", "first\ntwice\n")


def test_bars_are_hidden_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track([1, 2, 3], desc="walk")) == [1, 2, 3]
    with bar(3, unit="step") as progress:
        progress.update(3)
    assert capsys.readouterr() == ("", "")


def test_a_long_wait_is_told_now_and_then_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    for _ in track(range(1000), 1000, desc="walk"):
        now[0] += 0.125
    assert capsys.readouterr() == (
        "",
        "walk: 240 of 1,000\nwalk: 480 of 1,000\nwalk: 720 of 1,000\nwalk: 960 of 1,000\n",
    )


def test_bar_on_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with bar(3, unit="step", desc="walk") as progress:
        progress.update(3)
    out, err = capsys.readouterr()
    assert out == ""
    assert "walk: 100%" in err and "3/3" in err
