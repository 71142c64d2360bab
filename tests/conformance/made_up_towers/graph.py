"""Both towers as ONNX."""

import numpy as np
from onnx import TensorProto

from wordsight.towers.graph.pixels import mean_of_patches, normalised
from wordsight.towers.graph.transformer import linear, project


def colours_graph(graph, weights, image, spec):
    pixels = graph.input("pixels", TensorProto.UINT8, ["batch", image.size, image.size, 3])
    x = normalised(graph, pixels, spec.preprocess)
    x = graph.node("AveragePool", x, kernel_shape=[image.patch] * 2, strides=[image.patch] * 2)
    x = graph.node("Transpose", graph.reshape(x, [0, 3, -1]), perm=[0, 2, 1])
    x = graph.node("Add", linear(graph, weights, x, "visual.colour"), graph.constant(weights.take("visual.places")))
    y = graph.node("LeakyRelu", linear(graph, weights, x, "visual.mix"), alpha=image.slope)
    x = mean_of_patches(graph, graph.node("Add", x, y), skip=0)
    graph.output(project(graph, weights, x, "visual.proj"), "rows", ["batch", spec.width])


def counts_graph(graph, weights, text, spec):
    tokens = graph.input("tokens", TensorProto.INT32, ["batch", "length"])
    x = graph.lookup(weights.take("text.meaning.weight"), tokens)
    padding = graph.node("Equal", tokens, graph.constant(np.int32(text.pad_id)))
    seen = graph.node("Cast", graph.node("Not", padding), to=TensorProto.FLOAT)
    x = graph.node("Mul", x, graph.node("Unsqueeze", seen, graph.constant([2])))
    x = graph.node("ReduceSum", x, graph.constant([1]), keepdims=0)
    graph.output(project(graph, weights, x, "text.out", form="linear"), "rows", ["batch", spec.width])
