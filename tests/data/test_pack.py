"""Written shards: the round trip, going on after a stop, the same bytes for the same input."""

import errno
import io
import os
import tarfile

import numpy as np
import pytest
from PIL import Image

from wordsight.base.errors import FormatError, StorageError, UsageError
from wordsight.base.nouns import Sample
from wordsight.data.fake import FakeSource
from wordsight.data.manifest import read_shard_manifest
from wordsight.data.pack import PackOptions, pack
from wordsight.data.source import START, Position, Walk, open_source


def _files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_samples_come_back_as_they_went(tmp_path):
    source = FakeSource(7, broken=(3,))
    manifest = pack(source, tmp_path, PackOptions(shard_size=3))
    assert [shard.count for shard in manifest.shards] == [3, 3]
    assert manifest.complete and manifest.count == 6 and len(manifest.failures) == 1
    assert list(open_source(tmp_path).samples()) == list(source.samples())


def test_packing_again_changes_nothing_and_elsewhere_gives_the_same_bytes(tmp_path):
    pack(FakeSource(7), tmp_path / "a", PackOptions(shard_size=3))
    before = _files(tmp_path / "a")
    pack(FakeSource(7), tmp_path / "a", PackOptions(shard_size=3))
    pack(FakeSource(7), tmp_path / "b", PackOptions(shard_size=3), workers=3)
    assert _files(tmp_path / "a") == before == _files(tmp_path / "b")


class Stopping(FakeSource):
    """A source that is interrupted once, at its sixteenth entry."""

    stopped = False

    def samples(self, start: Position = START) -> Walk:
        steps = super()._steps(start)

        def cut():
            for met, position in steps:
                if position.entry == 16 and not self.stopped:
                    self.stopped = True
                    raise KeyboardInterrupt
                yield met, position

        return Walk(cut(), start)


def test_a_stopped_run_keeps_whole_shards_and_goes_on_behind_them(tmp_path, killed_draft):
    source = Stopping(20, broken=(1, 9))
    with pytest.raises(KeyboardInterrupt):
        pack(source, tmp_path / "a", PackOptions(shard_size=2), workers=1)
    manifest = read_shard_manifest(tmp_path / "a")
    killed_draft(tmp_path / "a" / "000009.tar").write_bytes(b"half a shard")
    assert not manifest.complete and 1 <= len(manifest.shards) < 8
    pack(source, tmp_path / "a", PackOptions(shard_size=2), workers=1)
    pack(FakeSource(20, broken=(1, 9)), tmp_path / "b", PackOptions(shard_size=2))
    assert _files(tmp_path / "a") == _files(tmp_path / "b")


def test_a_full_disk_keeps_what_is_finished(tmp_path, monkeypatch):
    true_sync, calls = os.fsync, []

    def sync(descriptor):
        calls.append(descriptor)
        if len(calls) == 5:  # third shard; each shard is followed by the manifest
            raise OSError(errno.ENOSPC, "No space left on device")
        true_sync(descriptor)

    monkeypatch.setattr(os, "fsync", sync)
    with pytest.raises(StorageError, match="disk is full"):
        pack(FakeSource(8), tmp_path, PackOptions(shard_size=2))
    assert sorted(_files(tmp_path)) == ["000000.tar", "000001.tar", "manifest.json"]
    assert len(list(open_source(tmp_path).samples())) == 4
    assert pack(FakeSource(8), tmp_path, PackOptions(shard_size=2)).count == 8


def test_another_source_or_other_options_are_refused(tmp_path, write_shard):
    pack(FakeSource(4), tmp_path, PackOptions(shard_size=2))
    with pytest.raises(UsageError, match="fake-4"):
        pack(FakeSource(5), tmp_path, PackOptions(shard_size=2))
    with pytest.raises(UsageError, match="shard_size"):
        pack(FakeSource(4), tmp_path, PackOptions(shard_size=3))
    (tmp_path / "other").mkdir()
    write_shard(tmp_path / "other" / "0.tar", range(2))
    with pytest.raises(UsageError, match="without a manifest"):
        pack(FakeSource(4), tmp_path / "other", PackOptions())


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="is a file"):
        pack(FakeSource(2), tmp_path / "file" / "out", PackOptions())


@pytest.mark.parametrize("options", [{"shard_size": 0}, {"resize": 0}, {"quality": 0}, {"quality": 101}])
def test_options_without_sense(options):
    with pytest.raises(UsageError):
        PackOptions(**options)


class Listed(FakeSource):
    """The samples of a list."""

    def __init__(self, samples):
        super().__init__(len(samples))
        self.listed = samples

    def _make(self, entry):
        return self.listed[entry]


def test_resizing_shrinks_the_shorter_side_only_where_larger(tmp_path, encoded_image):
    large = encoded_image(1, width=120, height=60, form="JPEG")
    small = encoded_image(2, width=20, height=30)
    pack(Listed([Sample("large", large), Sample("small", small)]), tmp_path, PackOptions(resize=40, quality=95))
    first, second = open_source(tmp_path).samples()
    assert second.image == small
    shrunk = Image.open(io.BytesIO(first.image))
    assert (shrunk.size, shrunk.format) == ((80, 40), "JPEG")
    expected = Image.open(io.BytesIO(large)).resize((80, 40), Image.Resampling.BICUBIC)
    assert np.abs(np.asarray(shrunk, dtype=int) - np.asarray(expected, dtype=int)).mean() < 4


def test_broken_pictures_are_not_written(tmp_path, encoded_image):
    samples = [Sample("a", encoded_image(1)), Sample("b", encoded_image(2)[:60]), Sample("c", b"no picture")]
    manifest = pack(Listed(samples), tmp_path, PackOptions())
    assert manifest.count == 1 and ["b" in manifest.failures[0], "c" in manifest.failures[1]] == [True, True]
    with pytest.raises(FormatError, match="no image of"):
        pack(Listed(samples[1:]), tmp_path / "none", PackOptions())


def test_member_names_are_plain_and_different(tmp_path, encoded_image):
    keys = ["cats/a.b.png", "cats/a_b.png", "ü/1.jpg", "", "x" * 300]
    pack(Listed([Sample(key, encoded_image(n)) for n, key in enumerate(keys)]), tmp_path, PackOptions())
    with tarfile.open(tmp_path / "000000.tar") as tar:
        names = [name.rpartition(".")[0] for name in tar.getnames()[::2]]
    assert names == ["cats_a_b", "cats_a_b-2", "ü_1", "_", "x" * 80]
    assert [sample.key for sample in open_source(tmp_path).samples()] == [
        "cats/a.b.png",
        "cats/a_b.png",
        "ü/1.jpg",
        "",
        "x" * 300,
    ]
