"""Scans: 16-bit floats are exact, a kernel finds what comparing all finds, and a file that does not fit is refused."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wordsight.base.arrays import unit
from wordsight.base.errors import FormatError, NotFound
from wordsight.index import contenders
from wordsight.index import scan as scans
from wordsight.index.best import Best
from wordsight.index.cache_file import HEADER, CacheHeader, read_cache, write_cache
from wordsight.index.halves import hide, nearest_halves, row_blocks, scores_halves, to_float32
from wordsight.index.int8 import Int8Scan, build_int8
from wordsight.index.scan import ExactScan, build_scan, load_scan, save_scan, search_scan
from wordsight.index.topk import top_k

ROWS, WIDTH, TRUE_WIDTH = 30_000, 96, 24


def drawn(count, seed):
    """Embeddings near a space of few directions, in clusters, about a mean of their own: as a model gives them."""
    random = np.random.default_rng(seed)
    plane = np.random.default_rng(1).standard_normal((TRUE_WIDTH, WIDTH))
    centres = np.random.default_rng(2).standard_normal((300, TRUE_WIDTH))
    near = centres[random.integers(0, 300, count)] + 0.5 * random.standard_normal((count, TRUE_WIDTH))
    return unit(near @ plane + 0.3 * random.standard_normal((count, WIDTH)) + 2.0)


@pytest.fixture(scope="module")
def rows():
    return drawn(ROWS, 3).astype(np.float16)


@pytest.fixture(scope="module")
def queries():
    return drawn(20, 4)


@pytest.fixture(scope="module")
def kernel(rows, tmp_path_factory):
    return saved_and_loaded(build_int8(rows), rows, tmp_path_factory.mktemp("scan"))


def saved_and_loaded(kernel, rows, folder):
    save_scan(kernel, folder / "scan.cache", generation=0)
    return load_scan(folder / "scan.cache", rows, generation=0)


def recall(answers, truth):
    return np.mean([np.isin(wanted, given).mean() for wanted, given in zip(truth, answers, strict=True)])


def test_every_finite_half_is_exact():
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)]
    expected = halves.astype(np.float32)
    assert (to_float32(halves).view(np.uint32) == expected.view(np.uint32)).all()
    assert (to_float32(halves[: 1 << 15 : 4].reshape(4, -1)).ravel() == expected[: 1 << 15 : 4]).all()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_nearest_halves_are_those_of_top_k(data):
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    count, k, size = data.draw(st.integers(0, 3000)), data.draw(st.integers(0, 50)), data.draw(st.integers(0, 3))
    # Small whole numbers: dot products are exact, and many of them equal.
    rows = random.integers(-2, 3, (count, 8)).astype(np.float16)
    queries = random.integers(-2, 3, (size, 8)).astype(np.float32)
    share = data.draw(st.sampled_from([None, 0.0, 0.01, 0.5, 1.0]))
    allowed = None if share is None else random.random(count) < share
    expected = top_k(queries, rows.astype(np.float32), k, among=None if allowed is None else np.flatnonzero(allowed))
    for answer in (
        nearest_halves(queries, rows, k, allowed=allowed),
        search_scan(ExactScan(rows), rows, queries, k, allowed=allowed),
    ):
        assert answer.scores.tolist() == expected.scores.tolist()
        assert answer.row_ids.tolist() == expected.row_ids.tolist()


def test_scores_are_the_dot_products_of_each_query_with_its_rows(rows, queries):
    row_ids = np.random.default_rng(5).integers(0, ROWS, (20, 2500))
    expected = np.einsum("qw,qcw->qc", queries, rows[row_ids].astype(np.float32))
    np.testing.assert_allclose(scores_halves(queries, rows, row_ids), expected, atol=1e-6)
    assert scores_halves(queries[:0], rows, row_ids[:0]).shape == (0, 2500)


def test_row_blocks_hold_what_is_allowed_once_and_in_order():
    allowed = np.ones(10, bool)
    allowed[[4, 5, 6, 7, 9]] = False
    blocks = list(row_blocks(10, allowed, 4))
    assert blocks == [slice(0, 4), slice(8, 10)]  # of the last half is allowed, none of the second
    scores = np.ones((2, 2), np.float32)
    assert hide(scores, blocks[1], allowed).tolist() == [[1, -np.inf]] * 2
    allowed[:3] = False
    assert [block.tolist() for block in row_blocks(10, allowed, 1)] == [[3], [8]]
    assert list(row_blocks(5, None, 4)) == [slice(0, 4), slice(4, 5)]


def test_of_equal_scores_the_first_rows_are_kept():
    best = Best(1, 3)
    best.offer(np.zeros((1, 9000), np.float32), slice(0, 9000))
    best.offer(np.array([[0.0, 1.0, 0.0]], np.float32), np.array([9001, 9005, 9007]))
    assert best.nearest().row_ids.tolist() == [[9005, 0, 1]]


def test_a_built_scan_finds_the_nearest(rows, queries, kernel):
    assert isinstance(kernel, Int8Scan)
    assert len(kernel) == ROWS and kernel.width == WIDTH
    truth = nearest_halves(queries, rows, 10)
    for scan in (kernel, build_int8(rows)):  # one that is in no file yet
        answer = search_scan(scan, rows, queries, 10)
        assert (answer.row_ids == truth.row_ids).all()
        np.testing.assert_allclose(answer.scores, truth.scores, atol=1e-6)


def test_what_is_rare_is_found_by_who_asks_for_it(rows, tmp_path):
    """A few rows with what no other has, off the directions in which the others differ."""
    random = np.random.default_rng(11)
    rare = unit(random.standard_normal((3, WIDTH)))
    some = rows.copy()
    some[[5, 17_000, ROWS - 1]] = unit(some[[5, 17_000, ROWS - 1]].astype(np.float32) + 0.5 * rare)
    kernel = saved_and_loaded(build_int8(some), some, tmp_path)
    queries = unit(np.concatenate([rare, random.standard_normal((50, WIDTH))]))
    truth = nearest_halves(queries, some, 10)
    assert {5, 17_000, ROWS - 1} <= set(truth.row_ids[:3].ravel().tolist())
    assert (search_scan(kernel, some, queries, 10).row_ids == truth.row_ids).all()


def test_no_score_is_above_its_bound_and_none_is_far_below(rows, queries, kernel):
    bounds = kernel.at_most(queries)
    assert bounds.shape == (20, ROWS)
    scores = queries @ rows.astype(np.float32).T
    assert (scores <= bounds).all()
    assert (bounds - scores).max() < 0.5 * scores.std()
    for some in (np.flatnonzero(np.random.default_rng(6).random(ROWS) < 0.7), np.array([8191, 8192, ROWS - 1])):
        assert (kernel.at_most(queries, some) == bounds[:, some]).all()
    assert kernel.at_most(queries, np.empty(0, np.int64)).shape == (20, 0)
    assert kernel.at_most(queries[:0]).shape == (0, ROWS)


@pytest.mark.parametrize("share", [0.9, 0.5, 0.1, 0.01, 0.001, 0.0])
@pytest.mark.parametrize("how", ["at random", "near the query", "far from the query"])
def test_filtered_search_answers_only_and_nearly_all_that_is_allowed(rows, queries, kernel, share, how):
    likeness = rows.astype(np.float32) @ queries[0]
    chance = np.random.default_rng(6).random(ROWS)
    rank = {"at random": chance, "near the query": -likeness, "far from the query": likeness}[how].argsort()
    allowed = np.zeros(ROWS, bool)
    allowed[rank[: int(share * ROWS)]] = True
    truth = nearest_halves(queries, rows, 10, allowed=allowed)
    answer = search_scan(kernel, rows, queries, 10, allowed=allowed)
    assert answer.row_ids.shape == (20, min(10, allowed.sum()))
    assert allowed[answer.row_ids].all()
    assert not share or recall(answer.row_ids, truth.row_ids) == 1


def test_more_neighbours_take_more_candidates_and_all_rows_in_the_end(rows, queries, kernel):
    assert kernel.shortlist(10) < kernel.shortlist(80) < kernel.shortlist(10_000)
    truth = nearest_halves(queries, rows, 400)
    assert recall(search_scan(kernel, rows, queries, 400).row_ids, truth.row_ids) >= 0.99
    assert search_scan(kernel, rows, queries, ROWS).row_ids.shape == (20, ROWS)


@pytest.mark.parametrize("scattered", [0, 20, 20_000])
def test_however_the_rest_is_scored_the_answer_is_the_same(rows, queries, kernel, monkeypatch, scattered):
    monkeypatch.setattr(contenders, "MOST", scattered)
    truth = nearest_halves(queries, rows, 10)
    answer = search_scan(kernel, rows, queries, 10)
    assert (answer.row_ids == truth.row_ids).all()


@pytest.mark.parametrize("first", [1, 8191, 8192, ROWS - 7000])
def test_rows_that_are_added_are_found(rows, queries, tmp_path, first):
    grown = saved_and_loaded(build_int8(rows[:first]), rows[:first], tmp_path)
    for count in (first + 1, first + 1, ROWS - 1, ROWS):
        grown.extend(rows[:count])
        assert len(grown) == count
    truth = nearest_halves(queries, rows, 10)
    assert (truth.row_ids >= first).any()
    assert recall(search_scan(grown, rows, queries, 10).row_ids, truth.row_ids) >= 0.99
    allowed = np.arange(ROWS) >= first - 5
    truth = nearest_halves(queries, rows, 10, allowed=allowed)
    assert recall(search_scan(grown, rows, queries, 10, allowed=allowed).row_ids, truth.row_ids) >= 0.99
    some = np.flatnonzero(np.random.default_rng(6).random(ROWS) < 0.1)
    assert (grown.at_most(queries, some) == grown.at_most(queries)[:, some]).all()


def test_few_rows_are_compared_one_and_all(rows):
    assert isinstance(build_scan(rows[:20_000]), ExactScan)
    assert isinstance(build_scan(rows), Int8Scan)


def test_equal_rows_are_no_trouble():
    same = np.repeat(drawn(1, 8), 25_000, axis=0).astype(np.float16)
    answer = search_scan(build_scan(same), same, drawn(2, 9), 10)
    assert answer.row_ids.shape == (2, 10)


def test_removed_rows_do_not_count_for_the_steps(rows, queries):
    broken = rows.copy()
    broken[::2] = 700.0  # beside which the others would all be zero
    allowed = np.arange(ROWS) % 2 == 1
    kernel = build_scan(broken, allowed=allowed)
    truth = nearest_halves(queries, broken, 10, allowed=allowed)
    assert (search_scan(kernel, broken, queries, 10, allowed=allowed).row_ids == truth.row_ids).all()
    slack = kernel.at_most(queries)[:, allowed] - queries @ broken[allowed].astype(np.float32).T
    assert slack.max() < 0.1
    assert isinstance(build_scan(rows, allowed=np.zeros(ROWS, bool)), ExactScan)


def test_numbers_that_are_always_the_same_are_no_trouble():
    flat = np.zeros((25_000, WIDTH), np.float16)
    flat[:, :2] = unit(np.random.default_rng(13).standard_normal((25_000, 2)))
    query = np.eye(1, WIDTH, dtype=np.float32)
    truth = nearest_halves(query, flat, 10)
    assert (search_scan(build_scan(flat), flat, query, 10).scores == truth.scores).all()
    assert (search_scan(build_scan(flat), flat, np.zeros((1, WIDTH), np.float32), 10).scores == 0).all()


@pytest.mark.parametrize("kind", [ExactScan, Int8Scan])
def test_saved_and_loaded_it_answers_the_same(tmp_path, rows, queries, kernel, kind):
    saved = kernel if kind is Int8Scan else ExactScan(rows)
    path = tmp_path / "scan.cache"
    save_scan(saved, path, generation=4)
    loaded = load_scan(path, rows, generation=4)
    assert isinstance(loaded, kind)
    assert loaded.shortlist(10) == saved.shortlist(10)
    assert (loaded.at_most(queries) == saved.at_most(queries)).all()
    assert [entry.name for entry in tmp_path.iterdir()] == ["scan.cache"]


def test_a_loaded_scan_covers_what_was_added_since(tmp_path, rows, queries):
    path = tmp_path / "scan.cache"
    save_scan(build_int8(rows[:25_000]), path, generation=0)
    loaded = load_scan(path, rows, generation=0)
    assert len(loaded) == ROWS
    save_scan(loaded, path, generation=0)
    again = load_scan(path, rows, generation=0)
    assert np.allclose(again.at_most(queries), loaded.at_most(queries), atol=1e-5)


def test_a_scan_of_other_embeddings_is_refused(tmp_path, rows, kernel):
    path = tmp_path / "scan.cache"
    with pytest.raises(NotFound):
        load_scan(path, rows, generation=4)
    save_scan(kernel, path, generation=4)
    cure = f"; delete {path}: it is made again"
    for given_rows, generation, problem in (
        (rows, 5, f"{path} is of generation 4, the embeddings are of 5"),
        (rows[:-1], 4, f"{path} covers 30000 embeddings of 96 numbers, and there are 29999 of 96"),
        (rows[:, :80], 4, f"{path} covers 30000 embeddings of 96 numbers, and there are 30000 of 80"),
    ):
        with pytest.raises(FormatError) as caught:
            load_scan(path, given_rows, generation=generation)
        assert str(caught.value) == problem + cure


def test_a_scan_of_another_version_is_refused(tmp_path, rows, kernel, monkeypatch):
    path = tmp_path / "scan.cache"
    save_scan(kernel, path, generation=4)
    monkeypatch.setattr(Int8Scan, "version", 3)
    with pytest.raises(FormatError, match="was written by int8 2, which this program does not have"):
        load_scan(path, rows, generation=4)
    monkeypatch.setattr(scans, "KERNELS", {})
    with pytest.raises(FormatError, match="was written by int8 2, which this program does not have"):
        load_scan(path, rows, generation=4)


def test_a_scan_without_its_parts_is_refused(tmp_path, rows):
    path = tmp_path / "scan.cache"
    write_cache(path, CacheHeader("int8", 2, 4, ROWS, WIDTH), {})
    with pytest.raises(FormatError, match=r"does not fit the embeddings \('centre'\); delete"):
        load_scan(path, rows, generation=4)


def test_a_scan_of_rows_that_were_overwritten_is_refused(tmp_path, rows, kernel):
    path = tmp_path / "scan.cache"
    save_scan(kernel, path, generation=4)
    others = rows.copy()
    others[-1] = rows[0]
    with pytest.raises(FormatError, match=r"does not fit the embeddings \(the codes of the last rows\); delete"):
        load_scan(path, others, generation=4)


PARTS = {"codes": np.arange(21, dtype=np.int8).reshape(7, 3), "steps": np.ones(3, np.float32), "n": np.array([5])}


def test_a_file_gives_back_its_arrays(tmp_path):
    path, header = tmp_path / "scan.cache", CacheHeader("int8", 1, 2, 7, 3)
    write_cache(path, header, PARTS)
    read, parts = read_cache(path)
    assert read == header
    assert {name: (part.dtype, part.tolist()) for name, part in parts.items()} == {
        name: (part.dtype, part.tolist()) for name, part in PARTS.items()
    }


def test_any_byte_that_is_altered_is_noticed(tmp_path):
    path = tmp_path / "scan.cache"
    write_cache(path, CacheHeader("int8", 1, 2, 7, 3), PARTS)
    whole = path.read_bytes()
    line = len(whole[:HEADER].rstrip())
    # Of the line, and of every byte of the arrays; what fills the line up and what lies between arrays says nothing.
    arrays = [*range(HEADER, HEADER + 21), *range(HEADER + 24, HEADER + 36), *range(HEADER + 40, HEADER + 48)]
    for position in [*range(0, line, 3), *arrays]:
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 4]) + whole[position + 1 :])
        with pytest.raises(FormatError):
            read_cache(path)
    for length in (0, 10, HEADER - 1, HEADER, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(FormatError, match="no whole cache of this program"):
            read_cache(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(FormatError):
        read_cache(path)
    path.write_bytes(whole)
    read_cache(path)


def test_damage_in_a_large_array_is_noticed(tmp_path):
    path = tmp_path / "scan.cache"
    codes = np.random.default_rng(0).integers(-127, 128, (80_000, 64), dtype=np.int8)
    write_cache(path, CacheHeader("int8", 1, 2, 80_000, 64), {"codes": codes})
    whole = bytearray(path.read_bytes())
    middle = HEADER + 3_000_000
    for damage in (bytes(4096), whole[HEADER : HEADER + 4096], whole[middle + 1 : middle + 4097]):
        path.write_bytes(whole[:middle] + damage + whole[middle + 4096 :])
        with pytest.raises(FormatError):
            read_cache(path)
    # Two parts that changed places, each summed by itself.
    path.write_bytes(whole[:HEADER] + whole[HEADER + (1 << 22) :] + whole[HEADER : HEADER + (1 << 22)])
    with pytest.raises(FormatError):
        read_cache(path)


@pytest.mark.parametrize(
    "change",
    [
        {"parts": []},
        {"parts": {"codes": ["O", 7, 3]}},
        {"parts": {"codes": ["i1", -7, -3]}},
        {"parts": {"codes": ["i1", 1 << 60]}},
        {"parts": {"codes": []}},
        {"rows": None},
        {"format": "wordsight cache 2"},
    ],
)
def test_a_line_that_says_something_else_is_noticed(tmp_path, change):
    path = tmp_path / "scan.cache"
    write_cache(path, CacheHeader("int8", 1, 2, 7, 3), PARTS)
    whole = path.read_bytes()
    facts = json.loads(whole[:HEADER]) | change
    path.write_bytes(json.dumps(facts).encode().ljust(HEADER - 1) + b"\n" + whole[HEADER:])
    with pytest.raises(FormatError, match="no whole cache of this program"):
        read_cache(path)
    path.write_bytes(b"[1]".ljust(HEADER) + whole[HEADER:])
    with pytest.raises(FormatError, match="no whole cache of this program"):
        read_cache(path)
