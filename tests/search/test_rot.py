"""Bits that turn on the disk: what is answered is what was written, or it is left out and named, and it is mended."""

import random
import shutil

import numpy as np
import pytest

from wordsight.base.errors import FormatError, WordsightError
from wordsight.cli.main import main
from wordsight.search.library import open_library


@pytest.fixture
def indexed(photos, model):
    (photos / "metadata.csv").write_text(
        "file,price,title\n" + "".join(f"{n},7,one\n" for n in ("a/red.png", "top.png"))
    )
    with open_library(photos, model=model) as library:
        library.sync()
    return photos


def answers(library):
    return {hit.key: (round(hit.score, 3), dict(hit.meta)) for hit in library.search("red", k=99)}


def turn(path, position, bit=0):
    content = bytearray(path.read_bytes())
    content[position] ^= 1 << bit
    path.write_bytes(content)


def embeddings_of(place):
    (path,) = (place / ".wordsight").glob("*.f16")
    return path


def test_a_damaged_embedding_is_left_out_named_and_embedded_again(indexed, model, encoded, capsys):
    with open_library(indexed, model=model) as library:
        right = answers(library)
    turn(embeddings_of(indexed), 1)
    counted = encoded(model)
    with open_library(indexed, model=model) as library:
        assert answers(library) == {}  # all are of one block
        assert "embeddings-0.f16 holds from 0 to 4 is damaged and left out; wordsight index" in capsys.readouterr().err
        (damage,) = library.verify()
        assert (damage.what, len(damage.keys), len(damage.whole)) == ("the embeddings 0 to 4", 1, 4)
        assert sum(counted) == 1
        assert answers(library) == right
        assert library.verify() == []


def test_a_file_of_embeddings_that_was_cut_or_is_gone_is_mended(indexed, model, encoded):
    with open_library(indexed, model=model) as library:
        right = answers(library)
    for cut in (lambda path: path.write_bytes(path.read_bytes()[:-1]), lambda path: path.unlink()):
        cut(embeddings_of(indexed))
        with open_library(indexed, model=model) as library:
            assert answers(library).items() < right.items()
            assert library.verify()
            assert answers(library) == right
            assert library.verify() == []


@pytest.mark.parametrize("seed", range(4))
def test_a_bit_that_turns_anywhere_never_gives_a_wrong_answer(indexed, model, seed, tmp_path):
    with open_library(indexed, model=model) as library:
        right = answers(library)
    whole = tmp_path / "whole"
    shutil.copytree(indexed / ".wordsight", whole)
    draw = random.Random(seed)
    outcomes = set()
    for _ in range(25):
        shutil.rmtree(indexed / ".wordsight")
        shutil.copytree(whole, indexed / ".wordsight")
        path = draw.choice([indexed / ".wordsight" / "library.db"] * 4 + [embeddings_of(indexed)])
        turn(path, draw.randrange(path.stat().st_size), draw.randrange(8))
        with open_library(indexed, model=model) as library:
            try:
                given = answers(library)
                assert given.items() <= right.items()
                damage = library.verify()
                outcomes.add("mended" if damage else "nothing to see" if given == right else "left out")
            except WordsightError as error:
                assert "--rebuild" in str(error) or "update wordsight" in str(error) or "--library" in str(error), error
                outcomes.add("refused")
                library.rebuild()
            assert answers(library) == right
            assert library.verify() == []
    assert {"mended", "refused"} & outcomes


def test_the_command_names_what_it_mends(indexed, capsys):
    arguments = ["--quiet", "index", str(indexed), "--engine", "fake", "--verify"]
    assert main(arguments) == 0
    assert "nothing is damaged" in capsys.readouterr().out
    turn(embeddings_of(indexed), 1)
    assert main(arguments) == 0
    assert "damaged: the embeddings 0 to 4: 1 of its pictures encoded again" in capsys.readouterr().out


def test_embeddings_that_are_none_are_refused_at_the_door(indexed, model):
    with open_library(indexed, model=model) as library, library._index.writing() as index:
        width = model.spec.width
        for vector, problem in [(np.nan, "NaN"), (0.0, "length 0, not 1"), (1.0, "not 1"), (np.inf, "NaN or infinite")]:
            with pytest.raises(FormatError, match=problem):
                index.add(["x"], np.full((1, width), vector, np.float32), [{}])
        assert "x" not in set(index.files.states())
        assert len(index) == 5


def test_rows_of_nothing_in_the_database_are_refused_and_made_again(indexed, model):
    import sqlite3

    for statement in ("update block set count = 'x'", "update fact set value = 'x' where name = 'generation'"):
        database = sqlite3.connect(indexed / ".wordsight" / "library.db")
        database.execute(statement)
        database.commit()
        database.close()
        with open_library(indexed, model=model) as library:
            with pytest.raises(FormatError, match="--rebuild"):
                library.search("red")
            library.rebuild()
            assert len(answers(library)) == 5


def test_a_relative_place_that_looks_like_an_address(indexed, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    indexed.rename(tmp_path / "file:photos")
    with open_library("file:photos", model=model) as library:
        library.rebuild()
        assert len(answers(library)) == 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file:photos"]
