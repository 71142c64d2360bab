"""Every number and word of a public model's configuration, replaced by what it should not be: a clear error, or towers.

The weights are whole, so what is read of a configuration is used.  One child process with a ceiling on its memory
reads all.
"""

import copy
import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest

from wordsight.images.spec import PreprocessSpec
from wordsight.text.spec import TokenizerSpec
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.shapes import shapes
from wordsight.towers.spec import ModelSpec
from wordsight.towers.vit.spec import VitSpec
from wordsight.weights.checkpoint import Checkpoint
from wordsight.weights.formats.table import write_as

LIES = [10**9, 10**30, -1, 0, 0.5, 1e308, float("inf"), float("nan"), "os.system", "", None, [], [[1]], {"a": 1}, True]
MEMORY = 3 * 2**30
READER = """
import json, resource, sys, traceback
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))
from wordsight.base.errors import WordsightError
from wordsight.weights.formats.table import read_any
place, name, cases = json.loads(sys.stdin.read())
for label, config in cases:
    Path(place, name).write_text(json.dumps(config))
    try:
        read_any(Path(place))
    except WordsightError:
        continue
    except BaseException as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        print(f"{{label}}: {{type(error).__name__}}: {{error}} in {{where.filename}}:{{where.lineno}}", flush=True)
print("done")
"""


def paths(values, before=()):
    """Every place of nested dicts and lists."""
    items = values.items() if isinstance(values, dict) else enumerate(values)
    for name, value in items:
        yield (*before, name)
        if isinstance(value, dict | list):
            yield from paths(value, (*before, name))


def lying(values):
    for path in paths(values):
        for lie in LIES:
            changed = copy.deepcopy(values)
            node = changed
            for name in path[:-1]:
                node = node[name]
            node[path[-1]] = lie
            yield f"{'.'.join(map(str, path))} = {lie!r}", changed


def written(folder, name):
    """A small model as the format writes it."""
    image = VitSpec(size=32, width=64, layers=1, heads=1, patch=16, activation="quick_gelu")
    text = ClipTextSpec(width=64, layers=1, heads=1, activation="quick_gelu")
    vocabulary = {}
    tokenizer = TokenizerSpec()
    if name == "huggingface":  # whose tokenizer is read anew each time: a small one
        text = dataclasses.replace(text, vocabulary_size=515)
        tokenizer = TokenizerSpec(vocabulary="own", vocabulary_size=515)
        vocabulary = {"merges.txt": b"a b\n"}
    spec = ModelSpec("small", 16, image, text, PreprocessSpec(size=32), tokenizer)
    draw = np.random.default_rng(0)
    state = {key: draw.normal(0, 0.02, shape).astype(np.float16) for key, shape in shapes(spec).items()}
    write_as(Checkpoint(spec, state, vocabulary), folder, name)


@pytest.mark.parametrize(
    ("format_name", "config"),
    [
        ("openclip", "open_clip_config.json"),
        ("huggingface", "config.json"),
        ("huggingface", "preprocessor_config.json"),
    ],
)
def test_no_lie_does_more_than_an_error(format_name, config, tmp_path):
    written(tmp_path, format_name)
    values = json.loads((tmp_path / config).read_text())
    cases = list(lying(values))
    assert len(cases) > 100
    run = subprocess.run(
        [sys.executable, "-c", READER.format(memory=MEMORY)],
        input=json.dumps([str(tmp_path), config, cases]),
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert run.stdout == "done\n"
