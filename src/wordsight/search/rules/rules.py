"""The rules of a library: read, asked what they match, applied to what is new, and taken back.

    rules = LibraryRules(library)                          # LIBRARY/rules.toml
    rules.run()                                     # acts on the images that are new to each rule: RunReport
    rules.undo()                                    # takes the last run back: UndoneRun

A run that was stopped goes on at the next one.  One process at a time.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.base.errors import NotFound, WordsightError
from wordsight.base.reversible import take_back
from wordsight.images.fragments import file_of
from wordsight.index.index import pages_of
from wordsight.search.rules.acting import FILES, Action, Done, act
from wordsight.search.rules.plan import TAGS, RulePlan, plan_of, tags_of
from wordsight.search.rules.program import require_program
from wordsight.search.rules.rule import SearchRule
from wordsight.search.rules.rules_file import NAME, read_rules
from wordsight.search.rules.store import RuleStore, open_store

if TYPE_CHECKING:
    from wordsight.search.library import Library


@dataclass(slots=True)
class RunReport:
    """`run` is its number, 0 where nothing was to be done; `undecided`: rule -> why it could not decide.

    `again`: other images came into the library while files were moved, so another run has to look at them.
    """

    run: int = 0
    actions: list[Action] = field(default_factory=list)
    undecided: dict[str, str] = field(default_factory=dict)
    again: bool = False

    @property
    def failed(self) -> list[str]:
        """What failed, a sentence each."""
        failures = [f"{one.key}: rule {one.rule}: {one.reason}" for one in self.actions if one.state == "failed"]
        return [*failures, *(f"rule {name}: {reason}" for name, reason in self.undecided.items())]


@dataclass(slots=True)
class UndoneRun:
    """What was taken back of a run: files moved back (where they are again), copies deleted, keys whose tags went.

    `programs`: how many images they had; what they did stays.
    """

    run: int
    files: list[Path] = field(default_factory=list)
    deleted: list[Path] = field(default_factory=list)
    tagged: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    programs: int = 0


@dataclass(frozen=True, slots=True)
class RuleCheck:
    """What a rule matches now of all images, and why it cannot decide ("" where it can)."""

    rule: SearchRule
    matching: int
    undecided: str = ""


class LibraryRules:
    """`file`: the rules of another file than the library's own."""

    def __init__(self, library: "Library", file: Path | None = None) -> None:
        self._library = library
        self.file = library.folder / NAME if file is None else file

    def read(self) -> list[SearchRule]:
        """Return the rules in their order; `ConfigError` with the line for what is wrong."""
        return read_rules(self.file, location=self._library.location)

    def check(self) -> tuple[list[RuleCheck], RulePlan]:
        """Return what each rule, also one without actions, matches now of all images, and what a first run would do.

        Raises whatever would keep `run` from beginning: rules that move images round and round among it.
        """
        rules = self.read()
        self._require_programs(rules)
        plan = plan_of(self._library, rules, None, again=True)
        checks = [RuleCheck(one, plan.matching.get(one.name, 0), plan.undecided.get(one.name, "")) for one in rules]
        return checks, plan

    def plan(self, *, again: bool = False) -> RulePlan:
        """Return what `run` would do, and do nothing."""
        rules = self._acting()
        with open_store(self._library.folder) as store:
            return plan_of(self._library, rules, store, again=again)

    def run(self, *, again: bool = False, done: Done | None = None) -> RunReport:
        """Act on the images that are new to each rule; with `again`, on all that match.

        The library has to be in step.  What was stopped is finished first.  `done` hears of each action.
        """
        report = RunReport()

        def hear(action: Action) -> None:
            report.actions.append(action)
            if done is not None:
                done(action)

        rules = self._acting()
        self._require_programs(rules)
        with open_store(self._library.folder) as store:
            for run in store.unfinished():
                act(self._library, store, run, done=hear)
            plan = plan_of(self._library, rules, store, again=again)
            report.undecided = plan.undecided
            store.forget_others(rules)
            report.run = store.begin(
                plan.decisions,
                plan.examined,
                rules=rules,
                measures=plan.measures,
                model=self._library.model.fingerprint,
            )
            for one in plan.left:
                hear(Action(report.run, one.rule, one.key, "leave", "left", reason=one.reason))
            if report.run:
                report.again = act(self._library, store, report.run, done=hear)
        return report

    def undo(self, run: int | None = None) -> UndoneRun:
        """Take back what a run moved, copied and tagged: the last one that was not taken back, or the one asked for.

        What was changed by others since stays and is named.  What programs did is not taken back.
        """
        with open_store(self._library.folder) as store:
            number = store.last_run(run)
            if number is None:
                raise NotFound("no run of rules to take back" if run is None else f"no run {run}", cure="see rules run")
            undone = UndoneRun(number)
            if (store.journal(number) / "journal.jsonl").exists():
                _take_files(self._library, store, undone)
            self._library.sync()
            _take_tags(self._library, store, undone)
            undone.programs = sum(one.action == "run" for one in store.steps(number).values())
            store.finish(number, undone=True)
        return undone

    def _acting(self) -> list[SearchRule]:
        return [rule for rule in self.read() if rule.acts or rule.stop]

    @staticmethod
    def _require_programs(rules: Sequence[SearchRule]) -> None:
        for rule in rules:
            if rule.run:
                require_program(rule.run[0], rule.name)


