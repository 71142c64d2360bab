"""Image and text towers whose trunk is transformers'."""
