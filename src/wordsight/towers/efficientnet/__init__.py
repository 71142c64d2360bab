"""EfficientNet-Lite."""
