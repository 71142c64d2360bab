"""ONNX graphs under construction: operators, and the parts that several towers are made of.  Free of PyTorch."""
