"""From a name to a folder, and what is said when there is none."""

import sys

import pytest

from wordsight.base.errors import UnknownModel
from wordsight.weights import find
from wordsight.weights.find import find_model


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "runs" / "mine"
    folder.mkdir(parents=True)
    (folder / "model.json").write_text("{}")
    return folder


def test_a_folder_is_itself(model, monkeypatch):
    assert find_model(model) == model
    assert find_model(str(model)) == model
    monkeypatch.setenv("HOME", str(model.parent))
    assert find_model("~/mine") == model


def test_none_is_the_variable_then_the_bundled_model(model, monkeypatch, tmp_path):
    monkeypatch.setattr(find, "BUNDLED", tmp_path / "bundled")
    with pytest.raises(UnknownModel, match="no model comes with this installation.*WORDSIGHT_MODEL"):
        find_model(None)
    (tmp_path / "bundled").mkdir()
    (tmp_path / "bundled" / "model.json").write_text("{}")
    assert find_model() == tmp_path / "bundled"
    monkeypatch.setenv("WORDSIGHT_MODEL", str(model))
    assert find_model() == model
    assert find_model(tmp_path / "bundled") == tmp_path / "bundled"
    monkeypatch.setenv("WORDSIGHT_MODEL", str(tmp_path / "gone"))
    with pytest.raises(UnknownModel, match=r"WORDSIGHT_MODEL: no model .*gone"):
        find_model()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ViT-B-32", r"is an architecture \(ViT-B-32\), not weights"),
        ("vit-b/32", r"is an architecture \(ViT-B-32\), not weights"),
        ("ViT-B-32/laion2b_s34b_b79k", "names a public checkpoint; reading those is not part of this version"),
        ("hf-hub:org/name", "names a public checkpoint; reading those is not part of this version"),
        ("google/siglip-base-patch16-224", "if it is a public model: reading those is not part of this version"),
        ("ViT-B-23", "near it are the architectures .*ViT-B-32.*no weights"),
        ("nonsense", "'nonsense': there is no such folder"),
        ("./nowhere/x", "there is no such folder"),
    ],
)
def test_unknown_names_are_answered_truthfully(name, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownModel, match=said) as caught:
        find_model(name)
    assert "wordsight train" in caught.value.cure


def test_a_folder_without_a_model_and_a_file_are_answered(model):
    with pytest.raises(UnknownModel, match=r"runs has no model\.json; did you mean .*mine\?"):
        find_model(model.parent)
    (model / "empty").mkdir()
    with pytest.raises(UnknownModel, match="so it is no model"):
        find_model(model / "empty")
    with pytest.raises(UnknownModel, match=f"give its folder, {model}"):
        find_model(model / "model.json")
    (model / "ViT-B-32.pt").write_bytes(b"")
    with pytest.raises(UnknownModel, match="reading public checkpoints is not part of this version"):
        find_model(model / "ViT-B-32.pt")
    (model / "cat.jpg").write_bytes(b"")
    with pytest.raises(UnknownModel, match="is a file, not the folder of a model"):
        find_model(model / "cat.jpg")


def test_specs_are_read_without_torch(model):
    import subprocess

    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from wordsight.weights import find, fingerprint, folder\n"
        "from wordsight.towers import catalogue\n"
        "print(len(catalogue.names()), catalogue.architecture('RN50').width)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split()[1] == "1024"


def test_towers_without_torch_name_the_extra(model):
    import subprocess

    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from wordsight.base.errors import MissingExtra\n"
        "from wordsight.weights.folder import load_towers\n"
        "import json, pathlib\n"
        "try: load_towers(sys.argv[1])\n"
        "except MissingExtra as error: print(error)"
    )
    manifest = '{"format": "wordsight-model", "version": 1, "spec": {"name": "x"}, "fingerprint": "0", "scale": 1.0}'
    (model / "model.json").write_text(manifest)
    out = subprocess.run([sys.executable, "-c", code, str(model)], capture_output=True, text=True, check=True)
    assert "pip install 'wordsight[train]'" in out.stdout
