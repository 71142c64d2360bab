"""`wordsight --completion bash|zsh|fish`: a script that completes verbs, options and values, from the parsers.

    wordsight --completion bash > ~/.local/share/bash-completion/completions/wordsight
    source <(wordsight --completion zsh)                     # in ~/.zshrc
    wordsight --completion fish > ~/.config/fish/completions/wordsight.fish

Where nothing of these fits, a shell completes the names of files.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

from wordsight.base.errors import UsageError
from wordsight.base.optional import resolve
from wordsight.base.suggest import suggest
from wordsight.cli.main import EVERYWHERE, VERBS, verb_parser

WORDS = {"train": "wordsight.train.packaged:recipe_names"}  # verb: what its first argument may be besides a file


@dataclass(frozen=True, slots=True)
class _Option:
    """An option of a verb; `values` are all that it takes, where it takes certain ones."""

    name: str
    help: str
    values: tuple[str, ...]


def script(shell: str) -> str:
    """Return the script for a shell; another name raises `UsageError`."""
    if shell not in SHELLS:
        raise UsageError(f"no completion for {shell!r}", cure=suggest(shell, SHELLS))
    return SHELLS[shell]()


def _bash() -> str:
    cases = []
    for verb in VERBS:
        options = list(_options(verb_parser(verb)))
        valued = [option for option in options if option.values]
        cases += [f'        "{verb} {option.name}") words="{" ".join(option.values)}" ;;' for option in valued]
        words = " ".join([*_firsts(verb), *(option.name for option in options)])
        cases.append(f'        "{verb} "*) words="{words}" ;;')
    everywhere = " ".join([*VERBS, *(option.name for option in EVERYWHERE), "--help", "--version"])
    return _BASH.format(verbs="|".join(VERBS), cases="\n".join(cases), everywhere=everywhere)


_BASH = """\
_wordsight() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}" verb="" word words
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case "$word" in {verbs}) verb="$word"; break ;; esac
    done
    case "$verb $before" in
{cases}
        *) words="{everywhere}" ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o default -F _wordsight wordsight
"""


def _zsh() -> str:
    return f"autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n{_bash()}"


def _fish() -> str:
    lines = ["complete -c wordsight -n __fish_use_subcommand -l version"]
    for verb, (_, summary) in VERBS.items():
        lines.append(f"complete -c wordsight -n __fish_use_subcommand -a {verb} -d {_quoted(summary)}")
        seen = f"complete -c wordsight -n '__fish_seen_subcommand_from {verb}'"
        firsts = _firsts(verb)
        lines += [f"{seen} -a {_quoted(' '.join(firsts))}"] if firsts else []
        for option in _options(verb_parser(verb)):
            name = f"-l {option.name[2:]}" if option.name.startswith("--") else f"-s {option.name[1:]}"
            values = f" -x -a {_quoted(' '.join(option.values))}" if option.values else ""
            lines.append(f"{seen} {name} -d {_quoted(option.help)}{values}")
    return "\n".join(lines) + "\n"


SHELLS = {"bash": _bash, "zsh": _zsh, "fish": _fish}


def _options(parser: argparse.ArgumentParser) -> Iterator[_Option]:
    """Yield the options of a verb and of the actions below it, each once; those that it refuses are left out."""
    known: set[str] = set()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from (option for option in _options(below) if option.name not in known)
                known.update(option.name for option in _options(below))
        for name in action.option_strings:
            if name not in known and action.help is not argparse.SUPPRESS:
                known.add(name)
                yield _Option(name, str(action.help), tuple(map(str, action.choices or ())))


def _firsts(verb: str) -> list[str]:
    """Return the words that a verb takes as its first argument, where some are known."""
    if verb in WORDS:
        return list(resolve(WORDS[verb])())
    choices = [a.choices for a in verb_parser(verb)._actions if a.choices and not a.option_strings]
    return list(map(str, choices[0])) if choices else []


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
