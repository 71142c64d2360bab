"""PyTorch's files as plain nested values, read without PyTorch and without running anything of them.

    read_torch_tree(Path("checkpoint.pt"))     # {"epoch": 3, "state_dict": {"visual.proj": StoredTensor(...), ...}}

Three layouts: the zip of today (`data.pkl` and `data/0`, `data/1`, ...), the single stream of PyTorch before 1.6,
and TorchScript's archives, whose modules become nested dicts.  Tensors are `StoredTensor`: mapped, read when asked for.
"""

from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from wordsight.base.errors import FormatError
from wordsight.base.reading import open_regular
from wordsight.weights.archive.allowed import Dtype, Numbers, allowed, allowed_in_script
from wordsight.weights.archive.lazy import StoredTensor
from wordsight.weights.archive.pickles import Machine, Name, PickledObject
from wordsight.weights.archive.views import KIND_OF_STORAGE, Storage, width
from wordsight.weights.archive.zips import Zip
from wordsight.weights.checkpoint import Array

PICKLE = "data.pkl"
MOST_PICKLE = 64 * 2**20  # bytes of the pickle in a zip: names and plain values, never numbers of weights
MOST_DEPTH = 100  # of dicts and lists in each other
MAGIC = 0x1950A86A20F9469CFC6C  # torch/serialization.py: MAGIC_NUMBER, before 1.6
PROTOCOL = 1001
START = 32  # bytes in which a file shows what it is


def is_legacy(start: bytes) -> bool:
    """Return whether a file that begins so is one of PyTorch before 1.6."""
    return start[:1] == b"\x80" and MAGIC.to_bytes(10, "little") in start


def read_torch_tree(path: Path) -> Any:
    """Return what a PyTorch file holds: dicts, lists, plain values, `StoredTensor`s, objects as `PickledObject`."""
    with open_regular(path) as handle:
        start = handle.read(START)
    if start[:2] == b"PK":
        return zip_tree(Zip(path))
    if is_legacy(start):
        return _legacy_tree(path)
    raise FormatError(
        f"{path} is no file of PyTorch, or one older than 2017: it begins with {start[:8]!r}",
        cure="fetch it again, or save it with a newer PyTorch",
    )


def zip_tree(archive: Zip) -> Any:
    """Return what the zip layout or a TorchScript archive holds."""
    candidates = [name for name in archive.names if PurePosixPath(name).name == PICKLE and name.count("/") <= 1]
    if len(candidates) != 1:
        raise FormatError(
            f"{archive.path} is a zip with {len(candidates)} files {PICKLE}, so none of PyTorch's",
            cure="fetch it again; archives of TorchScript before 1.4 are not read",
        )
    top = candidates[0][: -len(PICKLE)]
    script = f"{top}constants.pkl" in archive.entries or any(name.startswith(f"{top}code/") for name in archive.names)
    order = "<"
    if f"{top}byteorder" in archive.entries:
        order = {b"little": "<", b"big": ">"}.get(archive.small(f"{top}byteorder", limit=16).strip(), "")
    if not order:
        raise FormatError(f"{archive.path} is of no known byte order", cure="fetch the file again")
    machine = Machine(
        archive.small(candidates[0], limit=MOST_PICKLE),
        names=allowed_in_script if script else allowed,
        persistent=partial(_zip_storage, archive, top, order),
        where=str(archive.path),
    )
    return settled(machine.run(), machine)


def _zip_storage(archive: Zip, top: str, order: str, pid: Any) -> Storage:
    kind, label, count = _storage_id(pid, str(archive.path))
    entry = archive.entries.get(f"{top}data/{label}")
    if entry is None or entry.size != count * width(kind):
        has = "nothing" if entry is None else f"{entry.size} bytes"
        raise FormatError(
            f"{archive.path} promises {count} numbers of type {kind} in data/{label[:40]} but has {has} there",
            cure="fetch the file again",
        )
    return Storage(kind, count, partial(archive.raw, entry.name), order)


def _storage_id(pid: Any, where: str) -> tuple[str, str, int]:
    """Return type, label and length of a storage as ("storage", class, label, place, length) names it."""
    if type(pid) is tuple and len(pid) in (5, 6) and pid[0] == "storage":
        _, kind, label, _, count = pid[:5]
        typed = type(kind) is Name and kind.path in KIND_OF_STORAGE
        if typed and type(label) is str and type(count) is int and count >= 0:
            return KIND_OF_STORAGE[kind.path], label, count
    raise FormatError(f"{where} refers to something that is no storage", cure="use weights from a source you trust")


