"""What bringing a library up to date did."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class SyncReport:
    """Keys that were added, changed and removed; moved ones as (old, new); failed ones as (key, reason).

    `renewed` are those of the changed of which the metadata alone is another: what a table or the folders say of them.
    `absent` are those that are not there since this time and whose entries are kept; `returned` those that are back.
    The key of a failure is "" when a row or shard could not be read at all; the reason names it.
    """

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    moved: list[tuple[str, str]] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    returned: list[str] = field(default_factory=list)
    renewed: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Return whether anything was done."""
        return any((self.added, self.changed, self.moved, self.removed, self.failed, self.absent, self.returned))
