"""Recall, latency and memory of a library: figures that can be bad, of one state, with nothing changed."""

import json
import subprocess
import sys

import numpy as np
import pytest

from wordsight.base.arrays import unit
from wordsight.base.errors import NotFound, UsageError
from wordsight.cli import benchmark as command
from wordsight.cli.main import main
from wordsight.index import caches
from wordsight.index.exact import ExactIndex
from wordsight.index.index import FileState
from wordsight.index.scan import ExactScan
from wordsight.index.where import WhereError
from wordsight.search import benchmark as benchmarks
from wordsight.search.benchmark import benchmark, right_hits
from wordsight.search.nearest import nearest
from wordsight.search.open_index import OpenIndex
from wordsight.search.questions import text_of

COLOURS = ["red", "green", "blue", "white"]
COUNT = 400


class EverySecond(ExactScan):
    """A scan that knows every second row only, and never doubts."""

    name = "every second"

    def shortlist(self, k):
        return k

    def at_most(self, queries, row_ids=None):
        row_ids = np.arange(len(self))[row_ids]
        return np.where(row_ids % 2 == 0, super().at_most(queries, row_ids), np.float32(-9))


@pytest.fixture
def drawn(opened, tmp_path, model):
    """A library of drawn embeddings without images."""
    (tmp_path / "drawn").mkdir()
    library = opened(tmp_path / "drawn")
    embeddings = unit(np.random.default_rng(0).normal(size=(COUNT, model.spec.width)))
    with library._index.writing() as index:
        index.add([f"k{i}" for i in range(COUNT)], embeddings, [{"number": i} for i in range(COUNT)])
        index.save()
    library.embeddings = embeddings.astype(np.float16).astype(np.float32)
    return library


@pytest.fixture
def every_second(monkeypatch):
    """Let libraries be searched with a scan that is worse than it thinks."""

    def kernel(self, seen):
        return EverySecond(seen.halves)

    monkeypatch.setattr(caches.SearchCaches, "_kernel", kernel)


def positive(latency):
    return 0 < latency.median <= latency.p95 <= latency.most


def test_a_small_library_is_compared_with_itself(opened, photos, capsys):
    library = opened(photos)
    library.sync()
    figures = benchmark(library, COLOURS)
    (one,) = figures.rounds
    assert (figures.entries, figures.absent, figures.width) == (5, 0, 27)
    assert (one.right, one.wanted, one.recall, one.missed) == (20, 20, 1.0, ())  # five entries for each of four
    assert all(map(positive, (figures.text, one.index, one.exact, one.whole)))
    assert figures.first.text > 0 and figures.first.search > 0
    assert figures.memory.exact >= figures.memory.ordinary > 10 * 2**20
    assert figures.footprint.scan == "" and figures.footprint.database and figures.footprint.embeddings == 5 * 27 * 2
    assert (figures.questions.texts, figures.questions.own, figures.given) == (tuple(COLOURS), 0, 4)


def test_a_scan_that_misses_has_a_recall_below_1_and_its_worst_queries_are_named(drawn, every_second, model):
    figures = benchmark(drawn, COLOURS, k=8, where="number < 300")
    assert figures.footprint.scan == "every second"
    for one, count in zip(figures.rounds, (COUNT, 300), strict=True):
        right = {}
        for text in COLOURS:
            scores = drawn.embeddings[:count] @ model.embed_texts([text])[0]
            right[text] = int(np.count_nonzero(np.argsort(-scores)[:8] % 2 == 0))
        assert 0 < sum(right.values()) < 8 * len(COLOURS)
        assert (one.right, one.wanted) == (sum(right.values()), 8 * len(COLOURS))
        assert one.recall == one.right / one.wanted
        short = sorted((number, text) for text, number in right.items() if number < 8)
        assert sorted((query.right, query.text) for query in one.missed) == short
        assert [query.right for query in one.missed] == sorted(query.right for query in one.missed)


def test_equal_scores_are_no_misses_and_fewer_or_lower_ones_are():
    exact = np.array([0.9, 0.5, 0.5], np.float32)
    assert right_hits(np.array([0.9, 0.5, 0.5], np.float32), exact) == 3
    assert right_hits(np.array([0.9, 0.5, 0.5 - 5e-7], np.float32), exact) == 3
    assert right_hits(np.array([0.9, 0.5, 0.499], np.float32), exact) == 2
    assert right_hits(np.array([0.9], np.float32), exact) == 1
    assert right_hits(np.empty(0, np.float32), exact) == 0
    assert right_hits(np.array([0.9, 0.8, 0.7, 0.6], np.float32), exact) == 3


def test_entries_that_are_all_alike_are_all_right(opened, tmp_path, model, every_second):
    (tmp_path / "same").mkdir()
    library = opened(tmp_path / "same")
    with library._index.writing() as index:
        index.add([f"k{i}" for i in range(COUNT)], np.repeat(model.embed_texts(["red"]), COUNT, 0), [{}] * COUNT)
        index.save()
    assert benchmark(library, COLOURS, k=8).rounds[0].recall == 1.0


