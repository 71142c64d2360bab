"""The program around the verbs: global options anywhere, errors as one line, exit statuses, signals, pipes."""

import os
import signal
import subprocess
import sys
import textwrap
from argparse import ArgumentParser, Namespace
from pathlib import Path
from types import ModuleType

import pytest

from wordsight.base.errors import BrokenImage, NotFound
from wordsight.cli import main as program
from wordsight.cli.main import Call, main, take_apart

SOURCE = Path(program.__file__).parents[2]


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Put a verb `look PLACE [-k N]` into the table; a test gives it its `run`."""
    module = ModuleType("look")

    def add_arguments(parser: ArgumentParser) -> None:
        parser.add_argument("place")
        parser.add_argument("-k", type=int, default=10)

    module.add_arguments = add_arguments
    module.run = lambda args: 0
    monkeypatch.setitem(sys.modules, "look", module)
    monkeypatch.setitem(program.VERBS, "look", ("look", "look at a place"))
    return module


@pytest.mark.parametrize(
    ("argv", "call"),
    [
        (["search", "red shoes", "-k", "3"], Call("search", ["red shoes", "-k", "3"])),
        (["--model", "m", "search", "x"], Call("search", ["--model", "m", "x"])),
        (["search", "x", "--model=m", "--quiet"], Call("search", ["--model=m", "--quiet", "x"])),
        (["data", "check", "place", "--offline"], Call("data", ["--offline", "check", "place"])),
        (["search", "--", "--quiet"], Call("search", ["--", "--quiet"])),
        (["search", "search"], Call("search", ["search"])),
        (["--help"], Call("", ["--help"])),
        ([], Call("", [])),
    ],
)
def test_take_apart(argv: list[str], call: Call) -> None:
    assert take_apart(argv) == call


@pytest.mark.parametrize(
    "order", [["--model", "m", "look", "p"], ["look", "p", "--model", "m"], ["look", "--model=m", "p"]]
)
def test_global_options_before_and_after_the_verb(verb: ModuleType, order: list[str]) -> None:
    seen: list[Namespace] = []
    verb.run = lambda args: seen.append(args) or 0
    assert main(order) == 0
    assert (seen[0].model, seen[0].place, seen[0].k) == ("m", "p", 10)
    assert (seen[0].device, seen[0].engine, seen[0].offline, seen[0].quiet) == ("auto", "auto", False, False)


def test_a_model_that_a_verb_does_not_use_is_refused_and_a_device_changes_nothing(
    verb: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(program.UNUSED, "look", (("--model", "--engine", "--device"), "nothing is computed"))
    assert main(["look", "p", "--model", "x"]) == 2
    assert capsys.readouterr().err == "wordsight: look with --model x: nothing is computed; leave out --model\n"
    assert main(["look", "p", "--engine", "auto", "--device=auto", "--offline"]) == 0
    assert capsys.readouterr().err == ""
    assert main(["look", "p", "--device", "cpu"]) == 0
    assert capsys.readouterr().err == "look with --device cpu: nothing is computed, so --device changes nothing\n"
    assert main(["look", "p", "--engine", "onnx", "--quiet"]) == 0
    assert capsys.readouterr().err == ""


def test_training_says_that_an_engine_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "pairs", "--engine", "onnx", "--set", "batch=1"]) == 2
    said = capsys.readouterr().err
    assert "train with --engine onnx: towers learn with PyTorch, so --engine changes nothing\n" in said


def test_what_changes_nothing_in_a_verb_is_an_option() -> None:
    assert {name.split()[0] for name in program.UNUSED} <= set(program.VERBS)
    options = {option.name for option in program.EVERYWHERE if option.metavar}
    assert all(set(names) <= options for names, _ in program.UNUSED.values())


def test_quiet_is_obeyed_before_the_verb_runs(verb: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    from wordsight.base.progress import notice

    verb.run = lambda args: notice("on the way") or 0
    assert main(["look", "p", "--quiet"]) == 0
    assert capsys.readouterr().err == ""
    assert main(["look", "p"]) == 0
    assert capsys.readouterr().err == "on the way\n"


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (NotFound("no file a.jpg", cure="check the path"), 2, "wordsight: no file a.jpg; check the path\n"),
        (BrokenImage("a.jpg is cut short"), 1, "wordsight: a.jpg is cut short\n"),
        (KeyboardInterrupt(), 130, "wordsight: stopped; what was finished before is kept\n"),
    ],
)
def test_errors_are_one_line(
    verb: ModuleType, capsys: pytest.CaptureFixture[str], error: BaseException, status: int, said: str
) -> None:
    def run(args: Namespace) -> int:
        raise error

    verb.run = run
    assert main(["look", "p"]) == status
    assert capsys.readouterr().err == said


def test_ctrl_c_while_a_package_is_imported_is_told_from_one_that_is_broken(verb: ModuleType, capsys) -> None:
    def run(args: Namespace) -> int:
        raise ImportError("initialization failed") from cause

    verb.run = run
    cause: BaseException | None = KeyboardInterrupt()
    assert main(["look", "p"]) == 130
    assert capsys.readouterr().err == "wordsight: stopped; what was finished before is kept\n"
    cause = ValueError("another")
    with pytest.raises(ImportError):
        main(["look", "p"])


def test_a_mistake_in_wordsight_keeps_its_traceback(verb: ModuleType) -> None:
    verb.run = lambda args: 1 // 0
    with pytest.raises(ZeroDivisionError):
        main(["look", "p"])


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["serach"], "no verb 'serach'; did you mean search?"),
        (["zzzzz"], "no verb 'zzzzz'; use demo"),
        (["--modle", "--help-me"], "no option --modle; did you mean --model?"),
        (["look", "p", "--model"], "--model needs a value"),
        (["look", "p", "-k", "many"], "invalid int value: 'many'"),
        (["look"], "required: place"),
        (["look", "p", "--kk"], "no option --kk"),
    ],
)
def test_wrong_calls(verb: ModuleType, capsys: pytest.CaptureFixture[str], argv: list[str], said: str) -> None:
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert (err.startswith("wordsight: "), err.count("\n")) == (True, 1)


def test_no_verb_shows_help_as_a_wrong_call(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("usage: wordsight VERB")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"wordsight {program.__version__}\n"


def start(code: str, **options: object) -> subprocess.Popen[str]:
    """Start a program whose verb `look` runs `code`."""
    text = textwrap.dedent("""
        import sys
        from types import ModuleType
        from wordsight.cli import main as program
        look = sys.modules["look"] = ModuleType("look")
        look.add_arguments = lambda parser: None
        program.VERBS["look"] = ("look", "")
        def run(args):
        {body}
            return 0
        look.run = run
        sys.exit(program.main(["look"]))
    """).format(body=textwrap.indent(textwrap.dedent(code), " " * 4))
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    return subprocess.Popen([sys.executable, "-c", text], env=environment, text=True, stderr=subprocess.PIPE, **options)  # type: ignore[call-overload]


def test_reader_that_goes_away_is_no_error() -> None:
    process = start("for i in range(100_000): print(i)", stdout=subprocess.PIPE)
    assert process.stdout.readline() == "0\n"
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 141
    process.stderr.close()


def test_full_disk_is_one_line() -> None:
    with open("/dev/full", "w") as full:
        process = start("print('found')", stdout=full)
        _, err = process.communicate()
    assert process.returncode == 1
    assert err.startswith("wordsight: the disk is full: standard output; free room")
    assert err.count("\n") == 1


@pytest.mark.parametrize("redirected", [">&-", "2>&-", "<&-", ">&- 2>&- <&-", "2>/dev/full", ">/dev/full 2>/dev/full"])
def test_closed_and_full_streams(redirected: str) -> None:
    """A closed standard output is refused, one that is full fails; standard error stops nothing."""
    code = "import sys; from wordsight.cli.main import main; sys.exit(main(['--version']))"
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    command = ["sh", "-c", f'"$0" -c "$1" {redirected}', sys.executable, code]
    run = subprocess.run(command, env=environment, text=True, capture_output=True, stdin=subprocess.PIPE)
    status = 2 if redirected.startswith(">&-") else 1 if redirected.startswith(">") else 0
    assert run.returncode == status
    assert run.stdout == ("" if status else f"wordsight {program.__version__}\n")
    told = "wordsight: standard output is closed; let it lead to a file, or to /dev/null\n"
    assert run.stderr == (told if redirected == ">&-" else "")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            "PermissionError(13, '', 'here/x')",
            "Permission denied: here/x; give yourself the right to it, or choose another path; what was finished before "
            "is kept",
        ),
        ("OSError(36, '', b'long')", "File name too long: long; give a shorter path; what was finished before is kept"),
        ("OSError(40, '', 'a')", "Too many levels of symbolic links: a; check the path and the disk; what was finished "
        "before is kept"),
        ("OSError(28, '')", "the disk is full: standard output; free room; what was finished before is kept"),
        ("MemoryError()", "out of memory; free some, or give fewer inputs; what was finished before is kept"),
    ],
)  # fmt: skip
def test_what_the_system_refuses_is_one_line(verb: ModuleType, capsys, error: str, said: str) -> None:
    def run(args: Namespace) -> int:
        print("found before")
        raise eval(error)

    verb.run = run
    assert main(["look", "p"]) == 1
    assert capsys.readouterr() == ("found before\n", f"wordsight: {said}\n")


def test_with_a_variable_set_it_keeps_its_traceback(verb: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(args: Namespace) -> int:
        raise PermissionError(13, "", "x")

    verb.run = run
    monkeypatch.setenv("WORDSIGHT_DEBUG", "1")
    with pytest.raises(PermissionError):
        main(["look", "p"])


def test_an_error_without_a_number_is_a_mistake_and_keeps_its_traceback(verb: ModuleType) -> None:
    def run(args: Namespace) -> int:
        raise OSError("a library's own")

    verb.run = run
    with pytest.raises(OSError, match="a library's own"):
        main(["look", "p"])


def test_names_are_escaped_on_a_terminal() -> None:
    import pty

    reading, writing = pty.openpty()
    code = r"from wordsight.base.terminal import say; say('a\x1b[2J\n.jpg'); print('caf\udce9')"
    code += "; from wordsight.base.errors import NotFound; raise NotFound('no \\x1b]0;x')"
    process = start(code, stdout=writing)
    _, err = process.communicate()
    os.close(writing)
    assert os.read(reading, 1000) == b"a\\x1b[2J\\n.jpg\r\ncaf\xe9\r\n"
    os.close(reading)
    assert (process.returncode, err) == (2, "wordsight: no \x1b]0;x\n")


def test_ctrl_c_is_one_line() -> None:
    process = start("import time; print('ready', flush=True); time.sleep(60)", stdout=subprocess.PIPE)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert (process.returncode, err) == (130, "wordsight: stopped; what was finished before is kept\n")


def test_odd_file_names_are_printed_as_they_are() -> None:
    process = start(r"print('caf\udce9.jpg')", stdout=subprocess.PIPE)
    process.stdout.reconfigure(errors="surrogateescape")
    out, err = process.communicate()
    assert (out, err, process.returncode) == ("caf\udce9.jpg\n", "", 0)


def test_an_engine_that_is_none_is_refused_in_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["train", "pairs"], ["data", "check", "x"], ["search", "dog"], ["models"], ["report", "x"]):
        assert main([*words, "--engine", "onxx"]) == 2
        assert capsys.readouterr().err == "wordsight: no engine 'onxx'; did you mean onnx?\n"
