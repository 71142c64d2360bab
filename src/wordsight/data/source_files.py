"""What files a source is: patterns expanded, the kind recognised, the split picked.  Opens no image and no table."""

import difflib
import glob
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from wordsight.base.errors import FormatError, NotFound, UsageError
from wordsight.data.kinds import AUTO, FOLDER, OPENERS, kind_of_suffix, kinds

_NUMBERED = re.compile(r"[-_.]?\d+(-of-\d+)?$")  # "train-0003", "train-00000-of-00002"
_BRACES = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class SourceFiles:
    """The files of a source: its kind, a name for messages, its folder or files in order.

    `whole` says that every file of a folder is meant, so that one that is missing there is missing here.
    """

    kind: str
    name: str
    paths: tuple[Path, ...]
    whole: bool = False


def expand(pattern: str) -> list[Path]:
    """Return the paths a pattern stands for: braces (`{000..007}`, `{a,b}`), then `*` and `?`.

    Braces name files that should be there, so each is returned even when absent (its loss is reported when read);
    nothing is returned when none is there.
    """
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


def _find_in_folder(folder: Path, *, split: str | None, kind: str) -> SourceFiles:
    if split and split != "all" and (folder / split).is_dir():
        return _find_in_folder(folder / split, split=None, kind=kind)
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    for one, opener in OPENERS.items():
        mine = [path for path in files if path.suffix.lower() in opener.suffixes]
        if mine and kind in (AUTO, one):
            chosen = _files(mine, folder.name, split=_named_split(mine, split), kind=one)
            return replace(chosen, whole=len(chosen.paths) == len(mine))
    if kind in (AUTO, FOLDER):
        if split and split != "all":
            raise NotFound(f"no split {split} in {folder}", cure=f"it needs a folder {folder / split}")
        return SourceFiles(FOLDER, folder.name, (folder,))
    raise FormatError(f"{folder} holds no {kind}", cure=f"put files of the kind there or leave out kind={kind}")


def _files(paths: list[Path], name: str, *, split: str | None, kind: str) -> SourceFiles:
    kinds = {path: _kind_of(path) for path in paths}
    first = kinds[paths[0]]
    strange = [path for path in paths if kinds[path] != first]
    if strange:
        raise FormatError(
            f"{strange[0]} is not of one kind with {paths[0].name}", cure="open them one by one and mix them"
        )
    if kind not in (AUTO, first):
        raise UsageError(f"{paths[0]} was to be read as {kind}", cure=f"it is a {first}: leave out kind={kind}")
    chosen = _pick_split(paths, split) if split else paths
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


def _splits(paths: Iterable[Path]) -> dict[str, list[Path]]:
    groups: dict[str, list[Path]] = {}
    for path in paths:
        groups.setdefault(_NUMBERED.sub("", path.stem), []).append(path)
    return groups


def _named_split(paths: list[Path], split: str | None) -> str | None:
    groups = _splits(paths)
    if split is None and len(groups) > 1:
        names = ", ".join(sorted(groups))
        raise UsageError(
            f"several splits lie in {paths[0].parent}: {names}",
            cure="name one with --split (or split=), or all of them with --split all",
        )
    return split


def _pick_split(paths: list[Path], split: str) -> list[Path]:
    if split == "all":
        return paths
    groups = _splits(paths)
    for name in split.split("+"):
        if name not in groups:
            near = difflib.get_close_matches(name, groups, n=2, cutoff=0.5)
            cure = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(sorted(groups))}"
            raise NotFound(f"no split {name} in {paths[0].parent}", cure=cure)
    return [path for name in split.split("+") for path in groups[name]]
