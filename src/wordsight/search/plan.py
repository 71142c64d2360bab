"""What has to happen to a library: a comparison of the files it knows with those that are there, and nothing else.

Two steps, for what a file holds is known only when it is read: `to_read` compares sizes and times of change, `plan`
compares contents.  Which of the missing are gone is decided in `missing`.  Pure functions: nothing is read or written.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from wordsight.data.listing import Stamp
from wordsight.index.index import FileState


@dataclass(frozen=True, slots=True)
class Plan:
    """The keys of both sides, each in one field; moved ones as (old, new)."""

    added: tuple[str, ...]
    changed: tuple[str, ...]  # another content than before, or one that can be read at last
    moved: tuple[tuple[str, str], ...]  # a content that is missing under one key and new under another
    removed: tuple[str, ...]  # gone, and the entry with it
    forgotten: tuple[str, ...]  # gone, and was broken: there is no entry
    absent: tuple[str, ...]  # missing since now, and not gone
    returned: tuple[str, ...]  # was absent and is there again with the content as before
    failed: tuple[str, ...]  # broken now, in another way or form than before
    retried: tuple[str, ...]  # could not be opened just now: stays as it was and is tried again
    touched: tuple[str, ...]  # the content as before under another time of change
    unchanged: tuple[str, ...]

    @property
    def gone(self) -> tuple[str, ...]:
        """The keys whose entries go: removed, and the old ones of what moved."""
        return (*self.removed, *(old for old, _ in self.moved))


def to_read(before: Mapping[str, FileState], now: Mapping[str, Stamp]) -> list[str]:
    """Return the keys that have to be read: new ones, and those of another size or time of change."""
    known = {key: (state.size, state.mtime_ns) for key, state in before.items()}
    return sorted(key for key, stamp in now.items() if known.get(key) != stamp)


def plan(
    before: Mapping[str, FileState], now: Mapping[str, FileState | None], gone: Collection[str] = frozenset()
) -> Plan:
    """Compare what was known of every file with what is; None is a file that is there and could not be opened.

    `gone` are the missing keys that may be forgotten; others are absent.  Of two alike what is gone is moved first.
    """
    keys: dict[str, list[str]] = {name: [] for name in _FATES}
    for key, state in now.items():
        keys[_fate(before.get(key), state)].append(key)
    missing = sorted(before.keys() - now.keys(), key=lambda key: (key not in gone, before[key].absent, key))
    moved = _moves((key for key in missing if not before[key].error), keys["added"], before, now)
    came, went = {new for _, new in moved}, {old for old, _ in moved}
    left = [key for key in missing if key not in went]
    keys["unchanged"] += [key for key in left if key not in gone and before[key].absent]
    return Plan(
        added=tuple(key for key in keys.pop("added") if key not in came),
        moved=tuple(moved),
        removed=tuple(key for key in left if key in gone and not before[key].error),
        forgotten=tuple(key for key in left if key in gone and before[key].error),
        absent=tuple(key for key in left if key not in gone and not before[key].absent),
        **{name: tuple(some) for name, some in keys.items()},
    )


_FATES = ("added", "changed", "failed", "retried", "returned", "touched", "unchanged")


def _fate(old: FileState | None, new: FileState | None) -> str:
    """Return in which field of a plan a key that is there stands; what has moved counts as added here."""
    if new is None:
        return "retried"
    if new == old:
        return "unchanged"
    if new.error:
        return "failed"
    if old is None:
        return "added"
    if old.error or old.sha256 != new.sha256:
        return "changed"
    return "returned" if old.absent else "touched"


def _moves(
    missing: Iterable[str], new: Iterable[str], before: Mapping[str, FileState], now: Mapping[str, FileState | None]
) -> list[tuple[str, str]]:
    """Pair missing keys with new ones of the same content; of several alike in the order given, and of their names."""
    waiting: dict[str, list[str]] = {}
    for key in sorted(new, reverse=True):
        state = now[key]
        if state is not None:
            waiting.setdefault(state.sha256, []).append(key)
    return [(key, waiting[before[key].sha256].pop()) for key in missing if waiting.get(before[key].sha256)]
