"""An audit is recorded whole, again with the same figures, and never over something else."""

import json

import pytest

from wordsight.audit import running
from wordsight.audit.running import audit_model, choose, run_checks
from wordsight.audit.subject import ModelSubject, labelled_set, training_samples, without_folders
from wordsight.audit.table import MODEL_CHECKS, Check
from wordsight.base.errors import ConfigError, NotFound, UsageError
from wordsight.embeddings.model import Model
from wordsight.engines.fake import FakeEngine
from wordsight.report.audit_page import write_audit_page


@pytest.fixture
def subject(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    return ModelSubject(Model(FakeEngine()), images=24)


def test_an_audit_is_files_and_made_again_it_has_the_same_figures(subject, tmp_path):
    folder = tmp_path / "out"
    audit = audit_model(subject, folder, checks=["gibberish"])
    facts = json.loads((folder / "audit.json").read_text())
    assert (facts["kind"], facts["name"], facts["fingerprint"]) == ("model", "fake", subject.model.fingerprint)
    assert "drawn scenes; 24 images a check, seed 0. " in (folder / "card.md").read_text()
    assert facts["setting"] == {"images": 24, "seed": 0, "data": [], "captions": []}
    assert [one["check"] for one in facts["checks"]] == ["gibberish"]
    assert {"time", "wordsight", "processor", "avx512"} <= set(facts["environment"])
    claims = [json.loads(line) for line in (folder / "audit.jsonl").read_text().splitlines()]
    assert [claim["text"] for claim in claims] == [claim.text for claim in audit.claims]
    results = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    assert {one["setting"]["check"] for one in results} == {"gibberish"}
    assert {one["fingerprint"] for one in results} == {subject.model.fingerprint}
    assert all(claim["text"] in (folder / "card.md").read_text() for claim in claims)
    again = audit_model(subject, folder, checks=["gibberish"])
    assert [claim.text for claim in again.claims] == [claim.text for claim in audit.claims]
    assert len((folder / "results.jsonl").read_text().splitlines()) == len(results)


def test_what_lies_there_is_not_lost(subject, tmp_path):
    (tmp_path / "results.jsonl").write_text("{}\n")
    with pytest.raises(UsageError, match="something else"):
        audit_model(subject, tmp_path, checks=["gibberish"])
    assert (tmp_path / "results.jsonl").read_text() == "{}\n"


def test_a_check_that_cannot_be_made_says_why_and_a_mistake_flies(subject, monkeypatch):
    def cannot(subject):
        raise NotFound("no captions", cure="give --captions PLACE")

    def mistaken(subject):
        raise ZeroDivisionError

    monkeypatch.setattr(running, "resolve", lambda target: {"a:b": cannot, "c:d": mistaken}[target])
    (skipped,) = run_checks({"one": Check("a:b", "One")}, subject)
    assert (skipped.check, skipped.title) == ("one", "One")
    assert (skipped.reason, skipped.cure) == ("no captions", "give --captions PLACE")
    with pytest.raises(ZeroDivisionError):
        run_checks({"two": Check("c:d", "Two")}, subject)


def test_places_are_recorded_as_given_without_folders_of_the_machine():
    assert without_folders("/a/b/clothing?split=test&train=/x/y.csv&label=a") == (
        "clothing?split=test&train=y.csv&label=a"
    )
    assert without_folders("data/train-*.tar") == "train-*.tar"


def test_two_sets_of_one_name_are_refused(subject, tmp_path):
    twice = tuple(labelled_set(f"{tmp_path}/pets?split={split}") for split in ("a", "b"))
    with pytest.raises(UsageError, match="2 sets are called pets"):
        audit_model(ModelSubject(subject.model, data=twice), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_sets_are_read_before_anything_is_measured(subject, tmp_path):
    lost = ModelSubject(subject.model, data=(labelled_set(str(tmp_path / "nowhere")),))
    with pytest.raises(NotFound, match="nowhere"):
        audit_model(lost, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_checks_come_in_the_order_of_the_table_and_others_are_refused():
    assert list(choose([], MODEL_CHECKS)) == list(MODEL_CHECKS)
    with pytest.raises(UsageError, match="did you mean gibberish"):
        choose(["giberish"], MODEL_CHECKS)


def test_an_audit_that_was_stopped_while_it_was_written_is_replaced(subject, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    folder = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(running, "write_json", stop)
        with pytest.raises(KeyboardInterrupt):
            audit_model(subject, folder, checks=["gibberish"])
    assert (folder / "results.jsonl").exists() and not (folder / "audit.json").exists()
    with pytest.raises(NotFound, match=r"audit\.json"):
        write_audit_page(folder, folder / "report.html")
    audit_model(subject, folder, checks=["gibberish"])
    assert json.loads((folder / "audit.json").read_text())["name"] == "fake"


def test_training_captions_are_named_as_libraries_are(tmp_path):
    (tmp_path / "pairs.csv").write_text("file,words,other\n" + "".join(f"{i}.jpg,a hat {i},x\n" for i in range(5)))
    for number in range(5):
        (tmp_path / f"{number}.jpg").touch()
    samples = list(training_samples([f"{tmp_path / 'pairs.csv'}?captions=words&limit=3"]))
    assert [sample.texts for sample in samples] == [("a hat 0",), ("a hat 1",), ("a hat 2",)]
    assert all(sample.image is None for sample in samples)
    with pytest.raises(ConfigError, match="groups"):
        list(training_samples([f"{tmp_path / 'pairs.csv'}?groups=other"]))
