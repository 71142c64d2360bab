"""Run records: JSON lines that are appended as things happen, and the environment they happened in."""

import contextlib
import json
import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from wordsight.base.files import JSON_ESCAPES, atomic_write, storage_errors
from wordsight.base.nouns import Result
from wordsight.base.processor import processor_name
from wordsight.base.reading import open_regular

_PACKAGES = ("wordsight", "numpy", "pillow", "onnxruntime", "torch")


def environment() -> dict[str, str | int]:
    """Return the machine and the versions a figure was measured with."""
    facts: dict[str, str | int] = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.system(),
        "cores": os.cpu_count() or 0,
        "processor": processor_name(),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    for name in _PACKAGES:
        try:
            facts[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return facts


def write_results(path: Path, results: Sequence[Result], *, fingerprint: str) -> list[Result]:
    """Write results.jsonl, whole or not at all; return the results with the model's fingerprint and the environment."""
    facts = environment()
    stated = [replace(result, fingerprint=fingerprint, environment=facts) for result in results]
    with atomic_write(path, "w") as handle:
        handle.writelines(f"{result.to_json()}\n" for result in stated)
    return stated


def append_line(path: Path, record: Mapping[str, Any]) -> None:
    """Append one JSON line to `path`, made with its folders if absent."""
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a", encoding="utf-8", errors=JSON_ESCAPES) as handle:
            handle.write(json.dumps(record, ensure_ascii=False) + "\n")


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a JSON-lines file; a last line cut short by a killed process is passed over."""
    with TextIOWrapper(open_regular(path), encoding="utf-8") as handle:
        for line in handle:
            if line.endswith("\n"):
                yield json.loads(line)


def whole_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a JSON-lines file that a crash of the machine may have damaged; other lines are left out."""
    with TextIOWrapper(open_regular(path), encoding="utf-8", errors="replace") as handle:
        for line in handle:
            with contextlib.suppress(ValueError):
                record = json.loads(line) if line.endswith("\n") else None
                if isinstance(record, dict):
                    yield record