def test_an_entry_that_is_answered_twice_counts_once(drawn, monkeypatch):
    search = ExactIndex.search

    def twice(self, *asked, exact=False, **options):
        answers = search(self, *asked, exact=exact, **options)
        return answers if exact else [[hits[0]] * len(hits) for hits in answers]

    monkeypatch.setattr(ExactIndex, "search", twice)
    assert benchmark(drawn, COLOURS, k=8).rounds[0].recall == 1 / 8


def test_the_comparison_is_of_one_state_while_another_writes(drawn, monkeypatch, model):
    peak = benchmarks._peak

    def write():
        """Between ordinary and exact searches, store what would be the nearest of all."""
        with ExactIndex.open(drawn.folder, fingerprint=model.fingerprint, width=27, writable=True) as writer:
            writer.add([f"new {text}" for text in COLOURS], model.embed_texts(COLOURS), [{}] * len(COLOURS))
            writer.save()
        return peak()

    monkeypatch.setattr(benchmarks, "_peak", write)
    assert benchmark(drawn, COLOURS).rounds[0].recall == 1.0
    assert drawn.search("red")[0].key == "new red"


def test_the_first_query_pays_for_opening_and_no_other_does(drawn, monkeypatch):
    drawn.search("red")
    opening, events = OpenIndex._opened, []
    monkeypatch.setattr(
        OpenIndex, "_opened", lambda self, **options: (events.append("open"), opening(self, **options))[1]
    )
    seconds = benchmarks._seconds
    monkeypatch.setattr(benchmarks, "_seconds", lambda step: (events.append("timed"), seconds(step))[1])
    benchmark(drawn, COLOURS)
    assert events[:3] == ["timed", "timed", "open"]  # the text tower, then the library
    assert events.count("open") == 1 and events.count("timed") == 2 + 4 * len(COLOURS)


def test_what_is_absent_is_not_compared(opened, photos):
    library = opened(photos)
    library.sync()
    with library._index.writing() as index:
        index.files.record({"top.png": FileState(1, 1, "h", absent=True)})
        index.save()
    figures = benchmark(library, COLOURS)
    assert (figures.entries, figures.absent, figures.rounds[0].wanted) == (5, 1, 16)
    with library._index.writing() as index:
        index.files.record({key: FileState(1, 1, "h", absent=True) for key in index.files.states()})
        index.save()
    (one,) = benchmark(library).rounds
    assert (one.recall, one.wanted, one.index, one.exact, one.whole, one.speedup) == (None, 0, *[None] * 4)


def test_a_condition_that_nothing_satisfies_has_no_recall(drawn):
    everything, none = benchmark(drawn, COLOURS, where="number < 0").rounds
    assert (everything.recall, none.recall, none.wanted) == (1.0, None, 0)


def test_damaged_embeddings_are_left_out_of_both(drawn, capsys):
    (path,) = drawn.folder.glob("*.f16")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    (one,) = benchmark(drawn, COLOURS, k=COUNT).rounds
    assert (one.recall, one.wanted) == (1.0, 256 * len(COLOURS))  # of two blocks the second is lost
    assert "is damaged and left out" in capsys.readouterr().err


def test_wrong_calls_are_refused_before_anything_is_measured(drawn, monkeypatch):
    monkeypatch.setattr(benchmarks._Runner, "embed", lambda self: pytest.fail("measured"))
    for wrong in ({"k": 0}, {"queries": []}, {"queries": [" ", ""]}):
        with pytest.raises(UsageError):
            benchmark(drawn, **{"queries": COLOURS, **wrong})
    for where in ("number <", "colour = 1"):
        with pytest.raises(WhereError):
            benchmark(drawn, COLOURS, where=where)


def test_a_library_that_was_not_made_is_named_with_the_cure(opened, photos):
    with pytest.raises(NotFound, match="wordsight index"):
        benchmark(opened(photos), COLOURS)
    assert not (photos / ".wordsight").exists()


def test_the_library_stays_as_it_is(drawn):
    drawn.close()
    before = {path.name: path.read_bytes() for path in drawn.folder.iterdir()}
    benchmark(drawn, COLOURS, where="number < 300")
    drawn.close()
    assert {path.name: path.read_bytes() for path in drawn.folder.iterdir() if path.name in before} == before
    assert {path.name for path in drawn.folder.iterdir()} == set(before)


def test_queries_are_texts_of_the_library_and_then_phrases(opened, photos, tmp_path):
    (tmp_path / "goods.csv").write_text(
        "image,title\nphotos/top.png,pink thing\nphotos/a/red.png,red thing\nphotos/a/blue.png,\n"
    )
    library = opened(tmp_path / "goods.csv")
    library.sync()
    chosen = benchmark(library).questions
    assert set(chosen.texts[: chosen.own]) == {"pink thing", "red thing"}
    assert len(chosen.texts) == len(set(chosen.texts)) == 100
    assert benchmark(library).questions == chosen
    few = benchmark(library, most=1, where="text contains 'red'").questions
    assert few.texts == ("red thing",)


