"""What the kept pairs are written as, read back as those who take it read it."""

import csv

import numpy as np
import pytest
from coloured_squares import square, write

from wordsight.base.errors import UsageError
from wordsight.curate.judging import judge
from wordsight.curate.rule_text import read_rules
from wordsight.curate.selection import (
    KeptPairs,
    check_pairs,
    check_uids,
    kept_images,
    write_pairs,
    write_uids,
    write_verdicts,
)
from wordsight.data.pack import PackOptions, pack
from wordsight.data.source import open_source


def judged(pool, *rules):
    return judge(pool, read_rules(list(rules)))


def in_subset(subset, uid):
    """How DataComp's resharder counts a uid of a sample's JSON in the mapped file."""
    key = np.array([divmod(int(uid, 16), 2**64)], np.dtype("u8,u8"))[0]
    return int(np.searchsorted(subset, key, "right") - np.searchsorted(subset, key, "left"))


@pytest.fixture
def with_uids(tmp_path):
    """Images whose uids come in no order, with one that is there twice."""
    uids = ["f" * 32, "0" * 31 + "1", "80" + "0" * 30, "0" * 15 + "1" + "0" * 16, "0" * 15 + "1" + "0" * 16]
    lines = ["image,caption,uid"]
    for number, uid in enumerate(uids):
        (tmp_path / f"{number}.png").write_bytes(square("red", number))
        lines.append(f"{number}.png,{'a red square' if number != 2 else 'red'},{uid}")
    (tmp_path / "pairs.csv").write_text("\n".join(lines))
    return tmp_path / "pairs.csv", uids


def test_uids_are_read_as_datacomp_reads_them(with_uids, tmp_path, pool_of):
    place, uids = with_uids
    pool = pool_of(place)
    check_uids(pool)
    verdicts = judged(pool, "basic:side=1")
    assert write_uids(pool, verdicts, tmp_path / "kept.npy") == 3
    with open(tmp_path / "kept.npy", "rb") as handle:
        assert handle.read(6) == b"\x93NUMPY"
    subset = np.load(tmp_path / "kept.npy", mmap_mode="r")
    assert subset.dtype == np.dtype("u8,u8")
    assert [in_subset(subset, uid) for uid in uids] == [1, 1, 0, 1, 1]
    assert in_subset(subset, "1" * 32) == 0


def test_keys_that_are_no_uids(folder, pool_of):
    with pytest.raises(UsageError, match="is no uid of 32 hexadecimal digits.*--key COLUMN"):
        check_uids(pool_of(folder))


def test_every_pair_has_a_verdict(folder, pool_of, tmp_path):
    import pyarrow.parquet

    pool = pool_of(folder)
    verdicts = judged(pool, "basic:side=1", "clip-score >= 0.5")
    for name in ("verdicts.csv", "verdicts.parquet"):
        write_verdicts(pool, verdicts, tmp_path / name)
    with open(tmp_path / "verdicts.csv", newline="") as handle:
        rows = list(csv.DictReader(handle))
    packed = pyarrow.parquet.read_table(tmp_path / "verdicts.parquet").to_pylist()
    assert list(rows[0]) == list(packed[0]) == ["key", "caption", "text", "kept", "rule", "why", "figure"]
    assert [row["kept"] for row in rows] == [str(int(row["kept"])) for row in packed]
    assert (rows[1]["kept"], rows[1]["rule"], rows[1]["why"], float(rows[1]["figure"])) == (
        "0",
        "basic:side=1",
        "words",
        2,
    )
    assert (rows[14]["key"], rows[14]["rule"]) == ("7.png", "clip-score >= 0.5")
    assert rows[0]["kept"] == "1" and float(rows[0]["figure"]) == pytest.approx(pool.scores().cosines[0], abs=1e-5)


def test_kept_pairs_are_a_source_again(folder, pool_of, tmp_path):
    pool = pool_of(folder)
    verdicts = judged(pool, "basic:side=1", "clip-score >= 0.5")
    (tmp_path / "out").mkdir()
    write_pairs(pool, verdicts, tmp_path / "out" / "kept.csv")
    samples = list(open_source(tmp_path / "out" / "kept.csv").samples())
    assert [(sample.key, sample.texts) for sample in samples] == [
        (f"{number}.png", (f"a {colour} square here",))
        for number, colour in enumerate(["red", "green", "blue", "yellow", "red", "green", "blue"])
    ]
    assert samples[3].image.resolve() == (folder / "3.png").resolve()


def test_images_inside_a_shard_cannot_be_named(folder, pool_of, tmp_path):
    pack(open_source(folder), tmp_path / "shards", PackOptions())
    with pytest.raises(UsageError, match="lies inside a table or shard.*--out DIR"):
        check_pairs(pool_of(tmp_path / "shards"))


def test_shards_hold_the_kept_captions_alone(folder, pool_of, tmp_path):
    write(folder, "9.png", square("red", 11))  # no caption
    pool = pool_of(folder)
    verdicts = judged(pool, "clip-score >= 0.5")
    verdicts.kept[3] = False
    kept = KeptPairs(pool, verdicts)
    assert kept.count() == kept_images(pool, verdicts) == 7
    manifest = pack(kept, tmp_path / "shards", PackOptions(shard_size=3))
    assert (manifest.count, len(manifest.shards), manifest.complete) == (7, 3, True)
    texts = {sample.key: sample.texts for sample in open_source(tmp_path / "shards").samples()}
    assert texts["1.png"] == ("a green square here",) and len(texts["0.png"]) == 2 and "7.png" not in texts
    whole = [path.read_bytes() for path in sorted((tmp_path / "shards").glob("*.tar"))]
    assert pack(kept, tmp_path / "shards", PackOptions(shard_size=3)) == manifest
    verdicts.kept[0] = False
    with pytest.raises(UsageError, match="holds shards of"):
        pack(KeptPairs(pool, verdicts), tmp_path / "shards", PackOptions(shard_size=3))
    assert [path.read_bytes() for path in sorted((tmp_path / "shards").glob("*.tar"))] == whole


def test_packing_goes_on_from_any_position(folder, pool_of):
    pool = pool_of(folder)
    kept = KeptPairs(pool, judged(pool, "clip-score >= 0.5"))
    walk = kept.samples()
    passed = []
    for sample in walk:
        passed.append(sample.key)
        assert [one.key for one in kept.samples(walk.position)] == [f"{n}.png" for n in range(len(passed), 7)]
