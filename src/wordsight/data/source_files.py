"""What files a source is: patterns expanded, the kind recognised, the split picked.  Opens no image and no table.

`find` is the one door: what a folder is for one verb it is for all.
"""

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import NamedTuple

from wordsight.base.errors import FormatError, NotFound, UsageError
from wordsight.base.progress import notice
from wordsight.data.folder_names import SPLITS
from wordsight.data.kinds import AUTO, FOLDER, OPENERS, kind_of_suffix, kinds
from wordsight.data.listing import is_metadata
from wordsight.images.files import is_image_entry, walk_files, walk_images

_NUMBERED = re.compile(r"[-_.]?\d+(-of-\d+)?(-[0-9a-f]{16})?$")  # "train-0003", "train-00000-of-00002", Hugging Face's
_EXPORTED = re.compile(r"-\d+-of-\d+(-[0-9a-f]{16})?$")
_BRACES = re.compile(r"\{([^{}]*)\}")


class SourceFiles(NamedTuple):
    """The files of a source: its kind, a name for messages, its folder or files in order.

    `whole` says that every file of a folder is meant, so that one that is missing there is missing here; `above` are
    the tables in the folder of which this one is a split.
    """

    kind: str
    name: str
    paths: tuple[Path, ...]
    whole: bool = False
    above: tuple[Path, ...] = ()

    @property
    def is_image_folder(self) -> bool:
        """Whether it is a folder of images rather than files that hold or name them."""
        return self.kind == FOLDER

    def prefixes(self) -> dict[Path, str]:
        """Return what tells entries of each file from those of others of its name: "test/"; "" in a single folder."""
        folders = {path: os.path.abspath(path.parent) for path in self.paths}
        common = os.path.commonpath(folders.values())
        below = {path: Path(os.path.relpath(folder, common)).as_posix() for path, folder in folders.items()}
        return {path: "" if folder == "." else f"{folder}/" for path, folder in below.items()}


class SeveralSplits(UsageError):
    """A folder holds several splits, and none was named; `option` is how it is named where the folder was."""

    def __init__(self, problem: str, option: str) -> None:
        super().__init__(problem, cure=f"name one with {option}NAME, or all of them with {option}all")


@contextlib.contextmanager
def split_named_by(option: str) -> Iterator[None]:
    """While a source is opened, let `SeveralSplits` name the caller's option or key: "--split ", "data.split="."""
    try:
        yield
    except SeveralSplits as error:
        raise SeveralSplits(error.problem, option) from None


def expand(pattern: str) -> list[Path]:
    """Return the paths a pattern stands for: braces (`{000..007}`, `{a,b}`), then `*` and `?`.

    Braces name files that should be there, so each is returned even when absent (its loss is reported when read);
    nothing is returned when none is there.
    """
    import glob  # here, for every search passes this file

    if Path(pattern).exists():
        return [Path(pattern)]
    paths: list[Path] = []
    for text in _braces(pattern):
        if re.search(r"[*?\[]", text):
            paths.extend(Path(match) for match in sorted(glob.glob(text)))
        elif Path(text).exists() or text != pattern:
            paths.append(Path(text))
    return paths if any(path.exists() for path in paths) else []


def _braces(pattern: str) -> list[str]:
    parts = _BRACES.split(pattern)  # text, inside, text, inside, ... text
    choices = [[part] if i % 2 == 0 else _choices(part) for i, part in enumerate(parts)]
    return ["".join(parts) for parts in product(*choices)]


def _choices(inside: str) -> list[str]:
    low, dots, high = inside.partition("..")
    if dots and low.isdigit() and high.isdigit():
        return [str(n).zfill(len(low)) for n in range(int(low), int(high) + 1)]
    return inside.split(",")


def find(paths: list[Path], *, split: str | None, kind: str) -> SourceFiles:
    """Return what the paths hold; see `open_source`."""
    if kind not in kinds():
        raise UsageError(f"a source of kind {kind!r}", cure=f"use one of {', '.join(kinds())}")
    if len(paths) == 1 and paths[0].is_dir():
        return _find_in_folder(paths[0], split=split, kind=kind)
    return _files(paths, paths[0].parent.name or str(paths[0]), split=split, kind=kind)


