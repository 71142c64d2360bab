"""What is printed of a licence, and how the catalogue is listed by it."""

import json

import pytest

from wordsight.base.errors import UsageError
from wordsight.cli.main import main
from wordsight.weights.checkpoint import Checkpoint
from wordsight.weights.licences import chosen, mention, non_commercial, terms_of, with_licence
from wordsight.weights.names import catalogue


def test_which_licences_exclude_commercial_use():
    free = ["mit", "apache-2.0", "cc-by-4.0", "", "apple-ascl"]
    bound = ["cc-by-nc-4.0", "cc-by-nc-sa-4.0", "apple-amlr", "non-commercial-thing"]
    assert [licence for licence in free + bound if non_commercial(licence)] == bound


@pytest.mark.parametrize(
    ("name", "origin", "licence"),
    [
        ("ViT-H-14-378/dfn5b", {}, "apple-amlr"),
        ("nllb-clip-base/v1", {"format": "openclip"}, "cc-by-nc-4.0"),
        ("mine", {"licence": "cc-by-nc-4.0"}, "cc-by-nc-4.0"),
        ("ViT-B-32/laion2b_s34b_b79k", {}, ""),
        ("mine", {}, ""),
        ("nllb-clip-base/v1", {"licence": "mit"}, ""),
    ],
)
def test_opening_a_model_prints_what_excludes_commercial_use(name, origin, licence, tmp_path, capsys):
    (tmp_path / "model.json").write_text(json.dumps({"spec": {"name": name}, "origin": origin}))
    mention(tmp_path)
    said = capsys.readouterr().err
    assert said == (f"{name}: its licence, {licence}, does not allow commercial use\n" if licence else "")


def test_the_licence_of_one_tower_is_mentioned_as_its_own(tmp_path, capsys):
    origin = {"image licence": "apple-amlr", "text licence": "mit"}
    (tmp_path / "model.json").write_text(json.dumps({"spec": {"name": "half"}, "origin": origin}))
    mention(tmp_path)
    said = "half: the licence of its image tower, apple-amlr, does not allow commercial use\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(
    ("card", "terms"),
    [
        ("# A\n\n## Licences of it\n\none\n\n### LICENSE\ntwo\n\n## Limits\nthree\n", "one\n\n**LICENSE**\ntwo"),
        ("## License\r\nmit\r\n# B\nno\n## Licence\nyes", "mit\n\nyes"),
        ("# A\nLicence: none\n", ""),
        ("## Licence\n\n## Next\n", ""),
    ],
)
def test_what_a_card_says_of_licences(card, terms, tmp_path):
    assert terms_of(tmp_path / "README.md") == ""
    (tmp_path / "README.md").write_bytes(card.encode())
    assert terms_of(tmp_path / "README.md") == terms


@pytest.mark.parametrize("content", ["[]", "{", '{"spec": 1}', '{"origin": []}'])
def test_a_wrong_manifest_is_left_to_those_who_read_it(content, tmp_path, capsys):
    (tmp_path / "model.json").write_text(content)
    mention(tmp_path)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: cc-by-nc-4.0\ntags: [x]\n---\n# A", "cc-by-nc-4.0"),
        ('---\r\nlicense: "MIT"\r\n---\r\n', "mit"),
        ("---\nlicense: other\nlicense_name: apple-amlr\n---\n", "apple-amlr"),
        ("---\nlicense: other\n---\n", ""),
        ("# A\nlicense: mit\n", ""),
        ("---\ntags: []\n---\nlicense: mit\n", ""),
    ],
)
def test_a_card_states_it_in_its_head(card, licence, tmp_path):
    given = Checkpoint(None, {}, origin={"format": "x"})
    assert with_licence(given, tmp_path).origin == {"format": "x"}
    (tmp_path / "README.md").write_bytes(card.encode())
    origin = with_licence(given, tmp_path).origin
    assert origin == ({"format": "x", "licence": licence} if licence else {"format": "x"})


def test_the_catalogue_is_listed_by_licence(capsys):
    assert chosen("Apache-2.0, mit") == chosen("commercial") == {"apache-2.0", "mit"}
    assert chosen("commercial,apple-amlr") == {"apache-2.0", "mit", "apple-amlr"}
    assert main(["models", "--licence", "cc-by-nc-4.0"]) == 0
    out = capsys.readouterr().out
    assert "nllb-clip-base/v1" in out and "ViT-B-32/openai" not in out
    rows = [line for line in out.splitlines() if line.endswith("  cc-by-nc-4.0")]
    assert len(rows) == sum(model.licence == "cc-by-nc-4.0" for model in catalogue())


def test_an_unknown_licence_names_those_known(capsys):
    with pytest.raises(
        UsageError, match="no licence 'gpl'.*; use commercial, apache-2.0, apple-amlr, cc-by-nc-4.0, mit"
    ):
        chosen("gpl")
    assert main(["models", "--licence", "apache-2"]) == 2
    assert "no licence 'apache-2' in the catalogue; did you mean apache-2.0?" in capsys.readouterr().err
    assert main(["models", "show", "bundled", "--licence", "mit"]) == 2
    assert "--licence with show" in capsys.readouterr().err
