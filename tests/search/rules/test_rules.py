"""Rules act on new images, once each; what goes round and round is refused; all is taken back."""

import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from wordsight.base.errors import NotFound, StorageError, UsageError
from wordsight.search.library import open_library
from wordsight.search.rules.store import open_store

RED = '[[rule]]\nname = "red"\nquery = "red"\nmin_cosine = 0.7\n'
BLUE = RED.replace("red", "blue")


def actions(report, *kinds):
    return [(one.rule, one.action, one.key, one.target) for one in report.actions if not kinds or one.state in kinds]


def test_new_images_are_tagged_and_moved_and_all_is_taken_back(ruled, lying, tags, photos):
    os.utime(photos / "a" / "red.png", (5, 5))
    library = ruled(RED + 'tag = ["warm", "a b"]\nmove = "Sorted/{year}/{width}"\n')
    before = lying()
    report = library.rules().run()
    assert actions(report) == [
        ("red", "tag", "a/red.png", "warm, a b"),
        ("red", "move", "a/red.png", "Sorted/1970/24/red.png"),
    ]
    assert report.failed == []
    assert lying() == {"Sorted/1970/24/red.png" if key == "a/red.png" else key: data for key, data in before.items()}
    assert tags() == {"Sorted/1970/24/red.png": ["warm", "a b"]}
    assert library.in_step()
    assert library.rules().run().actions == []
    undone = library.rules().undo()
    assert (undone.run, undone.files, undone.tagged, undone.failed) == (
        1,
        [photos / "a" / "red.png"],
        ["a/red.png"],
        [],
    )
    assert lying() == before
    assert (photos / "a" / "red.png").stat().st_mtime == 5
    assert not (photos / "Sorted").exists()
    assert tags() == {}
    assert library.rules().run().actions == []  # an undone image is not new
    with pytest.raises(NotFound, match="no run of rules to take back"):
        library.rules().undo()
    with pytest.raises(NotFound, match="no run 9"):
        library.rules().undo(9)
    assert library.rules().undo(1).files == []


def test_images_are_known_by_content_and_a_changed_rule_starts_again(ruled, photos, paint, tags):
    library = ruled(RED + 'tag = "one"\n')
    assert len(library.rules().run().actions) == 1
    (photos / "a" / "red.png").rename(photos / "renamed.png")
    paint(photos / "new.png", "red", shade=5)
    library.sync()
    assert actions(library.rules().run()) == [("red", "tag", "new.png", "one")]
    assert library.rules().run(again=True).actions == []  # they have the tag
    (library.folder / "rules.toml").write_text(RED + 'tag = "two"\n')
    assert len(library.rules().run().actions) == 2
    assert tags() == {"renamed.png": ["one", "two"], "new.png": ["one", "two"]}
    library.rules().undo()
    assert tags() == {"renamed.png": ["one"], "new.png": ["one"]}


def test_tags_of_others_stay_and_columns_of_the_location_are_refused(ruled, photos, tags):
    library = ruled(RED + 'tag = ["x", "warm"]\n')
    library.note([("a/red.png", {"rule_tags": "mine\nwarm"})])
    assert actions(library.rules().run()) == [("red", "tag", "a/red.png", "x")]
    assert tags() == {"a/red.png": ["mine", "warm", "x"]}
    library.rules().undo()
    assert tags() == {"a/red.png": ["mine", "warm"]}
    assert library.rules().plan(again=True).decisions[0].tags == ("x",)


def test_the_first_rule_that_moves_wins_and_stop_is_the_last(ruled, photos):
    again = RED.replace('name = "red"', 'name = "other"')
    library = ruled(RED + 'move = "One"\n' + again + 'move = "Two"\ntag = "t"\n')
    report = library.rules().run()
    assert actions(report, "done") == [
        ("other", "tag", "a/red.png", "t"),
        ("red", "move", "a/red.png", "One/red.png"),
    ]
    assert [one.reason for one in report.actions if one.state == "left"] == ["rule red moves it: the first one wins"]
    assert library.rules().run(again=True).run == 0
    (library.folder / "rules.toml").write_text(RED + 'tag = "t2"\nstop = true\n' + again + 'tag = "t3"\n')
    assert actions(library.rules().run()) == [("red", "tag", "One/red.png", "t2")]
    (library.folder / "rules.toml").write_text(RED + 'tag = "t2"\nstop = true\n' + again + 'tag = "t4"\n')
    assert library.rules().run().actions == []  # the first one has seen it, and keeps it from the second


def test_a_rule_sees_what_an_earlier_one_has_tagged(ruled, tags):
    second = '[[rule]]\nname = "second"\nquery = "red"\nmin_cosine = -1\nwhere = "rule_tags contains \'warm\'"\ntag = "hot"\n'
    library = ruled(RED + 'tag = "warm"\n' + second)
    library.rules().run()
    assert tags() == {"a/red.png": ["warm", "hot"]}


