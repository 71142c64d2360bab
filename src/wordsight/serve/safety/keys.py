"""API keys: random, kept as hashes, each with a name, scopes, a limit and an end.

    key = add_key(Path("keys.json"), NewKey("phone", "read"))      # shown once; the file has its hash
    ring = KeyRing(Path("keys.json"))
    ring.find(key)                                                 # an ApiKey, or None

A plain SHA-256 is enough for what has 256 random bits: nobody can go through them, however fast the hash is.  What
people think up is not random, so short keys are refused, and only made ones are written to a file.  The file is read
again when it has changed; a missing file holds no keys, a broken one leaves those that were read before.
"""

import hmac
import json
import logging
import os
import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from wordsight.base.errors import FormatError, UsageError, WordsightError
from wordsight.base.files import atomic_write
from wordsight.base.reading import read_text
from wordsight.base.records import locked
from wordsight.base.suggest import suggest

SCOPES = {"read": frozenset({"read"}), "write": frozenset({"read", "write"})}
SHORTEST, DISTINCT = 20, 8  # letters of a key; different ones among them
LONGEST = 512
BETWEEN_LOOKS = 0.5  # seconds
LIMIT = 1 << 20  # bytes of a file of keys
FIELDS = ("name", "hash", "scope", "per_minute", "expires")
NAME_LETTERS, SHOWN = 200, 80  # letters of the name of a key; of a wrong value in a message
MOST_A_MINUTE = 1_000_000_000
log = logging.getLogger("wordsight.serve")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is kept: `per_minute` None is no limit, `expires` seconds since 1970."""

    name: str
    hash: str = field(repr=False)  # SHA-256, hexadecimal
    scopes: frozenset[str]
    per_minute: int | None = None
    expires: float | None = None

    @property
    def id(self) -> str:
        """What stands for the key where it may be seen; says nothing of the key."""
        return self.hash[:16]


@dataclass(frozen=True, slots=True)
class NewKey:
    """What a key that is made should be; `expires`: a date (its last day, UTC), or days from now as "90d"."""

    name: str
    scope: str = "read"
    per_minute: int | None = None
    expires: str = ""


def hash_of(key: str) -> str:
    """Return the hash of a key as it is kept."""
    return sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def checked_hash(key: str) -> str:
    """Return the hash of a key that somebody chose; raises `UsageError` for one that can be guessed."""
    if not SHORTEST <= len(key) <= LONGEST or len(set(key)) < DISTINCT or not key.isascii() or not key.isprintable():
        problem = f"an API key of {len(key)} letters, {len(set(key))} of them different"
        cure = f"give a random one of {SHORTEST} letters or more, such as that of: python -c 'import secrets; "
        raise UsageError(problem, cure=f"{cure}print(secrets.token_urlsafe(32))'")
    return hash_of(key)


def add_key(path: Path, new: NewKey) -> str:
    """Make a key, write its hash into a file of keys (made if absent, for its owner only), and return the key.

    One at a time: the file is locked by another beside it, as it is replaced itself.
    """
    with locked(path.with_name(f".{path.name}.lock")):
        return _added(path, new)


def _added(path: Path, new: NewKey) -> str:
    known = _read(path) if path.exists() else []
    if not new.name.strip():
        raise UsageError("a key without a name", cure="name who will use it")
    if any(one["name"] == new.name for one in known):
        raise UsageError(f"{path} has a key {new.name!r} already", cure="choose another name, or delete it there first")
    if new.per_minute is not None and new.per_minute < 1:
        raise UsageError(f"{new.per_minute} requests a minute", cure="give 1 or more")
    key = f"ws_{secrets.token_urlsafe(32)}"
    made = {
        "name": new.name,
        "hash": f"sha256:{hash_of(key)}",
        "scope": new.scope,
        "per_minute": new.per_minute,
        "expires": _last_moment(new.expires),
    }
    _parsed(made, path)
    with atomic_write(path, "w") as file:
        os.chmod(file.fileno() if os.chmod in os.supports_fd else file.name, 0o600)
        json.dump({"keys": [*known, made]}, file, indent=2)
        file.write("\n")
    return key


class KeyRing:
    """The keys that may ask: those of a file, and further hashes that may do everything."""

    def __init__(self, path: Path | None = None, hashes: Iterable[str] = ()) -> None:
        self._path = path
        self._fixed = [ApiKey(f"key {number}", one, SCOPES["write"]) for number, one in enumerate(hashes, 1)]
        self._of_file: list[ApiKey] = []
        self._seen: object = None
        self._looked = 0.0
        if path is not None:
            self._seen = _state(path)
            self._of_file = read_keys(path)  # a broken file ends the start

    @property
    def in_force(self) -> bool:
        """Whether a key is needed: also when the file has none left."""
        return self._path is not None or bool(self._fixed)

    def find(self, key: str) -> ApiKey | None:
        """Return what is known of a key, None for a wrong one; compares with all, each in constant time."""
        return self._first(hash_of(key), whole=True)

    def with_id(self, identity: str) -> ApiKey | None:
        """Return the key with an `ApiKey.id`, as long as it may ask."""
        return self._first(identity, whole=False)

    def _first(self, wanted: str, *, whole: bool) -> ApiKey | None:
        match = None
        for one in self._current():
            if hmac.compare_digest((one.hash if whole else one.id).encode(), wanted.encode("utf-8", "replace")):
                match = one
        return None if match is None or (match.expires is not None and match.expires <= time.time()) else match

    def _current(self) -> Sequence[ApiKey]:
        if self._path is None:
            return self._fixed
        if (now := time.monotonic()) - self._looked >= BETWEEN_LOOKS:
            self._looked = now
            if (state := _state(self._path)) != self._seen:
                self._seen = state
                self._read_again(self._path)
        return [*self._fixed, *self._of_file]

    def _read_again(self, path: Path) -> None:
        try:
            self._of_file = read_keys(path) if path.exists() else []
            log.warning("%s was read again: %d keys", path.name, len(self._of_file))
        except (WordsightError, OSError) as error:
            log.error("the keys stay as they were: %s", error)


def read_keys(path: Path) -> list[ApiKey]:
    """Return the keys of a file; `FormatError` where it is none, or where a field is wrong."""
    keys = [_parsed(one, path) for one in _read(path)]
    for once in ("name", "hash"):
        seen: set[str] = set()
        for one in keys:
            if (value := getattr(one, once)) in seen:
                problem = f"{path}: key {one.name!r} has the {once} of another key"
                raise FormatError(problem, cure=f"give each {once} once")
            seen.add(value)
    return keys


def _state(path: Path) -> object:
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size, facts.st_ino


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        keys = json.loads(read_text(path, limit=LIMIT), object_pairs_hook=_once)["keys"]
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror}", cure=_CURE) from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FormatError(f"{path} is no file of keys: {error}", cure=_CURE) from None
    if not isinstance(keys, list) or not all(
        isinstance(one, dict) and isinstance(one.get("name"), str) for one in keys
    ):
        raise FormatError(f"{path} is no file of keys: not all have a name", cure=_CURE)
    return keys


def _once(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the fields of an object, none of which is given twice."""
    held = dict(fields)
    if len(held) < len(fields):
        raise ValueError("a field is given twice")
    return held


