"""Negative numbers are values of every option; every wrong call is one line with its cure."""

import pytest

from wordsight.base.errors import UsageError
from wordsight.cli.main import VERBS, verb_parser
from wordsight.cli.parser import VerbParser


@pytest.fixture
def parser():
    parser = VerbParser(prog="wordsight look", allow_abbrev=False)
    parser.add_argument("word", nargs="*")
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("--least", type=float)
    parser.add_argument("--name")
    parser.add_argument("--form", choices=["plain", "table"])
    parser.add_argument("-0", "--null", action="store_true")
    return parser


@pytest.mark.parametrize("text", ["-1", "-0.5", "-.5", "-1e-1", "-5.", "-1E+2", "-0", "-0.0", "-inf", "-1_000"])
@pytest.mark.parametrize("form", ["apart", "joined"])
def test_a_negative_number_is_a_value(parser, text, form):
    arguments = ["--least", text] if form == "apart" else [f"--least={text}"]
    args = parser.parse_args(["a", *arguments])
    assert (args.least, args.word, args.null) == (float(text), ["a"], False)


def test_short_options_text_options_and_arguments_take_them_too(parser):
    assert parser.parse_args(["-k", "-1"]).k == -1
    assert parser.parse_args(["-k-1"]).k == -1
    assert parser.parse_args(["-k", "-0"]).k == 0
    assert parser.parse_args(["--name", "-5"]).name == "-5"
    assert parser.parse_args(["-5", "degrees"]).word == ["-5", "degrees"]


def test_the_option_spelled_like_a_number_is_kept(parser):
    assert parser.parse_args(["a", "-0"]).null
    assert parser.parse_args(["-k", "3", "-0"]).null
    assert parser.parse_args(["--name", "x", "-0"]).null
    assert parser.parse_args(["--", "-0"]).word == ["-0"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--nul"], "no option --nul; did you mean --null?"),
        (["--fomr=plain"], "no option --fomr=plain; did you mean --form?"),
        (
            ["--zzzzz"],
            "no option --zzzzz; see wordsight look --help; an argument that begins with a dash comes after --",
        ),
        (["-n", "3"], "no option -n; see wordsight look --help; an argument that begins with a dash comes after --"),
        (["--form", "tabel"], "--form tabel; did you mean table?"),
        (["--form", "x"], "--form x; use plain, table"),
        (["-k", "many"], "argument -k: invalid int value: 'many'; see wordsight look --help"),
        (["a", "-k", "1", "b"], "unexpected argument b; see wordsight look --help"),
        (["--name"], "argument --name: expected one argument; see wordsight look --help"),
    ],
)
def test_a_wrong_call_is_one_line(parser, arguments, message):
    with pytest.raises(UsageError) as raised:
        parser.parse_args(arguments)
    assert str(raised.value) == message


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_and_action_has_this_parser(verb):
    parser = verb_parser(verb)
    below = [p for action in parser._actions if isinstance(action.choices, dict) for p in action.choices.values()]
    assert all(isinstance(one, VerbParser) for one in [parser, *below])


def test_options_of_actions_below_a_verb():
    args = verb_parser("data").parse_args(["pack", "photos", "--out", "x", "--shard-size", "-1"])
    assert args.shard_size == -1
    with pytest.raises(UsageError, match="no option --shard-siez; did you mean --shard-size?"):
        verb_parser("data").parse_args(["pack", "photos", "--out", "x", "--shard-siez", "1"])
    with pytest.raises(UsageError, match=r"pack\|check\|stats\|balance\|score\|curate chck; did you mean check"):
        verb_parser("data").parse_args(["chck", "photos"])
