"""Files are moved, copied and written so that it can be taken back, whenever the process is stopped."""

import errno
import hashlib
import json
import os
import subprocess
import sys

import pytest
from tests.base.changed_files import ODD, change_all, listing, raising_at

from wordsight.base import disk, no_replace
from wordsight.base.errors import FormatError, InputError, NotFound, StorageError
from wordsight.base.reversible import Reversible, take_back


def test_all_is_changed_and_taken_back(folder, two_disks):
    before = listing(folder)
    change_all(folder)
    after = listing(folder)
    assert after["new/deep/a.jpg"] == before["a.jpg"]
    assert after[f"disk/{ODD}"] == before[ODD]
    assert after["disk/c.jpg"] == after["c.jpg"] == before["c.jpg"]
    assert after["disk/new/link.jpg"] == ("link", "a.jpg")
    assert after["text.xmp"][:2] == (b"written", before["text.xmp"][1])
    assert after["other/new.xmp"][0] == b"new"
    back = take_back(folder / "journal")
    assert [path.name for path in back.done] == [
        "new.xmp", "text.xmp", "c.jpg", ODD, "link.jpg", "a.jpg",
    ]  # fmt: skip
    assert back.failed == []
    assert listing(folder) == before
    again = take_back(folder / "journal")
    assert (again.done, again.failed) == ([], [])
    assert listing(folder) == before


def test_a_file_that_cannot_be_put_back_now_is_named_and_the_others_are(folder):
    change_all(folder)
    with disk.watched(raising_at(3, OSError(errno.ENOSPC, ""))):
        back = take_back(folder / "journal")
    ((path, reason),) = back.failed
    assert path == folder / "text.xmp"
    assert reason.startswith(f"the disk is full while writing {folder}/")
    assert len(back.done) == 5
    assert [path.name for path in take_back(folder / "journal").done] == ["text.xmp"]


def test_what_others_changed_since_is_left_alone_and_named(folder):
    with Reversible(folder / "journal") as changes:
        for name in "abc":
            changes.move(folder / f"{name}.jpg", folder / "new" / f"{name}.jpg")
        changes.copy(folder / "text.xmp", folder / "copy.xmp")
        changes.copy(folder / ODD, folder / "odd.jpg")
        changes.write(folder / "new.xmp", b"new")
        changes.write(folder / "text.xmp", b"written")
    (folder / "new" / "a.jpg").write_bytes(b"edited")
    (folder / "b.jpg").write_bytes(b"another")
    (folder / "new" / "c.jpg").unlink()
    (folder / "odd.jpg").write_bytes(b"edited")
    (folder / "new.xmp").write_bytes(b"edited")
    (folder / "text.xmp").unlink()
    before = listing(folder)
    kept = hashlib.sha256(b"text.xmp" * 3).hexdigest()
    back = take_back(folder / "journal")
    assert back.done == []
    assert dict(back.failed) == {
        folder / "a.jpg": f"what was moved to {folder}/new/a.jpg was changed since",
        folder / "b.jpg": f"another file has its name by now; it stays at {folder}/new/b.jpg",
        folder / "c.jpg": f"it is no longer at {folder}/new/c.jpg, where it was moved",
        folder / "new.xmp": "it was changed since",
        folder / ODD: f"its copy {folder}/odd.jpg was changed since",
        folder / "text.xmp": f"it is gone or was changed since, so its copy {folder}/copy.xmp is kept",
    }
    assert back.failed[0] == (
        folder / "text.xmp",
        f"it was deleted since; what it replaced is in {folder}/journal/kept/{kept}",
    )
    assert listing(folder) == before
    (folder / "b.jpg").unlink()
    assert take_back(folder / "journal").done == [folder / "b.jpg"]
    assert (folder / "new").is_dir()  # the edited file is in it


def test_changes_of_one_file_after_each_other_are_taken_back_in_turn(folder):
    before = listing(folder)
    with Reversible(folder / "journal") as changes:
        changes.write(folder / "a.jpg", b"one")
        changes.move(folder / "a.jpg", folder / "new" / "a.jpg")
        changes.write(folder / "new" / "a.jpg", b"two")
        changes.move(folder / "new" / "a.jpg", folder / "newer" / "a.jpg")
        changes.move(folder / "b.jpg", folder / "a.jpg")
    assert (folder / "newer" / "a.jpg").read_bytes() == b"two"
    assert len(take_back(folder / "journal").done) == 5
    assert listing(folder) == before