_CURE = "make one with wordsight serve --new-key NAME --keys FILE"


def _parsed(given: dict[str, Any], path: Path) -> ApiKey:
    """Return a key of a file; `FormatError` names the field that is wrong."""

    def wrong(what: str, cure: str) -> FormatError:
        return FormatError(f"{path}: key {_short(name)} has {what} {_short(given.get(what))}", cure=cure)

    name, hashed, scope = given["name"], given.get("hash"), given.get("scope", "read")
    if not name.strip() or not name.isprintable() or len(name) > NAME_LETTERS:
        raise wrong("name", f"give one of 1 to {NAME_LETTERS} letters that can be printed")
    if unknown := next((one for one in given if one not in FIELDS), None):
        raise FormatError(
            f"{path}: key {name!r} has an unknown field {_short(unknown)}", cure=suggest(unknown[:SHOWN], FIELDS)
        )
    if not isinstance(scope, str) or scope not in SCOPES:
        raise wrong("scope", suggest(scope[:SHOWN], SCOPES) if isinstance(scope, str) else 'give "read" or "write"')
    digest = hashed.removeprefix("sha256:") if isinstance(hashed, str) else ""
    if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
        raise FormatError(f"{path}: key {name!r} has no SHA-256 as its hash", cure=_CURE)
    per_minute, expires = given.get("per_minute"), given.get("expires")
    if per_minute is not None and (type(per_minute) is not int or not 1 <= per_minute <= MOST_A_MINUTE):
        raise wrong("per_minute", f"give a whole number from 1 to {MOST_A_MINUTE:,}")
    try:
        end = None if expires is None else datetime.fromisoformat(expires).astimezone(UTC).timestamp()
    except (ValueError, TypeError, OverflowError, OSError):
        raise wrong("expires", "give a time such as 2027-01-31") from None
    return ApiKey(name, digest, SCOPES[scope], per_minute, end)


def _short(value: Any) -> str:
    """Return a value as it is shown in a message of one line."""
    shown = repr(value)
    return shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}…"


def _last_moment(expires: str) -> str | None:
    """Return when a key ends, as a time in UTC: after the day that is given, or so many days from now."""
    if not expires:
        return None
    now = datetime.now(UTC).replace(microsecond=0)
    try:
        if expires.endswith("d"):
            return (now + timedelta(days=int(expires[:-1]))).isoformat()
        day = date.fromisoformat(expires)
    except (ValueError, OverflowError):
        raise UsageError(f"--expires {expires}", cure="give a date such as 2027-01-31, or days such as 90d") from None
    end = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    if end <= now:
        raise UsageError(f"--expires {expires} is over", cure="give a day to come")
    return end.isoformat()
