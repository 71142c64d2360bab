"""The transformer blocks of all towers as ONNX, and the weights they take.

The last block of a tower that is read at one token computes its query, its output projection and its MLP
for that token only: the others' results would be thrown away.  Free of PyTorch.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from wordsight.base.errors import FormatError
from wordsight.towers.graph.operators import EPSILON, Array, Graph, half
from wordsight.towers.graph.positions import Angles
from wordsight.towers.graph.smoothing import Sharing, capped, evened
from wordsight.towers.tower_spec import Activation, Projection

LARGEST = 4.0  # how many deviations a normed channel is assumed to reach, for balancing


class GraphWeights:
    """A state dict in float32 that notices what nobody took.

    `folded` holds what a graph has only within other weights, with the value that it has when these are read back: a
    number for a factor or a sum whose true values are packed (`pack_folded`), an array for what is not, with NaN
    where a weight is stored after all.
    """

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self._arrays = arrays
        self._left = set(arrays)
        self.folded: dict[str, Array | float] = {}

    def take(self, name: str, *, folded: Array | float | None = None) -> Array:
        """Return a weight, half precision widened; a missing one is a `FormatError`."""
        if name not in self._arrays:
            raise FormatError(f"no weight {name}", cure="export the towers as wordsight built them")
        self._left.discard(name)
        if folded is not None:
            self.folded[name] = folded
        array = self._arrays[name]
        return array.astype(np.float32) if array.dtype in (np.float16, np.float64) else array

    def has(self, name: str) -> bool:
        """Is there a weight of that name?"""
        return name in self._arrays

    def matrix(self, name: str) -> Array:
        """Return a linear layer's weight as (in, out)."""
        return np.ascontiguousarray(self.take(name).T)

    def pack_folded(self) -> str:
        """Return the weights that are nowhere but within others, in 16 bits, as text; see `unpack_folded`."""
        values = [half(self._arrays[name]).ravel() for name, value in self.folded.items() if np.isscalar(value)]
        return base64.b64encode(np.concatenate(values).astype("<f2").tobytes()).decode() if values else ""

    def unpack_folded(self, packed: str) -> None:
        """Put what a graph packed so into `folded`, in the place of what stands for it."""
        names = [name for name, value in self.folded.items() if np.isscalar(value)]
        ends = np.cumsum([self._arrays[name].size for name in names])
        values = np.frombuffer(base64.b64decode(packed), "<f2").astype(np.float32)
        if len(values) != (ends[-1] if names else 0):
            raise FormatError("the graph's folded weights are of other sizes", cure="export or fetch the model again")
        for name, part in zip(names, np.split(values, ends[:-1]), strict=True):
            self.folded[name] = part.reshape(self._arrays[name].shape)

    def check_all_read(self) -> None:
        """Raise `FormatError` when weights are left over: the graph would not be the tower."""
        if self._left:
            raise FormatError(
                f"the graph has no place for {', '.join(sorted(self._left)[:5])}",
                cure="the tower has parts that the export does not know",
            )


@dataclass(frozen=True, slots=True)
class GraphStack:
    """The shape of a transformer; `prefix` ends where "resblocks" begins."""

    prefix: str
    width: int
    layers: int
    heads: int
    activation: Activation
    epsilon: float = EPSILON
    layer_scale: bool = False
    angles: Angles | None = None
    norm_order: Literal["pre", "post"] = "pre"


@dataclass(frozen=True, slots=True)
class ReadToken:
    """The one token of each row that is read in the end.

    `pick` takes it, (B, T, D) to (B, 1, D); `bias` is what attention scores get when only it asks, as (B, 1, 1, T).
    """

    pick: Callable[[str], str]
    bias: str = ""


@dataclass(frozen=True, slots=True)
class Packed:
    """An attention's fused input projection as (D, 3D) and (3D,), the query's columns first."""

    matrix: Array
    bias: Array


def transformer(
    graph: Graph, weights: GraphWeights, x: str, *, stack: GraphStack, bias: str = "", reading: ReadToken | None = None
) -> str:
    """Add all blocks to x (B, T, D), with `bias` on the attention scores; with `reading` the result is (B, 1, D)."""
    block_of = _pre_norm_block if stack.norm_order == "pre" else _post_norm_block
    for number in range(stack.layers):
        last = reading if number == stack.layers - 1 else None
        x = block_of(graph, weights, x, f"{stack.prefix}resblocks.{number}.", _Attend(stack, bias, last))
    return x


@dataclass(frozen=True, slots=True)
class _Layer:
    """What a linear layer is called, and how its inputs are smoothed."""

    name: str
    smooth: Sharing | None


