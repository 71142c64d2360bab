"""What turns pixels and tokens into unit rows: ONNX Runtime, PyTorch, a fake; and the export between the two."""
