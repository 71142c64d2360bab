"""Who may ask: keys, scopes, limits, ends, sessions; and where keys have to be."""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from wordsight.base.errors import FormatError, UsageError
from wordsight.cli.main import main
from wordsight.serve.app import make_app
from wordsight.serve.route import Route
from wordsight.serve.routes import ROUTES
from wordsight.serve.safety import keys as keys_file
from wordsight.serve.safety.admission import asker_of, require_keys
from wordsight.serve.safety.keys import ApiKey, KeyRing, NewKey, add_key, checked_hash, hash_of, read_keys
from wordsight.serve.safety.rates import Rates, make_counts
from wordsight.serve.safety.sessions import Sessions
from wordsight.serve.safety.settings import SafetySettings

WRITES = Route("POST", "/api/writes", f"{__name__}:writes", "Writes.", scope="write")
ASK = "/api/libraries/photos/search"


async def writes(call):
    return {"asker": asker_of(call.request).name}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "keys.json"


@pytest.fixture
def keyed(settings, file, monkeypatch):
    """Return a client of a server with keys: functions below make them."""
    monkeypatch.setattr("wordsight.serve.app.ROUTES", (*ROUTES, WRITES))
    monkeypatch.setattr(keys_file, "BETWEEN_LOOKS", 0.0)
    add_key(file, NewKey("unused"))
    with TestClient(make_app(replace(settings, keys=file)), base_url="http://127.0.0.1:7070") as client:
        yield client


def bearer(key):
    return {"authorization": f"Bearer {key}"}


def status(client, headers, path=ASK):
    return client.post(path, json={"query": "red"} if path == ASK else {}, headers=headers).status_code


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is locked there")
def test_keys_that_are_made_at_the_same_time_are_all_kept(file, monkeypatch):
    real = keys_file._read

    def slow(path):
        known = real(path)
        time.sleep(0.02)
        return known

    add_key(file, NewKey("first"))
    monkeypatch.setattr(keys_file, "_read", slow)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda name: add_key(file, NewKey(name)), "abcd"))
    monkeypatch.undo()
    assert {one.name for one in read_keys(file)} == {"first", *"abcd"}


def test_without_a_key_nothing_is_answered_but_what_is_open(keyed, file):
    key = add_key(file, NewKey("phone"))
    refused = keyed.post(ASK, json={"query": "red"})
    assert refused.status_code == 401 and refused.headers["www-authenticate"].startswith("Bearer")
    assert refused.json()["error"]["cure"]
    for wrong in (
        bearer("x" * 40),
        bearer(""),
        {"authorization": key},
        {"x-api-key": key[:-1]},
        {"cookie": f"a={key}"},
    ):
        assert status(keyed, wrong) == 401
    assert keyed.get("/health").status_code == keyed.get("/").status_code == 200
    assert status(keyed, bearer(key)) == status(keyed, {"x-api-key": key}) == 200
    assert status(keyed, {"authorization": "Basic abc", "x-api-key": key}) == 200


def test_a_key_may_what_its_scope_says(keyed, file):
    read, write = add_key(file, NewKey("reader")), add_key(file, NewKey("writer", "write"))
    refused = keyed.post("/api/writes", headers=bearer(read))
    assert refused.status_code == 403 and 'scope="write"' in refused.headers["www-authenticate"]
    assert keyed.post("/api/writes", headers=bearer(write)).json() == {"asker": "writer"}
    assert status(keyed, bearer(write)) == 200


def test_a_key_has_a_limit_a_minute(keyed, file):
    key, other = add_key(file, NewKey("slow", per_minute=2)), add_key(file, NewKey("other"))
    assert [status(keyed, bearer(key)) for _ in range(3)] == [200, 200, 429]
    assert 0 < int(keyed.post(ASK, json={}, headers=bearer(key)).headers["retry-after"]) <= 120
    assert status(keyed, bearer(other)) == 200


