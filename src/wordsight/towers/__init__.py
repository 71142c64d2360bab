"""Two towers: a folder for each family of image and text encoders, their specs as data, and the builder.

Specs, checks, shapes and ONNX graphs are free of PyTorch; modules are PyTorch.
"""
