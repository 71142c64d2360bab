"""What every index refuses, in full, and what the checks they share let pass; files of the index on disk, at their borders."""

import numpy as np
import pytest

from wordsight.base.errors import FingerprintMismatch, FormatError, NotFound, UsageError
from wordsight.base.files import write_json
from wordsight.index import exact
from wordsight.index.embedding_file import EmbeddingFile, generations, halved
from wordsight.index.exact import ExactIndex
from wordsight.index.index import check_added, check_embeddings, check_model, check_search
from wordsight.index.open import INDEXES, backend_of, record, recorded
from wordsight.index.where import parse


def refused(kind, call):
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    return str(caught.value)


NOT_FINITE = "embeddings that hold NaN or infinite numbers; embed again; nothing was stored or compared"


def rows(count, width=4):
    return np.eye(max(count, width), dtype=np.float32)[:count, :width]


@pytest.mark.parametrize(
    ("keys", "embeddings", "meta", "kind", "message"),
    [
        (["a"], rows(2), [{}], UsageError, "1 keys, 2 embeddings, 1 metadata; give as many of each"),
        (["a", "b"], rows(2), [{}], UsageError, "2 keys, 2 embeddings, 1 metadata; give as many of each"),
        (["a"], rows(2), [{}, {}], UsageError, "1 keys, 2 embeddings, 2 metadata; give as many of each"),
        (["a", "a"], rows(2), [{}, {}], UsageError, "a key appears twice in one call; give every entry its own key"),
        (["a"], rows(1, 3), [{}], FormatError, "embeddings of shape (1, 3) for an index of width 4; give (n, 4)"),
        (["a"], np.full((1, 4), np.nan, np.float32), [{}], FormatError, NOT_FINITE),
        (["a", "b"], np.array([[1, 0, 0, 0], [0, 0, 0, np.inf]], np.float32), [{}, {}], FormatError, NOT_FINITE),
    ],
)
def test_additions(keys, embeddings, meta, kind, message):
    assert refused(kind, lambda: check_added(keys, embeddings, meta, width=4)) == message


def test_what_passes():
    check_added([], rows(0), [], width=4)
    check_added(["a", "b"], rows(2), [{}, {"x": 1}], width=4)
    check_search(rows(3), 1, width=4)
    check_embeddings(rows(0), 4)


@pytest.mark.parametrize("k", [0, -1])
def test_searches(k):
    assert refused(UsageError, lambda: check_search(rows(1), k, width=4)) == f"k = {k}; ask for at least one hit"
    assert refused(FormatError, lambda: check_search(rows(1)[0], 1, width=4)) == (
        "embeddings of shape (4,) for an index of width 4; give (n, 4)"
    )
    assert refused(FormatError, lambda: check_search(np.full((1, 4), np.inf, np.float32), 1, width=4)) == NOT_FINITE


def test_models(tmp_path):
    facts = {"fingerprint": "old", "width": "4"}
    check_model(facts, tmp_path, fingerprint="old", width=4)
    cure = "use that model (--model), or make the library again with wordsight index PLACE --rebuild"
    assert refused(FingerprintMismatch, lambda: check_model(facts, tmp_path, fingerprint="new", width=4)) == (
        f"the library in {tmp_path} was made by model old, the model in use is new; {cure}"
    )
    named = {**facts, "model": "small"}
    assert refused(FingerprintMismatch, lambda: check_model(named, tmp_path, fingerprint="new", width=4)) == (
        f"the library in {tmp_path} was made by model old (small), the model in use is new; {cure}"
    )
    assert refused(FormatError, lambda: check_model(facts, tmp_path, fingerprint="old", width=5)) == (
        "embeddings of width 5 for a library of width 4; wordsight index PLACE --rebuild makes the library again"
    )


@pytest.mark.parametrize("name", INDEXES)
def test_unknown_keys(name, tmp_path):
    backend = backend_of(tmp_path, name)
    index = backend.open(tmp_path, fingerprint="f", width=4, writable=True)
    for call in (index.remove, index.entries):
        assert refused(NotFound, lambda call=call: call(["gone"])) == ("no entry 'gone'; ask only for what was added")
    index.close()
    backend.delete(tmp_path)
    assert refused(NotFound, lambda: backend.open(tmp_path, fingerprint="f", width=4)) == (
        f"no library in {tmp_path}; make it with wordsight index"
    )


