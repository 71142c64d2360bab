"""Tar shards: grouping, random access, damage, the manifest's word."""

import json

import pytest

from wordsight.base.errors import InputError, UsageError
from wordsight.base.files import read_json, write_json
from wordsight.data.fake import FakeSource
from wordsight.data.pack import PackOptions, pack
from wordsight.data.source import open_source
from wordsight.data.tarindex import split_name


def test_names_are_split_at_the_first_dot_of_the_last_part():
    assert split_name("a.b/c.seg.PNG") == ("a.b/c", "seg.png")
    assert split_name("x") == ("x", "")


def test_files_of_a_sample_may_lie_apart_and_words_in_txt(tmp_path, write_tar, encoded_image):
    members = {
        "a.jpg": encoded_image(1),
        "b.png": encoded_image(2),
        "a.seg.png": encoded_image(3),
        "b.txt": b"one\ntwo\n",
        "a.txt": b"dog",
    }
    write_tar(tmp_path / "x.tar", members)
    first, second = open_source(tmp_path / "x.tar").samples()
    assert (first.key, first.image, first.texts) == ("a", encoded_image(1), ("dog",))
    assert (second.key, second.image, second.texts) == ("b", encoded_image(2), ("one", "two"))


def test_any_sample_is_read_without_those_before(tmp_path, write_shard):
    write_shard(tmp_path / "0.tar", range(4))
    write_shard(tmp_path / "1.tar", range(4, 8))
    source = open_source(tmp_path)
    samples = list(source.samples())
    assert source.read(1, 2) == samples[6]
    assert samples[6].meta["price"] == 6 and samples[6].label == "class0"
    with pytest.raises(InputError, match="no sample 5"):
        source.read(1, 4)


@pytest.mark.parametrize("cut", [0, 100, 512, 700, 1100, 2048, 3000, 5000, 9000])
def test_what_is_whole_in_a_cut_shard_is_used_and_the_loss_reported(tmp_path, write_shard, cut):
    whole = write_shard(tmp_path / "whole.tar", range(8))
    samples = list(open_source(whole).samples())
    (tmp_path / "cut.tar").write_bytes(whole.read_bytes()[:cut])
    walk = open_source(tmp_path / "cut.tar").samples()
    got = list(walk)
    assert got == samples[: len(got)]
    assert len(walk.failures) >= 1


def test_damage_in_the_middle_is_reported(tmp_path, write_shard):
    path = write_shard(tmp_path / "x.tar", range(8))
    raw = bytearray(path.read_bytes())
    raw[8192 : 8192 + 4096] = b"\x99" * 4096
    path.write_bytes(bytes(raw))
    walk = open_source(path).samples()
    assert 0 < len(list(walk)) < 8
    assert "damaged" in str(walk.failures[0]) or "cut short" in str(walk.failures[0])


def test_broken_members_fail_alone(tmp_path, write_tar, encoded_image):
    members = {
        "a.png": encoded_image(1),
        "a.json": b"[1]",
        "b.json": b"{}",
        "c.png": encoded_image(2),
        "c.txt": b"\xff\xff",
        "d.png": encoded_image(3),
        "d.json": json.dumps({"caption": 3}).encode(),
        "e.png": encoded_image(4),
    }
    walk = open_source(write_tar(tmp_path / "x.tar", members)).samples()
    assert [sample.key for sample in walk] == ["e"]
    assert [str(f).split(";")[0].rpartition("x.tar: ")[2] for f in walk.failures] == [
        "a.json is no object",
        "b has no picture",
        "c.txt is not UTF-8",
        "d: captions are int",
    ]


def test_a_shard_that_is_none(tmp_path, write_shard):
    (tmp_path / "0.tar").write_bytes(b"junk" * 500)
    write_shard(tmp_path / "1.tar", range(3))
    walk = open_source(tmp_path).samples()
    assert len(list(walk)) == 3
    assert "not a tar" in str(walk.failures[0])


def test_the_manifest_is_held_against_the_shards(tmp_path):
    pack(FakeSource(6), tmp_path, PackOptions(shard_size=2))
    source = open_source(tmp_path)
    assert source.count() == 6 and source.verify() == [] and not source.samples().failures
    (tmp_path / "000001.tar").unlink()
    manifest = read_json(tmp_path / "manifest.json")
    manifest["shards"][2]["count"] = 5
    write_json(tmp_path / "manifest.json", manifest)
    walk = open_source(tmp_path).samples()
    assert len(list(walk)) == 4
    assert ["000001.tar" in str(walk.failures[0]), "says 5" in str(walk.failures[1])] == [True, True]


def test_hashes_are_verified_on_request(tmp_path, write_shard):
    pack(FakeSource(4), tmp_path / "out", PackOptions(shard_size=2))
    path = tmp_path / "out" / "000001.tar"
    raw = bytearray(path.read_bytes())
    raw[600] ^= 1
    path.write_bytes(bytes(raw))
    (problem,) = open_source(tmp_path / "out").verify()
    assert "000001.tar" in str(problem)
    with pytest.raises(UsageError, match="no manifest"):
        open_source(write_shard(tmp_path / "x.tar", range(2))).verify()


def test_lost_and_cut_shards_are_known_before_a_sample_is_read(tmp_path):
    """By the manifest's sizes where it has them, and then no header is read; else by the headers."""
    pack(FakeSource(9), tmp_path, PackOptions(shard_size=3))
    source = open_source(tmp_path)
    assert (source.sizes(), source.problems(), source._read_index.cache_info().misses) == ([3, 3, 3], [], 0)
    cut = tmp_path / "000002.tar"
    cut.write_bytes(cut.read_bytes()[:3000])
    (tmp_path / "000001.tar").unlink()
    source = open_source(tmp_path)
    assert source.sizes() == [3, 1] == [len(source._index(part)[0]) for part in range(2)]
    lost, short, fewer = map(str, source.problems())
    assert lost == f"no shard {tmp_path / '000001.tar'}; make it again: the manifest lists it"
    assert short.startswith(f"{cut}: cut short after ") and fewer.startswith(
        f"{cut} holds 1 samples, its manifest says 3"
    )
    (tmp_path / "manifest.json").unlink()
    cut.write_bytes(b"no tar")
    source = open_source(tmp_path)
    (problem,) = source.problems()
    assert source.sizes() == [3, 0] and str(problem).startswith(f"{cut} is not a tar file")
