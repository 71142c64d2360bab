"""The bulk job: counts agree, failures are listed, a killed run goes on."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from wordsight.base.errors import FingerprintMismatch, NotFound, UsageError
from wordsight.data.source import open_source
from wordsight.embeddings.bulk import BulkOptions, embed_source
from wordsight.embeddings.model import load
from wordsight.embeddings.store import DamagedStore, open_store, read_store_manifest, write_store_manifest


@pytest.fixture(scope="module")
def model():
    return load(engine="fake")


@pytest.fixture
def photos(tmp_path):
    return make_photos(tmp_path / "photos", 23)


def make_photos(folder, count):
    folder.mkdir()
    random = np.random.default_rng(0)
    for i in range(count):
        path = folder / f"{i:03d}.png"
        Image.fromarray(random.integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(path)
        if i % 2:
            path.with_suffix(".txt").write_text(f"picture {i}\nand its second line {i}\n")
        if i % 7 == 3:
            path.write_bytes(path.read_bytes()[:40])
    return folder


BROKEN = ["003.png", "010.png", "017.png"]


def test_rows_belong_to_keys_and_counts_agree(model, photos, tmp_path):
    out = tmp_path / "out"
    report = embed_source(model, open_source(photos), out, BulkOptions(what="both", part_size=5))
    manifest = report.manifest
    assert (manifest.read, manifest.images, manifest.failures, manifest.parts) == (23, 20, 3, 5)
    assert {"read", "decode", "encode", "write"} <= manifest.seconds.keys()
    store = open_store(out, fingerprint=model.fingerprint)
    assert [failure["key"] for failure in store.failures()] == BROKEN
    lines = (out / "failures.jsonl").read_text().splitlines()
    assert [json.loads(line)["key"] for line in lines] == BROKEN
    keys = store.keys("image")
    assert keys == sorted({f"{i:03d}.png" for i in range(23)} - set(BROKEN))
    np.testing.assert_allclose(store.embeddings("image"), model.embed_images([photos / key for key in keys]), atol=1e-6)
    records = list(store.records("text"))
    assert len(records) == manifest.texts == 22
    assert records[:2] == [{"key": "001.png", "text": "picture 1"}, {"key": "001.png", "text": "and its second line 1"}]
    np.testing.assert_allclose(store.embeddings("text"), model.embed_texts([r["text"] for r in records]), atol=1e-6)


def _rows(change):
    def written(path):
        np.save(path, change(np.load(path)))

    return written


DAMAGE = {
    "cut": ("image-00001.npy", lambda path: path.write_bytes(path.read_bytes()[:90])),
    "narrower": ("image-00001.npy", _rows(lambda rows: rows[:, :5])),
    "fewer": ("image-00001.npy", _rows(lambda rows: rows[1:])),
    "in another order": ("image-00001.npy", _rows(lambda rows: rows[::-1])),
    "gone": ("image-00002.npy", lambda path: path.unlink()),
    "fewer keys": ("image-00000.jsonl", lambda path: path.write_text(path.read_text().partition("\n")[2])),
    "no JSON": ("image-00000.jsonl", lambda path: path.write_text("{")),
}


@pytest.mark.parametrize(("name", "damage"), DAMAGE.values(), ids=DAMAGE)
def test_damaged_stores_are_refused_with_the_file(model, photos, tmp_path, name, damage):
    out = tmp_path / "out"
    embed_source(model, open_source(photos), out, BulkOptions(part_size=8))
    damage(out / name)
    store, says = open_store(out), f"{out / name} is (not what was written|gone); embed again into another folder"
    with pytest.raises(DamagedStore, match=says):
        store.keys("image") if name.endswith("jsonl") else store.embeddings("image")


def test_stores_without_checksums_are_read_and_their_counts_compared(model, photos, tmp_path):
    """Those of earlier versions."""
    out = tmp_path / "out"
    embed_source(model, open_source(photos), out, BulkOptions(part_size=8))
    for path in out.glob("part-*.json"):
        note = json.loads(path.read_text())
        assert sorted(note.pop("crc32")) == [f"image-{path.stem[-5:]}.jsonl", f"image-{path.stem[-5:]}.npy"]
        path.write_text(json.dumps(note))
    assert open_store(out).embeddings("image").shape == (20, model.spec.width)
    for name, damage in [DAMAGE["fewer keys"], DAMAGE["fewer"]]:
        damage(out / name)
        with pytest.raises(DamagedStore, match=name):
            store = open_store(out)
            store.keys("image") if name.endswith("jsonl") else store.embeddings("image")


def test_a_finished_store_is_left_alone(model, photos, tmp_path):
    options = BulkOptions(part_size=10)
    first = embed_source(model, open_source(photos), tmp_path / "out", options)
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    second = embed_source(model, open_source(photos), tmp_path / "out", options)
    assert second.manifest == first.manifest
    assert second.resumed_parts == 3
    assert second.failures == first.failures
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == times


def test_texts_alone_decode_nothing(model, photos, tmp_path):
    report = embed_source(model, open_source(photos), tmp_path / "out", BulkOptions(what="text"))
    assert (report.manifest.images, report.manifest.texts, report.manifest.failures) == (0, 22, 0)
    assert "decode" not in report.manifest.seconds
    assert list((tmp_path / "out").glob("image-*")) == []


def test_parquet_holds_the_same(model, photos, tmp_path):
    import pyarrow.parquet as parquet

    source = open_source(photos)
    embed_source(model, source, tmp_path / "npy", BulkOptions(what="both", part_size=9))
    embed_source(model, source, tmp_path / "parquet", BulkOptions(what="both", part_size=9, layout="parquet"))
    store = open_store(tmp_path / "npy")
    for kind in ("image", "text"):
        tables = [parquet.read_table(path) for path in sorted((tmp_path / "parquet").glob(f"{kind}-*.parquet"))]
        assert [key for table in tables for key in table["key"].to_pylist()] == store.keys(kind)
        rows = np.concatenate([np.array(table["embedding"].to_pylist(), np.float32) for table in tables])
        np.testing.assert_array_equal(rows, store.embeddings(kind))
    with pytest.raises(UsageError, match="parquet"):
        open_store(tmp_path / "parquet")


def test_bytes_in_shards_and_rows_without_pictures(model, tmp_path):
    good = tmp_path / "good.png"
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(good)
    (tmp_path / "t.csv").write_text("image,caption\ngood.png,a\nmissing.png,b\ngood.png,c\n,d\n")
    report = embed_source(
        model, open_source(tmp_path / "t.csv"), tmp_path / "out", BulkOptions(what="both", part_size=2)
    )
    assert (report.manifest.read, report.manifest.images, report.manifest.texts) == (
        3,
        1,
        2,
    )  # two rows are of good.png
    assert [("missing" in f["error"], "no picture" in f["error"]) for f in report.failures] == [(1, 0), (0, 1)]


def test_another_model_source_or_option_is_refused(model, photos, tmp_path):
    out = tmp_path / "out"
    embed_source(model, open_source(photos), out, BulkOptions(part_size=10))
    with pytest.raises(UsageError, match="another what"):
        embed_source(model, open_source(photos), out, BulkOptions(part_size=10, what="both"))
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(photos / "new.png")
    with pytest.raises(UsageError, match="another source fingerprint"):
        embed_source(model, open_source(photos), out, BulkOptions(part_size=10))
    manifest = read_store_manifest(out)
    with pytest.raises(FingerprintMismatch, match=f"{model.fingerprint} .*deadbeef"):
        open_store(out, fingerprint="deadbeef")
    assert manifest.complete
    write_store_manifest(tmp_path / "other", manifest)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("")
    with pytest.raises(UsageError, match="other files"):
        embed_source(model, open_source(photos), tmp_path / "full", BulkOptions())
    with pytest.raises(NotFound):
        open_store(tmp_path / "none")


JOB = """
import sys, time
from pathlib import Path
from wordsight.data.source import open_source
from wordsight.embeddings.bulk import BulkOptions, embed_source
from wordsight.embeddings.model import load
model = load(engine="fake")
slow, embed = float(sys.argv[3]), model.engine.embed_images
def slowly(pixels):
    time.sleep(slow)
    return embed(pixels)