def test_what_cannot_be_moved_is_refused_and_nothing_changes(folder):
    os.mkfifo(folder / "pipe")
    before = sorted(os.listdir(folder))
    refused = {
        ("gone.jpg", "x"): f"no file {folder}/gone.jpg; it was moved or deleted meanwhile",
        ("disk", "x"): f"{folder}/disk is a folder; name the files in it",
        ("pipe", "x"): f"{folder}/pipe is no regular file; only files and links are moved",
        ("a.jpg", "b.jpg"): f"{folder}/b.jpg is already there; choose another name; nothing is replaced",
        ("a.jpg", "a.jpg"): f"{folder}/a.jpg is already there; choose another name; nothing is replaced",
    }
    with Reversible(folder / "journal") as changes:
        for (source, target), message in refused.items():
            for call in (changes.move, changes.copy):
                with pytest.raises(InputError) as caught:
                    call(folder / source, folder / target)
                assert str(caught.value) == message
        with pytest.raises(InputError, match="a.jpg has another content than expected; it was changed meanwhile"):
            changes.move(folder / "a.jpg", folder / "x", sha256="0" * 64)
        with pytest.raises(InputError, match="pipe is no regular file; name a file"):
            changes.write(folder / "pipe", b"")
        with pytest.raises(StorageError, match="disk is a folder, not a file"):
            changes.write(folder / "disk", b"")
        with pytest.raises(StorageError, match="b.jpg is a file, not a folder"):
            changes.move(folder / "a.jpg", folder / "b.jpg" / "x")
        changes.move(folder / "a.jpg", folder / "x", sha256=hashlib.sha256(b"a.jpg" * 3).hexdigest())
    assert sorted(os.listdir(folder)) == sorted([*(set(before) - {"a.jpg"}), "journal", "x"])


@pytest.mark.parametrize("across", [False, True])
def test_a_target_that_comes_meanwhile_is_not_replaced(folder, two_disks, across):
    target = folder / "disk" / "x" if across else folder / "x"

    def come(call, path):
        if call == "link" and path == target and not target.exists():
            target.write_bytes(b"theirs")

    before = listing(folder)
    with disk.watched(come), Reversible(folder / "journal") as changes:
        with pytest.raises(InputError, match="x was written by another process meanwhile; try again"):
            changes.move(folder / "a.jpg", target)
    assert target.read_bytes() == b"theirs"
    target.unlink()
    assert listing(folder) == before
    assert take_back(folder / "journal").done == []
    assert listing(folder) == before


def test_the_same_content_that_comes_meanwhile_is_somebody_elses(folder):
    def come(call, path):
        if call == "link":
            (folder / "x").write_bytes((folder / "a.jpg").read_bytes())

    with disk.watched(come), Reversible(folder / "journal") as changes, pytest.raises(InputError):
        changes.move(folder / "a.jpg", folder / "x")
    take_back(folder / "journal")
    assert (folder / "x").read_bytes() == (folder / "a.jpg").read_bytes()


def test_a_source_that_goes_or_changes_meanwhile(folder, two_disks):
    def edit(call, path):
        if call == "link" and path.name == "a.jpg":
            (folder / "a.jpg").write_bytes(b"edited")
        if call == "create" and path.parent == folder / "disk":
            (folder / "b.jpg").write_bytes(b"edited")

    def remove(call, _):
        if call == "link":
            (folder / "c.jpg").unlink()

    with Reversible(folder / "journal") as changes:
        with disk.watched(edit):
            with pytest.raises(InputError, match="b.jpg has another content than expected"):
                changes.move(folder / "b.jpg", folder / "disk" / "b.jpg")
            with pytest.raises(InputError, match="a.jpg has another content than expected"):
                changes.move(folder / "a.jpg", folder / "disk" / "a.jpg")
        with disk.watched(remove), pytest.raises(InputError, match="no file .*c.jpg; it was moved or deleted"):
            changes.move(folder / "c.jpg", folder / "x")
    assert (folder / "a.jpg").read_bytes() == (folder / "b.jpg").read_bytes() == b"edited"
    assert os.listdir(folder / "disk") == []


