"""What rules have seen and done, in `rules/rules.db` of a library's folder: so that nothing is done twice.

    with open_store(library.folder) as store:                    # one process at a time
        run = store.begin(decisions, examined, rules)            # written down before anything is done
        with store.step(run, position, "move", {"target": ...}): ...

Images are known by their content.  A rule that changed, or another model's measure, starts again.  Knows no library.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wordsight.base import disk
from wordsight.base.files import storage_errors
from wordsight.base.records import locked
from wordsight.index.database import database_errors, select_in
from wordsight.index.index import digest_of
from wordsight.search.rules.rule import SearchRule
from wordsight.search.rules.yardstick import Yardstick

FOLDER, NAME, LOCK = "rules", "rules.db", "lock"
_SCHEMA = (
    "create table if not exists rule (id integer primary key, name unique not null, fingerprint not null, "
    "model not null, yardstick not null)",
    "create table if not exists seen (rule int not null, sha256 blob not null, primary key (rule, sha256)) "
    "without rowid",
    "create table if not exists run (id integer primary key, finished int not null, undone int not null)",
    "create table if not exists decision (run int not null, position int not null, what not null, "
    "primary key (run, position)) without rowid",
    "create table if not exists step (id integer primary key, run int not null, position int not null, "
    "action not null, sha256 not null, state not null, detail not null, unique (run, position, action))",
)


@dataclass(frozen=True, slots=True)
class Decision:
    """An image that matches a rule, and what is to be done with it; `copy` and `move` are folders, "" for none."""

    rule: str
    key: str
    path: str
    sha256: str
    score: float
    match: float | None
    tags: tuple[str, ...] = ()
    copy: str = ""
    move: str = ""
    run: tuple[str, ...] = ()
    timeout: float = 0.0
    outside: bool = False


@dataclass(frozen=True, slots=True)
class RunStep:
    """One action of a run on one image: `state` is begun, done or failed."""

    position: int
    action: str
    sha256: str
    state: str
    detail: Mapping[str, Any]


class RuleStore:
    """See the module; made by `open_store`."""

    def __init__(self, connection: sqlite3.Connection, folder: Path) -> None:
        self._connection = connection
        self.folder = folder

    def journal(self, run: int) -> Path:
        """Return the folder of the journal of a run's changes of files."""
        return self.folder / "runs" / str(run)

    def yardstick(self, rule: SearchRule, model: str) -> Yardstick | None:
        """Return the measure that was taken for a rule as it is now, with this model."""
        row = self._one("select fingerprint, model, yardstick from rule where name = ?", rule.name)
        if row is None or row[:2] != (rule.fingerprint(), model) or not row[2]:
            return None
        values = json.loads(row[2])
        return Yardstick(values["slope"], values["offset"], tuple(values["means"]), values["images"])

    def seen(self, rule: SearchRule, sha256: Sequence[str]) -> set[str]:
        """Return which of these contents a rule has seen as it is now."""
        row = self._one("select id, fingerprint from rule where name = ?", rule.name)
        if row is None or row[1] != rule.fingerprint():
            return set()
        with self._errors():
            query = f"select sha256 from seen where rule = {int(row[0])} and sha256 in"
            known = {bytes(one) for (one,) in select_in(self._connection, query, [_short(one) for one in sha256])}
        return {one for one in sha256 if _short(one) in known}

    def begin(
        self,
        decisions: Sequence[Decision],
        examined: Mapping[str, set[str]],
        *,
        rules: Sequence[SearchRule],
        measures: Mapping[str, Yardstick],
        model: str,
    ) -> int:
        """Write down a run, all of it or nothing, and return its number; 0 without decisions: then what was seen."""
        run = 0
        with self._transaction():
            for rule in rules:
                self._renew(rule, measures.get(rule.name), model)
                (number,) = self._one("select id from rule where name = ?", rule.name) or (0,)
                rows = [(number, _short(one)) for one in examined.get(rule.name, ())]
                self._connection.executemany("insert or ignore into seen values (?, ?)", rows)
            if decisions:
                run = int(self._connection.execute("insert into run values (null, 0, 0)").lastrowid or 0)
                whats = [(run, position, json.dumps(asdict(one))) for position, one in enumerate(decisions)]
                self._connection.executemany("insert into decision values (?, ?, ?)", whats)
        return run

    def forget_others(self, rules: Sequence[SearchRule]) -> None:
        """Forget rules that are no longer there."""
        names = {rule.name for rule in rules}
        with self._transaction():
            for number, name in self._connection.execute("select id, name from rule").fetchall():
                if name not in names:
                    self._connection.execute("delete from seen where rule = ?", (number,))
                    self._connection.execute("delete from rule where id = ?", (number,))

    def unfinished(self) -> list[int]:
        """Return the runs that were stopped, the first one first."""
        with self._errors():
            return [
                int(run) for (run,) in self._connection.execute("select id from run where not finished order by id")
            ]

    def decisions(self, run: int) -> list[Decision]:
        """Return what a run was to do."""
        with self._errors():
            rows = self._connection.execute("select what from decision where run = ? order by position", (run,))
            values = [json.loads(what) for (what,) in rows]
        return [Decision(**{**one, "tags": tuple(one["tags"]), "run": tuple(one["run"])}) for one in values]

    def steps(self, run: int) -> dict[tuple[int, str], RunStep]:
        """Return what a run did: (position of the decision, action) -> step, in its order."""
        with self._errors():
            rows = self._connection.execute(
                "select position, action, sha256, state, detail from step where run = ? order by id", (run,)
            ).fetchall()
        return {row[:2]: RunStep(row[0], row[1], row[2], row[3], json.loads(row[4])) for row in rows}

    def note_steps(self, run: int, steps: Sequence[RunStep]) -> None:
        """Write down the states of steps, all of them or none."""
        with self._transaction():
            for one in steps:
                self._connection.execute(
                    "insert into step values (null, ?, ?, ?, ?, ?, ?) on conflict (run, position, action) "
                    "do update set state = excluded.state, detail = excluded.detail",
                    (run, one.position, one.action, one.sha256, one.state, json.dumps(dict(one.detail))),
                )

    def finish(self, run: int, *, undone: bool = False) -> None:
        """Write down that a run is over, or taken back."""
        with self._transaction():
            self._connection.execute("update run set finished = 1, undone = max(undone, ?) where id = ?", (undone, run))

    def last_run(self, run: int | None = None) -> int | None:
        """Return the last run that was not taken back, or the one asked for where there is one."""
        if run is not None:
            row = self._one("select id from run where id = ?", run)
        else:
            row = self._one("select id from run where undone = ? order by id desc limit 1", 0)
        return None if row is None else int(row[0])

    def moves(self, sha256: str) -> list[Mapping[str, Any]]:
        """Return the moves of a content that rules made and that were not taken back, oldest first."""
        with self._errors():
            rows = self._connection.execute(
                "select detail from step join run on run.id = step.run where sha256 = ? and action = 'move' "
                "and state = 'done' and not undone order by step.id",
                (sha256,),
            )
            return [json.loads(detail) for (detail,) in rows]

    def _renew(self, rule: SearchRule, measure: Yardstick | None, model: str) -> None:
        row = self._one("select id, fingerprint from rule where name = ?", rule.name)
        yardstick = json.dumps(asdict(measure)) if measure is not None else ""
        if row is not None and row[1] == rule.fingerprint():
            if measure is not None:
                values = (model, yardstick, row[0])
                self._connection.execute("update rule set model = ?, yardstick = ? where id = ?", values)
            return
        if row is not None:
            self._connection.execute("delete from seen where rule = ?", (row[0],))
            self._connection.execute("delete from rule where id = ?", (row[0],))
        self._connection.execute(
            "insert into rule values (null, ?, ?, ?, ?)", (rule.name, rule.fingerprint(), model, yardstick)
        )

    def _one(self, query: str, value: Any) -> tuple[Any, ...] | None:
        with self._errors():
            row: tuple[Any, ...] | None = self._connection.execute(query, (value,)).fetchone()
        return row

    def _errors(self) -> contextlib.AbstractContextManager[None]:
        return database_errors(self.folder / NAME)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._errors():
            self._connection.execute("begin immediate")
            try:
                yield
                disk.execute(self._connection, "commit", self.folder / NAME)
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("rollback")
                raise


@contextlib.contextmanager
def open_store(library_folder: Path) -> Iterator[RuleStore]:
    """Open the store of a library for one process; another one gets an `InUse`."""
    folder = library_folder / FOLDER
    with storage_errors(folder):
        disk.make_folder(folder)
    with locked(folder / LOCK, wait=False), contextlib.closing(_connected(folder / NAME)) as connection:
        yield RuleStore(connection, folder)


def _connected(path: Path) -> sqlite3.Connection:
    with database_errors(path):
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            connection.execute("pragma synchronous = full")
            for statement in _SCHEMA:
                connection.execute(statement)
        except BaseException:
            connection.close()
            raise
    return connection


def _short(sha256: str) -> bytes:
    return digest_of(sha256)[:16]
