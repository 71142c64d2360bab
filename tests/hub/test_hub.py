"""Fetching from a hub that speaks the real contract on the loopback: whole, resumed, damaged, gated, missing, offline."""

import hashlib
import json
import os

import huggingface_hub.constants
import pytest
from server import COMMIT, Hub, Repository, etag

from wordsight.base.errors import FormatError, UnknownModel
from wordsight.weights import hub as client
from wordsight.weights.hub import check_hash, choose_files, fetch
from wordsight.weights.names import Address

WEIGHTS = bytes(range(256)) * 8192  # 2 MiB
FILES = {
    "open_clip_config.json": b'{"model_cfg": {}}',
    "open_clip_model.safetensors": WEIGHTS,
    "open_clip_pytorch_model.bin": WEIGHTS[::-1],
    "pytorch_model.bin": WEIGHTS[1:],
    "tokenizer.json": b"{}",
    "README.md": b"# model\n",
    "modeling_evil.py": b"raise SystemExit",
    "picture.png": b"png",
}
PLACE = Address("org/name")


@pytest.fixture
def cache_folders(tmp_path, monkeypatch):
    """A cache of our own, and the network allowed."""
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "ours"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", 1 << 16)  # what is kept of a cut download
    monkeypatch.delenv("HF_TOKEN", raising=False)
    return tmp_path


@pytest.fixture
def hub(cache_folders, monkeypatch):
    with Hub({"org/name": Repository(dict(FILES))}) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


def gets(hub):
    return [path for method, path, _ in hub.requests if method == "GET" and "/resolve/" in path]


def test_what_makes_a_model_is_fetched_and_nothing_else(hub):
    folder = fetch(PLACE)
    assert (folder / "open_clip_model.safetensors").read_bytes() == WEIGHTS
    assert sorted(p.name for p in folder.iterdir()) == [
        "README.md",
        "open_clip_config.json",
        "open_clip_model.safetensors",
        "tokenizer.json",
    ]
    assert folder.name == COMMIT


def test_the_second_time_nobody_is_asked(hub):
    folder = fetch(PLACE)
    asked = len(hub.requests)
    assert fetch(PLACE) == folder
    assert len(hub.requests) == asked
    (folder / "tokenizer.json").unlink()
    assert fetch(PLACE) == folder
    assert (folder / "tokenizer.json").is_file()


def test_refresh_asks_again(hub):
    fetch(PLACE)
    asked = len(hub.requests)
    fetch(PLACE, refresh=True)
    assert len(hub.requests) > asked


def test_a_broken_download_goes_on_where_it_stopped(hub):
    hub.repositories["org/name"].cut_once.add("open_clip_model.safetensors")
    folder = fetch(PLACE)
    assert (folder / "open_clip_model.safetensors").read_bytes() == WEIGHTS
    ranges = [wanted for _, path, wanted in hub.requests if path.endswith("open_clip_model.safetensors")]
    assert any(wanted and wanted.startswith("bytes=") and not wanted.startswith("bytes=0-") for wanted in ranges)


def test_a_killed_download_goes_on_in_the_next_process(hub, cache_folders):
    blobs = cache_folders / "hub" / "models--org--name" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{etag('open_clip_model.safetensors', WEIGHTS)}.part").write_bytes(WEIGHTS[:1000])
    folder = fetch(PLACE)
    assert (folder / "open_clip_model.safetensors").read_bytes() == WEIGHTS
    ranges = [wanted for verb, path, wanted in hub.requests if verb == "GET" and path.endswith(".safetensors")]
    assert ranges == ["bytes=1000-"]
    assert not list(blobs.glob("*.part"))


def test_a_killed_download_of_another_file_is_noticed(hub, cache_folders):
    blobs = cache_folders / "hub" / "models--org--name" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{etag('open_clip_model.safetensors', WEIGHTS)}.part").write_bytes(b"x" * 1000)
    with pytest.raises(FormatError, match="damaged"):
        fetch(PLACE)
    assert (fetch(PLACE) / "open_clip_model.safetensors").read_bytes() == WEIGHTS


@pytest.mark.parametrize("name", ["open_clip_model.safetensors", "tokenizer.json"])
def test_a_wrong_hash_is_noticed_and_the_file_removed(hub, name):
    hub.repositories["org/name"].damaged.add(name)
    with pytest.raises(FormatError, match=rf"{name} was damaged.*fetch it again"):
        fetch(PLACE)
    hub.repositories["org/name"].damaged.clear()
    assert (fetch(PLACE) / name).read_bytes() == FILES[name]


def test_a_gated_repository_says_what_to_do(hub, monkeypatch):
    hub.repositories["org/name"].gated = True
    hub.repositories["org/name"].token = "hf_secret"
    with pytest.raises(UnknownModel, match=rf"accepted its terms.*{hub.url}/org/name.*HF_TOKEN"):
        fetch(PLACE)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert (fetch(PLACE) / "open_clip_model.safetensors").is_file()


def test_unknown_names_and_revisions(hub):
    with pytest.raises(UnknownModel, match="no model 'org/other', or it is private"):
        fetch(Address("org/other"))
    with pytest.raises(UnknownModel, match="org/name has no revision 'v9'"):
        fetch(Address("org/name", "v9"))
    assert fetch(Address("org/name", "v1")).name == COMMIT