def test_the_kind_of_an_index_is_recorded_unless_it_is_the_default(tmp_path):
    assert recorded(tmp_path) is None
    record(tmp_path, None)
    record(tmp_path, "exact")
    assert recorded(tmp_path) is None and list(tmp_path.iterdir()) == []
    record(tmp_path, "memory")
    record(tmp_path, "other")
    assert recorded(tmp_path) == "memory"
    assert backend_of(tmp_path) is backend_of(tmp_path, "memory") is INDEXES["memory"]()
    assert refused(UsageError, lambda: backend_of(tmp_path, "exact")) == (
        f"the library in {tmp_path} has the index 'memory', not 'exact'; "
        "leave the index out, or delete the library first"
    )
    assert refused(UsageError, lambda: backend_of(tmp_path, "none")) == (
        f"no index 'none'; use one of {', '.join(INDEXES)}"
    )
    others = ({"index": "later"}, "'later'"), ({}, "None"), ([], "None"), ({"index": ["memory"]}, "['memory']")
    for content, named in others:
        write_json(tmp_path / "library.json", content)
        assert refused(FormatError, lambda: recorded(tmp_path)) == (
            f"{tmp_path / 'library.json'} names the index {named}, this program has {', '.join(INDEXES)}; "
            "update wordsight, or build the library again with wordsight index PLACE --rebuild"
        )
    (tmp_path / "library.json").write_text("{")
    assert "is not JSON" in refused(FormatError, lambda: recorded(tmp_path))
    assert "or build the library again with wordsight index PLACE --rebuild" in refused(
        FormatError, lambda: recorded(tmp_path)
    )


def test_a_library_without_a_record_has_the_default(tmp_path):
    assert backend_of(tmp_path) is INDEXES["exact"]()
    ExactIndex.open(tmp_path, fingerprint="f", width=4, writable=True).close()
    assert recorded(tmp_path) == "exact"
    with pytest.raises(UsageError, match="has the index 'exact', not 'memory'"):
        backend_of(tmp_path, "memory")


def test_a_file_of_embeddings_is_written_from_any_position_on(tmp_path):
    file = EmbeddingFile(tmp_path, 3, 4)
    assert (file.path, file.generation) == (tmp_path / "embeddings-3.f16", 3)
    assert file.mapped(0).shape == (0, 4) and not file.path.exists()
    with pytest.raises(FileNotFoundError):
        file.mapped(1)
    file.append(0, halved(rows(3)))
    file.append(2, halved(5 * rows(2)))
    file.flush()
    assert file.mapped(4).tolist() == [*rows(2).tolist(), *(5 * rows(2)).tolist()]
    assert file.mapped(1).tolist() == rows(1).tolist()
    assert np.fromfile(file.path, "<f2").reshape(-1, 4)[1].tolist() == [0, 1, 0, 0]
    held = file.mapped(4)
    file.append(4, halved(7 * rows(1)))
    assert file.mapped(5)[4].tolist() == [7, 0, 0, 0] and held.shape == (4, 4)
    file.close()
    file.close()
    assert held[3].tolist() == [0, 5, 0, 0]


@pytest.mark.parametrize(("size", "count", "there"), [(8, 1, 1), (7, 1, 0), (8, 2, 1), (17, 2, 2)])
def test_a_file_that_is_too_short_gives_what_it_has(tmp_path, size, count, there):
    (tmp_path / "embeddings-0.f16").write_bytes(b"\0" * size)
    assert EmbeddingFile(tmp_path, 0, 4).mapped(count).shape == (there, 4)


def test_files_of_embeddings_are_known_by_their_names(tmp_path):
    names = ["embeddings-0.f16", "embeddings-12.f16", "embeddings-x.f16", "embeddings-1.f16.bak", "library.db"]
    for name in names:
        (tmp_path / name).touch()
    assert generations(tmp_path) == {0: tmp_path / names[0], 12: tmp_path / names[1]}
    assert generations(tmp_path / "none") == {}
    drop_unused_by_nobody = tmp_path / "embeddings-12.f16"
    ExactIndex.delete(tmp_path)
    assert not drop_unused_by_nobody.exists() and (tmp_path / "embeddings-x.f16").exists()


@pytest.mark.parametrize(("share", "least", "removed", "pays"), [
    (0.25, 0, 5, False), (0.25, 0, 6, True), (0.0, 5, 5, False), (0.0, 5, 6, True), (0.9, 5, 6, False),
])  # fmt: skip
def test_when_compacting_pays(tmp_path, monkeypatch, share, least, removed, pays):
    """More than a share of the embeddings, and more than are worth a new file: five of twenty are a quarter."""
    monkeypatch.setattr(exact, "DEAD_SHARE", share)
    monkeypatch.setattr(exact, "DEAD_LEAST", least)
    keys = [str(n) for n in range(20)]
    with ExactIndex.open(tmp_path, fingerprint="f", width=20, writable=True) as index:
        index.add(keys, rows(20, 20), [{"n": n} for n in range(20)])
        index.save()
        index.remove(keys[:removed])
        index.save()
        assert index.wants_upkeep() == pays
        index.upkeep()
        assert (tmp_path / f"embeddings-{int(pays)}.f16").stat().st_size == 40 * (20 - removed * pays)
        for n in (removed, 19):
            assert index.search(rows(20, 20)[n : n + 1], 1, parse(f"n = {n}"))[0][0].score == 1
        assert index.entries(["19"])[0].meta == {"n": 19}
    assert len(list(tmp_path.glob("*.f16"))) == 1