model.engine.embed_images = slowly
embed_source(model, open_source(sys.argv[1]), Path(sys.argv[2]), BulkOptions(what="both", part_size=7))
"""


def run_job(photos, out, slow):
    return subprocess.Popen([sys.executable, "-c", JOB, photos, out, str(slow)], stderr=subprocess.PIPE, text=True)


def test_killed_and_gone_on_equals_never_stopped(tmp_path):
    photos = make_photos(tmp_path / "photos", 90)
    job = run_job(photos, tmp_path / "out", 0.15)
    deadline = time.monotonic() + 60
    while not (tmp_path / "out" / "part-00002.json").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    job.send_signal(signal.SIGKILL)
    job.communicate()
    assert not read_store_manifest(tmp_path / "out").complete
    unfinished = open_store(tmp_path / "out")
    assert 21 <= len(unfinished.keys("image")) + len(unfinished.failures()) < 90
    for out in (tmp_path / "out", tmp_path / "straight"):
        job = run_job(photos, out, 0)
        assert job.communicate()[1] == ""
        assert job.returncode == 0
    stopped, straight = open_store(tmp_path / "out"), open_store(tmp_path / "straight")
    assert stopped.manifest.complete
    assert stopped.keys("image") == straight.keys("image")
    assert list(stopped.records("text")) == list(straight.records("text"))
    np.testing.assert_array_equal(stopped.embeddings("image"), straight.embeddings("image"))
    np.testing.assert_array_equal(stopped.embeddings("text"), straight.embeddings("text"))
    assert stopped.failures() == straight.failures()


LIMITED = """
import resource, sys
from wordsight.cli.main import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.exit(main(sys.argv[2:]))
"""


def test_a_disk_that_fills_up_is_one_line_and_the_rest_is_done_later(model, photos, tmp_path, killed_draft):
    out = tmp_path / "out"
    arguments = ["embed", photos, "--out", out, "--engine", "fake", "--part-size", "10", "--quiet"]
    command = [sys.executable, "-c", LIMITED, "1000", *arguments]  # a manifest fits, rows do not
    full = subprocess.run(command, capture_output=True, text=True)
    assert (full.returncode, full.stdout) == (1, "")
    assert len(full.stderr.splitlines()) == 1
    assert full.stderr.startswith("wordsight: the largest size of a file is reached while writing")
    assert [path.name for path in out.iterdir()] == ["manifest.json"]
    killed_draft(out / "image-00000.npy").write_bytes(b"half")
    report = embed_source(model, open_source(photos), out, BulkOptions(part_size=10))
    assert (report.manifest.read, report.manifest.images) == (23, 20)
    assert not list(out.glob(".*"))
