"""What rules would do now: which new images match which rule, and where that would go round and round.

    plan = plan_of(library, rules, store)
    plan.decisions, plan.left                 # what is to be done; what is not, with the reason

Each image is looked at by itself, rule after rule in the order of the file.  The first rule that moves it wins, a rule
with `stop` is its last.  Nothing is changed here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.base.errors import InputError, UsageError
from wordsight.base.value import Value
from wordsight.index.index import Index, IndexEntry, pages_of
from wordsight.index.where import Column, Condition, check, matches
from wordsight.search import background
from wordsight.search.direction import Direction, direction_of_query
from wordsight.search.query import read_query
from wordsight.search.rules.rule import SearchRule
from wordsight.search.rules.store import Decision, RuleStore
from wordsight.search.rules.target import folder_for, require_inside
from wordsight.search.rules.yardstick import Yardstick, measure_of

if TYPE_CHECKING:
    from wordsight.search.library import Library

GROUP = 500  # images looked at together
TAGS = "rule_tags"  # the noted column: `tags` is what a model says, and is made anew
GROWN = 2  # times as many images as when a measure was taken: it is taken again, for what comes next


@dataclass(frozen=True, slots=True)
class Left:
    """An image that matches a rule which leaves it alone, and why."""

    rule: str
    key: str
    reason: str


@dataclass(slots=True)
class RulePlan:
    """`examined`: rule -> the contents it has looked at; `measures` were taken now; `undecided`: rule -> why."""

    decisions: list[Decision] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    examined: dict[str, set[str]] = field(default_factory=dict)
    measures: dict[str, Yardstick] = field(default_factory=dict)
    undecided: dict[str, str] = field(default_factory=dict)
    matching: dict[str, int] = field(default_factory=dict)  # rule -> how many of the images looked at


class RuleJudge:
    """One rule, as it decides on one image after the other; the query is embedded when the first one comes."""

    def __init__(self, rule: SearchRule, library: "Library", index: Index, known: Yardstick | None) -> None:
        self.rule = rule
        self._library = library
        self._index = index
        self._known = known
        self._query = read_query(
            list(rule.parts), where=rule.where, without=list(rule.unwanted), location=library.location
        )
        self.fresh: Yardstick | None = None
        if self._query.where is not None:
            check(self._query.where, {**index.columns(), TAGS: Column(TAGS, numbers=False, texts=True)})

    @cached_property
    def _direction(self) -> Direction:
        return direction_of_query(self._query, self._library.model)

    @cached_property
    def _measure(self) -> Yardstick:
        known = self._known
        if known is not None and (known.slope is not None or self.rule.least is None):
            return known
        usual = background.read(self._library.folder, self._library.model.fingerprint)
        self.fresh = measure_of(self._index, self._query, self._direction, usual)
        return self.fresh

    def undecided(self) -> str:
        """Return why this rule cannot decide in this library; "" where it can."""
        if self.rule.least is None or self.rule.least == 0 or self._measure.slope is not None:
            return ""
        if len(self._index) < background.LEAST:
            why = f"probabilities come with {background.LEAST} images"
        else:
            why = "what it asks for is what the whole library shows, so no probability is known"
        return f"{why}; give the rule min_cosine and no min_match"

    def judged(self, entry: IndexEntry, meta: Mapping[str, Value]) -> tuple[float, float | None] | None:
        """Return score and probability of an image that matches; None for others."""
        condition: Condition | None = self._query.where
        if condition is not None and not matches(condition, meta):
            return None
        score = self._measure.score(self._direction, entry.embedding)
        match = self._measure.match(score)
        if self.rule.least and (match is None or match < self.rule.least):
            return None
        return None if self.rule.min_cosine is not None and score < self.rule.min_cosine else (round(score, 6), match)

    def measured_again(self) -> Yardstick | None:
        """Return a measure for what comes next where one was taken now, or the library has grown much since."""
        if self.fresh is None and self._known is not None and len(self._index) > GROWN * self._known.images:
            usual = background.read(self._library.folder, self._library.model.fingerprint)
            return measure_of(self._index, self._query, self._direction, usual)
        return self.fresh


def plan_of(
    library: "Library", rules: Sequence[SearchRule], store: RuleStore | None, *, again: bool = False
) -> RulePlan:
    """Return what the rules would do with the images that are new to them; with `again`, with all.

    Raises `WhereError` for a condition that does not fit the library, `UsageError` for rules that would move an image
    round and round, and for moves where images lie in tables.
    """
    plan, model = RulePlan(), library.model.fingerprint
    _refuse_tables(library, rules)
    with library.reading() as index, index.one_look():
        known = {rule.name: store.yardstick(rule, model) if store and not again else None for rule in rules}
        judges = [RuleJudge(rule, library, index, known[rule.name]) for rule in rules]
        undecided: dict[str, str] = {}
        for keys, new in _groups(index, rules, store, again=again):
            for judge in judges:
                if judge.rule.name not in undecided and any(judge.rule.name in one for one in new.values()):
                    undecided[judge.rule.name] = judge.undecided()
            able = [judge for judge in judges if not undecided.get(judge.rule.name)]
            for entry in index.entries(list(new)):
                _Image(library, entry, keys[entry.key], plan, able, store).decide(new[entry.key])
        plan.undecided = {name: reason for name, reason in undecided.items() if reason}
        for judge in judges:
            if judge.rule.name in undecided and (measure := judge.measured_again()) is not None:
                plan.measures[judge.rule.name] = measure
    return plan


def _groups(
    index: Index, rules: Sequence[SearchRule], store: RuleStore | None, *, again: bool
) -> Iterator[tuple[dict[str, str], dict[str, set[str]]]]:
    """Yield some images at a time: key -> SHA-256, and key -> the rules to which it is new, where there are any."""
    for states in pages_of(index.files, GROUP):
        contents = {key: one.sha256 for key, one in states.items() if not one.error and not one.absent and one.sha256}
        seen = {
            rule.name: set() if store is None or again else store.seen(rule, list(contents.values())) for rule in rules
        }
        new = {key: {name for name, known in seen.items() if sha256 not in known} for key, sha256 in contents.items()}
        if any(new.values()):
            yield contents, {key: names for key, names in new.items() if names}


def _refuse_tables(library: "Library", rules: Sequence[SearchRule]) -> None:
    from wordsight.search.contents import FolderContents

    if isinstance(library.contents, FolderContents):
        return
    for rule in rules:
        for action in ("copy", "move", "run"):
            if getattr(rule, action):
                raise UsageError(
                    f"rule {rule.name} has {action}, and the images of {library.location} lie in tables or shards",
                    cure="use tag there",
                )


class _Image:
    """One image on its way through the rules."""

    def __init__(
        self,
        library: "Library",
        entry: IndexEntry,
        sha256: str,
        plan: RulePlan,
        judges: Sequence[RuleJudge],
        store: RuleStore | None,
    ) -> None:
        self._library = library
        self._entry = entry
        self._sha256 = sha256
        self._plan = plan
        self._judges = judges
        self._store = store

    def decide(self, new: set[str]) -> None:
        """Add to the plan what the rules in `new` do with the image; the others only keep it from later ones."""
        meta, mover = dict(self._entry.meta), ""
        for judge in self._judges:
            rule = judge.rule
            if rule.name not in new:
                if not (rule.stop or rule.move is not None):
                    continue
                if judge.judged(self._entry, meta) is None:
                    continue
                mover = mover or (rule.name if rule.move is not None else "")
                if rule.stop:
                    break
                continue
            judged = judge.judged(self._entry, meta)
            if judged is not None or not mover:  # what will be moved is looked at again where it then lies
                self._plan.examined.setdefault(rule.name, set()).add(self._sha256)
            if judged is None:
                continue
            self._plan.matching[rule.name] = self._plan.matching.get(rule.name, 0) + 1
            decision, reason = self._decision(rule, judged, meta, mover)
            if reason:
                self._plan.left.append(Left(rule.name, self._entry.key, reason))
            if decision is not None:
                self._plan.decisions.append(decision)
                meta[TAGS] = "\n".join(merged_tags(meta.get(TAGS), decision.tags)) or None
            if rule.move is not None and not mover:
                mover = rule.name
                self._refuse_rounds(rule, meta)
            if rule.stop:
                break

    def _decision(
        self, rule: SearchRule, judged: tuple[float, float | None], meta: Mapping[str, Value], mover: str
    ) -> tuple[Decision | None, str]:
        """Return what a rule does with the image, and why it leaves something of that."""
        key, reasons, folders = self._entry.key, [], {"copy": "", "move": ""}
        here, path = Path(key).parent, self._library.contents.path(key, meta)
        if (rule.copy, rule.move, rule.run) != (None, None, ()) and path != self._library.location / key:
            return None, "it lies inside another file, or a table names it: only tags are possible"
        for action, target in (("copy", rule.copy), ("move", rule.move)):
            if target is None:
                continue
            if action == "move" and mover:
                reasons.append(f"rule {mover} moves it: the first one wins")
                continue
            try:
                folder = folder_for(target, meta)
                whole = self._library.location / folder
                require_inside(whole, self._library.location, outside=rule.outside)
                if whole == self._library.location / here:
                    continue  # it is there
                if action == "move":
                    self._refuse_back(folder)
                folders[action] = folder
            except InputError as error:
                reasons.append(str(error))
        tags = tuple(tag for tag in rule.tags if tag not in tags_of(meta.get(TAGS)))
        if not (tags or folders["copy"] or folders["move"] or rule.run):
            return None, "; ".join(reasons)
        score, match = judged
        decision = Decision(
            rule.name, key, str(path), self._sha256, score, match, tags=tags, copy=folders["copy"],
            move=folders["move"], run=rule.run, timeout=rule.timeout, outside=rule.outside,
        )  # fmt: skip
        return decision, "; ".join(reasons)

    def _refuse_back(self, folder: str) -> None:
        """Raise `InputError` where rules moved the image twice in turn, and it would go where it has been before."""
        moves = self._store.moves(self._sha256) if self._store is not None else []
        if len(moves) >= 2 and folder in {str(Path(move["source"]).parent) for move in moves}:
            rules = " and ".join(dict.fromkeys(str(move["rule"]) for move in moves[-2:]))
            raise InputError(
                f"rules {rules} have moved it to and fro, so it stays where it is", cure="narrow one of them with where"
            )

    def _refuse_rounds(self, first: SearchRule, meta: Mapping[str, Value]) -> None:
        """Raise `UsageError` where rules would move the image again and again, one time after the other."""
        movers = [judge for judge in self._judges if judge.rule.move is not None]
        there, rule, name = dict(meta), first, Path(self._entry.key).name
        way = [str(Path(self._entry.key).parent)]
        by: list[str] = []
        while rule.move is not None:
            try:
                folder = folder_for(rule.move, there)
            except InputError:
                return
            if folder == way[-1] or Path(folder).is_absolute():
                return
            by.append(rule.name)
            if folder in way or len(way) > len(movers) + 1:
                raise _rounds(by, [*way, folder], self._entry.key)
            way.append(folder)
            below = "" if folder == "." else folder
            there.update(path=f"{below}/{name}".lstrip("/"), folder=below)
            again = next((judge.rule for judge in movers if judge.judged(self._entry, there) is not None), None)
            if again is None:
                return
            rule = again


def _rounds(by: Sequence[str], way: Sequence[str], key: str) -> UsageError:
    names = list(dict.fromkeys(by))
    who = f"rules {' and '.join(names)} move" if len(names) > 1 else f"rule {names[0]} moves"
    return UsageError(
        f"{who} {key} round and round: {' -> '.join(way)}", cure="narrow one with where, as folder = 'Inbox'"
    )


def tags_of(value: Value) -> list[str]:
    """Return the tags that a column holds, a line each."""
    return [line for line in str(value).split("\n") if line.strip()] if value is not None else []


def merged_tags(value: Value, tags: Sequence[str]) -> list[str]:
    """Return the tags of a column and these, each once."""
    return list(dict.fromkeys([*tags_of(value), *tags]))
