"""A plan of duplicates: what it moves, what it refuses, how it goes on, and that all of it can be taken back."""

import json
import os
import shutil

import pytest

from wordsight.base.errors import FormatError, NotFound
from wordsight.search.duplicates import applying
from wordsight.search.duplicates.applying import apply, merged, sidecars, trash_of, undo
from wordsight.search.duplicates.plan_file import read_plan, write_plan


@pytest.fixture
def library(opened, photos):
    """Five images and two copies of one of them, in a library that knows them."""
    for name in ("copy", "other"):
        shutil.copy(photos / "a" / "red.png", photos / "b" / f"{name}.png")
    made = opened(photos)
    made.sync()
    return made


@pytest.fixture
def plan(library, tmp_path):
    path = tmp_path / "plan.jsonl"
    write_plan(path, library.location, library.duplicates(kinds=("exact",)).groups)
    return path


def lines(plan):
    return [json.loads(line) for line in plan.read_text().splitlines()]


def edit(plan, change):
    rows = lines(plan)
    change(rows)
    plan.write_text("".join(json.dumps(row) + "\n" for row in rows))


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*") if ".wordsight" not in path.parts)


def test_a_plan_says_what_is_moved_and_moves_nothing(library, plan):
    rows = lines(plan)
    assert [row["action"] for row in rows] == ["keep", "move", "move"]
    assert {row["path"] for row in rows} == {"a/red.png", "b/copy.png", "b/other.png"}
    assert list(rows[0]) == ["group", "kind", "action", "path", "sha256", "size", "reason"]
    assert len(files(library.location)) == 7


def test_applied_and_undone(library, plan):
    before = files(library.location)
    done = apply(library, plan, trash := trash_of(library, plan, None))
    library.drop(done.moved)
    library.sync()
    assert (len(done.moved), done.failed) == (2, [])
    assert len(files(library.location)) == 5
    assert (len(library), library.absent()) == (5, [])
    assert sorted(path.name for path in (trash / "files").rglob("*.png")) == sorted(
        os.path.basename(p) for p in done.moved
    )
    assert apply(library, plan, trash_of(library, plan, None)).moved == []
    back = undo(plan, library, None)
    library.sync()
    assert (len(back.done), back.failed) == (2, [])
    assert (files(library.location), len(library)) == (before, 7)


def test_undo_never_replaces_what_came_since(library, plan):
    done = apply(library, plan, trash_of(library, plan, None))
    (library.location / done.moved[0]).write_bytes(b"new")
    back = undo(trash_of(library, plan, None), library, None)
    assert len(back.done) == len(back.failed) == 1
    assert (library.location / done.moved[0]).read_bytes() == b"new"


@pytest.mark.parametrize("harm", ["gone", "changed"])
def test_nothing_leaves_while_what_is_kept_is_not_whole(library, plan, harm):
    kept = library.location / lines(plan)[0]["path"]
    kept.unlink() if harm == "gone" else kept.write_bytes(b"other")
    done = apply(library, plan, trash_of(library, plan, None))
    assert done.moved == []
    assert len(done.failed) == 2
    assert "which is kept" in done.failed[0][1]


def test_a_file_that_changed_since_stays(library, plan):
    changed = lines(plan)[1]["path"]
    (library.location / changed).write_bytes(b"edited since")
    done = apply(library, plan, trash_of(library, plan, None))
    assert [path for path, _ in done.failed] == [changed]
    assert (library.location / changed).exists()
    assert len(done.moved) == 1


def test_another_name_of_the_kept_file_stays(library, plan):
    kept, hard, soft = (library.location / row["path"] for row in lines(plan))
    hard.unlink()
    os.link(kept, hard)
    soft.unlink()
    soft.symlink_to(kept)
    done = apply(library, plan, trash_of(library, plan, None))
    assert done.moved == []
    assert kept.exists()
    library.sync()
    (group,) = library.duplicates(kinds=("exact",)).groups
    assert not any(member.is_moved for member in group.members)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda rows: rows[0].update(action="move"), "nothing of group 1 is kept"),
        (lambda rows: rows.append(rows[1]), "is in line 2 too"),
        (lambda rows: rows[1].update(action="delete"), 'action "delete"'),
        (lambda rows: rows[1].pop("sha256"), "no sha256"),
        (lambda rows: rows[1].update(sha256=""), "no sha256"),
    ],
)
def test_plans_that_are_wrong_are_refused(library, plan, change, problem):
    edit(plan, change)
    with pytest.raises(FormatError, match=problem):
        apply(library, plan, trash_of(library, plan, None))
    assert len(files(library.location)) == 7


