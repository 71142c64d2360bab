"""A run of rules is stopped ahead of every change of the disk; the next one goes on, and nothing is done twice."""

import contextlib
import shutil

from tests.base.changed_files import raising_at

from wordsight.base import disk
from wordsight.base.errors import NotFound, StorageError
from wordsight.search.library import open_library

RULES = """
[[rule]]
name = "red"
query = "red"
min_cosine = 0.7
tag = "warm"
copy = "Copies"
move = "Out"
run = ["sh", "-c", "echo once >> $0", "{log}", "{path}"]
"""


def lying(photos):
    paths = (path for path in photos.rglob("*") if path.is_file() and ".wordsight" not in path.parts)
    return {path.relative_to(photos).as_posix(): path.read_bytes() for path in paths}


def tags_of(library):
    return {
        hit.key: hit.meta["rule_tags"] for hit in library.search("red", k=99, min_cosine=-1) if hit.meta.get("rule_tags")
    }  # fmt: skip


def stopped_at(step, photos, model):
    try:
        with open_library(photos, model=model) as library:
            with disk.watched(raising_at(step, KeyboardInterrupt(), and_after=True)):
                library.rules().run()
    except (KeyboardInterrupt, StorageError):
        return True
    return False


def test_a_run_that_was_stopped_at_any_moment_goes_on_or_is_taken_back(photos, model, quick_disk, tmp_path):
    """At even moments it goes on, at odd ones it is taken back."""
    log, aside = tmp_path / "log", tmp_path / "aside"
    with open_library(photos, model=model) as library:
        library.sync()
        (library.folder / "rules.toml").write_text(RULES.replace("{log}", str(log)))
    shutil.copytree(photos, aside)
    before = lying(photos)
    wanted = {"Out/red.png" if key == "a/red.png" else key: data for key, data in before.items()}
    wanted["Copies/red.png"] = before["a/red.png"]
    step, resumed, stopped = -1, 0, True
    while stopped:
        step += 1
        shutil.rmtree(photos)
        shutil.copytree(aside, photos)
        log.unlink(missing_ok=True)
        stopped = stopped_at(step, photos, model)
        with open_library(photos, model=model) as library:
            library.sync()
            if step % 2:
                with contextlib.suppress(NotFound):  # it had not begun
                    library.rules().undo()
                    assert library.rules().run().actions == []
                assert (lying(photos), tags_of(library)) == (before, {}), step
                continue
            again = library.rules().run()
            resumed += bool(again.actions)
            assert lying(photos) == wanted, step
            library.sync()
            assert tags_of(library) == {"Out/red.png": "warm", "Copies/red.png": "warm"}
            ran = log.read_text().splitlines() if log.exists() else []
            assert ran == ["once"] or any("was running when the run was stopped" in one for one in again.failed)
            assert library.rules().run().actions == []
    assert step > 30
    assert resumed > 10
