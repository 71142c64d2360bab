"""Doing what a plan says, so that it can be stopped at any moment and nothing is done twice.

    act(library, store, run, done=print)           # of a run that `store.begin` has written down

First all tags, then copies and moves, then programs; each step is written down before it is done.  A program that was
running when the process was killed is not run again: it is named.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wordsight.base.errors import InputError, NotFound, StorageError
from wordsight.base.reversible import Reversible, require_room
from wordsight.base.value import Value
from wordsight.search.rules.plan import TAGS, merged_tags, tags_of
from wordsight.search.rules.program import run_program
from wordsight.search.rules.rule import ALL, EACH
from wordsight.search.rules.store import Decision, RuleStore, RunStep
from wordsight.search.rules.target import free_name, require_inside
from wordsight.search.sidecar_files import beside_target, sidecars

if TYPE_CHECKING:
    from wordsight.search.library import Library

AT_ONCE = 1000  # paths that a program with {paths} gets at once
FILES = ("copy", "move")


@dataclass(frozen=True, slots=True)
class Action:
    """What was done with one image: `state` is done, failed, left, or planned where nothing is done.

    `target` is where it was moved or copied to, the tags or the program; `reason` why it failed or was left.
    """

    run: int
    rule: str
    key: str
    action: str
    state: str
    target: str = ""
    reason: str = ""
    score: float | None = None
    match: float | None = None

    def record(self) -> dict[str, Any]:
        """Return what a line of JSON holds."""
        return asdict(self)


Done = Callable[[Action], None]


def act(library: "Library", store: RuleStore, run: int, *, done: Done) -> bool:
    """Do what is left of a run, and bring the library in step with what was moved; `done` hears of each action.

    Returns whether others came into the library by that.
    """
    acting = _Acting(library, store, run, done)
    acting.tag()
    others = False
    if acting.move():
        report = library.sync()
        others = bool(report.added or report.changed)
    acting.run()
    store.finish(run)
    return others


class _Acting:
    def __init__(self, library: "Library", store: RuleStore, run: int, done: Done) -> None:
        self._library = library
        self._store = store
        self._run = run
        self._done = done
        self._decisions = store.decisions(run)
        self._steps = store.steps(run)
        self._paths: dict[str, Path] = {}  # key when the run began -> where the image lies now
        for decision in self._decisions:
            self._paths.setdefault(decision.key, Path(decision.path))

    def tag(self) -> None:
        """Note the tags of all decisions, all of them or none."""
        open_ones = [
            (position, one)
            for position, one in enumerate(self._decisions)
            if one.tags and not self._is_done(position, "tag")
        ]
        steps: list[tuple[int, Mapping[str, Any]]] = []
        notes: list[tuple[str, dict[str, Value]]] = []
        column: dict[str, Value] = {}
        with self._library.reading() as index:
            for position, one in open_ones:
                try:
                    (entry,) = index.entries([one.key])
                except NotFound:
                    self._note(position, "tag", "failed", {}, reason="it is no longer there")
                    continue
                before = column.get(one.key, entry.meta.get(TAGS))
                known = self._steps.get((position, "tag"))
                added = list(known.detail["tags"]) if known else [tag for tag in one.tags if tag not in tags_of(before)]
                column[one.key] = "\n".join(merged_tags(before, one.tags))
                notes.append((one.key, {TAGS: column[one.key]}))
                steps.append((position, {"rule": one.rule, "key": one.key, "tags": added}))
        if not steps:
            return
        self._note_all(steps, "tag", "begun")
        self._library.note(notes)
        self._note_all(steps, "tag", "done")
        for position, detail in steps:
            self._tell(position, "tag", "done", target=", ".join(detail["tags"]))

    def move(self) -> bool:
        """Copy and move; returns whether anything was."""
        wanted = [
            (position, action)
            for position, one in enumerate(self._decisions)
            for action in FILES
            if getattr(one, action)
        ]
        if not wanted:
            return False
        with Reversible(self._store.journal(self._run)) as changes:
            for position, action in wanted:
                self._transfer(changes, position, action)
        return True

    def _transfer(self, changes: Reversible, position: int, action: str) -> None:
        decision, step = self._decisions[position], self._steps.get((position, action))
        source = self._paths[decision.key]
        if step is not None and step.state == "begun":
            target = Path(step.detail["path"])
            if os.path.lexists(target) and (action == "copy" or not os.path.lexists(source)):  # it was done
                self._transferred(changes, position, action, detail=step.detail)
                return
        elif step is not None:
            if action == "move" and step.state == "done":
                self._paths[decision.key] = Path(step.detail["path"])
            return
        folder = self._library.location / getattr(decision, action)
        target = free_name(folder, source.name, set())
        location = self._library.location
        detail = {
            "rule": decision.rule, "source": self._below(source), "target": self._below(target), "path": str(target),
        }  # fmt: skip
        self._store.note_steps(self._run, [RunStep(position, action, decision.sha256, "begun", detail)])
        try:
            require_inside(folder, location, outside=decision.outside)
            getattr(changes, action)(source, target, sha256=decision.sha256)
        except (InputError, StorageError, OSError) as error:  # of this image alone, but for a full disk
            require_room(error)
            self._note(position, action, "failed", detail, reason=str(error))
            return
        self._transferred(changes, position, action, detail=detail)

    def _transferred(self, changes: Reversible, position: int, action: str, *, detail: Mapping[str, Any]) -> None:
        decision = self._decisions[position]
        if action == "move":
            self._take_along(changes, position, Path(detail["path"]))
        self._store.note_steps(self._run, [RunStep(position, action, decision.sha256, "done", detail)])
        if action == "move":
            self._paths[decision.key] = Path(detail["path"])
        self._tell(position, action, "done", target=str(detail["target"]))

    def _take_along(self, changes: Reversible, position: int, target: Path) -> None:
        """Let sidecars follow an image that was moved; one that cannot is named, and the image stays moved."""
        image = self._paths[self._decisions[position].key]
        for path in sidecars(image):
            try:
                changes.move(path, beside_target(path, image, target))
            except (InputError, StorageError, OSError) as error:
                require_room(error)
                self._tell(position, "move", "failed", target=str(target), reason=f"its sidecar stays: {error}")

    def run(self) -> None:
        """Run programs: one for each image, or for all of a rule."""
        together: dict[str, list[int]] = {}
        for position, one in enumerate(self._decisions):
            if not one.run or not self._may_run(position):
                continue
            if ALL in one.run:
                together.setdefault(one.rule, []).append(position)
            else:
                path = str(self._paths[one.key].absolute())
                with self._running([position]) as outcome:
                    arguments = [part.replace(EACH, path) for part in one.run]
                    outcome.append(run_program(arguments, timeout=one.timeout))
        for positions in together.values():
            for start in range(0, len(positions), AT_ONCE):
                some = positions[start : start + AT_ONCE]
                first = self._decisions[some[0]]
                paths = [str(self._paths[self._decisions[position].key].absolute()) for position in some]
                arguments = [own for part in first.run for own in (paths if part == ALL else [part])]
                with self._running(some) as outcome:
                    outcome.append(run_program(arguments, timeout=first.timeout))

    def _may_run(self, position: int) -> bool:
        """Say whether the program of a decision is still to be run; one that was stopped with the process is named."""
        step = self._steps.get((position, "run"))
        if step is not None and step.state == "begun":
            program = self._decisions[position].run[0]
            reason = f"{program} was running when the run was stopped, and is not run again"
            self._note(position, "run", "failed", step.detail, reason=reason)
        return step is None

    @contextmanager
    def _running(self, positions: Sequence[int]) -> Iterator[list[str]]:
        details = [
            (one, {"rule": self._decisions[one].rule, "program": self._decisions[one].run[0]}) for one in positions
        ]
        self._note_all(details, "run", "begun")
        outcome: list[str] = []
        yield outcome
        state = "failed" if outcome[0] else "done"
        self._note_all(details, "run", state)
        for position, detail in details:
            self._tell(position, "run", state, target=detail["program"], reason=outcome[0])

    def _is_done(self, position: int, action: str) -> bool:
        step = self._steps.get((position, action))
        return step is not None and step.state != "begun"

    def _below(self, path: Path) -> str:
        """Return a path below the location as a key, another one whole."""
        location = self._library.location
        return path.relative_to(location).as_posix() if path.is_relative_to(location) else str(path)

    def _note(self, position: int, action: str, state: str, detail: Mapping[str, Any], *, reason: str) -> None:
        sha256 = self._decisions[position].sha256
        self._store.note_steps(self._run, [RunStep(position, action, sha256, state, {**detail, "reason": reason})])
        self._tell(position, action, state, target=str(detail.get("target", "")), reason=reason)

    def _note_all(self, details: Sequence[tuple[int, Mapping[str, Any]]], action: str, state: str) -> None:
        steps = [RunStep(position, action, self._decisions[position].sha256, state, one) for position, one in details]
        self._store.note_steps(self._run, steps)

    def _tell(self, position: int, action: str, state: str, *, target: str = "", reason: str = "") -> None:
        one: Decision = self._decisions[position]
        self._done(Action(self._run, one.rule, one.key, action, state, target, reason, one.score, one.match))
