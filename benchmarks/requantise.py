"""Rewrite the int8 graphs of an earlier version so that 16 bits hold the sums of their products.

    python benchmarks/requantise.py MODEL                # MODEL/onnx/*.int8.onnx, in place

For a folder without weights; with weights `wordsight convert MODEL MODEL --to onnx` loses less.  A column whose
sums fit stays as it is.  In the others either the sums that do not fit are cut or the column gets a coarser scale,
whichever changes its weights less.  Printed is the change of the weights of each matrix, as a fraction of their norm.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from wordsight.towers.graph.operators import quantise_matrix
from wordsight.towers.graph.precision import SUMS

PRODUCTS = {"DynamicQuantizeMatMul": (1, 2), "MatMulIntegerToFloat": (1, 3)}  # where weights and scales stand
LARGEST = 128  # of two neighbouring weights of one sign: 255 * 128 fits 16 bits


def cut(whole: np.ndarray) -> np.ndarray:
    """Return integers (K, N) with both weights of a pair that does not fit reduced equally."""
    count, width = whole.shape
    pairs = np.pad(whole.astype(int), ((0, count % 2), (0, 0))).reshape(-1, 2, width)
    excess = np.maximum(np.abs(pairs.sum(axis=1)) - LARGEST, 0) * (pairs.prod(axis=1) > 0)
    share = np.stack([(excess + 1) // 2, excess // 2], axis=1)
    return (pairs - np.sign(pairs) * share).reshape(-1, width)[:count]


def refitted(whole: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return integers and scales whose sums fit, the nearer of two ways for each column."""
    weight = whole * scale
    first, (second, coarser) = cut(whole), quantise_matrix(weight)
    nearer = ((first * scale - weight) ** 2).sum(axis=0) <= ((second * coarser - weight) ** 2).sum(axis=0)
    return np.where(nearer, first, second).astype(np.int8), np.where(nearer, scale, coarser).astype(np.float32)


def rewrite(path: Path) -> None:
    """Rewrite one graph in place."""
    model = onnx.load(path)
    constants = {one.name: one for one in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type not in PRODUCTS:
            continue
        names = [node.input[index] for index in PRODUCTS[node.op_type]]
        whole, scale = (numpy_helper.to_array(constants[name]) for name in names)
        new = refitted(whole, scale)
        change = np.linalg.norm(new[0] * new[1] - whole * scale) / np.linalg.norm(whole * scale)
        same = (new[0] == whole).all(axis=0).mean()
        print(f"{path.name} {names[0]} {whole.shape}: changed by {change:.4f}, {same:.0%} of the columns not at all")
        for name, value in zip(names, new, strict=True):
            constants[name].CopyFrom(numpy_helper.from_array(value, name))
    stated = {entry.key: entry.value for entry in model.metadata_props}
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {**stated, "sums": SUMS})
    path.write_bytes(model.SerializeToString(deterministic=True))


if __name__ == "__main__":
    for graph in sorted((Path(sys.argv[1]) / "onnx").glob("*.int8.onnx")):
        rewrite(graph)
