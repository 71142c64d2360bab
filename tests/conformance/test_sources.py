"""What every source of the table must do: the same samples each time, from any position, whatever is broken.

`made_up_source.py` is a kind that the package does not have: one file, and one row that is put into the table here.
All of the suite runs over it too.
"""

import csv
import io
import json
import sys
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from wordsight.base.errors import ConfigError, FormatError, InputError, UsageError
from wordsight.base.optional import resolve
from wordsight.data.by_key import images_by_key
from wordsight.data.fake import FakeSource
from wordsight.data.kinds import OPENERS, Opener, kinds
from wordsight.data.source import START, open_source
from wordsight.embeddings.model import Model
from wordsight.engines.fake import FakeEngine
from wordsight.search.library import open_library

sys.path.insert(0, str(Path(__file__).parent))

MADE_UP = Opener("made_up_source:NotesSource", (".notes",))


def encoded_image(number):
    pixels = np.random.default_rng(number).integers(0, 256, (8, 10, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _rows(folder):
    for number in range(6):
        (folder / f"{number}.png").write_bytes(encoded_image(number))
    rows = [{"image": f"{n}.png", "captions": f"picture {n}", "class": f"class{n % 3}", "price": n} for n in range(6)]
    rows[2]["image"] = "gone.png"
    return rows


def _csv(folder, delimiter=",", suffix="csv"):
    with open(folder / f"table.{suffix}", "w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, ["image", "captions", "class", "price"], delimiter=delimiter)
        writer.writeheader()
        writer.writerows(_rows(folder))
    return folder / f"table.{suffix}"


def _captions(folder):
    """Write one row per caption, the rows of an image far apart."""
    rows = _rows(folder)
    with open(folder / "table.csv", "w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, delimiter=";")
        writer.writerow(["filepath", "title"])
        writer.writerows((row["image"], row["captions"]) for row in rows)
        writer.writerows((row["image"], f"{row['captions']} again") for row in reversed(rows) if row is not rows[2])
    return folder / "table.csv"


def _jsonl(folder):
    lines = [json.dumps(row) for row in _rows(folder)]
    lines[2] = "{broken"
    (folder / "table.jsonl").write_text("\n".join(lines))
    return folder / "table.jsonl"


def _parquet(folder):
    rows = _rows(folder)
    for number, row in enumerate(rows):
        row["image"] = None if number == 2 else encoded_image(number)
    pq.write_table(pa.Table.from_pylist(rows), folder / "table.parquet", row_group_size=4)
    return folder / "table.parquet"


def _arrow(folder):
    table = pq.read_table(_parquet(folder))
    with pa.OSFile(str(folder / "table.arrow"), "wb") as handle, pa.ipc.new_stream(handle, table.schema) as stream:
        stream.write_table(table, max_chunksize=4)
    (folder / "table.parquet").unlink()
    return folder / "table.arrow"


def _folder(folder):
    for number in range(6):
        path = folder / f"class{number % 3}" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encoded_image(number))
        path.with_suffix(".txt").write_text(f"picture {number}\n")
    (folder / "class2" / "2.png").unlink()
    (folder / "metadata.csv").write_text("file,price\nclass1/1.png,5\nclass2/2.png,5\n")
    return folder


def _shards(folder):
    for part in range(2):
        with tarfile.open(folder / f"{part}.tar", "w") as tar:
            for number in range(3 * part, 3 * part + 3):
                words = b"{" if number == 2 else json.dumps({"captions": [f"picture {number}"]}).encode()
                for suffix, content in (("png", encoded_image(number)), ("json", words)):
                    member = tarfile.TarInfo(f"{number}.{suffix}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
    return folder


def _notes(folder):
    rows = _rows(folder)
    (folder / "notes").mkdir()  # beside the images: a folder with images in it is a folder of images
    for part in range(2):
        lines = [f"../{row['image']}; {row['captions']}" for row in rows[3 * part : 3 * part + 3]]
        (folder / "notes" / f"{part}.notes").write_text("\n".join(lines))
    return folder / "notes"


# form -> the kind it is, and what makes six entries of it of which one is broken
FORMS = {
    "csv": ("table", _csv),
    "one row per caption": ("table", _captions),
    "tsv": ("table", lambda folder: _csv(folder, "\t", "tsv")),
    "jsonl": ("table", _jsonl),
    "parquet": ("table", _parquet),
    "arrow": ("table", _arrow),
    "folder": ("folder", _folder),
    "shards": ("shards", _shards),
    "made-up": ("notes", _notes),
}


@pytest.fixture(params=FORMS)
def location(request, tmp_path, monkeypatch):
    """A kind and where six entries of it lie."""
    monkeypatch.setitem(OPENERS, "notes", MADE_UP)
    kind, make = FORMS[request.param]
    return kind, make(tmp_path)


@pytest.fixture(params=[*FORMS, "fake"])
def source(request, tmp_path, monkeypatch):
    """Six entries of which one is broken."""
    if request.param == "fake":
        return FakeSource(6, broken=(2,))
    monkeypatch.setitem(OPENERS, "notes", MADE_UP)
    return open_source(FORMS[request.param][1](tmp_path))


def _everything(source, start=START):
    walk = source.samples(start)
    places = [(sample, walk.position) for sample in walk]
    return places, walk


def test_images_are_given_by_key_as_a_walk_gives_them(source):
    images = {sample.key: sample.image for sample in source.samples()}
    assert dict(images_by_key(source, images)) == images
    for key in images:
        assert dict(images_by_key(source, [key])) == {key: images[key]}
    ((key, error),) = images_by_key(source, ["gone"])
    assert key == "gone" and isinstance(error, InputError)


def test_every_row_of_the_table_is_run_over():
    assert set(OPENERS) == {kind for kind, _ in FORMS.values()} - {"notes"}
    suffixes = {suffix for opener in OPENERS.values() for suffix in opener.suffixes}
    assert suffixes == {
        ".tar",
        *(f".{form}" for form, (kind, _) in FORMS.items() if kind == "table" and form.isalpha()),
    }


def test_a_row_is_recognised_by_its_files_and_opened_by_its_name(location):
    kind, path = location
    keys = [sample.key for sample in open_source(path).samples()]
    assert type(open_source(path)) is resolve(OPENERS[kind].target)
    assert [sample.key for sample in open_source(path, kind=kind).samples()] == keys


def test_a_location_is_not_read_as_another_kind(location):
    kind, path = location
    for other in set(OPENERS) - {kind}:
        if path.is_dir() and (other == "folder" or any(path.glob("*.csv"))):
            continue  # a folder may be read as one of pictures, and the table in it as a table
        with pytest.raises((UsageError, FormatError), match=other):
            open_source(path, kind=other)


def test_an_unknown_kind_is_refused_with_those_there_are(location):
    with pytest.raises(UsageError) as caught:
        open_source(location[1], kind="tables")
    assert str(caught.value) == f"a source of kind 'tables'; use one of {', '.join(kinds())}"


def test_a_row_is_known_to_the_command_line_and_to_recipes(location):
    from argparse import ArgumentParser

    from wordsight.cli import data, embed
    from wordsight.train.check import check_config
    from wordsight.train.config import DataConfig, ScheduleConfig, SourceConfig, TrainConfig

    kind, path = location
    for verb, words in ((data, ["stats"]), (embed, ["--out", "x"])):
        parser = ArgumentParser()
        verb.add_arguments(parser)
        assert parser.parse_args([*words, str(path), "--kind", kind]).kind == kind
    for asked in (kind, "none"):
        config = TrainConfig(
            DataConfig({"a": SourceConfig(str(path), kind=asked)}), FakeEngine().spec, schedule=ScheduleConfig(steps=1)
        )
        if asked == kind:
            check_config(config)
        else:
            with pytest.raises(ConfigError, match=r"data\.sources\.a\.kind = 'none'; use one of auto, "):
                check_config(config)


def test_a_library_is_made_of_it_as_of_every_source(location, tmp_path_factory):
    _, path = location
    with open_library(path, model=Model(FakeEngine()), library_dir=tmp_path_factory.mktemp("library")) as library:
        library.sync()
        assert len(library.search("red", k=10)) >= 5


def test_one_broken_entry_is_reported_and_the_others_come(source):
    places, walk = _everything(source)
    assert len(places) == 5
    assert len({sample.key for sample, _ in places}) == 5
    assert len(walk.failures) == 1 and isinstance(walk.failures[0], InputError)
    assert all(sample.image is not None for sample, _ in places)


def test_walking_again_gives_the_same(source):
    assert _everything(source)[0] == _everything(source)[0]


def test_every_position_restores_the_rest(source):
    places, _ = _everything(source)
    for number, (_, position) in enumerate(places):
        assert _everything(source, position)[0] == places[number + 1 :]


def test_a_failure_is_met_once_on_either_side_of_a_position(source):
    walk = source.samples()
    next(walk)
    before = len(walk.failures)
    rest = _everything(source, walk.position)[1]
    assert before + len(rest.failures) == 1


def test_positions_grow(source):
    positions = [position for _, position in _everything(source)[0]]
    assert positions == sorted(set(positions)) and positions[0] > START


def test_the_count_is_that_of_the_entries_where_it_is_known(source):
    assert source.count() in (6, None)
    assert source.parts() >= 1 and source.name


def test_the_fingerprint_is_stable(source):
    assert source.fingerprint() == source.fingerprint()
    assert len(source.fingerprint()) == 16 and int(source.fingerprint(), 16) >= 0
