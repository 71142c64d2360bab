"""Bits that turn on the disk: what is answered is what was written, or it is left out and named, and it is mended."""

import random
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import numpy as np
import pytest

from wordsight.base.errors import FormatError, StorageError, WordsightError
from wordsight.cli.main import main
from wordsight.index import exact
from wordsight.search.library import open_library
from wordsight.search.open_index import OpenIndex


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


def test_what_was_mended_is_no_longer_spoken_of_and_the_library_compacts(indexed, model, monkeypatch, capsys):
    monkeypatch.setattr(exact, "DEAD_LEAST", 1)
    with open_library(indexed, model=model) as library:
        right = answers(library)
    turn(embeddings_of(indexed), 1)
    with monkeypatch.context() as stopped, open_library(indexed, model=model) as library:
        stopped.setattr(OpenIndex, "_compact_beside", lambda *_, **__: None)
        assert library.verify()
    capsys.readouterr()
    with open_library(indexed, model=model) as library:
        assert answers(library) == right
        assert not library.sync()
    assert capsys.readouterr().err == ""
    assert embeddings_of(indexed).name == "embeddings-1.f16"


def test_a_reader_that_met_damage_forgets_it_when_another_process_has_mended_it(indexed, model):
    turn(embeddings_of(indexed), 1)
    with open_library(indexed, model=model) as reader, open_library(indexed, model=model) as library:
        assert answers(reader) == {}
        assert library.verify()
        assert len(answers(reader)) == 5
        with reader._index.reading() as index:
            assert index.noticed() == []


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


