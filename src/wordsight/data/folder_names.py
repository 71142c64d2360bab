"""Names of class folders that are called by ids, from a file beside them: ImageNet's n01440764 is a tench.

    names = folder_names(Path("imagenet/val"), ["n01440764", "n01443537"])     # {"n01440764": "tench", ...}

    LOC_synset_mapping.txt, classnames.txt      n01440764 tench, Tinca tinca
    classes.json                                {"n01440764": "tench"}
    imagenet_class_index.json                   {"0": ["n01440764", "tench"]}

The file lies in the folder that holds the class folders, or above it where that is a split.  It counts when it names
every class folder; one that names some is left alone with a notice.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from wordsight.base.progress import notice
from wordsight.base.reading import MEGABYTE, read_text

SPLITS = frozenset({"train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval"})
FILES = ("classnames.txt", "classes.json", "imagenet_class_index.json", "LOC_synset_mapping.txt")
_LARGEST = 16 * MEGABYTE  # bytes: ImageNet-21k's names have a million letters


def name_files(root: Path) -> list[Path]:
    """Return the files of these names that are there, the nearer first."""
    folders = (root, root.absolute().parent) if root.absolute().name.lower() in SPLITS else (root,)
    return [path for folder in folders for path in (folder / file for file in FILES) if path.is_file()]


def folder_names(root: Path, folders: Sequence[str]) -> dict[str, str]:
    """Return folder -> name of the class; {} where no file names them all."""
    for path in name_files(root):
        try:
            text = read_text(path, limit=_LARGEST).replace("\ufeff", "")
            stated = dict(_from_json(text) if path.suffix == ".json" else _from_lines(text))
        except (OSError, ValueError, RecursionError):
            continue  # a file of something else
        missing = sorted(set(folders).difference(stated))
        if not missing:
            return {folder: stated[folder] for folder in folders}
        if len(missing) < len(set(folders)):
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            notice(f"{path} is left alone: it does not name the class folder {missing[0]}{more}", once=True)
    return {}


def _from_lines(text: str) -> Iterator[tuple[str, str]]:
    for line in text.split("\n"):
        folder, *name = line.split(maxsplit=1)[:2] or [""]
        if name:
            yield folder, name[0].strip()


def _from_json(text: str) -> Iterator[tuple[str, str]]:
    listed = json.loads(text)
    for key, value in listed.items() if isinstance(listed, dict) else ():
        if isinstance(value, str) and value.strip():
            yield key, value.strip()
        elif isinstance(value, list) and len(value) == 2 and all(isinstance(one, str) and one.strip() for one in value):
            yield value[0], value[1].strip()
