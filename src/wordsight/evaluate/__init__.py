"""How good is a model: metrics with intervals, zero-shot classification and retrieval.  Free of PyTorch."""
