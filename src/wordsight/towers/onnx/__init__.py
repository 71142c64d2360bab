"""Towers that are finished ONNX graphs, run as they are."""
