"""`wordsight models`: the catalogue's rows, with and without the hub's client."""

import sys

import pytest

from wordsight.cli.main import main


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "")


@pytest.mark.parametrize("client", [True, False])
def test_a_public_model_is_shown_without_being_fetched(client, monkeypatch, capsys):
    if not client:
        monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert main(["models", "show", "ViT-B-16-SigLIP/webli"]) == 0
    out = capsys.readouterr().out
    assert "timm/ViT-B-16-SigLIP" in out
    assert "76.04 % zero-shot top-1 (mlfoundations/open_clip" in out
    assert ("not in the cache; run `wordsight models fetch" if client else "pip install 'wordsight[models]'") in out
    assert "--offline" not in out


def test_the_bundled_model_is_shown_by_its_name_and_not_fetched(capsys):
    assert main(["models", "show", "bundled"]) == 0
    assert "54fde171280eb1e1" in capsys.readouterr().out
    assert main(["models", "fetch", "bundled"]) == 2
    assert "the model 'bundled' comes with the package; use it: there is nothing to fetch" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["~nobody/x", "x" * 5000, "ViT-B-33/openai"])
def test_a_name_that_leads_nowhere_is_one_line(name, capsys):
    for words in (["show", name], ["fetch", name]):
        assert main(["models", *words, "--offline"]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and len(said) < 400


def test_the_list_holds_the_catalogue(capsys):
    assert main(["models"]) == 0
    out = capsys.readouterr().out
    assert "ViT-H-14-378/dfn5b" in out
    assert "apple-amlr" in out
