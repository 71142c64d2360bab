"""What lies at a place: patterns, kinds, splits."""

import pytest

from wordsight.base.errors import FormatError, NotFound, UsageError
from wordsight.cli.main import main
from wordsight.data.source import open_source


def _keys(source):
    return [sample.key for sample in source.samples()]


@pytest.fixture
def splits(tmp_path, write_shard):
    write_shard(tmp_path / "train-0000.tar", range(3))
    write_shard(tmp_path / "train-0001.tar", range(3, 6))
    write_shard(tmp_path / "val-0000.tar", range(6, 8))
    return tmp_path


def test_a_folder_with_several_splits_asks_which(splits):
    with pytest.raises(UsageError) as caught:
        open_source(splits)
    cure = "name one with split=NAME, or all of them with split=all"
    assert str(caught.value) == f"several splits lie in {splits}: train, val; {cure}"
    assert len(_keys(open_source(splits, split="train"))) == 6
    assert len(_keys(open_source(splits, split="train+val"))) == 8
    assert len(_keys(open_source(splits, split="all"))) == 8


@pytest.mark.parametrize("words", [["data", "check"], ["embed", "--out", "out"]])
def test_a_verb_asks_which_split_with_its_option(splits, words, capsys):
    assert main([words[0], *words[1:], str(splits)]) == 2
    assert capsys.readouterr().err.endswith("name one with --split NAME, or all of them with --split all\n")


def test_an_unknown_split_names_the_near_ones(splits):
    with pytest.raises(NotFound, match="did you mean train"):
        open_source(splits, split="trian")


def test_patterns_and_lists(splits):
    whole = _keys(open_source(splits, split="train"))
    assert _keys(open_source(f"{splits}/train-{{0000..0001}}.tar")) == whole
    assert _keys(open_source(f"{splits}/train-*.tar")) == whole
    assert _keys(open_source([splits / "train-0000.tar", splits / "train-0001.tar"])) == whole
    assert len(_keys(open_source(f"{splits}/{{train,val}}-0000.tar"))) == 5


def test_a_shard_of_a_pattern_that_is_not_there_is_reported(splits):
    walk = open_source(f"{splits}/train-{{0000..0002}}.tar").samples()
    assert len(list(walk)) == 6
    assert "train-0002.tar" in str(walk.failures[0])


def test_a_split_may_be_a_folder(tmp_path, folder):
    folder.rename(tmp_path / "test")
    assert len(_keys(open_source(tmp_path, split="test"))) == 6


def test_places_that_are_not_there(tmp_path):
    with pytest.raises(NotFound, match="nowhere"):
        open_source(tmp_path / "nowhere")
    with pytest.raises(NotFound):
        open_source(f"{tmp_path}/x-{{0..3}}.tar")
    with pytest.raises(UsageError, match="empty list"):
        open_source([])


def test_a_folder_without_pictures(tmp_path):
    with pytest.raises(FormatError, match="no images"):
        open_source(tmp_path)


def test_forms_that_are_not_known(tmp_path, folder):
    (tmp_path / "x.zip").write_bytes(b"PK")
    with pytest.raises(FormatError, match="unpack it first"):
        open_source(tmp_path / "x.zip")
    (tmp_path / "x.docx").write_bytes(b"PK")
    with pytest.raises(FormatError, match="parquet"):
        open_source(tmp_path / "x.docx")
    with pytest.raises(FormatError, match="holds no table"):
        open_source(folder, kind="table")


def test_kinds_are_not_mixed(splits):
    (splits / "a.csv").write_text("image\n")
    with pytest.raises(FormatError, match="one kind"):
        open_source([splits / "train-0000.tar", splits / "a.csv"])
    with pytest.raises(UsageError, match="leave out"):
        open_source(splits / "a.csv", kind="shards")


def test_images_in_folders_inside_a_set_are_left_alone_and_said(splits, encoded_image, capsys):
    (splits / "preview").mkdir()
    (splits / "preview" / "a.png").write_bytes(encoded_image(1))
    assert len(_keys(open_source(splits, split="all"))) == 8
    assert capsys.readouterr().err == f"images in the folders inside {splits} are left alone: it holds shards\n"
    (splits / "top.png").write_bytes(encoded_image(2))
    assert _keys(open_source(splits, split="all")) == ["top.png", "preview/a.png"]
    assert len(_keys(open_source(splits, split="val"))) == 2


def test_tables_that_name_images_are_no_set_of_their_own(tmp_path, encoded_image):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.png").write_bytes(encoded_image(1))
    (tmp_path / "data" / "notes.csv").write_text("image\na.png\n")
    assert _keys(open_source(tmp_path)) == ["data/a.png"]