def test_a_source_that_changes_after_it_was_copied_is_kept_beside_the_copy(folder, two_disks):
    def edit(call, path):
        if call == "unlink" and path.suffix == ".part":
            (folder / "a.jpg").write_bytes(b"edited")

    with disk.watched(edit), Reversible(folder / "journal") as changes:
        with pytest.raises(
            InputError, match="a.jpg was changed while it was moved; the earlier content is in .*/disk/a"
        ):
            changes.move(folder / "a.jpg", folder / "disk" / "a.jpg")
    assert (folder / "a.jpg").read_bytes() == b"edited"
    assert (folder / "disk" / "a.jpg").read_bytes() == b"a.jpg" * 3
    assert len(take_back(folder / "journal").failed) == 1


def test_a_file_that_changes_before_it_is_written_is_kept(folder):
    def edit(call, path):
        if call == "flush" and path.suffix == ".part" and path.parent == folder:
            (folder / "text.xmp").write_bytes(b"theirs")

    with disk.watched(edit), Reversible(folder / "journal") as changes:
        with pytest.raises(InputError, match="text.xmp was changed meanwhile; try again"):
            changes.write(folder / "text.xmp", b"ours")
    assert (folder / "text.xmp").read_bytes() == b"theirs"
    assert [path.name for path in folder.glob(".*")] == []


def test_disks_without_second_names_rename(folder, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    before = listing(folder)
    with Reversible(folder / "journal") as changes:
        changes.move(folder / "a.jpg", folder / "new" / "a.jpg")
        with pytest.raises(InputError, match="b.jpg is already there"):
            changes.move(folder / "new" / "a.jpg", folder / "b.jpg")
        changes.write(folder / "new.xmp", b"")
        changes.copy(folder / "b.jpg", folder / "x.jpg")
    with pytest.raises(FileExistsError):
        no_replace.name(folder / "b.jpg", folder / "c.jpg")
    assert len(take_back(folder / "journal").done) == 3
    assert listing(folder) == before


@pytest.mark.parametrize("across", [False, True])
def test_a_source_that_may_not_be_deleted_stays_and_has_no_second(folder, two_disks, across):
    before = listing(folder)
    target = folder / "disk" / "a.jpg" if across else folder / "x.jpg"

    def refuse(call, path):
        if call == "unlink" and path == folder / "a.jpg":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))

    with disk.watched(refuse), Reversible(folder / "journal") as changes:
        with pytest.raises(StorageError, match=f"no permission to write {folder}, which a.jpg has to leave"):
            changes.move(folder / "a.jpg", target)
    assert listing(folder) == before


def test_a_link_is_written_through_and_moved_itself(folder):
    before = listing(folder)
    (folder / "lost.jpg").symlink_to("nowhere")
    with Reversible(folder / "journal") as changes:
        changes.write(folder / "link.jpg", b"new")
        changes.move(folder / "lost.jpg", folder / "new" / "lost.jpg")
    assert os.readlink(folder / "link.jpg") == "a.jpg"
    assert (folder / "a.jpg").read_bytes() == b"new"
    assert os.readlink(folder / "new" / "lost.jpg") == "nowhere"
    take_back(folder / "journal")
    (folder / "lost.jpg").unlink()
    assert listing(folder) == before


def test_one_file_with_two_ways_to_it_is_never_deleted(folder):
    with Reversible(folder / "journal") as changes:
        changes.move(folder / "a.jpg", folder / "new" / "a.jpg")
        changes.copy(folder / "b.jpg", folder / "other" / "b.jpg")
    (folder / "new" / "a.jpg").rename(folder / "a.jpg")
    (folder / "other" / "b.jpg").unlink()
    for name in ("new", "other"):
        (folder / name).rmdir()
        (folder / name).symlink_to(folder)
    assert take_back(folder / "journal").failed == []
    assert (folder / "a.jpg").read_bytes() == b"a.jpg" * 3
    assert (folder / "b.jpg").read_bytes() == b"b.jpg" * 3


