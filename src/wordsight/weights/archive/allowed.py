"""What a pickle may name, and what stands for it here: plain values, numpy's numbers, PyTorch's tensors.

Each stand-in is a function of ours that makes plain values; nothing is imported or looked up by name.  A name
that is not here is refused (`archive.pickles`).
"""

import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from wordsight.weights.archive.pickles import Name, PickledObject, key, pairs
from wordsight.weights.archive.views import KIND_OF_DTYPE, KIND_OF_STORAGE, rebuild, retyped
from wordsight.weights.checkpoint import Array

NUMBERS = re.compile(r"[<>=|]?([biufc](1|2|4|8|16)|\?|[SU]\d{1,4})")
MOST_AXES = 32
SCRIPT = "__torch__."  # TorchScript's own classes


class Dtype:
    """numpy's description of a number, while a pickle builds it."""

    def __init__(self, code: str, *_: Any) -> None:
        if not NUMBERS.fullmatch(code):
            raise ValueError(f"numbers of type {code[:20]}")
        self.value = np.dtype(code)

    def build(self, version: int, order: str, *_: Any) -> None:
        """Take the byte order."""
        if order not in ("<", ">", "=", "|"):
            raise ValueError("an unknown byte order")
        if order in ("<", ">"):
            self.value = np.dtype(order + self.value.str[1:])


class Numbers:
    """A numpy array, while a pickle builds it."""

    def __init__(self, *_: Any) -> None:
        self.value: Array = np.empty(0)

    def build(self, *state: Any) -> None:
        """Take version, shape, type, whether columns lie together, and bytes."""
        _, shape, dtype, columns, raw = state
        self.value = _array(raw, dtype, shape, "F" if columns else "C")


def _array(raw: Any, dtype: Any, shape: Any, order: str = "C") -> Array:
    if type(dtype) is not Dtype or len(shape) > MOST_AXES or order not in ("C", "F"):
        raise ValueError("an array that holds more than numbers")
    content = raw.encode("latin-1") if isinstance(raw, str) else raw
    flat = np.frombuffer(content, dtype.value)
    return flat.reshape(shape, order="F" if order == "F" else "C")


def _scalar(dtype: Dtype, raw: Any) -> Any:
    return _array(raw, dtype, ()).item()


def _encode(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(f"encoding {encoding[:20]}")
    return text.encode("latin-1")


def _dict(items: Any = ()) -> dict[Any, Any]:
    return pairs(items.items() if isinstance(items, dict) else items)


def _default_dict(factory: Any = None, items: Any = ()) -> dict[Any, Any]:
    return _dict(items)


def _set(items: Any = ()) -> set[Any]:
    return {key(item) for item in items}


def _list(items: Any = ()) -> list[Any]:
    return list(items)


def _same(value: Any, *_: Any) -> Any:
    return value


def _bytes(*given: Any) -> bytes:
    if not given:
        return b""
    return _encode(*given) if isinstance(given[0], str) else bytes(_raw(given[0]))


def _raw(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError(f"bytes of {type(value).__name__}")
    return value


def _device(kind: str, index: int | None = None) -> str:
    return f"{kind}" if index is None else f"{kind}:{index}"


def _path(*parts: str) -> str:
    return str(PurePosixPath(*parts))


def _rebuild_from_type(function: Any, kind: Any, arguments: Any, state: Any) -> Any:
    if type(function) is not Name or function.path not in TENSORS or type(arguments) is not tuple:
        raise ValueError("a tensor made by something else")
    return TENSORS[function.path](*arguments)


def _reconstruct(kind: Name, base: Any, state: Any) -> Any:
    if type(kind) is not Name or kind.call is None or state is not None:
        raise ValueError("an object of no known class")
    return kind.call()


def _rebuild_v2(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Any:
    return rebuild(storage, offset, size, stride)


def _rebuild_v3(storage: Any, *rest: Any) -> Any:
    offset, size, stride, _, _, dtype = rest[:6]
    return rebuild(retyped(storage, KIND_OF_DTYPE[dtype.path]), offset, size, stride)


TENSORS: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor": _rebuild_v2,
    "torch._utils._rebuild_tensor_v2": _rebuild_v2,
    "torch._utils._rebuild_tensor_v3": _rebuild_v3,
    "torch._utils._rebuild_parameter": _same,
    "torch._utils._rebuild_parameter_with_state": _same,
    "torch.nn.parameter.Parameter": _same,
}
NUMPY = {
    "multiarray._reconstruct": Numbers,
    "multiarray.scalar": _scalar,
    "numeric._frombuffer": _array,
}
PLAIN = {
    "bool": None,
    "int": None,
    "float": None,
    "str": None,
    "object": None,
    "list": _list,
    "dict": _dict,
    "tuple": None,
    "bytes": _bytes,
    "bytearray": _bytes,
    "set": _set,
    "frozenset": _set,
    "complex": complex,
    "slice": slice,
}
CALLS: Mapping[str, Any] = {
    **TENSORS,
    **{f"{module}.{name}": call for module in ("builtins", "__builtin__") for name, call in PLAIN.items()},
    **{f"numpy.{core}.{name}": call for core in ("core", "_core") for name, call in NUMPY.items()},
    "numpy.dtype": Dtype,
    "numpy.ndarray": None,
    "_codecs.encode": _encode,
    "collections.OrderedDict": _dict,
    "collections.Counter": _dict,
    "collections.defaultdict": _default_dict,
    "copy_reg._reconstructor": _reconstruct,
    "copyreg._reconstructor": _reconstruct,
    "torch._tensor._rebuild_from_type_v2": _rebuild_from_type,
    "torch.Size": tuple,
    "torch.device": _device,
    "torch.Tensor": None,
    "torch.serialization._get_layout": _same,
    "torch.torch_version.TorchVersion": _same,
    "torch.jit._pickle.restore_type_tag": _same,
    **{f"torch.jit._pickle.build_{kind}list": _list for kind in ("int", "double", "bool", "tensor")},
    **{f"pathlib.{name}": _path for name in ("Path", "PosixPath", "PurePosixPath", "WindowsPath", "PureWindowsPath")},
    **dict.fromkeys(KIND_OF_DTYPE),
    **dict.fromkeys(KIND_OF_STORAGE),
}
OPAQUE = {"argparse.Namespace", "types.SimpleNamespace"}


def allowed(module: str, name: str) -> Name | None:
    """Return what stands for a name of PyTorch's or numpy's, or None for one that holds no weights."""
    path = f"{module}.{name}"
    if path in CALLS:
        return Name(path, CALLS[path])
    return Name(path, lambda *_: PickledObject(path)) if path in OPAQUE else None


def allowed_in_script(module: str, name: str) -> Name | None:
    """The same for TorchScript's archives, whose modules are objects of classes that are not looked at."""
    path = f"{module}.{name}"
    if path.startswith(SCRIPT) or module == "__torch__":
        return Name(path, lambda *_: PickledObject(path))
    return allowed(module, name)
