"""What every source must do: the same samples each time, from any position, whatever is broken on the way."""

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wordsight.base.errors import InputError
from wordsight.data.fake import FakeSource
from wordsight.data.source import OPENERS, START, open_source


def _rows(folder, picture):
    for number in range(6):
        (folder / f"{number}.png").write_bytes(picture(number))
    rows = [{"image": f"{n}.png", "captions": f"picture {n}", "class": f"class{n % 3}", "price": n} for n in range(6)]
    rows[2]["image"] = "gone.png"
    return rows


def _csv(folder, picture, delimiter=",", suffix="csv"):
    path = folder / f"table.{suffix}"
    with open(path, "w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, ["image", "captions", "class", "price"], delimiter=delimiter)
        writer.writeheader()
        writer.writerows(_rows(folder, picture))
    return open_source(path)


def _jsonl(folder, picture):
    lines = [json.dumps(row) for row in _rows(folder, picture)]
    lines[2] = "{broken"
    (folder / "table.jsonl").write_text("\n".join(lines))
    return open_source(folder / "table.jsonl")


def _parquet(folder, picture):
    rows = _rows(folder, picture)
    for number, row in enumerate(rows):
        row["image"] = None if number == 2 else picture(number)
    pq.write_table(pa.Table.from_pylist(rows), folder / "table.parquet", row_group_size=4)
    return open_source(folder / "table.parquet")


def _folder(folder, picture):
    for number in range(6):
        place = folder / f"class{number % 3}" / f"{number}.png"
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(picture(number))
        place.with_suffix(".txt").write_bytes(b"\xff\xfe\xfa" if number == 2 else f"picture {number}\n".encode())
    return open_source(folder)


def _shards(folder, picture):
    del picture
    for number in range(2):
        members = SHARDS[number]
        WRITE["tar"](folder / f"{number}.tar", members)
    return open_source(folder)


SHARDS: dict[int, dict[str, bytes]] = {}
WRITE = {}
MAKERS = {
    "csv": _csv,
    "tsv": lambda folder, picture: _csv(folder, picture, "\t", "tsv"),
    "jsonl": _jsonl,
    "parquet": _parquet,
    "folder": _folder,
    "shards": _shards,
    "fake": lambda folder, picture: FakeSource(6, broken=(2,)),
}
KINDS = {"csv": "table", "tsv": "table", "jsonl": "table", "parquet": "table", "folder": "folder", "shards": "shards"}


@pytest.fixture(params=MAKERS)
def source(request, tmp_path: Path, picture, write_tar):
    """Six entries of which one is broken."""
    WRITE["tar"] = write_tar
    for part in range(2):
        members = {}
        for number in range(3 * part, 3 * part + 3):
            members[f"{number}.png"] = picture(number)
            members[f"{number}.json"] = (
                b"{" if number == 2 else json.dumps({"captions": [f"picture {number}"]}).encode()
            )
        SHARDS[part] = members
    return MAKERS[request.param](tmp_path, picture)


def _everything(source, start=START):
    walk = source.samples(start)
    places = [(sample, walk.position) for sample in walk]
    return places, walk


def test_every_opener_has_a_maker():
    assert set(OPENERS) == set(KINDS.values())


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
