"""What failed is listed for as long as it is so, whatever it was."""

from wordsight.base.errors import UnreadableFile
from wordsight.cli.main import main
from wordsight.search import sync as sync_module
from wordsight.search.origin import MOST_PROBLEMS


def test_what_failed_is_listed_as_long_as_it_is_so(opened, photos, paint, tmp_path, capsys, monkeypatch):
    """A row whose picture is missing, a link to nothing, a broken picture, a file that may not be read."""
    (photos / "bad.png").write_bytes(b"no picture")
    (photos / "nowhere.png").symlink_to(tmp_path / "gone.png")
    (photos / "metadata.csv").write_text("file_name,price\ntop.png,5\nmissing.png,6\n")
    real = sync_module.image_hash

    def refused(image, *, key):
        if key == "a/red.png":
            raise UnreadableFile(f"{image} may not be read", cure="")
        return real(image, key=key)

    monkeypatch.setattr(sync_module, "image_hash", refused)
    words = ["bad.png", "missing.png", "nowhere.png", "may not be read"]

    def listed():
        status = main(["index", str(photos), "--engine", "fake", "--failed"])
        lines = capsys.readouterr().out.splitlines()
        return status, [word for word in words if any(word in line for line in lines)], len(lines)

    library = opened(photos)
    assert len(library.sync().failed) == 4
    assert listed() == (1, words, 4)
    paint(photos / "new.png", "orange")  # the tables and links are as they were: only pictures are looked at
    library.sync()
    assert listed() == (1, words, 4)
    monkeypatch.undo()
    library.sync()
    assert listed() == (1, words[:3], 3)
    (photos / "nowhere.png").unlink()
    (photos / "bad.png").unlink()
    library.sync()
    assert listed() == (1, ["missing.png"], 1)
    (photos / "metadata.csv").write_text("file_name,price\ntop.png,5\n")
    library.sync()
    assert listed() == (0, [], 0)


def test_many_failures_are_kept_up_to_a_number(opened, photos):
    count = MOST_PROBLEMS + 5
    (photos / "metadata.csv").write_text(
        "file_name,price\ntop.png,5\n" + "".join(f"missing{n}.png,1\n" for n in range(count))
    )
    library = opened(photos)
    failed = len(library.sync().failed)
    kept = library.problems()
    assert failed == count
    assert (len(kept), kept[-1]) == (MOST_PROBLEMS + 1, "and 5 more")


def test_rows_of_a_table_are_listed_too(opened, photos, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("image,class\nphotos/top.png,pink\nphotos/top.png,red\nphotos/missing.png,red\n")
    library = opened(table)
    reasons = [reason for _, reason in library.sync().failed]
    assert sorted([*library.failures().values(), *library.problems()]) == sorted(reasons)
    assert len(reasons) == 2
