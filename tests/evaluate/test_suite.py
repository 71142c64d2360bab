"""A file of models and tasks: what is right is read, what is wrong is said in one line each."""

import pytest

from wordsight.base.errors import ConfigError
from wordsight.evaluate.suite import read_suite

SUITE = """
models = ["bundled", "tuned"]
[defaults]
split = "test"
templates = "clip"
held_out = 0.3
[tasks.flowers]
kind = ["zero-shot", "supervised"]
place = "flowers5"
[tasks.dogs]
kind = "retrieval"
place = "/data/dogs"
split = "val"
limit = 7
"""

TASK = '[tasks.x]\nkind = "retrieval"\nplace = "x"\n'


@pytest.fixture
def suite(tmp_path):
    def write(text):
        path = tmp_path / "suite.toml"
        path.write_text(text)
        return read_suite(path)

    return write


def test_kinds_defaults_and_places(suite, tmp_path):
    (tmp_path / "tuned").mkdir()
    read = suite(SUITE)
    assert read.models == ("bundled", str(tmp_path / "tuned"))
    assert read.problems == ()
    zero, supervised, dogs = read.tasks
    assert [one.kind for one in read.tasks] == ["zero-shot", "supervised", "retrieval"]
    assert zero.place == supervised.place == str(tmp_path / "flowers5")
    assert (zero.name, zero.split, zero.templates) == ("flowers", "test", "clip")
    assert supervised.options.held_out == 0.3  # a key of a kind, which the others do not take
    assert (dogs.place, dogs.split, dogs.limit) == ("/data/dogs", "val", 7)


def test_what_options_name_lies_beside_the_suite_too(suite, tmp_path):
    for name in ("mine.txt", "pool.txt"):
        (tmp_path / name).write_text("a {}\n")
    (tmp_path / "tuned").mkdir()
    task = """
[tasks.{kind}]
kind = "{kind}"
place = "pets"
{rest}
"""
    rest = {
        "robustness": 'shifts = ["drawn", "/data/night"]',
        "selection": 'images = "coco"',
        "supervised": 'model = "tuned"',
        "prompts": 'pool = "pool.txt"\ntemplates = "mine.txt"',
    }
    read = suite("".join(task.format(kind=kind, rest=lines) for kind, lines in rest.items()))
    robustness, selection, supervised, prompts = read.tasks
    assert robustness.options.shifts == (str(tmp_path / "drawn"), "/data/night")
    assert selection.options.images == str(tmp_path / "coco")
    assert supervised.options.model == str(tmp_path / "tuned")
    assert (prompts.options.pool, prompts.templates) == (str(tmp_path / "pool.txt"), str(tmp_path / "mine.txt"))
    names = {"supervised": 'model = "ViT-B-32"', "prompts": 'pool = "clip-7"\ntemplates = "clip"'}
    supervised, prompts = suite("".join(task.format(kind=kind, rest=lines) for kind, lines in names.items())).tasks
    assert (supervised.options.model, prompts.options.pool, prompts.templates) == ("ViT-B-32", "clip-7", "clip")


def test_folders_of_other_things_are_no_lists_and_no_models(suite, tmp_path):
    for name in ("clip", "food101", "photo", "bundled", "ViT-B-32/openai"):
        (tmp_path / name / "cats").mkdir(parents=True)
    text = """
models = ["bundled", "ViT-B-32/openai", "tuned"]
[tasks.usual]
kind = "prompts"
place = "clip"
[tasks.stated]
kind = "prompts"
place = "clip"
pool = "food101"
templates = "photo"
[tasks.learned]
kind = "supervised"
place = "clip"
model = "bundled"
"""
    (tmp_path / "tuned").mkdir()
    read = suite(text)
    usual, stated, learned = read.tasks
    assert (usual.options.pool, stated.options.pool, stated.templates) == ("clip", "food101", "photo")
    assert usual.place == str(tmp_path / "clip")
    assert learned.options.model == "bundled"
    assert read.models == ("bundled", "ViT-B-32/openai", str(tmp_path / "tuned"))
    (tmp_path / "bundled" / "model.json").write_text("{}")
    again = suite(text)
    assert again.tasks[2].options.model == again.models[0] == str(tmp_path / "bundled")


def test_a_pool_that_nobody_stated_is_the_list_and_not_a_file(suite, tmp_path):
    (tmp_path / "clip").write_text("a {}\n")
    task = '[tasks.x]\nkind = "prompts"\nplace = "x"\n'
    assert suite(task).tasks[0].options.pool == "clip"
    assert suite(f'{task}pool = "clip"\n').tasks[0].options.pool == str(tmp_path / "clip")