def test_files_and_what_tells_of_the_server_count_towards_no_limit(keyed, file):
    key = add_key(file, NewKey("slow", per_minute=1))
    files = ("thumbnails/a/red.png?side=64", "originals/a/red.png")
    free = (*(f"/api/libraries/photos/{one}" for one in files), "/", "/health", "/metrics", "/api/status")
    assert {keyed.get(path, headers=bearer(key)).status_code for path in free * 2} == {200}
    assert [status(keyed, bearer(key)) for _ in range(2)] == [200, 429]
    assert keyed.get("/api/libraries/photos", headers=bearer(key)).status_code == 429
    assert {keyed.get(path, headers=bearer(key)).status_code for path in free} == {200}


def test_a_file_of_keys_is_read_again_when_it_changes(keyed, file, caplog):
    key = add_key(file, NewKey("phone"))
    assert status(keyed, bearer(key)) == 200
    file.write_text("{broken")
    assert status(keyed, bearer(key)) == 200
    assert "the keys stay as they were" in caplog.text
    file.write_text('{"keys": []}')
    assert status(keyed, bearer(key)) == 401
    key = add_key(file, NewKey("phone"))
    assert status(keyed, bearer(key)) == 200
    file.unlink()
    assert status(keyed, bearer(key)) == 401


def test_a_key_ends(keyed, file, monkeypatch):
    key = add_key(file, NewKey("guest", expires="1d"))
    assert status(keyed, bearer(key)) == 200
    now = time.time()
    monkeypatch.setattr(keys_file.time, "time", lambda: now + 86_500)
    assert status(keyed, bearer(key)) == 401
    with pytest.raises(UsageError, match="is over"):
        add_key(file, NewKey("late", expires="2020-01-01"))
    with pytest.raises(UsageError, match="give a date"):
        add_key(file, NewKey("late", expires="soon"))


def test_keys_are_kept_as_hashes_for_their_owner(file):
    key = add_key(file, NewKey("phone"))
    assert key not in file.read_text() and hash_of(key) in file.read_text()
    assert os.stat(file).st_mode & 0o077 == 0
    assert len(key) > 40
    with pytest.raises(UsageError, match="already"):
        add_key(file, NewKey("phone"))
    assert [one.name for one in read_keys(file)] == ["phone"]


@pytest.mark.parametrize(
    "broken",
    [
        "[]",
        '{"keys": {}}',
        '{"keys": [{"name": "a"}]}',
        '{"keys": [{"name": "a", "hash": "12"}]}',
        json.dumps({"keys": [{"name": "a", "hash": "0" * 64, "scope": "all"}]}),
        json.dumps({"keys": [{"name": "a", "hash": "0" * 64, "per_minute": 0}]}),
        json.dumps({"keys": [{"name": "a", "hash": "0" * 64, "expires": "x"}]}),
        "[" * 100_000,
    ],
)
def test_a_broken_file_of_keys_ends_the_start(file, broken):
    file.write_text(broken)
    with pytest.raises((FormatError, UsageError), match="keys"):
        KeyRing(file)


OFTEN = [None, True, 0, -1, 1.5, float("nan"), float("inf"), 10**400, "", "x", "\ud800", [], ["read"], {}, {"a": []}]
DATES = ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "0001-01-01", "9999-99-99", 4e18]
FINE = {
    "name": ["x"],
    "hash": [],
    "scope": ["read"],
    "per_minute": [None],
    "expires": [None],
}


def given_key(**fields):
    return {"keys": [{"name": "a", "hash": "0" * 64, **fields}]}


@pytest.mark.parametrize("field", FINE)
def test_each_wrong_field_is_one_line_that_names_it(file, field):
    for value in [*OFTEN, *DATES, "n" * 5000]:
        if value in FINE[field] or (field == "name" and value in DATES):
            continue
        file.write_text(json.dumps(given_key(**{field: value})))
        try:
            end = read_keys(file)[0].expires
        except FormatError as error:
            assert field in str(error) and len(str(error).splitlines()) == 1 and len(str(error)) < 600
        else:
            assert field == "expires" and value == "0001-01-01" and end < 0, "local time may reach before the year 1"