def _take_files(library: "Library", store: RuleStore, undone: UndoneRun) -> None:
    """Move back what a run moved and delete what it copied; the library forgets the copies."""
    steps = [one for one in store.steps(undone.run).values() if one.action in FILES]
    there = [one for one in reversed(steps) if os.path.lexists(one.detail["path"])]
    back = take_back(store.journal(undone.run))
    undone.failed = [(str(path), reason) for path, reason in back.failed]
    for one in there:
        if not os.path.lexists(one.detail["path"]):
            moved = one.action == "move"
            (undone.files if moved else undone.deleted).append(
                library.location / one.detail["source"] if moved else Path(one.detail["path"])
            )
    location = library.location
    gone = {path.relative_to(location).as_posix() for path in undone.deleted if path.is_relative_to(location)}
    if gone:
        with library.reading() as index:
            keys = [key for states in pages_of(index.files, 1000) for key in states if file_of(key) in gone]
        library.drop(keys)


def _take_tags(library: "Library", store: RuleStore, undone: UndoneRun) -> None:
    """Take away the tags that a run added and that are still there.

    From the images of the same name and content; where one has another name by now, from all with its content.
    """
    added: dict[str, dict[str, set[str]]] = {}  # content -> key when the run began -> tags
    for step in store.steps(undone.run).values():
        if step.action == "tag" and step.state != "failed":
            added.setdefault(step.sha256, {}).setdefault(step.detail["key"], set()).update(step.detail["tags"])
    if not added:
        return
    notes = []
    with library.reading() as index:
        renamed = {content: set().union(*tags.values()) for content, tags in added.items()}
        for states in pages_of(index.files, 1000):
            for key, one in states.items():
                if key in added.get(one.sha256, ()):
                    renamed[one.sha256] = set()
        for states in pages_of(index.files, 1000):
            keys = [key for key, one in states.items() if one.sha256 in added and not one.error]
            for entry in index.entries(keys):
                content = states[entry.key].sha256
                lost = added[content].get(entry.key, renamed[content])
                before = tags_of(entry.meta.get(TAGS))
                after = [tag for tag in before if tag not in lost]
                if after != before:
                    notes.append((entry.key, {TAGS: "\n".join(after) or None}))
    try:
        library.note(notes)
    except WordsightError as error:
        undone.failed.append((TAGS, str(error)))
        return
    undone.tagged = [key for key, _ in notes]


def apply_while_watching(library: "Library", wait: Callable[[float], bool], run: Callable[[], RunReport]) -> None:
    """Keep a library in step until `wait` says False, and call `run` at once and after every sync that changed it."""
    from wordsight.base.errors import StorageError
    from wordsight.base.progress import notice
    from wordsight.search.watch import watch

    waiting = True  # for a run, also one that another process kept from beginning

    def waited(seconds: float) -> bool:
        nonlocal waiting
        if waiting and library.exists():
            try:
                waiting = run().again
            except StorageError as error:
                notice(f"{library.location}: waiting, {error}", once=True)
            library.close()
        return wait(seconds)

    for _ in watch(library, waited):
        waiting = True