def test_a_repository_without_weights(hub):
    hub.repositories["org/name"].files = {"README.md": b"#", "model.py": b""}
    with pytest.raises(UnknownModel, match=r"one file of weights \(README.md, model.py\)"):
        fetch(PLACE)


def test_without_a_network_the_cache_is_used(hub, monkeypatch):
    folder = fetch(PLACE)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody listens on the discard port
    assert fetch(PLACE, refresh=True) == folder
    with pytest.raises(UnknownModel, match=r"v1 is not in the cache, and the hub cannot be reached.*models fetch"):
        fetch(Address("org/name", "v1"))


def test_offline_never_asks(hub, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UnknownModel, match=r"not in the cache, and the network is not to be used \(--offline\)"):
        fetch(PLACE)
    assert hub.requests == []


def test_what_another_program_fetched_is_used_offline_and_checked(hub, cache_folders, monkeypatch):
    for name in FILES:
        huggingface_hub.hf_hub_download("org/name", name, endpoint=hub.url)
    asked = len(hub.requests)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = fetch(PLACE)
    assert len(hub.requests) == asked
    (cache_folders / "ours" / "fetched" / "org--name@main.json").unlink()
    blob = (folder / "open_clip_model.safetensors").resolve()
    os.chmod(blob, 0o644)
    blob.write_bytes(WEIGHTS[:-1] + b"x")
    with pytest.raises(FormatError, match="damaged"):
        fetch(PLACE)


@pytest.mark.parametrize(
    "names, wanted",
    [
        (["model.safetensors", "pytorch_model.bin", "config.json"], ["model.safetensors", "config.json"]),
        (
            ["model.safetensors.index.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"],
            ["model.safetensors.index.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"],
        ),
        (
            ["model.safetensors", "open_clip_pytorch_model.bin", "open_clip_config.json", "config.json"],
            ["open_clip_pytorch_model.bin", "open_clip_config.json", "config.json"],
        ),
        (["PE-Core-B16-224.pt", "README.md"], ["PE-Core-B16-224.pt", "README.md"]),
        (["a.pt", "b.pt"], []),
        (
            ["visual/model.onnx", "textual/model.onnx", "textual/tokenizer.json", "config.json"],
            ["visual/model.onnx", "textual/model.onnx", "textual/tokenizer.json", "config.json"],
        ),
        (
            [
                "visual/model.onnx",
                "visual/fp16/model.armnn",
                "visual/model.armnn",
                "textual/model.onnx",
                "textual/w.data",
            ],
            ["visual/model.onnx", "textual/model.onnx", "textual/w.data"],
        ),
        (["onnx/model.onnx", "tf_model.h5", "flax_model.msgpack"], []),
    ],
)
def test_which_files_make_a_model(names, wanted):
    assert choose_files(names) == wanted


def test_notes_are_plain(hub, cache_folders):
    fetch(PLACE)
    note = json.loads((cache_folders / "ours" / "fetched" / "org--name@main.json").read_text())
    assert note["files"][0] == "open_clip_model.safetensors"
    assert client.is_offline() is False


@pytest.mark.parametrize(
    "names, wanted",
    [
        (["a.safetensors", "b.safetensors", "config.json"], []),  # which of the two, nobody knows
        (["only.pt", "config.json"], ["only.pt", "config.json"]),
        (["a.npz", "b.pt"], ["b.pt"]),  # the safer kind goes first
        (["deep/a.safetensors", "config.json"], []),
        (["model.safetensors", "model.safetensors.index.json.bak", "vocab.txt"], ["model.safetensors", "vocab.txt"]),
        (
            ["model.safetensors.index.json", "model-00001-of-00002.safetensors", "model-1.safetensors", "spiece.model"],
            ["model.safetensors.index.json", "model-00001-of-00002.safetensors", "spiece.model"],
        ),
        (
            ["open_clip_model.safetensors", "pytorch_model.bin.index.json"],
            ["open_clip_model.safetensors"],  # the list of other weights stays behind
        ),
    ],
)
def test_which_weights_are_chosen(names, wanted):
    assert choose_files(names) == wanted


@pytest.mark.parametrize("size", [0, 5, (1 << 22) + 1], ids=["empty", "small", "more than a chunk"])
def test_hashes_of_both_kinds(size, tmp_path):
    content = os.urandom(size)
    path = tmp_path / "blob"
    path.write_bytes(content)
    git = hashlib.sha1(b"blob %d\0" % size + content).hexdigest()
    sha256 = hashlib.sha256(content).hexdigest()
    for stated in (git, git.upper(), sha256, sha256.upper(), "", "abc"):  # the last two are no hashes
        check_hash(path, stated)
    assert path.read_bytes() == content


@pytest.mark.parametrize("digits", [40, 64])
def test_a_wrong_hash_removes_link_and_file(digits, tmp_path):
    blob, link = tmp_path / "blob", tmp_path / "config.json"
    blob.write_bytes(b"x")
    link.symlink_to(blob)
    with pytest.raises(FormatError, match="config.json was damaged on its way: .*the hub states 000000000000"):
        check_hash(link, "0" * digits)
    assert not link.is_symlink() and not blob.exists()


def test_a_file_that_was_removed_is_fetched_again(hub):
    folder = fetch(PLACE)
    (folder / "tokenizer.json").unlink()
    hub.requests.clear()
    assert fetch(PLACE) == folder
    assert (folder / "tokenizer.json").read_bytes() == b"{}"