@pytest.mark.parametrize(
    ("key", "meta", "text"),
    [
        ("a/b.jpg", {"name": "b.jpg", "path": "a/b.jpg"}, ""),
        ("a/b.jpg", {"name": "b.jpg", "text": "\n a dog \nanother"}, "a dog"),
        ("7", {"Title": "Shoe", "text": "red"}, "Shoe"),
        ("7", {"title": 7, "class": "shoe"}, "shoe"),
        ("7", {}, ""),
    ],
)
def test_the_text_of_an_entry_is_never_the_name_of_its_file(key, meta, text):
    assert text_of(key, meta) == text


def test_more_queries_than_are_asked_are_thinned_evenly(drawn):
    figures = benchmark(drawn, [f"text {i}" for i in range(50)], most=5)
    assert figures.questions.texts == tuple(f"text {i}" for i in range(0, 50, 10)) and figures.given == 50


def test_a_folder_inside_is_measured_alone(opened, photos):
    opened(photos).sync()
    with nearest(opened(photos / "a")).library:
        figures = benchmark(nearest(opened(photos / "a")), COLOURS)
    assert figures.rounds[0].wanted == 2 * len(COLOURS)


def test_memory_is_known_without_linux(monkeypatch, tmp_path):
    known = benchmarks._peak()
    monkeypatch.setattr(benchmarks, "STATUS", tmp_path / "status")
    assert benchmarks._status("RssFile") is None
    assert benchmarks._peak() > known / 2


def run(photos, *options):
    return main(["benchmark", str(photos), "--engine", "fake", *map(str, options)])


@pytest.fixture
def indexed(photos):
    assert main(["index", str(photos), "--engine", "fake", "--quiet"]) == 0
    return photos


def test_the_command(indexed, capsys, tmp_path):
    capsys.readouterr()
    (tmp_path / "q.txt").write_text("\n red \n\n# a note\nblue\r\n", encoding="utf-8")
    assert run(indexed, "--queries", tmp_path / "q.txt", "--where", "folder = 'a'", "-k", 3) == 0
    out = capsys.readouterr().out
    assert "entries    5; embeddings of 27 numbers" in out and "every embedding is compared" in out
    assert "queries    2 of the 2 given" in out
    assert "recall@3   1.0000: 6 of 6 hits" in out and "recall@3   1.0000: 4 of 4 hits" in out
    assert out.index("6 of 6") < out.index("where      folder = 'a'") < out.index("4 of 4")
    for name in ("first", "text", "index", "exact", "whole", "memory", "processor", "on disk"):
        assert f"\n{name:10} " in out


def test_missed_queries_are_named_in_lines_for_people(drawn, every_second, capsys):
    drawn.close()
    assert run(drawn.location, "-k", 8) == 0
    out = capsys.readouterr().out
    assert "a scan proposes candidates: every second" in out
    assert out.count(" of 8  ") == command.WORST and "0 texts of the library, 100 everyday phrases" in out


def test_every_number_as_one_json_object(indexed, capsys):
    capsys.readouterr()
    assert run(indexed, "--json") == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["entries"], figures["width"], figures["k"], figures["given"]) == (5, 27, 10, None)
    assert len(figures["questions"]["texts"]) == 100
    (one,) = figures["rounds"]
    assert (one["recall"], one["right"], one["wanted"], one["missed"]) == (1.0, 500, 500, [])
    assert set(one["index"]) == set(figures["text"]) == {"median", "p95", "most"} and one["speedup"] > 0
    assert set(figures["footprint"]) == {"database", "embeddings", "caches", "scan"}
    assert set(figures["first"]) == {"text", "search"}
    assert set(figures["memory"]) == {"ordinary", "exact", "mapped"}
    assert {"processor", "usable_cores", "units", "threads", "numpy"} <= set(figures["machine"])


@pytest.mark.parametrize(
    ("content", "status", "word"),
    [
        (b"", 2, "holds no query"),
        (b"\n  \n# note\n", 2, "holds no query"),
        (b"red\n\xff\n", 2, "not UTF-8: byte 0xff in line 2"),
        (None, 2, "cannot be read"),
    ],
)
def test_files_without_queries_are_refused(indexed, tmp_path, capsys, content, status, word):
    if content is not None:
        (tmp_path / "q.txt").write_bytes(content)
    assert run(indexed, "--queries", tmp_path / "q.txt") == status
    assert word in capsys.readouterr().err


def test_a_condition_without_an_entry_ends_with_1(indexed, capsys):
    assert run(indexed, "--where", "folder = 'nowhere'") == 1
    assert "nothing to compare" in capsys.readouterr().out
    assert run(indexed, "-k", "0") == 2


def test_queries_come_from_standard_input(indexed):
    program = [sys.executable, "-m", "wordsight", "benchmark", str(indexed), "--engine", "fake", "--queries", "-"]
    many = "".join(f"text {i}\n" for i in range(1100))
    ended = subprocess.run(program, input=many, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "queries    1,000 of the 1,100 given, spread evenly" in ended.stdout