@dataclass(frozen=True, slots=True)
class _Attend:
    """How a block attends: `bias` on the scores, or for the `last` one which token is read."""

    stack: GraphStack
    bias: str
    last: ReadToken | None

    def mixed(self, graph: Graph, y: str, packed: Packed, name: str, *, smooth: Sharing | None = None) -> str:
        """Return what attention to y (B, T, D) gives: (B, T, D), or (B, 1, D) of the token that is read."""
        layer = _Layer(name, smooth)
        if self.last is None:
            return _attend_all(graph, y, packed, layer=layer, stack=self.stack, bias=self.bias)
        return _attend_one(graph, y, packed, layer=layer, stack=self.stack, reading=self.last)

    def picked(self, x: str) -> str:
        """Return of x (B, T, D) what goes on beside attention."""
        return x if self.last is None else self.last.pick(x)


def _pre_norm_block(graph: Graph, weights: GraphWeights, x: str, block: str, attend: _Attend) -> str:
    stack = attend.stack
    y, matrix = normed(
        graph, weights, x, norm=f"{block}ln_1", following=f"{block}attn.in_proj_weight", epsilon=stack.epsilon
    )
    packed = _arranged(Packed(matrix, weights.take(f"{block}attn.in_proj_bias")), stack)
    mixed = attend.mixed(graph, y, packed, f"{block}attn.in_proj")
    x = attend.picked(x)
    x = graph.node("Add", x, _branch_end(graph, weights, mixed, f"{block}attn.out_proj", _factor(block, 1, stack)))
    y, matrix = normed(
        graph, weights, x, norm=f"{block}ln_2", following=f"{block}mlp.c_fc.weight", epsilon=stack.epsilon
    )
    y = graph.linear(y, matrix, weights.take(f"{block}mlp.c_fc.bias"), name=f"{block}mlp.c_fc")
    y = graph.activation(y, stack.activation)
    return graph.node("Add", x, _branch_end(graph, weights, y, f"{block}mlp.c_proj", _factor(block, 2, stack)))


def _post_norm_block(graph: Graph, weights: GraphWeights, x: str, block: str, attend: _Attend) -> str:
    stack = attend.stack
    packed = Packed(weights.matrix(f"{block}attn.in_proj_weight"), weights.take(f"{block}attn.in_proj_bias"))
    mixed = attend.mixed(graph, x, packed, f"{block}attn.in_proj", smooth=evened)
    branch = linear(graph, weights, mixed, f"{block}attn.out_proj", smooth=capped)
    x = layer_norm(graph, weights, graph.node("Add", attend.picked(x), branch), f"{block}ln_1", epsilon=stack.epsilon)
    y = graph.activation(linear(graph, weights, x, f"{block}mlp.c_fc", smooth=evened), stack.activation)
    branch = linear(graph, weights, y, f"{block}mlp.c_proj", smooth=capped)
    return layer_norm(graph, weights, graph.node("Add", x, branch), f"{block}ln_2", epsilon=stack.epsilon)


def normed(
    graph: Graph, weights: GraphWeights, x: str, *, norm: str, following: str, epsilon: float = EPSILON
) -> tuple[str, Array]:
    """Add a layer norm; return its result and the matrix (in, out) of the linear layer that follows it.

    Where that layer is computed in integers, each channel's range is shared between the norm and the matrix: what
    is large in one and small in the other would be lost in the rounding (Xiao et al. 2022, "SmoothQuant", with
    the norm's own weights in the place of measured activations).
    """
    scale, shift, matrix = weights.take(f"{norm}.weight"), weights.take(f"{norm}.bias"), weights.matrix(following)
    if graph.balanced:
        share = balance(scale, shift, matrix)
        scale, shift, matrix = scale / share, shift / share, matrix * share[:, None]
    return graph.layer_norm(x, scale, shift, epsilon=epsilon), matrix


def balance(scale: Array, shift: Array, matrix: Array) -> Array:
    """Return what to divide each normed channel by, (K,), and to multiply its row of the matrix (K, N) with."""
    reach = np.abs(shift) + LARGEST * np.abs(scale)
    weight = np.abs(matrix).max(axis=1)
    tiny = np.finfo(np.float32).tiny
    usable = (reach > tiny) & (weight > tiny)
    share: Array = np.where(usable, np.sqrt(np.where(usable, reach, 1) / np.where(usable, weight, 1)), 1)
    return share.astype(np.float32)


def linear(graph: Graph, weights: GraphWeights, x: str, name: str, *, smooth: Sharing | None = None) -> str:
    """Add the linear layer of that name."""
    return graph.linear(x, weights.matrix(f"{name}.weight"), weights.take(f"{name}.bias"), name=name, smooth=smooth)


def layer_norm(graph: Graph, weights: GraphWeights, x: str, name: str, *, epsilon: float = EPSILON) -> str:
    """Add the layer norm of that name."""
    return graph.layer_norm(x, weights.take(f"{name}.weight"), weights.take(f"{name}.bias"), epsilon=epsilon)


