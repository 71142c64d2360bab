"""The program starts light: what is not used is not imported."""

import json

import pytest

from wordsight.cli.main import VERBS

HEAVY = {
    "numpy",
    "onnxruntime",
    "PIL",
    "torch",
    "pyarrow",
    "ftfy",
    "regex",
    "safetensors",
    "tqdm",
    "sqlite3",
    "argparse",
}
SHOW = "import json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"


def imported(python, code: str) -> set[str]:
    result = python("-c", f"{code}\n{SHOW}")
    assert result.returncode == 0, result.stderr
    return set(json.loads(result.stdout.splitlines()[-1]))


def test_import_of_the_package_is_light(python) -> None:
    assert not imported(python, "import wordsight") & HEAVY


def test_help_imports_nothing_heavy_and_no_verb(python) -> None:
    code = "import sys; from wordsight.cli.main import main; main(['--help'])\n"
    code += "assert not [m for m in sys.modules if m.startswith('wordsight.cli.') and m != 'wordsight.cli.main']"
    assert not imported(python, code) & HEAVY


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb_imports_no_engine(python, verb: str) -> None:
    code = f"from wordsight.cli.main import main; assert main(['{verb}', '--help']) == 0"
    assert not imported(python, code) & (HEAVY - {"argparse"})