@pytest.mark.parametrize(
    "broken",
    [
        {"keys": [*given_key()["keys"], {"name": "a", "hash": "1" * 64}]},
        {"keys": [*given_key()["keys"], {"name": "b", "hash": "0" * 64}]},
        given_key(expire="2020-01-01"),
        {"keys": [["a"]]},
        {"keys": [None]},
        {"keys": "a"},
        {"keys": None},
        {"keys": 1e999},
    ],
)
def test_keys_that_contradict_each_other_or_are_none_are_refused(file, broken):
    file.write_text(json.dumps(broken))
    with pytest.raises(FormatError, match="keys.json"):
        read_keys(file)


def test_a_field_that_is_given_twice_is_refused(file):
    file.write_text('{"keys": [{"name": "a", "hash": "%s", "scope": "read", "scope": "write"}]}' % ("0" * 64))
    with pytest.raises(FormatError, match="twice"):
        read_keys(file)


@pytest.mark.parametrize("wrong", [{"scope": ["read"]}, {"expires": DATES[0]}, {"expires": DATES[1]}])
def test_a_wrong_field_leaves_the_keys_that_were_read_before(keyed, file, caplog, wrong):
    key = add_key(file, NewKey("phone"))
    assert status(keyed, bearer(key)) == 200
    file.write_text(json.dumps(given_key(**wrong)))
    assert [status(keyed, bearer(key)) for _ in range(2)] == [200, 200]
    assert "the keys stay as they were" in caplog.text and next(iter(wrong)) in caplog.text


def test_a_folder_of_keys_that_cannot_be_looked_into_leaves_them(keyed, file, monkeypatch):
    key = add_key(file, NewKey("phone"))
    assert status(keyed, bearer(key)) == 200

    stat = type(file).stat

    def refused(path, **options):
        if path == file:
            raise PermissionError("no")
        return stat(path, **options)

    monkeypatch.setattr(type(file), "stat", refused)
    assert status(keyed, bearer(key)) == 200


def test_a_missing_file_of_keys_ends_the_start(file):
    with pytest.raises(FormatError, match="--new-key"):
        KeyRing(file)


@pytest.mark.parametrize(
    "weak", ["", "secret", "a" * 64, "abcabcabcabcabcabcabcabc", "x" * 600, "pass wörter sind lang genug"]
)
def test_keys_that_can_be_guessed_are_refused(weak):
    with pytest.raises(UsageError, match="letters"):
        checked_hash(weak)


def test_all_workers_count_together(tmp_path):
    make_counts(tmp_path / "counts")
    one, other = Rates(tmp_path / "counts"), Rates(tmp_path / "counts")
    key = ApiKey("a", hash_of("a"), frozenset(), per_minute=4)
    now = 60_000_000.0
    assert [rates.take(key, now) for rates in (one, other, one, other)] == [0.0] * 4
    assert 60 < one.take(key, now) <= 120
    assert other.take(ApiKey("b", hash_of("b"), frozenset(), per_minute=1), now) == 0.0


def test_the_minute_slides():
    rates, key = Rates(), ApiKey("a", hash_of("a"), frozenset(), per_minute=10)
    now = 60_000_000.0
    assert [rates.take(key, now + 30) for _ in range(10)] == [0.0] * 10
    assert rates.take(key, now + 61) > 0
    wait = rates.take(key, now + 60)
    assert rates.take(key, now + 60 + wait + 0.01) == 0.0
    assert rates.take(key, now + 300) == 0.0


def test_a_session_stands_for_its_key(keyed, file):
    key = add_key(file, NewKey("phone"))
    assert keyed.post("/api/session", json={"key": "wrong"}).status_code == 401
    answer = keyed.post("/api/session", json={"key": key})
    assert answer.json()["scopes"] == ["read"]
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Secure" not in cookie and key not in cookie
    assert status(keyed, {}) == 200
    session = dict(keyed.cookies)
    assert keyed.delete("/api/session").status_code == 204
    assert status(keyed, {}) == 401
    keyed.cookies.update(session)
    assert status(keyed, {}) == 401, "it was ended, not only forgotten"