def test_a_second_process_is_refused(folder):
    script = (
        "import sys; from pathlib import Path; from wordsight.base.reversible import *; take_back(Path(sys.argv[1]))"
    )
    with Reversible(folder / "journal"):
        with pytest.raises(StorageError, match="another process uses .*/journal; wait until it is done"):
            Reversible(folder / "journal").__enter__()
        other = subprocess.run(
            [sys.executable, "-c", script, str(folder / "journal")], capture_output=True, text=True, check=False
        )
        assert "another process uses" in other.stderr
    with Reversible(folder / "journal"):
        pass


@pytest.mark.parametrize("rest", [b'{"change": 9, "ki', b"\0" * 40, b'no json\n{"cha', b"[]\n"])
def test_what_a_kill_left_at_the_end_of_a_journal_is_dropped(folder, rest):
    before = listing(folder)
    with Reversible(folder / "journal") as changes:
        changes.move(folder / "a.jpg", folder / "x.jpg")
    journal = folder / "journal" / "journal.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole + rest)
    with Reversible(folder / "journal") as changes:
        changes.move(folder / "b.jpg", folder / "y.jpg")
    lines = journal.read_bytes()
    assert lines.startswith(whole)
    assert [json.loads(line)["change"] for line in lines.splitlines()] == [1, 1, 2, 2]
    assert len(take_back(folder / "journal").done) == 2
    assert listing(folder) == before


@pytest.mark.parametrize("line", ["no json", "{}", '{"change": 7, "state": "done"}', '{"change": 1, "state": "x"}'])
def test_a_wrong_line_within_a_journal_is_named_and_nothing_is_changed(folder, line):
    with Reversible(folder / "journal") as changes:
        changes.move(folder / "a.jpg", folder / "x.jpg")
    journal = folder / "journal" / "journal.jsonl"
    first, second = journal.read_text().splitlines()
    journal.write_text(f"{first}\n{line}\n{second}\n")
    with pytest.raises(FormatError, match="journal.jsonl, line 2, is not what a journal holds; mend that line"):
        take_back(folder / "journal")
    assert (folder / "x.jpg").exists()


def test_journals_that_cannot_be(folder):
    with pytest.raises(NotFound, match="no journal of changes in .*/nowhere; check the path"):
        take_back(folder / "nowhere")
    assert not (folder / "nowhere").exists()
    with pytest.raises(StorageError, match="a.jpg is a file, not a folder"):
        Reversible(folder / "a.jpg").__enter__()


def test_a_full_disk_leaves_the_journal_whole_and_the_next_change_is_made(folder):
    before = listing(folder)
    with Reversible(folder / "journal") as changes:
        for step in range(3):
            with disk.watched(raising_at(step, OSError(errno.ENOSPC, ""))), pytest.raises(StorageError, match="full"):
                changes.move(folder / "a.jpg", folder / "x.jpg")
            assert listing(folder) == before
        changes.move(folder / "a.jpg", folder / "x.jpg")
    assert len(take_back(folder / "journal").done) == 1
    assert listing(folder) == before


def test_what_a_killed_process_left_in_kept_is_swept(folder, killed_draft):
    kept = folder / "journal" / "kept"
    kept.mkdir(parents=True)
    killed_draft(kept / "0").write_bytes(b"half")
    with Reversible(folder / "journal"):
        pass
    assert os.listdir(kept) == []


def test_what_others_deleted_since_is_not_counted_as_taken_back(folder):
    with Reversible(folder / "journal") as changes:
        changes.write(folder / "new.xmp", b"new")
        changes.write(folder / "newer.xmp", b"new")
        changes.copy(folder / "a.jpg", folder / "copy.jpg")
    (folder / "new.xmp").unlink()
    (folder / "copy.jpg").unlink()
    back = take_back(folder / "journal")
    assert ([path.name for path in back.done], back.failed) == (["newer.xmp"], [])
    assert take_back(folder / "journal").done == []
