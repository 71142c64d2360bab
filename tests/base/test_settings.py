"""The settings file: whole or not there, by many at once, and one line when it is broken."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from wordsight.base import settings
from wordsight.base.errors import FormatError, StorageError, UsageError
from wordsight.base.settings import Settings, first_time, read_settings, settings_file, settings_folder, write_settings


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    return tmp_path / "settings" / "wordsight" / "settings.toml"


@pytest.mark.parametrize("name", ["ViT-B-32/openai", 'a "quoted" \\ name', "ä\nb\x7f\x1b", "/höhe"])
def test_what_is_written_is_read(name, own):
    write_settings(Settings(model=name))
    assert own == settings_file() and read_settings() == Settings(model=name)
    assert list(own.parent.iterdir()) == [own]


def test_without_settings_there_is_no_file(own):
    assert read_settings() == Settings()
    write_settings(Settings())
    write_settings(Settings(model="x"))
    write_settings(Settings())
    assert read_settings() == Settings() and not own.exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            b"modell = 'x'",
            "settings: unknown key modell; mend or remove {}, or let `wordsight models use NAME` write it anew",
        ),
        (b"model = 3", "settings: model = 3 is a whole number; mend"),
        (b"model = ", "settings: {} is not TOML: "),
        (b"\xff", "settings: {} is not TOML: "),
    ],
)
def test_a_broken_file_is_one_line_with_the_cure_and_can_be_replaced(content, said, own):
    own.parent.mkdir(parents=True)
    own.write_bytes(content)
    with pytest.raises(FormatError) as caught:
        read_settings()
    assert str(caught.value).startswith(said.format(own)) and "\n" not in str(caught.value)
    write_settings(Settings(model="mended"))
    assert read_settings().model == "mended"


def test_a_pipe_in_its_place_is_not_opened(own):
    own.parent.mkdir(parents=True)
    os.mkfifo(own)
    with pytest.raises(FormatError, match="cannot be read: it is a named pipe"):
        read_settings()


def test_a_folder_in_its_place_is_named(own):
    own.mkdir(parents=True)
    for wanted in (Settings(model="x"), Settings()):
        with pytest.raises(StorageError) as refused:
            write_settings(wanted)
        assert str(refused.value) == f"{own} is a folder, not a file; remove it, or choose another path"
    assert list(own.parent.iterdir()) == [own]


def test_a_link_stays_and_what_it_leads_to_is_written(own, tmp_path):
    own.parent.mkdir(parents=True)
    own.symlink_to(tmp_path / "dotfiles" / "settings.toml")
    write_settings(Settings(model="x"))
    assert own.is_symlink() and read_settings().model == "x"
    write_settings(Settings())
    assert not own.is_symlink() and read_settings() == Settings()


def test_a_folder_that_leads_nowhere_has_no_settings_and_takes_none(own, monkeypatch):
    own.parent.parent.write_text("a file")
    assert read_settings() == Settings()
    assert not first_time("x")
    write_settings(Settings())
    with pytest.raises(StorageError, match="is a file, not a folder"):
        write_settings(Settings(model="x"))
    for name in ("XDG_CONFIG_HOME", "HOME"):
        monkeypatch.delenv(name)
    monkeypatch.setattr(Path, "home", classmethod(lambda cls: (_ for _ in ()).throw(RuntimeError("no home"))))
    assert read_settings() == Settings() and not first_time("x")
    with pytest.raises(UsageError, match="no home folder for the settings; set XDG_CONFIG_HOME"):
        write_settings(Settings(model="x"))


def test_a_name_that_is_not_utf_8_is_refused(own):
    with pytest.raises(UsageError, match="is not UTF-8, as settings are; rename"):
        write_settings(Settings(model="caf\udce9"))
    assert not own.exists()


@pytest.mark.parametrize(
    ("platform", "variables", "folder"),
    [
        ("linux", {"XDG_CONFIG_HOME": "/x"}, "/x/wordsight"),
        ("linux", {"APPDATA": "/a"}, "/users/me/.config/wordsight"),
        ("darwin", {}, "/users/me/Library/Application Support/wordsight"),
        ("win32", {"APPDATA": "/a"}, "/a/wordsight"),
        ("win32", {"XDG_CONFIG_HOME": "/x", "APPDATA": "/a"}, "/x/wordsight"),
    ],
)
def test_each_platform_has_its_folder(platform, variables, folder, monkeypatch):
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.delenv("APPDATA", raising=False)
    monkeypatch.setattr(Path, "home", classmethod(lambda cls: Path("/users/me")))
    monkeypatch.setattr(settings.sys, "platform", platform)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert settings_folder() == Path(folder)


WRITING = """
from wordsight.base.settings import *
for number in range(60):
    write_settings(Settings(model="{}" * 2000))
    assert set(read_settings().model) <= set("ab")
print(first_time("told"))
"""


def test_two_at_once_leave_one_of_both_and_are_told_once(own):
    both = [
        subprocess.Popen([sys.executable, "-c", WRITING.format(letter)], stdout=subprocess.PIPE, text=True)
        for letter in "ab"
    ]
    told = sorted(one.communicate()[0] for one in both)
    assert [one.returncode for one in both] == [0, 0] and told == ["False\n", "True\n"]
    assert read_settings().model in ("a" * 2000, "b" * 2000)
    assert sorted(path.name for path in own.parent.iterdir()) == ["settings.toml", "told.seen"]
    assert stat.S_ISREG(own.stat().st_mode)
