"""Weights on disk: our model folder, and where public formats will be read.  Knows the towers."""