def test_names_that_are_there_get_a_number_and_nothing_is_replaced(ruled, photos, paint, lying):
    paint(photos / "b" / "red.png", "red", shade=4)
    paint(photos / "Out" / "red.png", "green")
    library = ruled(RED + 'move = "Out"\ncopy = "Copies"\n')
    before = lying()
    report = library.rules().run()
    assert sorted(target for _, _, _, target in actions(report)) == [
        "Copies/red-2.png", "Copies/red.png", "Out/red-2.png", "Out/red-3.png",
    ]  # fmt: skip
    assert lying()["Out/red.png"] == before["Out/red.png"]
    assert library.rules().run().actions == []
    assert library.rules().undo().failed == []
    assert lying() == before


ROUND = """
[[rule]]
name = "there"
query = "red"
min_cosine = 0.7
where = "folder = 'a'"
move = "Sorted"

[[rule]]
name = "back"
query = "red"
min_cosine = 0.7
where = "folder = 'Sorted'"
move = "a"
"""


def test_rules_that_go_round_and_round_are_named_before_anything_is_done(ruled, lying):
    library = ruled(ROUND)
    before = lying()
    for ask in (library.rules().check, library.rules().run, library.rules().plan):
        with pytest.raises(UsageError, match="rules there and back move a/red.png round and round: a -> Sorted -> a"):
            ask()
    (library.folder / "rules.toml").write_text(RED + 'move = "In/{folder}"\n')
    with pytest.raises(UsageError, match="rule red moves a/red.png round and round: a -> In/a -> In/In-a"):
        library.rules().run()
    assert lying() == before
    (library.folder / "rules.toml").write_text(RED + 'move = "a"\n')
    assert library.rules().run().actions == []


def test_what_was_moved_twice_in_turn_stays_where_it_is(ruled, lying):
    there, back = ROUND.split("\n\n")
    library = ruled(there)
    for text, expected in ((there, 1), (back, 1), (there.replace("0.7", "0.6"), 0)):
        (library.folder / "rules.toml").write_text(text)
        report = library.rules().run()
        assert len(actions(report, "done")) == expected
    (left,) = report.actions
    assert (
        left.reason
        == "rules there and back have moved it to and fro, so it stays where it is; narrow one of them with where"
    )
    assert "a/red.png" in lying()


def test_what_others_changed_meanwhile_fails_and_is_named(ruled, photos, paint):
    library = ruled(RED + 'move = "Out"\n')
    plan = library.rules().plan()
    assert [one.move for one in plan.decisions] == ["Out"]
    paint(photos / "a" / "red.png", "red", shade=9)
    report = library.rules().run()
    assert report.failed[0].startswith("a/red.png: rule red: ")
    assert "has another content than expected" in report.failed[0]
    library.sync()
    assert len(actions(library.rules().run(), "done")) == 1


def test_a_value_that_is_missing_and_a_link_that_leads_out(ruled, photos, tmp_path):
    (tmp_path / "away").mkdir()
    (photos / "Out").symlink_to(tmp_path / "away")
    library = ruled(RED + 'move = "{price}"\n' + BLUE + 'move = "Out"\n')
    report = library.rules().run()
    assert actions(report, "done") == []
    reasons = {one.rule: one.reason for one in report.actions}
    assert reasons["red"] == "it has no price for {price}; leave the field out, or add a where"
    assert "leads out of" in reasons["blue"]
    away = tmp_path / "away"
    (library.folder / "rules.toml").write_text(RED + f'move = "{away}"\noutside = true\n')
    assert actions(library.rules().run(), "done") == [("red", "move", "a/red.png", str(away / "red.png"))]
    library.rules().undo()
    assert (photos / "a" / "red.png").exists()


def test_the_decision_on_an_image_does_not_depend_on_others_that_come_with_it(ruled, photos, paint, tmp_path, model):
    for number in range(40):
        colour = ["green", "white", "black", "grey", "brown"][number % 5]
        paint(photos / "many" / f"{number}.png", colour, shade=number + 1)
    library = ruled('[[rule]]\nname = "red"\nquery = "top.png"\nwithout = "blue"\nmin_match = 0.01\ntag = "t"\n')
    library.rules().run()
    other = tmp_path / "other"
    shutil.copytree(photos, other)
    paint(photos / "new.png", "pink", shade=3)
    paint(other / "new.png", "pink", shade=3)
    for number in range(20):
        paint(other / "more" / f"{number}.png", "red", shade=number + 50)
    library.sync()
    with open_library(other, model=model) as beside:
        beside.sync()
        (alone,) = [one for one in library.rules().run().actions if one.key == "new.png"] or [None]
        (together,) = [one for one in beside.rules().run().actions if one.key == "new.png"] or [None]
    assert alone is not None
    assert (alone.score, alone.match) == (together.score, together.match)