def project(
    graph: Graph, weights: GraphWeights, x: str, name: str, *, form: Projection = "matrix", beside: str | None = None
) -> str:
    """Bring x (B, D) into the shared space, (B, E), scaled to unit length; always in float32, it costs little.

    The rows `beside` (B, E) are added before the scaling.
    """
    if form == "matrix":
        x = graph.node("MatMul", x, graph.matrix(weights.take(name)))
    elif form == "linear":
        x = graph.node("MatMul", x, graph.matrix(weights.matrix(f"{name}.weight")))
        x = graph.plus(x, weights.take(f"{name}.bias") if weights.has(f"{name}.bias") else None)
    return graph.unit(x if beside is None else graph.node("Add", x, beside))


def hidden_rows(graph: Graph, weights: GraphWeights, x: str, names: tuple[str, str], *, softmax: bool = False) -> str:
    """Return what hidden units add to a projection of x (B, D), (B, E); `names` are those of their two layers."""
    inner, outer = names
    units = graph.node("MatMul", x, graph.weight(weights.matrix(f"{inner}.weight"), axis=1))
    units = graph.plus(units, weights.take(f"{inner}.bias"))
    active = graph.node("Softmax", units, axis=-1) if softmax else graph.node("Gelu", units)
    return graph.node("MatMul", active, graph.weight(weights.matrix(f"{outer}.weight"), axis=1))


def _factor(block: str, number: int, stack: GraphStack) -> str:
    return f"{block}ls_{number}.gamma" if stack.layer_scale else ""


def _branch_end(graph: Graph, weights: GraphWeights, x: str, name: str, factor: str) -> str:
    """Add the linear layer that ends a residual branch, with the branch's factor in its weights."""
    if not factor:
        return linear(graph, weights, x, name)
    gamma = weights.take(factor, folded=1)
    return graph.linear(x, weights.matrix(f"{name}.weight") * gamma, weights.take(f"{name}.bias") * gamma, name=name)


def _arranged(packed: Packed, stack: GraphStack) -> Packed:
    """Where positions are rotary, put the two channels of each pair half a head apart, for query and key alike."""
    if stack.angles is None:
        return packed
    columns = paired(stack.width, stack.heads)
    return Packed(np.ascontiguousarray(packed.matrix[:, columns]), packed.bias[columns])


def paired(width: int, heads: int) -> Array:
    """Return the columns of a fused projection (D, 3D) in the order that `turned` wants for query and key."""
    order = np.arange(width).reshape(heads, width // heads // 2, 2).transpose(0, 2, 1).reshape(-1)
    columns: Array = np.concatenate([order, width + order, 2 * width + np.arange(width)])
    return columns


def turned(graph: Graph, x: str, *, angles: Angles, heads: int, width: int) -> str:
    """Turn the pairs of channels of x (B, T, D), which lie half a head apart, by the angles of their token."""
    apart = graph.reshape(x, [0, 0, heads, width // heads])
    first, second = graph.nodes("Split", apart, count=2, axis=-1, num_outputs=2)  # (B, T, H, d/2)
    cos, sin = (graph.constant(table[:, None, :].astype(np.float32)) for table in (angles.cos, angles.sin))
    left = graph.node("Sub", graph.node("Mul", first, cos), graph.node("Mul", second, sin))
    right = graph.node("Add", graph.node("Mul", second, cos), graph.node("Mul", first, sin))
    return graph.reshape(graph.node("Concat", left, right, axis=-1), [0, 0, width])


def _attend_all(graph: Graph, y: str, packed: Packed, *, layer: _Layer, stack: GraphStack, bias: str) -> str:
    fused = graph.linear(y, packed.matrix, packed.bias, name=layer.name, smooth=layer.smooth)  # (B, T, 3D)
    query, key, value = graph.nodes("Split", fused, count=3, axis=-1, num_outputs=3)
    if stack.angles is not None:
        query, key = (turned(graph, x, angles=stack.angles, heads=stack.heads, width=stack.width) for x in (query, key))
    return graph.attention(query, key, value, heads=stack.heads, width=stack.width, bias=bias)


def _attend_one(graph: Graph, y: str, packed: Packed, *, layer: _Layer, stack: GraphStack, reading: ReadToken) -> str:
    width = stack.width
    cut = [np.ascontiguousarray(part) for part in (packed.matrix[:, :width], packed.matrix[:, width:])]
    name, smooth = layer.name, layer.smooth
    query = graph.linear(reading.pick(y), cut[0], packed.bias[:width], name=name, smooth=smooth)  # (B, 1, D)
    fused = graph.linear(y, cut[1], packed.bias[width:], name=name, smooth=smooth)  # (B, T, 2D)
    key, value = graph.nodes("Split", fused, count=2, axis=-1, num_outputs=2)
    if stack.angles is not None:  # only the first token is ever read, which lies at the origin of its angles
        query = turned(graph, query, angles=stack.angles.first(), heads=stack.heads, width=width)
        key = turned(graph, key, angles=stack.angles, heads=stack.heads, width=width)
    return graph.attention(query, key, value, heads=stack.heads, width=width, bias=reading.bias)
