"""Which terminals are sent pictures, and that nothing else ever is."""

import io
import sys

import pytest
from PIL import Image

from wordsight.base.errors import UsageError
from wordsight.cli.preview import previews, protocol_of
from wordsight.search.hits import Hit


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("environment", "protocol"),
    [
        ({}, ""),
        ({"TERM": "xterm-256color"}, ""),
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-ghostty"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm"),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2", "SSH_CONNECTION": "x"}, "iterm"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "iterm"),
        ({"TERM": "foot"}, "sixel"),
        ({"TERM": "xterm-sixel"}, "sixel"),
        ({"TERM": "tmux-256color", "KITTY_WINDOW_ID": "1"}, ""),
        ({"TERM": "xterm-256color", "TMUX": "x", "LC_TERMINAL": "iTerm2"}, ""),
        ({"TERM": "tmux-256color", "WORDSIGHT_PREVIEW": "Sixel"}, "sixel"),
    ],
)
def test_the_environment_tells(environment, protocol):
    assert protocol_of(environment) == protocol


def test_a_protocol_that_is_none_is_refused():
    with pytest.raises(UsageError, match="WORDSIGHT_PREVIEW=sixels; did you mean sixel"):
        protocol_of({"WORDSIGHT_PREVIEW": "sixels"})


@pytest.fixture
def hits(tmp_path):
    Image.new("RGB", (9, 6), (255, 0, 0)).save(tmp_path / "a.png")
    return [Hit(0.5, name, tmp_path / name, {}) for name in ("a.png", "gone\x1b.png")]


def test_nothing_is_sent_where_there_is_no_terminal(hits, monkeypatch, capsys):
    monkeypatch.setenv("WORDSIGHT_PREVIEW", "kitty")
    assert previews(hits) is None
    assert capsys.readouterr().err == "--preview: standard output is no terminal, so there are no pictures\n"


def test_a_terminal_without_pictures_is_told_what_else_there_is(hits, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", Terminal())
    for name in ("WORDSIGHT_PREVIEW", "TERM_PROGRAM", "LC_TERMINAL", "KITTY_WINDOW_ID", "TMUX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "dumb")
    assert previews(hits) is None
    assert "(TERM=dumb) shows no pictures" in capsys.readouterr().err


def test_each_hit_has_its_picture_or_the_reason(hits, monkeypatch):
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("WORDSIGHT_PREVIEW", "sixel")
    shown, reason = previews(hits)
    assert shown == '\x1bP0;1q"1;1;9;6#0;2;100;0;0#0!9~\x1b\\'
    assert "\x1b" not in reason and reason.startswith("(") and "No such file" in reason
