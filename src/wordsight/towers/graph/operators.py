"""An ONNX graph under construction: the operators that our towers are made of, in three precisions.

    graph = Graph("fp32")
    y = graph.linear(graph.input("x", FLOAT, ["batch", 8]), weight, bias)
    graph.output(y, "rows", ["batch", 4]); graph.model(metadata={})

"fp32" graphs hold standard ONNX operators only and run anywhere.  "fp16" graphs are the same with their weights
stored in 16 bits and widened when the graph is opened: half the file.  "int8" graphs are for ONNX Runtime on
processors: weights are stored as 8-bit integers with one scale for each output channel, activations are
quantised while running (one scale a batch), products are summed in integers, which never overflow on any
processor (`quantise_matrix`); norms, softmax, the residual stream and the layers named in `keep` stay in
float32.  Names are numbered in order of creation, so the same
weights give the same bytes.  Free of PyTorch; knows nothing of towers.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from wordsight.base.files import atomic_write
from wordsight.towers.graph.nibbles import ZERO, packed_nibbles, widened_nibbles
from wordsight.towers.graph.precision import Precision
from wordsight.towers.graph.smoothing import Sharing

Array = NDArray[Any]
Read = Callable[[Mapping[str, Array]], Array]  # from a graph's constants, by name, to a weight as it was given

TableBits = Literal[8, 4]

OPSET = 20  # the first with Gelu; ONNX Runtime 1.17 and later
IR_VERSION = 9  # of the same time
CONTRIB = "com.microsoft"  # ONNX Runtime's own operators
EPSILON = 1e-5  # of torch.nn.LayerNorm, GroupNorm and BatchNorm2d
WHOLE = 1_900_000_000  # bytes of constants up to which a graph is one file: protobuf reads no more than 2 GiB
APART = 1024  # bytes from which a constant of a larger graph lies in the file beside it


class Graph:
    """Nodes and constants; every method that adds one returns the name of its result.

    `keep` names the linear layers that an int8 graph computes in float32.  `reach` holds for layers that ask for it the
    largest number that each of their inputs was seen to reach (K,), and `table_bits` says how it stores tables.
    """

    def __init__(
        self,
        precision: Precision,
        *,
        keep: Collection[str] = (),
        table_bits: TableBits = 8,
        reach: Mapping[str, Array] = MappingProxyType({}),
    ) -> None:
        self.precision = precision
        self.table_bits = table_bits
        self.reach = reach
        self.keep = frozenset(keep)
        self.balanced = precision == "int8"  # are ranges shared between norms and the matrices behind them?
        self.layers: list[str] = []  # the linear layers that can be kept, in order
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._count = 0
        self._states: dict[int, tuple[str, int]] = {}

    def state(self, number: int, x: str) -> None:
        """Remember that `x` is what enters block `number` of an image tower."""
        self._states[number] = (x, len(self._nodes))

    def end_at(self, number: int) -> None:
        """Leave out what lies behind: the only output, "state", is what enters block `number`."""
        x, count = self._states[number]
        self._nodes = [*self._nodes[:count], helper.make_node("Identity", [x], ["state"])]
        self._outputs = [helper.make_tensor_value_info("state", onnx.TensorProto.FLOAT, None)]

    def input(self, name: str, kind: int, shape: Sequence[int | str]) -> str:
        """Declare an input; names in `shape` are dynamic axes."""
        self._inputs.append(helper.make_tensor_value_info(name, kind, list(shape)))
        return name

    def output(self, value: str, name: str, shape: Sequence[int | str]) -> None:
        """Declare float32 `value` an output under `name`."""
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, list(shape)))

    def model(self, metadata: Mapping[str, str]) -> bytes:
        """Return the finished model, serialised."""
        content: bytes = self._model(metadata).SerializeToString(deterministic=True)
        return content

    def save(self, path: Path, metadata: Mapping[str, str]) -> None:
        """Write the finished model; constants too large for one file lie beside it in PATH.data."""
        if sum(len(constant.raw_data) for constant in self._constants) > WHOLE:
            self._move_out(path.with_name(f"{path.name}.data"))
        with atomic_write(path) as handle:
            handle.write(self.model(metadata))

    def alike(self, graph: onnx.GraphProto) -> bool:
        """Say whether a finished graph has the same operators, on constants of the same names, shapes and types."""
        mine, other = (
            [(c.name, list(c.dims), c.data_type) for c in all_] for all_ in (self._constants, graph.initializer)
        )
        return self._nodes == list(graph.node) and mine == other

    def _move_out(self, path: Path) -> None:
        """Write the large constants to `path` and leave references in their place."""
        with atomic_write(path) as handle:
            for constant in self._constants:
                data = constant.raw_data
                if len(data) < APART:
                    continue
                handle.write(bytes(-handle.tell() % 64))  # aligned
                entry = {"location": path.name, "offset": str(handle.tell()), "length": str(len(data))}
                handle.write(data)
                constant.ClearField("raw_data")
                constant.data_location = onnx.TensorProto.EXTERNAL
                for key, value in entry.items():
                    constant.external_data.add(key=key, value=value)

    def _model(self, metadata: Mapping[str, str]) -> onnx.ModelProto:
        graph = helper.make_graph(self._nodes, "tower", self._inputs, self._outputs, self._constants)
        opsets = [helper.make_opsetid("", OPSET)]
        if any(node.domain == CONTRIB for node in self._nodes):
            opsets.append(helper.make_opsetid(CONTRIB, 1))
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="wordsight")
        helper.set_model_props(model, dict(metadata))
        return model

    def constant(self, value: Array | np.generic | Sequence[int] | float) -> str:
        """Add a constant; floats become float32, sequences of int int64."""
        array = np.ascontiguousarray(value).reshape(np.shape(value))
        if array.dtype == np.float64:
            array = array.astype(np.float32)
        name = self.add(array)
        if array.dtype == np.float32:
            self.stored(array, lambda constants: constants[name])
        return name

    def add(self, array: Array) -> str:
        """Add a constant as it is; what it holds of a weight is for `stored` to say."""
        name = self._name("constant")
        self._constants.append(numpy_helper.from_array(array, name))
        return name

    def stored(self, given: Array, read: Read) -> None:
        """Do nothing: `wordsight.towers.graph.read_back` overrides this, to take weights out of a graph again.

        Called for every weight that is stored: as it was given, and how it is read from a graph's constants.
        """

    def node(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add an operator with one result."""
        return self.nodes(operator, *inputs, count=1, domain=domain, **attributes)[0]

    def nodes(self, operator: str, *inputs: str, count: int, domain: str = "", **attributes: Any) -> list[str]:
        """Add an operator with `count` results."""
        names = [self._name(operator) for _ in range(count)]
        self._nodes.append(helper.make_node(operator, list(inputs), names, domain=domain, **attributes))
        return names

    def reshape(self, x: str, shape: Sequence[int]) -> str:
        """Reshape; 0 keeps an axis, -1 is inferred."""
        return self.node("Reshape", x, self.constant(list(shape)))

    def linear(
        self, x: str, weight: Array, bias: Array | None, *, name: str = "", smooth: Sharing | None = None
    ) -> str:
        """Return x (..., K) @ weight (K, N) + bias (N,); `name` is what `keep` calls it.

        `smooth` says what of each input's range is moved to the weights before both become integers.
        """
        if name:
            self.layers.append(name)
        if self.precision != "int8" or name in self.keep:
            return self.plus(self.node("MatMul", x, self.matrix(weight)), bias)
        return self.quantised_linear(x, weight, bias, share=self.share(weight, name, smooth))

    def share(self, weight: Array, name: str, smooth: Sharing | None) -> Array | None:
        """Return what a layer's inputs are divided by and the rows of its weight multiplied with, (K,), or None."""
        if smooth is None:
            return None
        reach = self.reach.get(name)
        return np.ones(len(weight), np.float32) if reach is None else smooth(reach, weight).astype(np.float32)

    def plus(self, x: str, bias: Array | None) -> str:
        """Add a bias, where there is one."""
        return x if bias is None else self.node("Add", x, self.constant(bias))

    def quantised_linear(self, x: str, weight: Array, bias: Array | None, *, share: Array | None = None) -> str:
        """Return x @ weight + bias in integers; x gets one scale and zero point when it is known."""
        if share is None:
            constants = [self.add(array) for array in quantise_matrix(weight)]
            self.stored(weight, product_of(*constants))
        else:
            inverse = self.add(1 / share)
            x = self.node("Mul", x, inverse)
            constants = [self.add(array) for array in quantise_matrix(weight / (1 / share)[:, None])]
            read = product_of(*constants)
            self.stored(weight, lambda held: read(held) * held[inverse][:, None])
        if bias is not None:
            constants += ["", self.constant(bias)]
        return self.node("DynamicQuantizeMatMul", x, *constants, domain=CONTRIB)

    def byte_linear(self, x: str, weight: Array, centre: Array, bias: Array | None = None) -> str:
        """Return (x - centre) @ weight + bias for uint8 x (..., K), weight (K, N), centre (K,): the first layer.

        In int8 nothing is lost on the pixels' side: they are bytes already.
        """
        given = np.zeros(weight.shape[1]) if bias is None else bias
        if self.precision != "int8":
            wide = self.node("Cast", x, to=onnx.TensorProto.FLOAT)
            held = self._hold(weight)
            product = self.node("MatMul", wide, self._widened(held))
            shift = self.add((given - centre @ weight).astype(np.float32))
            self.stored(given, lambda constants: constants[shift] + centre @ constants[held].astype(np.float32))
            return self.node("Add", product, shift)
        whole, scale = quantise_matrix(weight)
        zero = np.uint8(np.round(centre.mean()))
        offset = float(zero) - centre
        one = self.add(np.array(1, np.float32))
        names = [self.add(array) for array in (whole, scale, np.array(zero))]
        shift = self.add((given + offset @ (whole * scale)).astype(np.float32))
        read = product_of(*names[:2])
        self.stored(weight, read)
        self.stored(given, lambda constants: constants[shift] - offset @ read(constants))
        inputs = x, names[0], one, *names[1:], "", shift
        return self.node("MatMulIntegerToFloat", *inputs, domain=CONTRIB)

    def matrix(self, value: Array) -> str:
        """Add a weight for computing in float32; in fp16 it is stored in 16 bits."""
        return self._widened(self._hold(value))

    def weight(self, value: Array, *, axis: int) -> str:
        """Add a float32 weight; in int8 it is stored as integers with a scale along `axis` and widened on loading."""
        if self.precision != "int8":
            return self.matrix(value)
        whole, scale = quantise(value, axis=axis)
        shape = [-1 if dimension == axis else 1 for dimension in range(value.ndim)]
        held = self.add(whole)
        wide = self.node("Cast", held, to=onnx.TensorProto.FLOAT)
        factor = self.add(scale.reshape(shape))
        self.stored(value, product_of(held, factor))
        return self.node("Mul", wide, factor)

    def lookup(self, table: Array, rows: str) -> str:
        """Return the rows (..., D) of `table` (V, D) that the int32 indices `rows` (...) name."""
        if self.precision == "fp32":
            return self.node("Gather", self.constant(table), rows, axis=0)
        if self.precision == "fp16":
            return self._widened(self.node("Gather", self._hold(table), rows, axis=0))
        if self.table_bits == 4 and table.shape[1] % 2 == 0:
            return self._lookup_nibbles(table, rows)
        whole, scale = quantise(table, axis=0)
        held = self.add(whole)
        cast = self.node("Cast", self.node("Gather", held, rows, axis=0), to=onnx.TensorProto.FLOAT)
        factor = self.add(scale[:, None])
        self.stored(table, product_of(held, factor))
        return self.node("Mul", cast, self.node("Gather", factor, rows, axis=0))

    def packed_table(self, table: Array) -> tuple[Array, Array]:
        """Return a table (V, D) in 4 bits: bytes (V, D / 2), and the scale of each block of a row."""
        return packed_nibbles(table)

    def _lookup_nibbles(self, table: Array, rows: str) -> str:
        """Do so with two numbers in a byte: the first half of a row in the lower bits, the second in the upper."""
        packed, scale = self.packed_table(table)
        held, factor = self.add(packed), self.add(scale)
        self.stored(table, lambda constants: widened_nibbles(constants[held], constants[factor]))
        both = self.node("Gather", held, rows, axis=0)  # (..., D / 2)
        low = self.node("BitwiseAnd", both, self.add(np.array(15, np.uint8)))
        high = self.node("BitShift", both, self.add(np.array(4, np.uint8)), direction="RIGHT")
        wide = self.node("Cast", self.node("Concat", low, high, axis=-1), to=onnx.TensorProto.FLOAT)  # (B, L, D)
        centred = self.node("Sub", wide, self.add(np.array(ZERO, np.float32)))
        scales = self.node("Cast", self.node("Gather", factor, rows, axis=0), to=onnx.TensorProto.FLOAT)
        scales = self.node("Unsqueeze", scales, self.constant([-1]))  # (B, L, blocks, 1)
        scaled = self.node("Mul", self.reshape(centred, [0, 0, scale.shape[1], -1]), scales)
        return self.reshape(scaled, [0, 0, table.shape[1]])

    def layer_norm(self, x: str, weight: Array, bias: Array, *, epsilon: float = EPSILON) -> str:
        """Normalise the last axis."""
        return self.node("LayerNormalization", x, self.constant(weight), self.constant(bias), axis=-1, epsilon=epsilon)

    def activation(self, x: str, name: str) -> str:
        """Apply an activation of `wordsight.towers.spec`."""
        if name == "gelu":
            return self.node("Gelu", x)
        if name == "gelu_tanh":
            return self.node("Gelu", x, approximate="tanh")
        alpha = {"quick_gelu": 1.702, "silu": 1.0}[name]
        if self.precision == "int8":
            return self.node("QuickGelu", x, domain=CONTRIB, alpha=alpha)
        scaled = x if alpha == 1.0 else self.node("Mul", x, self.constant(alpha))
        return self.node("Mul", x, self.node("Sigmoid", scaled))

    def attention(self, query: str, key: str, value: str, *, heads: int, width: int, bias: str = "") -> str:
        """Return softmax(query keyᵀ / sqrt(width / heads) + bias) value for each head: (B, Q, D).

        query (B, Q, D), key and value (B, T, D); `bias` broadcasts to (B, H, Q, T).
        """
        if self.precision == "int8":
            mask = ("", "", bias) if bias else ()
            return self.node("MultiHeadAttention", query, key, value, *mask, domain=CONTRIB, num_heads=heads)
        scaled = self.node(
            "Mul", self._split(query, heads, width, [0, 2, 1, 3]), self.constant((width / heads) ** -0.5)
        )
        scores = self.node("MatMul", scaled, self._split(key, heads, width, [0, 2, 3, 1]))  # (B, H, Q, T)
        scores = self.node("Add", scores, bias) if bias else scores
        mixed = self.node(
            "MatMul", self.node("Softmax", scores, axis=-1), self._split(value, heads, width, [0, 2, 1, 3])
        )
        return self.reshape(self.node("Transpose", mixed, perm=[0, 2, 1, 3]), [0, 0, width])

    def unit(self, x: str) -> str:
        """Scale the last axis to length 1."""
        return self.node("LpNormalization", x, axis=-1, p=2)

    def first(self, x: str, count: int = 1) -> str:
        """Return the first `count` tokens of x (B, T, D)."""
        return self.node("Slice", x, self.constant([0]), self.constant([count]), self.constant([1]))

    def _hold(self, value: Array) -> str:
        """Add a weight, in 16 bits in a graph of fp16, and return the constant's name."""
        name = self.add(half(value) if self.precision == "fp16" else np.ascontiguousarray(value, np.float32))
        self.stored(value, lambda constants: constants[name].astype(np.float32))
        return name

    def _widened(self, x: str) -> str:
        """Return in float32 what a graph of fp16 stores in 16 bits."""
        return self.node("Cast", x, to=onnx.TensorProto.FLOAT) if self.precision == "fp16" else x

    def _split(self, x: str, heads: int, width: int, order: list[int]) -> str:
        """Take the heads apart, (B, T, H, D/H), and permute."""
        return self.node("Transpose", self.reshape(x, [0, 0, heads, width // heads]), perm=order)

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}_{self._count}"


def product_of(whole: str, scale: str) -> Read:
    """Return how a weight is read that is stored as integers and scales, which broadcast to them."""
    return lambda constants: constants[whole].astype(np.float32) * constants[scale]


def quantise(weight: Array, *, axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return the weight as integers in -127..127 and the float32 scale of each index of `axis`; symmetric.

    For weights that are widened before they are multiplied.
    """
    others = tuple(dimension for dimension in range(weight.ndim) if dimension != axis)
    return _rounded(weight, np.abs(weight).max(axis=others, keepdims=True))


def quantise_matrix(weight: Array) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return a matrix (K, N) as integers and the float32 scale of each column, for products with bytes; symmetric.

    Processors of the x86 family without VNNI add the products of a byte (0..255) each with rows 2i and 2i + 1 in 16
    bits, and saturate (vpmaddubsw).  So the largest sum of such a pair of one sign becomes 127, not the
    largest weight: rounded it is at most 128, and 255 * 128 fits.  Two weights of different signs cannot add up.
    """
    return _rounded(weight, largest_pair(weight)[None])


def largest_pair(weight: Array) -> Array:
    """Return the largest sum of one sign of rows 2i and 2i + 1 of a matrix (K, N), for each column, (N,)."""
    pairs = np.pad(weight, ((0, len(weight) % 2), (0, 0))).reshape(-1, 2, weight.shape[1])  # (K / 2, 2, N)
    sums: Array = np.maximum(pairs.clip(min=0).sum(axis=1), -pairs.clip(max=0).sum(axis=1)).max(axis=0)
    return sums


def _rounded(weight: Array, largest: Array) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return integers, of which 127 stands for `largest` (broadcast), and their scales."""
    scale = np.where(largest > 0, largest, 1).astype(np.float32) / np.float32(127)
    return np.round(weight / scale).astype(np.int8), scale.reshape(-1)


def half(value: Array) -> NDArray[np.float16]:
    """Return a weight in 16 bits; numbers beyond their range become the largest there is."""
    largest = float(np.finfo(np.float16).max)
    return np.clip(value, -largest, largest).astype(np.float16)
