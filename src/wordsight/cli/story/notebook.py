"""The demo's notebook: `demo.json` in its folder, with the settings, what was done and how long it took.

A folder belongs to one set of settings.  Opening it again with the same ones goes on with what lies there.
"""

import contextlib
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from wordsight.base.errors import UsageError
from wordsight.base.files import read_json, storage_errors, write_json
from wordsight.base.progress import notice
from wordsight.base.records import environment

NAME = "demo.json"
OWN = ("scenes", "run", "matrices", "space", "photos", "cache", "results.jsonl", "answers.jsonl", "report.html", NAME)


class Notebook:
    """Facts that are written down as soon as they are known."""

    def __init__(self, folder: Path, facts: dict[str, Any]) -> None:
        self.folder = folder
        self._facts = facts

    def note(self, **facts: Any) -> None:
        """Write facts down, over earlier ones of the same names."""
        self._facts.update(facts)
        write_json(self.folder / NAME, self._facts)

    def __getitem__(self, name: str) -> Any:
        return self._facts[name]

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Say what begins, and write down how long it took, added to what earlier calls took for the same."""
        notice(f"{name} ...")
        begun = time.monotonic()
        try:
            yield
        finally:
            times = {stage["name"]: stage["seconds"] for stage in self._facts.get("stages", [])}
            times[name] = round(times.get(name, 0.0) + time.monotonic() - begun, 2)
            stages = [{"name": stage, "seconds": seconds} for stage, seconds in times.items()]
            self.note(stages=stages, seconds=round(sum(times.values()), 1))


def open_notebook(folder: Path, settings: Mapping[str, Any], *, fresh: bool) -> Notebook:
    """Open the folder for a demo with these settings; `fresh` deletes what an earlier demo wrote there (and only that).

    Raises `UsageError` when the folder holds something else, or a demo with other settings.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file", cure="name a folder that is new or empty")
    if (folder / NAME).exists():
        if not fresh:
            return _go_on(folder, settings)
        _clear(folder)
    elif folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} holds other things", cure="name a folder that is new or empty")
    notebook = Notebook(folder, {"settings": dict(settings)})
    notebook.note(environment=environment())
    return notebook


def _go_on(folder: Path, settings: Mapping[str, Any]) -> Notebook:
    facts = read_json(folder / NAME)
    before = facts["settings"]
    for name, value in settings.items():
        if before.get(name) != value:
            raise UsageError(
                f"{folder} holds a demo with {name} {before.get(name)}, not {value}",
                cure="add --fresh to begin anew there, or name another folder",
            )
    notice(f"going on with what lies in {folder} (--fresh begins anew)")
    return Notebook(folder, facts)


def _clear(folder: Path) -> None:
    with storage_errors(folder):
        for name in OWN:
            path = folder / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