def holds_embeddings(folder: Path) -> bool:
    """Say whether a folder holds embeddings of images that lie elsewhere: for a library, that is what it is.

    A folder at whose top images lie is one of images, whatever was written beside them.
    """
    pairs = (("embeddings.npy", "metadata.parquet"), ("img_emb", "metadata"), ("manifest.json", "part-00000.json"))
    if not any((folder / one).exists() and (folder / other).exists() for one, other in pairs):
        return False
    with os.scandir(folder) as entries:
        return not any(map(is_image_entry, entries))


def _find_in_folder(folder: Path, *, split: str | None, kind: str) -> SourceFiles:
    named = split if split != "all" else None
    if named and (folder / named).is_dir():
        above = sorted(path for path in folder.glob("metadata.*") if is_metadata(path.name))
        return _find_in_folder(folder / named, split=None, kind=kind)._replace(above=tuple(above))
    contents = _look(folder)
    one = _recognised(contents, named) if kind == AUTO else kind
    if one == FOLDER:
        if named:
            raise NotFound(f"no split {named} in {folder}", cure=f"it needs a folder {folder / named}")
        if split is None:
            _say_pooled(folder)
        return SourceFiles(FOLDER, _name_of(folder), (folder,))
    if kind == AUTO and contents.image and not named:
        notice(f"images in the folders inside {folder} are left alone: it holds {one}", once=True)
    mine = contents.files.get(one) or _files_below(folder).get(one)
    if not mine:
        raise FormatError(f"{folder} holds no {kind}", cure=f"put files of the kind there or leave out kind={kind}")
    chosen = _files(mine, _name_of(folder), split=_named_split(mine, split, folder), kind=one, root=folder)
    return chosen._replace(whole=len(chosen.paths) == len(mine))


def _name_of(folder: Path) -> str:
    """Return the name of a folder for messages, also of `.` and `..`."""
    return os.path.basename(os.path.abspath(folder)) or str(folder)


def _say_pooled(folder: Path) -> None:
    """Say so when the images of several splits are read together though nobody asked for that."""
    with os.scandir(folder) as entries:
        splits = sorted(entry.name for entry in entries if entry.name.lower() in SPLITS and entry.is_dir())
    if len(splits) > 1:
        notice(
            f"{folder} has {' and '.join(splits)}, read together: split=NAME takes one, split=all says this", once=True
        )


class _Contents(NamedTuple):
    """The files at the top of a folder by kind, and whether images lie at its top and anywhere."""

    folder: Path
    files: Mapping[str, list[Path]]
    image_at_top: bool
    image: bool


def _look(folder: Path) -> _Contents:
    """Look at the names at the top, and below until the first image."""
    with os.scandir(folder) as entries:
        visible = [entry for entry in entries if entry.name[0] != "."]
    suffixes = {suffix for opener in OPENERS.values() for suffix in opener.suffixes}
    paths = [Path(entry.path) for entry in visible if _suffix(entry.name) in suffixes and entry.is_file()]
    at_top = any(map(is_image_entry, visible))
    below = not at_top and any(entry.is_dir(follow_symlinks=False) for entry in visible)
    image_below = below and any(True for _ in walk_images(folder))
    if image_below and (folder / "data").is_dir():  # where Hugging Face puts what it exports
        paths += [path for path in (folder / "data").iterdir() if _EXPORTED.search(path.stem) and path.is_file()]
    return _Contents(folder, _by_kind(paths), at_top, at_top or image_below)


def _recognised(contents: _Contents, split: str | None) -> str:
    """Return the kind of a folder: the one door for every verb.

    A split that is asked for decides.  Else images on disk make it a folder of images, whatever lies beside them; but
    shards that are counted from 0, and tables that Hugging Face has exported, are that when no image lies beside them.
    Without images it is what its files are: shards wherever they lie, tables at the top, tables below.
    """
    for kind, paths in contents.files.items():
        exported = all(_EXPORTED.search(path.stem) for path in paths)
        packed = (OPENERS[kind].holds_images or exported) and not contents.image_at_top
        if split and split.split("+")[0] in _splits(paths, contents.folder):
            return kind
        if not split and packed and (not contents.image or _counted(paths)):
            return kind
    if contents.image:
        return FOLDER
    below = _files_below(contents.folder)
    packed_below = [kind for kind in below if OPENERS[kind].holds_images]
    return next(iter([*packed_below, *contents.files, *below]), FOLDER)


