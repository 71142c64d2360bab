"""What is wrong before the start is told before anything listens; workers end with their supervisor, or all with an error."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from wordsight.base.errors import UsageError, WordsightError
from wordsight.cli.main import main
from wordsight.engines.fake import COLOURS
from wordsight.serve import run as serving
from wordsight.serve.safety.keys import NewKey, add_key
from wordsight.serve.safety.origins import Sites
from wordsight.serve.safety.settings import SafetySettings
from wordsight.serve.starting import check_settings

from .test_process import ready, until, workers
from .watched.test_metrics import samples

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
BROKEN = {"keys": [{"name": "a", "hash": "0" * 64, "scope": ["read"]}]}


@pytest.mark.parametrize("several", [(), ("--workers", "2")])
@pytest.mark.parametrize(
    "wrong",
    [
        ("--keys", "BROKEN"),
        ("--keys", "missing.json"),
        ("--memory", "0"),
        ("--memory", "100MB"),
        ("--memory", "-5GB"),
        ("--behind-proxy", "foo"),
        ("--behind-proxy", ""),
        ("--allow-origin", "photos.example.org"),
        ("--allow-origin", "http://["),
        ("--allow-host", "https://photos.example.org"),
        ("--allow-host", "photos.example.org:80"),
        ("--idle-unload", "-1"),
        ("--idle-unload", "nan"),
    ],
)
def test_a_wrong_setting_is_told_before_anything_listens(photos, tmp_path, monkeypatch, capsys, wrong, several):
    (tmp_path / "broken.json").write_text(json.dumps(BROKEN))
    given = [str(tmp_path / "broken.json") if one == "BROKEN" else one for one in wrong]
    monkeypatch.setattr(serving, "_listener", lambda settings: pytest.fail("it listens"))
    assert main(["serve", str(photos), "--engine", "fake", "--port", "0", *given, *several]) == 2
    told = capsys.readouterr().err
    assert "http://127.0.0.1" not in told and len(told.strip().splitlines()) == 1


def test_a_host_that_is_no_name_is_told(photos, capsys):
    assert main(["serve", str(photos), "--engine", "fake", "--port", "0", "--host", "ä..b", "--no-key"]) == 2
    told = capsys.readouterr().err
    assert "cannot listen at ä..b:0: no name of a host" in told and len(told.strip().splitlines()) == 1


def test_what_is_right_passes(settings, tmp_path):
    add_key(tmp_path / "keys.json", NewKey("phone"))
    right = SafetySettings(
        proxies=("10.0.0.2", "10.0.0.0/8", "::1", "*"),
        allow_origins=("https://App.example:443", "http://[::1]:8080/"),
        allow_hosts=("*", "Photos.example.org", "::1", "[::1]"),
    )
    check_settings(replace(settings, keys=tmp_path / "keys.json", safety=right, memory=1_000_000_000))
    assert Sites(replace(settings, safety=right)).origins == {"https://app.example", "http://[::1]:8080"}


@pytest.mark.parametrize("error, status", [(UsageError("no model", cure="give one"), 2), (RuntimeError("a\nb"), 1)])
def test_an_application_that_cannot_start_is_one_line(settings, monkeypatch, capfd, error, status):
    class Failing:
        async def __call__(self, scope, receive, send):
            await receive()
            try:
                raise error
            except (UsageError, RuntimeError):
                await send({"type": "lifespan.startup.failed", "message": "Traceback"})

    monkeypatch.setattr("wordsight.serve.starting.make_app", lambda settings: Failing())
    monkeypatch.setattr(serving.signal, "signal", lambda *given: None)
    with pytest.raises(WordsightError) as raised:
        serving.run(settings)
    assert raised.value.exit_status == status and len(str(raised.value).splitlines()) == 1
    assert "Traceback" not in capfd.readouterr().err


def started(*arguments):
    """Return a server as a process, and its address."""
    command = [sys.executable, "-m", "wordsight", "serve", *arguments, "--port", "0", "--engine", "fake"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ)
    return process, process.stderr.readline().split()[0]


@linux
@pytest.mark.parametrize("what", ["keys", "library"])
def test_workers_that_cannot_start_end_the_server(photos, tmp_path, what):
    file = tmp_path / "keys.json"
    add_key(file, NewKey("phone"))
    process, address = started(str(photos), "--workers", "2", "--keys", str(file), "--no-thumbnails", "--log", "off")
    try:
        until(lambda: ready(address))
        victim = next(iter(until(lambda: pids if len(pids := workers(process)) == 2 else None)))
        if what == "keys":
            file.write_text(json.dumps(BROKEN))
        else:
            shutil.rmtree(photos / ".wordsight")
        os.kill(victim, signal.SIGKILL)
        _, told = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 2 and "Traceback" not in told
    assert ("scope" if what == "keys" else "photos") in told and len(told.strip().splitlines()) == 1


@linux
def test_workers_share_figures_and_ended_sessions_and_end_with_their_supervisor(photos, tmp_path):
    """One server for all three: a start with two workers takes seconds."""
    key = add_key(tmp_path / "keys.json", NewKey("phone"))
    process, address = started(str(photos), "--workers", "2", "--keys", str(tmp_path / "keys.json"), "--no-thumbnails")
    try:
        until(lambda: ready(address))
        pids = until(lambda: pids if len(pids := workers(process)) == 2 else None)
        figures_are_of_both(address, {"authorization": f"Bearer {key}"})
        session_is_over_in_both(address, key)
    finally:
        process.kill()
        process.wait(30)
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", int(address.rsplit(":", 1)[1])))
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()


def figures_are_of_both(address, headers):
    for _ in range(40):
        assert httpx.get(f"{address}/health", trust_env=False, timeout=30).status_code == 200
    answer = httpx.get(f"{address}/metrics", headers=headers, trust_env=False, timeout=30)
    figures = samples(answer.text)
    assert figures["wordsight_requests_total GET /health 200"] == 40
    assert figures["wordsight_library_images photos"] == len(COLOURS)


def session_is_over_in_both(address, key):
    cookie = httpx.post(f"{address}/api/session", json={"key": key}, trust_env=False).headers["set-cookie"]
    headers = {"cookie": cookie.partition(";")[0]}

    def statuses():  # a connection each, so that both workers are asked
        asked = [httpx.get(f"{address}/api/status", headers=headers, trust_env=False) for _ in range(24)]
        return {one.status_code for one in asked}

    until(lambda: statuses() == {200})
    httpx.delete(f"{address}/api/session", headers=headers, trust_env=False)
    assert statuses() == {401}