def test_a_session_is_secure_behind_https(keyed, file):
    key = add_key(file, NewKey("phone"))
    answer = keyed.post("https://127.0.0.1/api/session", json={"key": key})
    assert "Secure" in answer.headers["set-cookie"]


def test_a_session_cannot_be_made_up_and_ends(monkeypatch):
    sessions, key = Sessions(b"secret"), ApiKey("a", hash_of("a"), frozenset())
    value = sessions.start(key)
    assert sessions.key_id(value) == key.id
    assert Sessions(b"other").key_id(value) is None
    for wrong in ("", ".", "..", value[:-1], value.replace(".", "x", 1), f"{key.id}.99999999999.{'0' * 64}", "é.1.2"):
        assert sessions.key_id(wrong) is None
    now = time.time()
    monkeypatch.setattr("wordsight.serve.safety.sessions.time.time", lambda: now + 13 * 3600)
    assert sessions.key_id(value) is None


def test_sessions_that_were_ended_are_shared_and_forgotten_when_their_time_is_over(tmp_path, monkeypatch):
    one, other = Sessions(b"secret", tmp_path), Sessions(b"secret", tmp_path)
    key = ApiKey("a", hash_of("a"), frozenset())
    monkeypatch.setattr("wordsight.serve.safety.sessions.ENDED", 3)
    first = one.start(key)
    one.end(first)
    assert other.key_id(first) is None
    real = time.time()
    for later in range(1, 6):
        monkeypatch.setattr("wordsight.serve.safety.sessions.time.time", lambda later=later: real + later)
        one.end(one.start(key))
    assert len(list(tmp_path.iterdir())) == 3
    other.end("made up")
    assert len(list(tmp_path.iterdir())) == 3


def test_beyond_this_machine_a_key_is_demanded(settings, capsys, photos):
    require_keys(settings)
    require_keys(replace(settings, host="127.0.0.5"))
    with pytest.raises(UsageError, match="--no-key"):
        require_keys(replace(settings, host="0.0.0.0"))
    with pytest.raises(UsageError, match="--no-key"):
        require_keys(replace(settings, host="127.example.org"))
    require_keys(replace(settings, host="0.0.0.0", safety=SafetySettings(no_key=True)))
    assert main(["serve", str(photos), "--host", "0.0.0.0", "--engine", "fake"]) == 2
    assert "--keys FILE" in capsys.readouterr().err


def test_the_command_makes_a_key(file, capsys):
    assert main(["serve", "--new-key", "phone", "--scope", "write", "--per-minute", "60", "--keys", str(file)]) == 0
    key = capsys.readouterr().out.strip()
    (kept,) = read_keys(file)
    assert (kept.name, kept.hash, kept.scopes, kept.per_minute) == ("phone", hash_of(key), {"read", "write"}, 60)
    for wrong in (["--new-key", "a"], ["--scope", "read"], ["--no-key", "--api-key", "x" * 40], ["--api-key", "short"]):
        assert main(["serve", *wrong]) == 2


def test_the_command_answers_with_a_key_of_the_environment(photos, running, monkeypatch):
    import httpx

    key = "an-environment-key-0123456789"
    monkeypatch.setenv("WORDSIGHT_API_KEY", key)
    with running(str(photos), "--workers", "2") as (address, process):
        with httpx.Client(trust_env=False, base_url=address, timeout=30) as client:
            while client.get("/ready").status_code != 200:
                time.sleep(0.05)
            assert client.post(ASK, json={"query": "red"}).status_code == 401
            assert client.post(ASK, json={"query": "red"}, headers=bearer(key)).status_code == 200
    assert process.returncode == 0