def _counted(paths: Iterable[Path]) -> bool:
    """Say whether files are numbered from 0."""
    numbers = (re.search(r"(\d+)(-of-\d+)?(-[0-9a-f]{16})?$", path.stem) for path in paths)
    return any(number is not None and int(number[1]) == 0 for number in numbers)


def _files_below(folder: Path) -> Mapping[str, list[Path]]:
    return _by_kind(folder / path for path, entry in walk_files(folder) if entry.is_file() and "/" in path)


def _by_kind(paths: Iterable[Path]) -> Mapping[str, list[Path]]:
    """Group paths by their kind, in the order of the rows; others are left out."""
    groups: dict[str, list[Path]] = {kind: [] for kind in OPENERS}
    for path in sorted(paths):
        kind = kind_of_suffix(_suffix(path.name))
        if kind:
            groups[kind].append(path)
    return {kind: paths for kind, paths in groups.items() if paths}


def _suffix(name: str) -> str:
    return name[name.rfind(".") :].lower()


def _files(paths: list[Path], name: str, *, split: str | None, kind: str, root: Path | None = None) -> SourceFiles:
    kinds = {path: _kind_of(path) for path in paths}
    first = kinds[paths[0]]
    strange = [path for path in paths if kinds[path] != first]
    if strange:
        raise FormatError(
            f"{strange[0]} is not of one kind with {paths[0].name}", cure="open them one by one and mix them"
        )
    if kind not in (AUTO, first):
        raise UsageError(f"{paths[0]} was to be read as {kind}", cure=f"it is a {first}: leave out kind={kind}")
    chosen = _pick_split(paths, split, root) if split else paths
    label = f"{name}/{split}" if split else (name if len(paths) > 1 else str(paths[0].name))
    return SourceFiles(first, label, tuple(chosen))


def _kind_of(path: Path) -> str:
    kind = kind_of_suffix(path.suffix.lower())
    if kind is not None:
        return kind
    if path.is_dir():
        raise UsageError(f"{path} is a folder among others", cure="open folders one by one and mix them")
    known = ", ".join(suffix for opener in OPENERS.values() for suffix in opener.suffixes)
    packed = path.name.endswith((".gz", ".zip", ".xz", ".zst", ".bz2"))
    raise FormatError(
        f"{path} is of no known form", cure="unpack it first" if packed else f"readable are folders, {known}"
    )


def _splits(paths: Iterable[Path], root: Path | None) -> dict[str, list[Path]]:
    """Group files by their split: the name without its number, or the folder of a split below `root`."""
    groups: dict[str, list[Path]] = {}
    for path in paths:
        name, folder = _NUMBERED.sub("", path.stem), path.parent.name
        if root is not None and path.parent != root and (not name or folder.lower() in SPLITS):
            name = folder
        groups.setdefault(name, []).append(path)
    return groups


def _named_split(paths: list[Path], split: str | None, root: Path) -> str | None:
    groups = _splits(paths, root)
    if split is None and len(groups) > 1:
        raise SeveralSplits(f"several splits lie in {root}: {', '.join(sorted(groups))}", "split=")
    return split


def _pick_split(paths: list[Path], split: str, root: Path | None) -> list[Path]:
    if split == "all":
        return paths
    groups = _splits(paths, root)
    for name in split.split("+"):
        if name not in groups:
            import difflib  # only for the hint: every search passes this file

            near = difflib.get_close_matches(name, groups, n=2, cutoff=0.5)
            cure = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(sorted(groups))}"
            where = root or (paths[0] if len(paths) == 1 else paths[0].parent)
            raise NotFound(f"no split {name} in {where}", cure=cure if any(groups) else "it has no splits: name none")
    return [path for name in split.split("+") for path in groups[name]]
