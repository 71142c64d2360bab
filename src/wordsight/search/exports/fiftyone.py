"""A FiftyOneImageClassificationDataset: `data.json`, name -> file, and `labels.json`, name -> class.

    fiftyone.Dataset.from_dir(FOLDER, dataset_type=fiftyone.types.FiftyOneImageClassificationDataset)

The class is the column `class`, null where there is none.  Images inside films and documents have no file of their own
and are left out before.  Source: FiftyOne's user guide, "Loading data from disk".
"""

from pathlib import Path

from wordsight.base.errors import UsageError
from wordsight.base.files import write_json
from wordsight.search.exports.table import Groups


def write(groups: Groups, folder: Path) -> None:
    """Fill the folder; an image that lies inside a table or shard raises `UsageError`."""
    files: dict[str, str] = {}
    labels: dict[str, str | None] = {}
    for group in groups:
        for one in group:
            if one.path is None:
                raise UsageError(
                    f"{one.key} has no file of its own", cure="wordsight search --extract writes images to files"
                )
            label = one.meta.get("class")
            files[one.key] = str(one.path.absolute())
            labels[one.key] = None if label is None else str(label)
    classes = sorted({label for label in labels.values() if label is not None})
    write_json(folder / "data.json", files)
    write_json(folder / "labels.json", {"classes": classes, "labels": labels})
