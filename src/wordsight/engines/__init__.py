"""What turns pixels and tokens into unit embeddings: ONNX Runtime, PyTorch, a fake; and the export between the two."""
