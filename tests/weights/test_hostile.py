"""Hostile files are refused with a clear error, within memory, and nothing in them is ever executed.

One child process with a ceiling on its memory reads the whole corpus (`hostile.py`) and says of each file what
happened.
"""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import hostile
import hostile_files

MEMORY = 512 * 2**20  # bytes of addresses that reading one file may take; none of the corpus is larger than 80 MB
READER = """
import encodings.latin_1, encodings.utf_16, encodings.utf_8_sig, json, resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_CPU, (120, 120))
from wordsight.base.errors import WordsightError
from wordsight.weights.find import find_model
from wordsight.weights.folder import read_checkpoint
from wordsight.weights.checkpoint_files import CheckpointFiles
import wordsight.weights.converted, wordsight.weights.formats.table  # imported before
from wordsight.towers.families import IMAGE_FAMILIES, TEXT_FAMILIES
every = [*IMAGE_FAMILIES.values(), *TEXT_FAMILIES.values()]
taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + {memory}, taken + {memory}))  # more is a MemoryError, which is foreign
done = []
WATCHED = ("os.", "subprocess.", "pickle.", "socket.", "exec", "shutil.", "ctypes.", "webbrowser.")
ALLOWED = ("os.scandir", "os.listdir", "os.putenv")
sys.addaudithook(lambda event, args: done.append(event) if event.startswith(WATCHED) and event not in ALLOWED else None)
for place in json.loads(sys.stdin.read()):
    done.clear()
    try:
        read_checkpoint(find_model(place))
        result = ["none", "", ""]
    except WordsightError as error:
        result = [type(error).__name__, str(error), error.cure]
    except BaseException as error:
        result = ["foreign", f"{{type(error).__name__}}: {{error}}", ""]
    print(json.dumps([place, *result, sorted(set(done))]), flush=True)
"""
CORPUS = hostile_files.files()


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What happened to each file: name -> [error, message, cure, events]."""
    place = tmp_path_factory.mktemp("hostile")
    paths = {}
    for number, (label, (name, content, _)) in enumerate(CORPUS.items()):
        folder = place / str(number)
        folder.mkdir()
        for file, data in (content if isinstance(content, dict) else {name: content}).items():
            (folder / file).write_bytes(data)
        paths[str(folder if name == "." else folder / name)] = label
    (place / "secret.safetensors").write_bytes(hostile.safe({"weight": hostile.entry()}))
    run = subprocess.run(
        [sys.executable, "-c", READER.format(memory=MEMORY)],
        input=json.dumps(list(paths)),
        capture_output=True,
        text=True,
        cwd=place,
        env={"PATH": "", "PYTHONPATH": ":".join(sys.path), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
             "WORDSIGHT_CACHE": str(place / "cache"), "HF_HUB_OFFLINE": "1"},
        check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-2000:]
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(lines) == len(paths)
    canaries = [str(path) for path in place.rglob(f"*{hostile.CANARY}*")]
    return {paths[line[0]]: line[1:] for line in lines} | {"canaries": canaries}


@pytest.mark.parametrize("label", CORPUS)
def test_it_is_refused(label, answers):
    error, message, cure, events = answers[label]
    assert error not in ("none", "foreign"), message
    import re

    assert re.search(CORPUS[label][2], message), message
    assert cure, message
    assert len(message) < 1000
    assert not events, events


def test_nothing_was_executed(answers):
    assert answers["canaries"] == []


def test_the_corpus_is_large():
    assert len(CORPUS) >= 40


def test_the_corpus_would_do_harm_to_a_trusting_reader(tmp_path, monkeypatch):
    """That the canary works: Python's own unpickler makes it."""
    import pickle

    monkeypatch.chdir(tmp_path)
    pickle.loads(hostile.PROTO + hostile.call("os", "system", hostile.COMMAND) + hostile.STOP)
    assert (tmp_path / hostile.CANARY).exists()


def test_the_code_of_a_script_is_never_run(tmp_path, monkeypatch):
    from wordsight.weights.checkpoint_files import CheckpointFiles

    monkeypatch.chdir(tmp_path)
    script = hostile.name("__torch__", "Model") + b")\x81}" + hostile.text("weight") + hostile.tensor() + b"sb"
    code = f"import os\nos.system('touch {hostile.CANARY}')\n".encode()
    numbers = np.arange(4, dtype="<f4").tobytes()
    more = {"x/code/__torch__.py": code, "x/constants.pkl": b"\x80\x02)."}
    (tmp_path / "script.pt").write_bytes(hostile.torch_zip(hostile.PROTO + script + hostile.STOP, numbers, **more))
    assert CheckpointFiles(tmp_path / "script.pt").tensors["weight"].tolist() == [[0, 1], [2, 3]]
    assert not (tmp_path / hostile.CANARY).exists()


def test_the_harmless_twins_are_read(tmp_path):
    """The same builders make files that are read, so it is the harm that is refused."""
    from wordsight.weights.checkpoint_files import CheckpointFiles

    numbers = np.arange(4, dtype="<f4").tobytes()
    pickle = hostile.state(hostile.tensor(stride=(1, 2)))
    (tmp_path / "a.pt").write_bytes(hostile.torch_zip(pickle, numbers))
    (tmp_path / "b.safetensors").write_bytes(hostile.safe({"weight": hostile.entry()}, numbers))
    header = "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }\n"
    (tmp_path / "c.npz").write_bytes(hostile.npz(header, numbers, zipfile.ZIP_DEFLATED))
    storage = hostile.STORAGE.replace(b"tQ", b"NtQ")
    old = hostile.legacy(hostile.state(hostile.tensor(storage=storage)), numbers=b"\x04" + bytes(7) + numbers)
    (tmp_path / "d.pth").write_bytes(old)
    found = {path.name: CheckpointFiles(path).tensors for path in sorted(tmp_path.iterdir())}
    assert found["a.pt"]["weight"].tolist() == [[0, 2], [1, 3]]
    assert found["b.safetensors"]["weight"].tolist() == [[0, 1], [2, 3]]
    assert found["c.npz"]["params"].tolist() == [[0, 2], [1, 3]]
    assert found["d.pth"]["weight"].tolist() == [[0, 1], [2, 3]]
