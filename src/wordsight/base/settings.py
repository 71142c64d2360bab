"""What a user sets for good: `settings.toml` in the platform's folder for settings.

    read_settings().model                    # "ViT-B-32/openai", "" where nothing is set
    write_settings(Settings(model="…"))      # whole or not at all; without settings there is no file
    first_time("stronger")                   # True once for each user: what need not be said again

The folder is `wordsight` in $XDG_CONFIG_HOME, else in ~/.config (macOS: ~/Library/Application Support, Windows:
%APPDATA%).  Knows no models.
"""

import contextlib
import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from wordsight.base.errors import ConfigError, FormatError, UsageError
from wordsight.base.files import atomic_write, storage_errors

FILE = "settings.toml"
FOLDERS = {"darwin": ("", "Library/Application Support"), "win32": ("APPDATA", "AppData/Roaming")}
ELSEWHERE = ("XDG_CONFIG_HOME", ".config")


@dataclass(frozen=True, slots=True)
class Settings:
    """The keys of the file: `model` is the name or path of the model that is used where none is named."""

    model: str = ""


def settings_folder() -> Path:
    """Return the folder of the settings, which may not exist yet."""
    variable, usual = FOLDERS.get(sys.platform, ELSEWHERE)
    named = os.environ.get(ELSEWHERE[0]) or os.environ.get(variable)
    try:
        return (Path(named) if named else Path.home() / usual) / "wordsight"
    except RuntimeError:  # no HOME
        raise UsageError("no home folder for the settings", cure=f"set {ELSEWHERE[0]} to a folder") from None


def settings_file() -> Path:
    """Return the path of the file."""
    return settings_folder() / FILE


def read_settings() -> Settings:
    """Return what is set; a file that cannot be read or holds something else is a `FormatError` with the cure."""
    try:
        path = settings_file()
        path.stat()
    except (OSError, UsageError):  # no such file, or none that this user could have written
        return Settings()
    from wordsight.base.config import from_dict, read_toml

    try:
        return from_dict(Settings, read_toml(path))
    except ConfigError as error:
        cure = f"mend or remove {path}, or let `wordsight models use NAME` write it anew"
        raise FormatError(f"settings: {error.problem}", cure=cure) from None


def write_settings(settings: Settings) -> None:
    """Replace the file, or what a link in its place leads to; with nothing set the file is removed.

    What is not UTF-8 raises `UsageError`, a disk that cannot be written `StorageError`.
    """
    path = settings_file()
    lines = [f"{key} = {_quoted(value)}\n" for key, value in asdict(settings).items() if value]
    if lines:
        with atomic_write(Path(os.path.realpath(path)), "w") as handle:
            handle.writelines(lines)
        return
    with storage_errors(path), contextlib.suppress(FileNotFoundError, NotADirectoryError):
        path.unlink()


def _quoted(value: str) -> str:
    """Return a text as TOML writes it: as JSON does, but for one control character more."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise UsageError(
            f"the name {value!r} is not UTF-8, as settings are", cure="rename the file or folder"
        ) from None
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def first_time(what: str) -> bool:
    """Say whether this is the first time for this user, and remember it; False where that cannot be remembered."""
    try:
        note = settings_folder() / f"{what}.seen"
        note.parent.mkdir(parents=True, exist_ok=True)
        note.touch(exist_ok=False)
    except (OSError, UsageError):
        return False
    return True
