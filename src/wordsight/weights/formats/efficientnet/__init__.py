"""EfficientNet-Lites that learned a thousand classes."""
