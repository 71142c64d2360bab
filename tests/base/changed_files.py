"""A folder of files, the changes that a job makes of them, and what stops it: for tests of changes taken back."""

import os
from pathlib import Path

from wordsight.base.reversible import Reversible

ODD = os.fsdecode(b"caf\xe9\nnew.jpg")


def listing(folder: Path, *, times: bool = True) -> dict[str, tuple]:
    """Return what lies in a folder, by path: content or what a link says, mode and time; without the journal."""
    lies = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if name.split("/")[0] == "journal":
            continue
        facts = path.lstat()
        if path.is_symlink():
            lies[name] = ("link", os.readlink(path))
        elif path.is_dir():
            lies[name] = ("folder",)
        else:
            lies[name] = (path.read_bytes(), facts.st_mode, facts.st_mtime_ns if times else 0)
    return lies


def fill(folder):
    (folder / "disk").mkdir()
    for number, name in enumerate(["a.jpg", "b.jpg", "c.jpg", "text.xmp", ODD]):
        (folder / name).write_bytes(name.encode(errors="surrogateescape") * 3)
        os.utime(folder / name, ns=(0, 10**18 + number))
        os.chmod(folder / name, 0o640)
    (folder / "link.jpg").symlink_to("a.jpg")


def change_all(folder):
    """Make the changes that are not made yet, as a job does that goes on."""
    with Reversible(folder / "journal") as changes:
        for source, target in {
            "a.jpg": "new/deep/a.jpg",
            "link.jpg": "disk/new/link.jpg",
            ODD: f"disk/{ODD}",
        }.items():
            if os.path.lexists(folder / source):
                changes.move(folder / source, folder / target)
        if not (folder / "disk" / "c.jpg").exists():
            changes.copy(folder / "c.jpg", folder / "disk" / "c.jpg")
        changes.write(folder / "text.xmp", b"written")
        changes.write(folder / "other" / "new.xmp", b"new")


def raising_at(step, error, *, and_after=False):
    calls = iter(range(1 << 30))

    def before(*_):
        call = next(calls)
        if call == step or (and_after and call > step):
            raise error

    return before
