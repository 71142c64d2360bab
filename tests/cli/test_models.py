"""`wordsight models`: the catalogue's rows, with and without the hub's client."""

import sys

import pytest

from wordsight.cli.main import main


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))


@pytest.mark.parametrize("client", [True, False])
def test_a_public_model_is_shown_without_being_fetched(client, monkeypatch, capsys):
    if not client:
        monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert main(["models", "show", "ViT-B-16-SigLIP/webli"]) == 0
    out = capsys.readouterr().out
    assert "timm/ViT-B-16-SigLIP" in out
    assert "76.04 % zero-shot top-1 (mlfoundations/open_clip" in out
    assert ("not in the cache" if client else "pip install 'wordsight[models]'") in out


def test_the_list_holds_the_catalogue(capsys):
    assert main(["models"]) == 0
    out = capsys.readouterr().out
    assert "ViT-H-14-378/dfn5b" in out
    assert "apple-amlr" in out
