"""What stands in a graph that nobody should run, found without running it or needing the package `onnx`.

    screen(Path("onnx/image/model.onnx"))     # `FormatError` that names the operator or the file

Refused: operators that may never end, operators of packages that are not ONNX Runtime's own, and tensors in files that
do not lie beside the graph.  The format: onnx/onnx.proto, as protocol buffers; only what is asked of it is read.
"""

from collections.abc import Iterator
from mmap import ACCESS_READ, mmap
from pathlib import Path, PurePosixPath

from wordsight.base.errors import FormatError
from wordsight.base.reading import open_regular

ENDLESS = {"Loop", "Scan"}  # exporters of towers write none
DOMAINS = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft"}
CURE = "use a graph from a source you trust, or the model's weights"
# message -> field number -> what it holds; of strings what is done with them
MESSAGES = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor"},
    "function": {7: "node"},
    "node": {4: "operator", 5: "attribute", 7: "domain"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph"},
    "tensor": {13: "entry"},
    "entry": {1: "key", 2: "value"},
}
DEEPEST = 20  # graphs within graphs


def screen(path: Path) -> None:
    """Raise `FormatError` for a graph that must not be run."""
    if not path.stat().st_size:
        raise FormatError(f"{path} is empty", cure="fetch or export the model again")
    with open_regular(path) as handle, mmap(handle.fileno(), 0, access=ACCESS_READ) as mapped:
        view = memoryview(mapped)
        try:
            strings = list(_strings(view, "model", 0))
        except (IndexError, ValueError, RecursionError) as error:
            raise FormatError(f"{path} is no ONNX graph: {error}", cure="fetch or export the model again") from None
        finally:
            view.release()
    location = False
    for what, text in strings:
        if what == "operator" and text in ENDLESS:
            raise FormatError(f"{path} holds the operator {text}, which may never end", cure=CURE)
        if what == "domain" and text not in DOMAINS:
            raise FormatError(f"{path} holds operators of {text!r}, which ONNX Runtime does not bring", cure=CURE)
        if what == "value" and location and not _is_beside(path, text):
            raise FormatError(f"{path} keeps tensors in {text!r}, which is no file beside it", cure=CURE)
        location = what == "key" and text == "location"


def _is_beside(path: Path, name: str) -> bool:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    return bool(parts) and ".." not in parts and not name.startswith(("/", "\\")) and (path.parent / name).is_file()


def _strings(data: memoryview, message: str, depth: int) -> Iterator[tuple[str, str]]:
    """Yield what the strings of a message, and of those within it, are and say."""
    if depth > DEEPEST:
        raise ValueError("graphs within graphs without end")
    for number, value in _fields(data):
        inside = MESSAGES[message].get(number)
        if inside in MESSAGES:
            yield from _strings(value, inside, depth + (inside == "graph"))
        elif inside is not None:
            yield inside, bytes(value[:1000]).decode("utf-8", "replace")
        value.release()


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield number and content of the fields that have a length; numbers are passed over."""
    position = 0
    while position < len(data):
        key, position = _number(data, position)
        kind = key & 7
        if kind == 0:
            _, position = _number(data, position)
        elif kind in (1, 5):
            position += 8 if kind == 1 else 4
        elif kind == 2:
            length, position = _number(data, position)
            if position + length > len(data):
                raise ValueError("it ends too early")
            yield key >> 3, data[position : position + length]
            position += length
        else:
            raise ValueError(f"a field of kind {kind}")


def _number(data: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("a number of too many digits")