class _Legacy:
    """The storages of a single stream, which are announced first and follow after."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.announced: dict[str, tuple[str, int]] = {}
        self.offsets: dict[str, int] = {}
        self.content = np.memmap(path, np.uint8, mode="r")

    def storage(self, pid: Any) -> Any:
        if type(pid) is tuple and len(pid) == 4 and pid[0] == "module":  # a class with its source, which is not read
            return pid[1]
        kind, label, count = _storage_id(pid, str(self.path))
        if self.announced.setdefault(label, (kind, count)) != (kind, count):
            raise self._bad(f"storage {label[:40]} has two lengths")
        whole = Storage(kind, count, partial(self._numbers, label))
        view = pid[5] if len(pid) == 6 else None
        return whole if view is None else whole.part(view[1], view[2])

    def take(self, labels: Any, at: int) -> None:
        """Note where each storage lies: eight bytes with its length, then its numbers, always little-endian."""
        if type(labels) is not list or set(labels) != set(self.announced) or len(labels) != len(self.announced):
            raise self._bad("its storages are not those that its tensors need")
        for label in labels:
            kind, count = self.announced[label]
            stated = int.from_bytes(self.content[at : at + 8].tobytes(), "little", signed=True)
            if stated != count:
                raise self._bad(f"storage {label[:40]} has {stated} numbers, not {count}")
            self.offsets[label] = at + 8
            at += 8 + count * width(kind)
            if at > len(self.content):
                raise self._bad("it ends before its numbers do")

    def _numbers(self, label: str) -> Array:
        kind, count = self.announced[label]
        begin = self.offsets[label]
        return self.content[begin : begin + count * width(kind)]

    def _bad(self, problem: str) -> FormatError:
        return FormatError(f"{self.path} is not whole: {problem}", cure="fetch the file again")


def _legacy_tree(path: Path) -> Any:
    legacy = _Legacy(path)
    # the pickles lie at the beginning, and no more of the file is taken into memory
    data = legacy.content[:MOST_PICKLE].tobytes()
    at, values, machine = 0, [], None
    for number in range(5):  # the magic number, the protocol, facts of the system, the value, labels of the storages
        machine = Machine(data, names=allowed, persistent=legacy.storage, where=str(path), at=at)
        values.append(machine.run())
        at = machine.at
        if (number, values[-1]) == (1, values[-1]) and values[:2] != [MAGIC, PROTOCOL]:
            raise FormatError(f"{path} is of an unknown version of PyTorch's format", cure="save it with a newer one")
    legacy.take(values[4], at)
    assert machine is not None
    return settled(values[3], machine)


def settled(value: Any, machine: Machine) -> Any:
    """Return a value with finished arrays in the place of those being built; what holds itself is refused."""
    done: dict[int, Any] = {}

    def settle(node: Any, depth: int) -> Any:
        if type(node) not in (dict, list, tuple, PickledObject, Numbers, Dtype):
            return node
        if id(node) in done:
            if done[id(node)] is OPEN:
                raise machine.bad("it holds itself")
            return done[id(node)]
        if depth > MOST_DEPTH:
            raise machine.bad(f"it is nested more than {MOST_DEPTH} deep")
        done[id(node)] = OPEN
        if isinstance(node, dict):
            result: Any = {name: settle(item, depth + 1) for name, item in node.items()}
        elif isinstance(node, list | tuple):
            result = type(node)(settle(item, depth + 1) for item in node)
        elif isinstance(node, PickledObject):
            result = PickledObject(node.kind, {name: settle(item, depth + 1) for name, item in node.fields.items()})
        else:
            result = node.value
        done[id(node)] = result
        return result

    return settle(value, 0)


OPEN = object()  # stands for what is being settled


def flattened(tree: Any, most: int = 200_000) -> dict[str, StoredTensor]:
    """Return the tensors of nested dicts, lists and objects, each under its path joined by dots."""
    tensors: dict[str, StoredTensor] = {}
    left = [most]

    def walk(node: Any, path: str) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise FormatError(f"a checkpoint with more than {most} parts", cure="use weights from a source you trust")
        if isinstance(node, StoredTensor):
            tensors[path] = node
        elif isinstance(node, np.ndarray):
            tensors[path] = StoredTensor("", node.shape, lambda: node)
        elif isinstance(node, dict):
            for name, item in node.items():
                walk(item, f"{path}.{name}" if path else str(name))
        elif isinstance(node, PickledObject):
            walk(node.fields, path)
        elif isinstance(node, list | tuple):
            for number, item in enumerate(node):
                walk(item, f"{path}.{number}")

    walk(tree, "")
    return tensors
