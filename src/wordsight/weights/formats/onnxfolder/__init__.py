"""Folders of finished ONNX graphs."""