def test_an_edited_plan_is_what_is_done(library, plan):
    edit(plan, lambda rows: (rows[0].update(action="move"), rows[1].update(action="keep")))
    rows = lines(plan)
    done = apply(library, plan, trash_of(library, plan, None))
    assert sorted(done.moved) == sorted([rows[0]["path"], rows[2]["path"]])
    with pytest.raises(NotFound, match="no plan"):
        read_plan(plan.with_name("none"))


def test_a_stopped_plan_goes_on(library, plan, monkeypatch):
    moves = []

    class Stopping(applying.Reversible):
        def move(self, source, target, **options):
            if moves:
                raise KeyboardInterrupt
            moves.append(source)
            super().move(source, target, **options)

    monkeypatch.setattr(applying, "Reversible", Stopping)
    with pytest.raises(KeyboardInterrupt):
        apply(library, plan, trash_of(library, plan, None))
    monkeypatch.undo()
    assert len(files(library.location)) == 6
    done = apply(library, plan, trash_of(library, plan, None))
    assert (len(done.moved), len(done.before)) == (1, 1)
    assert len(undo(plan, library, None).done) == 2
    assert len(files(library.location)) == 7


def test_a_trash_inside_the_location_is_not_indexed(library, plan):
    inside = library.location / "bin"
    done = apply(library, plan, trash_of(library, plan, inside))
    library.drop(done.moved)
    library.sync()
    assert (len(library), library.absent()) == (5, [])
    assert len(list(inside.rglob("*.png"))) == 2


def test_sidecars_travel_with_the_image_they_belong_to(library, plan):
    one, other = (library.location / row["path"] for row in lines(plan)[1:])
    beside = (one.with_suffix(".xmp"), one.with_suffix(".yml"), one.with_name(f"{one.name}.json"))
    for path in (*beside, other.with_suffix(".txt")):
        path.write_text("said of it")
    other.with_suffix(".CR2").write_bytes(b"raw")  # the caption is of both
    assert [path.name for path in sidecars(other)] == []
    apply(library, plan, trash_of(library, plan, None))
    assert not any(path.exists() for path in beside)
    assert other.with_suffix(".txt").exists()
    undo(plan, library, None)
    assert one.with_suffix(".xmp").read_text() == "said of it"
    assert all(path.exists() for path in beside)


def test_a_name_that_leaves_no_room_for_a_sidecar_is_moved(library, plan):
    """`name.jpg.xmp` of a name of 255 bytes is none that the system takes."""
    name = "x" * 251 + ".png"
    red = library.location / "a" / "red.png"
    shutil.copy(red, library.location / "b" / name)
    assert list(sidecars(library.location / "b" / name)) == []
    library.sync()
    write_plan(plan, library.location, library.duplicates(kinds=("exact",)).groups)
    done = apply(library, plan, trash_of(library, plan, None))
    assert (len(done.moved), done.failed) == (3, [])


def test_notes_go_to_the_kept_image(library, plan):
    kept, one, other = (row["path"] for row in lines(plan))
    library.note([(kept, {"tags": "dog"}), (one, {"tags": "beach, dog"}), (other, {"stars": 5})])
    assert apply(library, plan, trash_of(library, plan, None)).noted == 1
    with library.reading() as index:
        (entry,) = index.entries([kept])
    assert (entry.meta["tags"], entry.meta["stars"]) == ("dog, beach", 5)
    assert merged({"tags": "a\nb"}, {"tags": "b"}, ("tags",)) == {"tags": "b\na"}
    assert merged({"stars": 3}, {"stars": 4}, ("stars",)) == {}
