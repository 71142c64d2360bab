"""Every layout in every verb: what a folder, table or shard is does not depend on who reads it.

A new layout is one function and one row of `LAYOUTS`; a new verb that reads a source is one row of `VERBS`.
"""

import csv
import io
import json
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from wordsight.cli.main import main
from wordsight.data.source import open_source
from wordsight.embeddings.model import Model
from wordsight.engines.fake import FakeEngine
from wordsight.search.library import open_library


def encoded_image(number, form="PNG"):
    pixels = np.random.default_rng(number).integers(0, 256, (40, 48, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form)
    return buffer.getvalue()


def images(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded_image(sum(map(ord, name))))


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        with open(path, "w", newline="", encoding="utf-8") as handle:
            table = csv.DictWriter(handle, rows[0])
            table.writeheader()
            table.writerows(rows)


def tar(path, members):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as handle:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            handle.addfile(info, io.BytesIO(content))


def flat(folder):
    images(folder, "a.jpg", "b.PNG", "c.webp")


def nested(folder):
    images(folder, "a.jpg", "deep/er/b.jpg", "deep/c.jpg")


def class_folders(folder):
    images(folder, "cat/a.jpg", "cat/b.jpg", "dog/c.jpg")


def class_folders_of_splits(folder):
    images(folder, "train/cat/a.jpg", "train/dog/b.jpg", "test/cat/c.jpg")


def beside_text(folder):
    images(folder, "a.jpg", "b.JPG", "c.jpg")
    for name in ("a.txt", "b.TXT", "c.Txt"):
        (folder / name).write_text(f"picture {name[0]}\n", encoding="utf-8-sig")


def ours(folder):
    images(folder, "a.jpg", "b.jpg", "deep/c.jpg")
    write(folder / "metadata.csv", [{"file": "a.jpg", "caption": "picture a", "price": 5}])


def hugging_face(name, inside=""):
    def make(folder):
        images(folder / inside, "a.jpg", "b.jpg", "deep/c.jpg")
        write(folder / inside / name, [{"file_name": f"{n}.jpg", "text": f"picture {n}"} for n in ("a", "b", "deep/c")])

    return make


def captions_table(folder):
    images(folder, "images/a.jpg", "images/b.jpg", "images/c.jpg")
    rows = [{"image": f"images\\{n}.jpg", "caption": f"picture {n}"} for n in "abcab"]
    write(folder / "captions.csv", rows)


def unrelated_table(folder):
    images(folder, "a.jpg", "b.jpg", "c.jpg")
    write(folder / "sales.csv", [{"month": 1, "total": 5}])
    write(folder / "files.csv", [{"file": "report.docx", "total": 5}])


def downloaded_files(folder):
    for number in range(3):
        name = f"0000{number // 2}/00000000{number}"
        images(folder, f"{name}.jpg")
        (folder / f"{name}.txt").write_text(f"picture {number}")
        values = {"caption": f"picture {number}", "key": f"00000000{number}", "url": "u", "status": "success"}
        (folder / f"{name}.json").write_text(json.dumps(values))
    records(folder)


def records(folder):
    for number in range(2):
        write(folder / f"0000{number}.parquet", [{"url": "u", "caption": "gone", "key": "9", "status": "failed"}])
        (folder / f"0000{number}_stats.json").write_text('{"count": 9}')


def downloaded_shards(folder):
    for part in range(2):
        members = {}
        for number in range(2 * part, min(2 * part + 2, 3)):
            members[f"00000000{number}.jpg"] = encoded_image(number)
            members[f"00000000{number}.txt"] = f"picture {number}".encode()
            members[f"00000000{number}.json"] = json.dumps({"key": f"00000000{number}", "url": "u"}).encode()
        tar(folder / f"0000{part}.tar", members)
    records(folder)


def archive_among_photos(folder):
    images(folder, "2024/a.jpg", "2024/b.jpg", "2024/c.jpg")
    tar(folder / "backup.tar", {"old.jpg": encoded_image(1)})


def archive_beside_photos(folder):
    images(folder, "a.jpg", "b.jpg", "c.jpg")
    tar(folder / "00000.tar", {"old.jpg": encoded_image(1)})


def shards_with_previews(folder):
    tar(folder / "set-0000.tar", {f"{number}.png": encoded_image(number) for number in range(3)})
    images(folder, "preview/a.jpg")


def table_of_files_elsewhere(folder):
    images(folder.parent / "elsewhere", "a.jpg", "b.jpg", "c.jpg")
    rows = [{"filepath": f"..\\elsewhere\\{n}.jpg", " title ": f"picture {n}"} for n in "abc"]
    write(folder / "set.csv", rows)


def parquet_of_hugging_face(folder):
    for part in range(2):
        numbers = range(2 * part, min(2 * part + 2, 3))
        rows = [{"image": {"bytes": encoded_image(n), "path": f"{n}.png"}, "text": f"picture {n}"} for n in numbers]
        write(folder / "data" / f"train-0000{part}-of-00002.parquet", rows)


def parquet_with_images_of_a_card(folder):
    parquet_of_hugging_face(folder)
    images(folder, "assets/logo.png")


def parquet_of_the_hub(folder):
    for split in ("train", "test"):
        numbers = range(2) if split == "train" else range(2, 3)
        write(folder / "default" / split / "0000.parquet", [{"image": encoded_image(n)} for n in numbers])


def shards_in_folders(folder):
    tar(folder / "train" / "0.tar", {"a.png": encoded_image(0), "b.png": encoded_image(1)})
    tar(folder / "test" / "0.tar", {"a.png": encoded_image(2)})


def numbered_classes(folder):
    """CLIP_benchmark's shards."""
    for split, numbers in (("train", (0, 1)), ("test", (2,))):
        members = {}
        for number in numbers:
            members[f"s000000{number}.cls"] = str(number % 2).encode()
            members[f"s000000{number}.webp"] = encoded_image(number, "WEBP")
        tar(folder / split / "0.tar", members)
        (folder / split / "nshards.txt").write_text("1")
    (folder / "classnames.txt").write_text("cat\r\ndog\r\n", encoding="utf-8-sig")
    (folder / "zeroshot_classification_templates.txt").write_text("a photo of a {c}.")


def hidden_and_linked(folder):
    images(folder, "a.jpg", "b.jpg", "c.jpg", ".wordsight/x.jpg", ".hidden.jpg")
    images(folder.parent / "elsewhere", "d.jpg")
    (folder / "link").symlink_to(folder.parent / "elsewhere")


# what makes three images in it -> their classes and the captions of all, as every verb reads them
LAYOUTS = {
    "flat": (flat, set(), ""),
    "nested": (nested, set(), ""),
    "class folders": (class_folders, {"cat", "dog"}, ""),
    "class folders of splits": (class_folders_of_splits, {"cat", "dog"}, ""),
    "text files beside": (beside_text, set(), "abc"),
    "metadata.csv with file": (ours, set(), "a"),
    "metadata.csv with file_name": (hugging_face("metadata.csv"), set(), ["a", "b", "deep/c"]),
    "metadata.jsonl": (hugging_face("metadata.jsonl"), set(), ["a", "b", "deep/c"]),
    "metadata.parquet": (hugging_face("metadata.parquet"), set(), ["a", "b", "deep/c"]),
    "metadata.jsonl in a split": (hugging_face("metadata.jsonl", "train"), set(), ["a", "b", "deep/c"]),
    "table of captions": (captions_table, set(), "abc"),
    "unrelated tables": (unrelated_table, set(), ""),
    "img2dataset's files": (downloaded_files, set(), "012"),
    "img2dataset's shards": (downloaded_shards, set(), "012"),
    "an archive among photos": (archive_among_photos, set(), ""),
    "an archive beside photos": (archive_beside_photos, set(), ""),
    "shards with previews": (shards_with_previews, set(), ""),
    "a table of files elsewhere": (table_of_files_elsewhere, set(), "abc"),
    "Hugging Face's parquet": (parquet_of_hugging_face, set(), "012"),
    "Hugging Face's parquet and a card": (parquet_with_images_of_a_card, set(), "012"),
    "Hugging Face's converted parquet": (parquet_of_the_hub, set(), ""),
    "shards in folders of splits": (shards_in_folders, set(), ""),
    "CLIP_benchmark's shards": (numbered_classes, {"cat", "dog"}, ""),
    "hidden and linked folders": (hidden_and_linked, set(), ""),
}


def embed(place, out, capsys):
    assert main(["embed", str(place), "--split", "all", "--out", str(out), "--engine", "fake"]) == 0
    return int(capsys.readouterr().out.split(" read: ")[1].split(" pictures")[0])


def pack(place, out, capsys):
    assert main(["data", "pack", str(place), "--split", "all", "--out", str(out)]) == 0
    return json.loads((out / "manifest.json").read_text())["count"]


def check(place, out, capsys):
    assert main(["data", "check", str(place), "--split", "all", "--json"]) == 0
    return json.loads(capsys.readouterr().out)["pictures"]


def stats(place, out, capsys):
    assert main(["data", "stats", str(place), "--split", "all", "--json"]) == 0
    return json.loads(capsys.readouterr().out)["pictures"]


def index(place, out, capsys):
    assert main(["index", str(place), "--library", str(out), "--engine", "fake"]) == 0
    return int(capsys.readouterr().out.split()[0])


def search(place, out, capsys):
    assert main(["search", "red", "--in", str(place), "--library", str(out), "--engine", "fake", "--paths-only"]) == 0
    return len(capsys.readouterr().out.splitlines())


VERBS = (embed, pack, check, stats, index, search)


@pytest.fixture(params=LAYOUTS)
def layout(request, tmp_path):
    """The folder, the classes and the captions of a layout."""
    make, classes, captions = LAYOUTS[request.param]
    make(tmp_path / "set")
    return tmp_path / "set", classes, {f"picture {name}" for name in captions}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_reads_the_same_images(verb, layout, tmp_path, capsys):
    assert verb(layout[0], tmp_path / "out", capsys) == 3


def test_classes_and_captions_are_those_of_the_library_too(layout, tmp_path):
    place, classes, captions = layout
    walk = open_source(place, split="all").samples()
    samples = {sample.key: sample for sample in walk}
    assert walk.failures == []
    assert {sample.label for sample in samples.values()} - {None} == classes
    assert {text for sample in samples.values() for text in sample.texts} == captions
    with open_library(place, model=Model(FakeEngine()), library_dir=tmp_path / "library") as library:
        library.sync()
        hits = {hit.key: hit for hit in library.search("red", k=10)}
    assert hits.keys() == samples.keys()
    for key, hit in hits.items():
        assert hit.meta.get("class") == samples[key].label
        assert hit.meta.get("text", "") == "\n".join(samples[key].texts)