def test_the_measure_gives_what_a_search_gives(ruled, photos, paint):
    for number in range(40):
        paint(photos / "many" / f"{number}.png", ["green", "red", "black", "grey"][number % 4], shade=number + 1)
    library = ruled('[[rule]]\nname = "red"\nquery = "a/red.png"\nmin_match = 0\ntag = "t"\n')
    hits = {hit.key: hit for hit in library.search("a/red.png", k=99, min_cosine=-1, keywords="off")}
    plan = library.rules().plan()
    assert len(plan.decisions) == len(hits) == 45
    for one in plan.decisions:
        assert np.isclose(one.score, hits[one.key].score, atol=1e-4)
        assert np.isclose(one.match, hits[one.key].match, atol=1e-3)


def test_a_rule_that_cannot_decide_is_named_and_does_nothing(ruled):
    library = ruled('[[rule]]\nname = "red"\nquery = "red"\ntag = "t"\n')
    report = library.rules().run()
    assert report.failed == ["rule red: probabilities come with 30 images; give the rule min_cosine and no min_match"]
    assert report.actions == []
    (check,), _ = library.rules().check()
    assert check.undecided.startswith("probabilities come with")


def test_tables_have_tags_only(photos, opened, quick_disk):
    table = photos / "t.csv"
    table.write_text("image\na/red.png\n")
    library = opened(table)
    library.sync()
    file = photos / "rules.toml"
    file.write_text(RED + 'tag = "t"\n')
    assert len(library.rules(file).run().actions) == 1
    file.write_text(RED + 'move = "x"\n')
    with pytest.raises(
        UsageError, match="rule red has move, and the images of .* lie in tables or shards; use tag there"
    ):
        library.rules(file).run()


def test_one_process_at_a_time(ruled):
    library = ruled(RED + 'tag = "t"\n')
    with open_store(library.folder), pytest.raises(StorageError, match="another process uses"):
        library.rules().run()


PROGRAM = """
import sys
from pathlib import Path
with open(sys.argv[1], "a") as log:
    log.write("|".join(Path(one).name for one in sys.argv[2:]) + "\\n")
sys.exit(3 if "blue" in sys.argv[2] else 0)
"""


def test_programs_get_paths_never_through_a_shell_and_failures_are_listed(ruled, photos, paint, tmp_path):
    odd = photos / "a" / "$(touch x); red\n.png"
    paint(odd, "red", shade=7)
    (tmp_path / "p.py").write_text(PROGRAM)
    start = f'run = ["{sys.executable}", "{tmp_path / "p.py"}", "{tmp_path / "log"}", '
    library = ruled(RED + start + '"{path}"]\nmove = "Out"\n' + BLUE + start + '"{path}"]\n')
    report = library.rules().run()
    assert sorted((tmp_path / "log").read_text().split("\n\n")[0].splitlines())
    assert len(actions(report, "done")) == 4
    assert report.failed == [f"a/blue.png: rule blue: {sys.executable} ended with status 3"]
    assert (photos / "Out" / odd.name).exists()
    undone = library.rules().undo()
    assert (undone.programs, len(undone.files)) == (3, 2)
    (tmp_path / "log").unlink()
    (library.folder / "rules.toml").write_text(RED + start + '"{paths}"]\n')
    library.rules().run()
    assert (tmp_path / "log").read_text().count("|") == 1  # both at once
    assert not (photos / "x").exists()


def test_a_program_that_takes_too_long_is_stopped_and_one_that_is_not_there_is_named(ruled):
    library = ruled(RED + 'run = ["sleep", "60", "{path}"]\ntimeout = 0.2\n')
    (library.folder / "rules.toml").write_text(RED + 'run = ["sh", "-c", "sleep 60", "{path}"]\ntimeout = 0.2\n')
    assert library.rules().run().failed == ["a/red.png: rule red: sh took more than 0.2 seconds and was stopped"]
    (library.folder / "rules.toml").write_text(RED + 'run = ["no-such-program", "{path}"]\n')
    for ask in (library.rules().run, library.rules().check):
        with pytest.raises(NotFound, match="rule red: no program no-such-program"):
            ask()


def test_a_watch_applies_rules_after_each_change_and_ends_well(photos, paint):
    folder = photos / ".wordsight"
    folder.mkdir()
    (folder / "rules.toml").write_text(RED + 'tag = "t"\nmove = "Out"\n')
    source = "import sys; from wordsight.cli.main import main; sys.exit(main(sys.argv[1:]))"
    command = [
        sys.executable,
        "-c",
        source,
        "rules",
        "run",
        "--in",
        str(photos),
        "--engine",
        "fake",
        "--watch",
        "--json",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        first = [process.stdout.readline() for _ in range(2)]
        paint(photos / "new.png", "red", shade=8)
        second = [process.stdout.readline() for _ in range(2)]
        process.send_signal(signal.SIGTERM)
    assert process.returncode == 0
    assert ['"a/red.png"' in line for line in first] == [True, True]
    assert ['"new.png"' in line for line in second] == [True, True]
    assert sorted(path.name for path in (photos / "Out").iterdir()) == ["new.png", "red.png"]
