"""What comes from outside is shown by a terminal and never obeyed; what is piped is unchanged."""

import io
import sys

import pytest

from wordsight.base.progress import notice, print_error, set_quiet
from wordsight.base.terminal import PRINTABLE, drop, escaped, say, shown


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain name.jpg", "plain name.jpg"),
        ("caf\u00e9 \u65e5\u672c \U0001f600 \u0627\u0644", "caf\u00e9 \u65e5\u672c \U0001f600 \u0627\u0644"),
        ("\x1b[31mred\x1b]0;title\x07", r"\x1b[31mred\x1b]0;title\x07"),
        ("a\nb\rc\td\x7f", r"a\nb\rc\td\x7f"),
        ("\x9b31m\x85", r"\x9b31m\x85"),
        ("gpj.\u202egnp\u2066x\u2069\u200f", r"gpj.\u202egnp\u2066x\u2069\u200f"),
        ("two\u2028lines\u2029", r"two\u2028lines\u2029"),
        ("caf\udce9", r"caf\xe9"),
        ("half \ud800", r"half \ud800"),
        ("C:\\new", "C:\\new"),
    ],
)
def test_what_a_terminal_would_obey_is_escaped(text: str, seen: str) -> None:
    assert escaped(text) == seen
    assert shown(text, Terminal()) == seen
    assert shown(text, io.StringIO()) == text
    assert shown(text, None) == text


def test_results_notices_and_errors_are_escaped_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    say("a\x1bb")
    notice("c\x1bd")
    print_error("e\x1bf")
    assert capsys.readouterr() == ("a\x1bb\n", "c\x1bd\ne\x1bf\n")
    out, err = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    say("a\x1bb")
    notice("c\x1bd")
    print_error("e\x1bf")
    assert (out.getvalue(), err.getvalue()) == ("a\\x1bb\n", "c\\x1bd\ne\\x1bf\n")


def test_quiet_silences_notices_and_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    set_quiet(True)
    try:
        notice("on the way")
        print_error("it failed")
    finally:
        set_quiet(False)
    assert capsys.readouterr().err == "it failed\n"


def test_errors_that_cannot_be_printed_stop_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    print_error("nobody reads this")
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stderr", full)
        print_error("nor this")
        full.flush()  # what was left in the buffer leads to nothing now


def test_a_dropped_stream_takes_everything() -> None:
    with open("/dev/full", "w") as full:
        full.write("too much")
        drop(full)
        full.flush()
    drop(io.StringIO())


def test_a_stream_of_utf8_takes_whatever_is_printed() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="utf-8", errors=PRINTABLE)
    stream.write("a\ud800b\udce9\udfffc\U0001f600")
    stream.flush()
    assert raw.getvalue() == b"a\\ud800b\xe9\\udfffc" + "\U0001f600".encode()
