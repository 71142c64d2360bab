"""Completion in a shell: what the parsers know, and nothing else."""

import subprocess

import pytest

from wordsight.cli.completion import script
from wordsight.cli.main import VERBS, main

TRY = """
COMP_WORDS=({words}); COMP_CWORD=$(({count} - 1))
_wordsight; printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def complete(*words):
    """Return what bash offers for the last of the words."""
    code = script("bash") + TRY.format(words=" ".join(f"'{word}'" for word in words), count=len(words))
    run = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    assert run.stderr == ""
    return run.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["wordsight", "cl"], ["classify"]),
        (["wordsight", "search", "dog", "--wi"], ["--without"]),
        (["wordsight", "--quiet", "search", "--min"], ["--min-match", "--min-cosine"]),
        (["wordsight", "embed", "x", "--format", ""], ["npy", "parquet"]),
        (["wordsight", "embed", "x", "--format", "p"], ["parquet"]),
        (["wordsight", "data", "ch"], ["check"]),
        (["wordsight", "data", "pack", "x", "--shard"], ["--shard-size"]),
        (["wordsight", "models", "f"], ["fetch"]),
        (["wordsight", "train", "--mod"], ["--model"]),
        (["wordsight", "train", "lock"], ["lock-image", "lock-text"]),
        (["wordsight", "report", "--mod"], []),
        (["wordsight", "search", "zzz"], []),
    ],
)
def test_bash(words, offered):
    assert complete(*words) == offered


def test_all_verbs_and_the_global_options_come_first():
    assert set(VERBS) | {"--model", "--quiet", "--help", "--version"} <= set(complete("wordsight", ""))


def test_the_program_prints_it(capsys):
    for shell, mark in (("bash", "complete -o default"), ("zsh", "bashcompinit"), ("fish", "-l min-match -d 'minimum")):
        assert main(["--completion", shell]) == 0
        assert mark in capsys.readouterr().out
    assert main(["--completion", "fsh"]) == 2
    assert capsys.readouterr().err == "wordsight: no completion for 'fsh'; did you mean fish or zsh?\n"
    assert main(["--completion"]) == 2


def test_quotes_in_help_are_quoted_for_fish():
    lines = script("fish").splitlines()
    assert all(line.replace("\\\\", "").replace("\\'", "").count("'") % 2 == 0 for line in lines)