CUT_WHILE_OPEN = """
import os, sys
from pathlib import Path
from wordsight.embeddings.model import load
from wordsight.search.library import open_library
with open_library(Path(sys.argv[1]), model=load(engine="fake")) as library:
    print(len(library.search("red", k=3)))
    (file,) = library.folder.glob("embeddings-*.f16")
    os.truncate(file, 0)
    print(len(library.search("red", k=3)))
    print(len(library.verify()) > 0, len(library.search("red", k=3)))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a file that is mapped cannot be cut there")
def test_a_file_of_embeddings_that_is_cut_while_it_is_mapped_does_not_end_the_process(indexed):
    command = [sys.executable, "-c", CUT_WHILE_OPEN, str(indexed)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout.split()) == (0, ["3", "0", "True", "3"]), run.stderr


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


@pytest.mark.parametrize(
    ("written", "rotted"),
    [
        (b", m0", b", \xac0"),
        (b", m0", b", q0"),
        (b"id integer", b"id intxger"),
        (b"key unique", b"\xfeey unique"),
        (b"checksum int not null, m0", b"checksul int not null, m0"),
        (b"absent blob", b"absenu blob"),
        (b"texts int", b"tests int"),
        (b"value text", b"valve text"),
        (b"mtime_ns int", b"mtime_nt int"),
        (b"ids blob, checksum", b"idz blob, checksum"),
    ],
)
def test_the_record_of_the_tables_rots_and_the_library_is_made_again(indexed, model, written, rotted, capsys):
    path = indexed / ".wordsight" / "library.db"
    content = path.read_bytes()
    assert written in content
    path.write_bytes(content.replace(written, rotted))
    with open_library(indexed, model=model) as library:
        for ask in (library.search, library.sync, library.verify):
            with pytest.raises(FormatError, match="--rebuild"):
                ask(*(["red"] if ask == library.search else []))
        capsys.readouterr()
        library.rebuild()
        assert "the library is damaged" in capsys.readouterr().err
        assert len(answers(library)) == 5
        assert library.verify() == []


@pytest.mark.parametrize("name", ["fingerprint", "width", "generation", "version", "identity"])
def test_a_fact_that_is_lost_while_a_library_is_open_is_damage(indexed, model, name):
    with (
        open_library(indexed, model=model) as library,
        closing(sqlite3.connect(indexed / ".wordsight/library.db")) as db,
    ):
        assert len(answers(library)) == 5
        db.execute("update fact set name = 'x' where name = ?", (name,))
        db.commit()
        with pytest.raises(FormatError, match="--rebuild"):
            library.search("red")


def test_a_relative_place_that_looks_like_an_address(indexed, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    indexed.rename(tmp_path / "file:photos")
    with open_library("file:photos", model=model) as library:
        library.rebuild()
        assert len(answers(library)) == 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file:photos"]


@pytest.mark.parametrize("embeddings", ["embeddings-0.f16", "rows-0.f32"])
def test_an_empty_database_beside_embeddings_is_damage_and_these_stay(indexed, model, embeddings, capsys):
    folder = indexed / ".wordsight"
    embeddings_of(indexed).rename(folder / embeddings)
    (folder / "library.db").write_bytes(b"")
    (folder / "library.db.damaged").write_bytes(b"what is left of an earlier one")
    with open_library(indexed, model=model) as library:
        for ask in (library.exists, library.sync, library.verify):
            with pytest.raises(FormatError, match="library.db is empty, and embeddings lie beside it.*--rebuild"):
                ask()
        assert (folder / embeddings).exists()
        capsys.readouterr()
        library.rebuild()
        printed = capsys.readouterr().err
        assert "the library is damaged: " in printed and "without the pictures that are not" in printed
        assert (folder / "library.db.damaged").read_bytes() == b"what is left of an earlier one"
        assert len(answers(library)) == 5
    assert len(list(folder.glob("*.f??"))) == 1  # what the draft has made


def test_an_empty_database_without_embeddings_was_never_saved(indexed, model):
    embeddings_of(indexed).unlink()
    (indexed / ".wordsight" / "library.db").write_bytes(b"")
    with open_library(indexed, model=model) as library:
        assert not library.exists()
        assert len(library.sync().added) == 5


def ruin(database):
    database.write_bytes(b"garbage" * 3000)


def ruin_a_row(database):
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("update block set count = 'x'")
        connection.commit()


@pytest.mark.parametrize("damage", [ruin, ruin_a_row])
def test_a_library_that_is_made_again_says_first_what_it_cannot_carry_over_and_keeps_what_is_left(
    indexed, model, damage, capsys, monkeypatch
):
    folder = indexed / ".wordsight"
    (indexed / "b" / "green.png").rename(indexed / "b" / "not-now")
    (indexed / "b" / "white.png").rename(indexed / "b" / "not-now-too")
    with open_library(indexed, model=model) as library:
        assert len(library.sync().absent) == 2
    damage(folder / "library.db")
    ruined = (folder / "library.db").read_bytes()
    embed = model.engine.embed_images

    def embed_audibly(pixels):
        print("encoding", file=sys.stderr)
        return embed(pixels)

    monkeypatch.setattr(model.engine, "embed_images", embed_audibly)
    with open_library(indexed, model=model) as library:
        library.rebuild()
        assert len(answers(library)) == 3
        printed = capsys.readouterr().err
        assert "the library is damaged: " in printed and "without the pictures that are not" in printed
        assert printed.index("the library is damaged") < printed.index("encoding")
        assert f"the damaged library.db is kept as {folder / 'library.db.damaged'}" in printed
        assert (folder / "library.db.damaged").read_bytes() == ruined
        library.rebuild()
        assert "damaged" not in capsys.readouterr().err
        library.forget()
    assert [path.name for path in folder.iterdir()] in ([], ["lock.db"])


def test_one_damaged_embedding_of_what_is_not_there_costs_no_other_when_a_library_is_made_again(indexed, model, capsys):
    for name in ("green", "white"):
        (indexed / "b" / f"{name}.png").rename(indexed / "b" / f"not-now-{name}")
    with open_library(indexed, model=model) as library:
        assert len(library.sync().absent) == 2
    turn(embeddings_of(indexed), 3 * model.spec.width * 2, 3)  # of the fourth of five
    capsys.readouterr()
    with open_library(indexed, model=model) as library:
        library.rebuild()
        assert (library.absent(), library.verify()) == (["b/green.png"], [])
    printed = capsys.readouterr().err
    assert "1 pictures are not there now, and what the library holds of them is damaged" in printed
    assert printed.rstrip().endswith("b/white.png")


def test_what_may_not_be_written_is_verified_all_the_same(indexed, model, monkeypatch):
    def refuse():
        raise StorageError("x is read-only", cure="choose another")

    with open_library(indexed, model=model) as library:
        monkeypatch.setattr(library._index, "writing", refuse)
        assert library.verify() == []
        library.close()
        turn(embeddings_of(indexed), 1)
        with pytest.raises(StorageError, match="x is read-only; damaged: the embeddings 0 to 4; choose another"):
            library.verify()
