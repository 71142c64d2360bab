"""What names a measurement: all that it reads, and nothing that it does not."""

import pytest
from PIL import Image

from wordsight.base.records import read_lines
from wordsight.evaluate.session import Measurement, measure
from wordsight.evaluate.tasks import read_task

COLOURS = {"red": (220, 30, 30), "green": (40, 150, 50), "blue": (40, 70, 210)}


def tasks(*texts):
    return [read_task(text) for text in texts]


@pytest.mark.parametrize("what", ["templates", "shifts"])
def test_files_and_sets_that_a_task_names_are_part_of_it(squares, tmp_path, what):
    (tmp_path / "mine.txt").write_text("a {}\n")
    text = f"zero-shot:{squares}?templates={tmp_path / 'mine.txt'}"
    if what == "shifts":
        for name in ("red", "blue"):
            (tmp_path / "other" / name).mkdir(parents=True)
            Image.new("RGB", (9, 9), name).save(tmp_path / "other" / name / "0.png")
        text = f"robustness:{squares}?corruptions=none&shifts={tmp_path / 'other'}"
    order = Measurement(out=tmp_path / "out")

    def known():
        (outcome,) = measure(order, tasks(text))
        assert outcome.error is None
        return outcome.known

    assert [known(), known()] == [False, True]
    if what == "shifts":  # of another name: results stand under it
        renamed = (tmp_path / "other").rename(tmp_path / "others")
        text = text.replace(str(tmp_path / "other"), str(renamed))
        assert [known(), known()] == [False, True]
        assert {f"squares/robustness/shifted/{name}/top-1" for name in ("other", "others")} <= {
            line["name"] for line in read_lines(tmp_path / "out" / "results.jsonl")
        }
        renamed.rename(tmp_path / "other")
        text = text.replace(str(renamed), str(tmp_path / "other"))
        assert known()
    if what == "templates":
        (tmp_path / "elsewhere").mkdir()
        moved = (tmp_path / "mine.txt").rename(tmp_path / "elsewhere" / "mine.txt")
        text = f"zero-shot:{squares}?templates={moved}"
        assert known()  # of the same content
        (tmp_path / "elsewhere" / "mine.txt").write_text("another {}\n")
    else:
        Image.new("RGB", (9, 9), "blue").save(tmp_path / "other" / "red" / "1.png")
    assert not known()


def test_more_sets_than_stay_in_memory(squares, tmp_path):
    (squares / "red" / "2.png").write_bytes(b"no image")
    others = [tmp_path / name for name in "abcde"]
    for other in others:
        for name in ("red", "blue"):
            (other / name).mkdir(parents=True)
            Image.new("RGB", (9, 9), name).save(other / name / "0.png")
    text = f"robustness:{squares}?corruptions=none&shifts={','.join(map(str, others))}"
    (outcome,) = measure(Measurement(skip_failed=True), tasks(text))
    assert outcome.error is None and outcome.measured.results[0].setting["missing"] == 1


def test_sets_that_a_kind_does_not_read_make_no_other_measurement(squares, tmp_path):
    order = Measurement(out=tmp_path / "out")
    plain, absent = f"zero-shot:{squares}", tmp_path / "not-there"
    list(measure(order, tasks(plain)))
    (again,) = measure(order, tasks(f"{plain}?train={absent}&val={absent}"))
    assert again.error is None and again.known
    assert "train" not in again.measured.results[0].setting
    (chosen,) = measure(order, tasks(f"prompts:{squares}?val={squares}&train={absent}"))
    assert chosen.error is None  # val alone is read where it is named
    assert {"val": str(squares)}.items() <= chosen.measured.results[0].setting.items()
    assert "train" not in chosen.measured.results[0].setting
    (learned,) = measure(order, tasks(f"knn:{squares}?train={absent}"))
    assert "not-there" in str(learned.error)


@pytest.mark.parametrize("kind", ["supervised", "knn", "probe", "few-shot"])
def test_a_val_that_is_train_is_the_measurement_without_it(squares, tmp_path, capsys, kind):
    for folder in squares.iterdir():
        for number in range(2, 8):
            Image.new("RGB", (32 + number, 32), COLOURS[folder.name]).save(folder / f"{number}.png")
    more = "&shots=1&draws=1" if kind == "few-shot" else ""
    order = Measurement(out=tmp_path / "out")
    (first,) = measure(order, tasks(f"{kind}:{squares}?train={squares}{more}"))
    assert "val has the images" not in capsys.readouterr().err
    (again,) = measure(order, tasks(f"{kind}:{squares}?train={squares}&val={squares}{more}"))
    assert first.error is None and again.known
    assert capsys.readouterr().err.count("squares: val has the images of train") == 1
    for result in first.measured.results:
        assert result.setting.get("images", 24) == 24
