"""The command line is a promise: every verb and option, in one table.  Names may be added here, none renamed."""

from argparse import ArgumentParser

import pytest

from wordsight.cli.main import EVERYWHERE, VERBS, verb_parser

GLOBAL = {"--model", "--device", "--engine", "--offline", "--quiet"}
FROZEN = {
    "demo": "DIR --seed --scenes --set --fresh",
    "search": "QUERY --in --library -k --where --without --min-match --min-cosine --image --captions --label --key --exclude --no-sync --absent --json --csv --paths-only -0 --null --show --preview --html --open --sheet --extract --sort --keywords --fold --no-fold --like --like-set --liked --disliked --facets --facets-only --explain",
    "index": "PLACE --library --image --captions --label --key --exclude --watch --rebuild --verify --failed --absent --accept-removal",
    "duplicates": "PLACE --library --kinds --where --min-similarity --keep --prefer --protect --no-sync --json --html --plan --apply --undo --trash",
    "rules list": "--in --library --file --json",
    "rules show": "NAME --in --library --file --json -k --paths-only",
    "rules add": "NAME QUERY --in --library --file --json --where --without --min-match --min-cosine --tag --copy --move --run --timeout --stop",
    "rules remove": "NAME --in --library --file --json",
    "rules check": "--in --library --file --json",
    "rules run": "--in --library --file --json --dry-run --all --watch",
    "rules undo": "RUN --in --library --file --json",
    "doctor": "PLACE --library",
    "benchmark": "PLACE --library --queries -k --where --json",
    "export": "PLACE --to --out --where --library --no-sync --json",
    "browse": "PLACE --library --no-sync",
    "serve": "LIBRARY --library --host --port --workers --memory --idle-unload",
    "mcp": "PLACE --library --no-sync",
    "classify": "PICTURES --classes --classes-file --templates --top --json",
    "ask": "IMAGE QUESTION --answers --answers-file --top --json",
    "rank": "TEXT IMAGE --top --json --paths-only",
    "tag": "PLACE --labels --min-match --min-cosine --thresholds --examples --top --column --scores --new --write --sidecar --dry-run --clear --undo --library --image --captions --label --key --exclude --json",
    "embed": "SOURCE --out --format --what --kind --split --image --captions --label --key --part-size",
    "data pack": "SOURCE --split --kind --image --captions --label --key --out --shard-size --resize --quality",
    "data check": "SOURCE --split --kind --image --captions --label --key --json --verify",
    "data stats": "SOURCE --split --kind --image --captions --label --key --json",
    "data balance": "SOURCE --split --kind --image --captions --label --key --entries --min-count --min-pmi --at-most --out "
    "--counts --merge --seed --threads --json",
    "data score": "SOURCE --split --kind --image --captions --label --key --out --prefix --json",
    "data curate": "SOURCE --split --kind --image --captions --label --key --rule --rules --against --out --kept --prefix "
    "--json",
    "train": "RECIPE --set --resume",
    "evaluate": "MODEL --tasks --keys --suite --image --captions --label --key --out --again --processes --json --per-class "
    "--skip-failed --precision --pixels",
    "report": "RUN --out --figures",
    "explain": "IMAGE TEXT --pairs --out --method --fast --json",
    "regions": "PICTURE --classes --classes-file --out --method --proposals --background --threshold --templates --json",
    "audit": "MODEL|PLACE --out --data --captions --images --checks --seed --json",
    "convert": "IN OUT --to --set --tokenizer --part --precision --keep --half",
    "models": "list|show|fetch|use NAME --licence",
}


def named(parser: ArgumentParser, name: str) -> dict[str, set[str]]:
    """Return what each command of a parser takes: positional names and options, the global ones left out."""
    own: set[str] = set()
    found: dict[str, set[str]] = {}
    for action in parser._actions:
        if isinstance(action.choices, dict):
            for verb, below in action.choices.items():
                found |= named(below, f"{name} {verb}")
        elif action.option_strings:
            own |= set(action.option_strings) - GLOBAL - {"-h", "--help"}
        else:
            own.add(str(action.metavar or "|".join(action.choices or [action.dest])))
    return found or {name: own}


def test_global_options() -> None:
    assert {option.name for option in EVERYWHERE} == GLOBAL


def test_verbs() -> None:
    assert list(dict.fromkeys(command.split()[0] for command in FROZEN)) == list(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_verb_takes_what_was_promised(verb: str) -> None:
    promised = {command: set(names.split()) for command, names in FROZEN.items() if command.split()[0] == verb}
    assert named(verb_parser(verb), verb) == promised


@pytest.mark.parametrize("verb", VERBS)
def test_verb_has_a_file_and_every_argument_a_line_of_help(verb: str) -> None:
    assert VERBS[verb][0] == f"wordsight.cli.{verb}"
    for action in verb_parser(verb)._actions:
        assert action.help or isinstance(action.choices, dict), action.dest
