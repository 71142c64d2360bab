"""Classes of shards as CLIP_benchmark lays them out: numbers in the tars, names in a file."""

import pytest

from wordsight.base.errors import FormatError
from wordsight.data.source import open_source


@pytest.fixture
def shards(tmp_path, write_tar, encoded_image):
    """Write a shard with one sample for each text of a class."""

    def writing(*classes):
        members = {}
        for number, text in enumerate(classes):
            members |= {f"{number}.cls": text.encode(), f"{number}.png": encoded_image(number)}
        (tmp_path / "test").mkdir(exist_ok=True)
        write_tar(tmp_path / "test" / "0.tar", members)
        return tmp_path / "test"

    return writing


def labels(place):
    walk = open_source(place).samples()
    return [sample.label for sample in walk], list(map(str, walk.failures))


@pytest.mark.parametrize("where", ["test", "."])
@pytest.mark.parametrize("opened", ["test", "test/0.tar", "."])
def test_numbers_have_the_names_of_their_lines(tmp_path, shards, where, opened):
    shards("0", "2\n", " 1 ")
    (tmp_path / where / "classnames.txt").write_bytes("\ufeffa cat\r\ndog, hound\r\n bird \r\n\r\n".encode())
    assert labels(tmp_path / opened) == (["a cat", "bird", "dog, hound"], [])


def test_numbers_without_names_stay_and_that_is_said_once(shards, capsys):
    place = shards("0", "7", "tabby", "", "\ufeffcat")
    assert labels(place) == (["0", "7", "tabby", None, "cat"], [])
    assert capsys.readouterr().err.splitlines() == [
        f"classes in {place} are plain numbers: put their names into classnames.txt, one a line"
    ]


def test_a_number_that_has_no_name_fails_alone(shards):
    place = shards("0", "2", "9" * 400)
    (place / "classnames.txt").write_text("cat\n\ndog")
    assert labels(place)[0] == ["cat", "dog"]
    (place / "classnames.txt").write_text("cat\ndog")
    found, failures = labels(place)
    assert found == ["cat"]
    assert failures == [
        f"{place}/0.tar: 1.cls has class 2; {place}/classnames.txt names 2 classes",
        f"{place}/0.tar: 2.cls has class {'9' * 20}...; {place}/classnames.txt names 2 classes",
    ]


def test_names_that_cannot_be_read_are_refused_by_name(shards):
    place = shards("0")
    (place / "classnames.txt").write_bytes(b"caf\xe9")
    with pytest.raises(
        FormatError, match=r"classnames\.txt cannot be read: it is not UTF-8; write one class name a line"
    ):
        labels(place)


def test_other_names_are_another_fingerprint(shards):
    place = shards("0")
    marks = {open_source(place).fingerprint()}
    for text in ("cat", "a dog"):
        (place / "classnames.txt").write_text(text)
        marks.add(open_source(place).fingerprint())
    assert len(marks) == 3