@pytest.mark.parametrize(
    ("task", "says"),
    [
        ('kind = "zero-shoot"\nplace = "x"', "tasks.wrong.kind = 'zero-shoot'; did you mean zero-shot"),
        ('place = "x"', "tasks.wrong.kind is missing; use one of 'zero-shot'"),
        ('kind = "retrieval"', "tasks.wrong.place is missing; set tasks.wrong.place"),
        ('kind = "retrieval"\nplace = "x"\nlimits = 3', "unknown key tasks.wrong.limits; did you mean limit?"),
        ('kind = "retrieval"\nplace = "x"\nlimit = "3"', "tasks.wrong.limit = '3' is text; give a whole number"),
        ('kind = "retrieval"\nplace = "x"\nlimit = 0', "tasks.wrong.limit = 0; give 1 or more"),
        ('kind = 3\nplace = "x"', "tasks.wrong.kind = 3; use one of"),
        ('kind = []\nplace = "x"', "tasks.wrong.kind = []; use one of"),
        ('kind = "retrieval"\nplace = "x"\nname = ""', "tasks.wrong.name is empty; give a value, or leave it out"),
        (
            'kind = "retrieval"\nplace = "x"\nname = "a\\nb"',
            "tasks.wrong.name = 'a\\nb'; leave out what cannot be printed",
        ),
    ],
)
def test_a_wrong_task_is_one_line_and_the_others_are_read(suite, task, says):
    read = suite(f"{SUITE}[tasks.wrong]\n{task}\n")
    assert len(read.tasks) == 3
    (problem,) = read.problems
    assert says in str(problem)
    assert "suite.toml" in str(problem)


def test_of_several_kinds_the_wrong_one_alone_is_left_out(suite):
    read = suite('[tasks.x]\nkind = ["zero-shot", "nil"]\nplace = "x"\n')
    assert [one.kind for one in read.tasks] == ["zero-shot"]
    assert "tasks.x.kind = 'nil'" in str(read.problems[0])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has no tasks; write a group for each"),
        ("[tasks]\n", "has no tasks"),
        ("task = 3\n", "unknown key task in .*; did you mean tasks"),
        ('models = 3\n[tasks.x]\nkind = "retrieval"\nplace = "x"\n', "models in .* is no list of names"),
        ('defaults = 3\n[tasks.x]\nkind = "retrieval"\nplace = "x"\n', "defaults in .* is no group"),
        ("[tasks.x\n", "is not TOML"),
        (f'[defaults]\nsplti = "test"\n{TASK}', r"unknown key defaults\.splti in .*; did you mean split"),
        (f"[defaults]\nlimt = 5\n{TASK}", r"unknown key defaults\.limt in .*; did you mean limit"),
        (f"[defaults]\nheld_ot = 0.5\n{TASK}", r"unknown key defaults\.held_ot in .*; did you mean held_out"),
    ],
)
def test_a_file_that_is_no_suite_is_refused(suite, text, says):
    with pytest.raises(ConfigError, match=says):
        suite(text)


def test_tasks_that_are_no_groups(suite):
    read = suite('[tasks]\nx = 3\n[tasks.y]\nkind = "retrieval"\nplace = "x"\n')
    assert len(read.tasks) == 1
    assert "tasks.x = 3 is no group" in str(read.problems[0])


def test_of_several_kinds_those_take_a_key_that_know_it(suite):
    text = '[tasks.x]\nkind = ["zero-shot", "few-shot", "knn"]\nplace = "x"\n'
    read = suite(f"{text}shots = [1, 4]\nheld_out = 0.3\nlimit = 9\n")
    assert read.problems == ()
    zero, few, knn = read.tasks
    assert (few.options.shots, few.options.held_out, knn.options.held_out) == ((1, 4), 0.3, 0.3)
    assert zero.limit == few.limit == knn.limit == 9
    wrong = suite(f"{text}shotz = [1, 4]\n")
    (problem,) = wrong.problems
    assert "unknown key tasks.x.shotz of the kinds zero-shot, few-shot, knn; did you mean shots?" in str(problem)
    assert wrong.tasks == ()
    (problem,) = suite(f"{text}limit = 0\n").problems
    assert "tasks.x.limit = 0" in str(problem)
    one = suite('[tasks.x]\nkind = "zero-shot"\nplace = "x"\nshots = [1]\n')
    assert "unknown key tasks.x.shots" in str(one.problems[0])


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("limit = 0", "tasks.x.limit = 0 (from [defaults]); give 1 or more"),
        ('limit = "3"', "tasks.x.limit = '3' is text (from [defaults]); give a whole number"),
        ('name = ""', "tasks.x.name is empty (from [defaults])"),
        ('shots = ["a"]', "(from [defaults])"),
        ('kind = "nil"', "tasks.x.kind = 'nil' (from [defaults])"),
    ],
)
def test_a_wrong_value_of_the_defaults_says_so(suite, line, says):
    kind = "" if "kind" in line else 'kind = "few-shot"\n'
    (problem,) = suite(f'[defaults]\n{line}\n[tasks.x]\n{kind}place = "x"\n').problems
    assert says in str(problem)
    (own,) = suite(f'[tasks.x]\nkind = "few-shot"\nplace = "x"\n{line.replace("kind", "label")}\n').problems or ("",)
    assert "[defaults]" not in str(own)
