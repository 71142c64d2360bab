"""Images: decoding, the evaluation transform, training augmentation.  Free of PyTorch."""
