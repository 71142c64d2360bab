"""What a library is made of: what a folder tells of its images becomes metadata, and what is away stays."""

from wordsight.cli.main import main


def test_what_a_folder_tells_of_its_images_is_metadata_and_kept_in_step(opened, photos, capsys):
    library = opened(photos)
    library.sync()
    (photos / "top.txt").write_text("a pink square\nnothing else")
    (photos / "a" / "red.json").write_text('{"caption": "a red one", "class": "colour"}')
    (photos / "a" / "metadata.jsonl").write_text('{"file_name": "blue.png", "label": 3}\n{"file_name": "gone.png"}\n')
    report = library.sync()
    assert sorted(report.changed) == ["a/blue.png", "a/red.png", "top.png"]
    assert [reason.partition(":")[0] for _, reason in report.failed] == [f"{photos}/a/metadata.jsonl"]
    assert not library.sync()  # a problem is reported when what has it is read
    for where, key in (
        ("text contains 'pink'", "top.png"),
        ("class = colour", "a/red.png"),
        ("label = 3", "a/blue.png"),
    ):
        assert [hit.key for hit in library.search("red", where=where)] == [key]
    (photos / "top.txt").unlink()
    assert library.sync().changed == ["top.png"]
    (photos / "old.tar").write_bytes(b"")
    (photos / "link").symlink_to(photos / "a")
    (photos / "a" / "metadata.jsonl").unlink()
    report = library.sync()
    assert (report.changed, report.failed) == (["a/blue.png"], [])
    assert [line.partition(photos.name)[2] for line in capsys.readouterr().err.splitlines()] == [
        " are not followed: link",
        f"/old.tar is left alone: {photos} is a folder of images",
    ]


def test_a_source_whose_images_are_all_away_leaves_the_library_alone(opened, photos, tmp_path):
    (tmp_path / "t.csv").write_text("image,price\nphotos/a/red.png,1\nphotos/top.png,2\n")
    table, folder = opened(tmp_path / "t.csv"), opened(photos)
    (photos / "export.csv").write_text("image,price\na/red.png,1\n")
    table.sync(), folder.sync()
    for name in ("a", "b", "top.png"):
        (photos / name).rename(tmp_path / name)
    (tmp_path / "t.csv").write_text("image,price\nphotos/a/red.png,3\nphotos/top.png,4\n")
    report = table.sync()
    assert (report.absent, ["no file" in reason for _, reason in report.failed]) == (table.absent(), [True, True])
    assert len(opened(photos).sync().absent) == 5  # the table beside is all that is left: it looks like a table
    assert not folder.sync()
    assert (len(table), len(folder), folder.search("red")) == (2, 5, [])
    for name in ("a", "b", "top.png"):
        (tmp_path / name).rename(photos / name)
    report = table.sync()
    assert (report.changed, report.returned) == (["photos/a/red.png", "photos/top.png"],) * 2
    assert len(opened(photos).sync().returned) == 5


def test_folders_that_become_classes_change_no_picture(paint, tmp_path, capsys):
    for number in range(4):
        paint(tmp_path / "photos" / "flat" / f"{number}.png", "red", shade=number)
    arguments = ["index", str(tmp_path / "photos"), "--engine", "fake"]
    main(arguments)
    paint(tmp_path / "photos" / "other" / "blue.png", "blue")
    capsys.readouterr()
    main(arguments)
    assert capsys.readouterr().out.endswith(": 1 added, 4 with other metadata\n")
    paint(tmp_path / "photos" / "flat" / "0.png", "green")
    main(arguments)
    assert capsys.readouterr().out.endswith(": 1 changed\n")
